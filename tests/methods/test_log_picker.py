"""RELION's LoG picker: its own picks, its options, planted discs, noise."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxpick.io.nouns import Micrograph
from jaxpick.methods import log
from jaxpick.numerics.grids import frequency_grid
from jaxpick.physics.constants import electron_wavelength_angstrom
from jaxpick.physics.ctf import Optics, contrast_transfer
from jaxpick.picking.log_picker import (
    LogDecodeSpec,
    greedy_maxima,
    tried_diameters,
    undo_first_peak,
)
from jaxpick.picking.picker import Picker
from jaxpick.preprocess.standardised import StandardisedSpec
from jaxpick.spec import SpecError, as_plain, build

CASES = {
    "default": log.Spec(min_diameter_angstrom=130.0, max_diameter_angstrom=170.0),
    "noopt": log.Spec(
        min_diameter_angstrom=130.0,
        max_diameter_angstrom=170.0,
        working=StandardisedSpec(optimise_size=False),
    ),
    "adj": log.Spec(
        min_diameter_angstrom=130.0,
        max_diameter_angstrom=170.0,
        decode=LogDecodeSpec(adjust_threshold=1.0, upper_threshold=999.0),
    ),
}


def pick(image, pixel, diameter, spec=log.Spec(), above=None):
    picker = log.make_picker(spec, {}, diameter)
    micrograph = Micrograph(image=image.astype(np.float32), pixel_size_angstrom=pixel, name="m.mrc")
    found = picker.candidates(picker.prepare(micrograph))
    return found.select(found.score >= (picker.threshold if above is None else above))


def discs(shape, centres, diameter, noise=0.3, seed=0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.random.default_rng(seed).normal(0, noise, shape)
    for cy, cx in centres:
        image -= np.hypot(y - cy, x - cx) <= diameter / 2
    return image


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_picks_are_those_of_relion(oracles, case):
    with np.load(oracles / "relion_log.npz") as file:
        image = file["image_q"] / np.float32(16)
        wanted, merit = file[f"{case}/picks_xy"], file[f"{case}/fom"]
        border = int(file[f"{case}/skip_side"])
    found = pick(image, 4.0, 150.0, CASES[case])
    assert len(found) == len(wanted)
    position = np.stack([found.x, found.y], axis=1)
    apart = np.linalg.norm(position[None] - wanted[:, None], axis=-1)
    assert apart.min(axis=1).max() < 0.01
    same = found.extra["figure_of_merit"][apart.argmin(axis=1)]
    assert np.abs(same - merit).max() < 1e-4
    assert stats.spearmanr(found.score[apart.argmin(axis=1)], merit).statistic > 0.9999
    assert border == 6


@pytest.mark.oracle
def test_responses_and_threshold_are_those_of_relion(oracles):
    with np.load(oracles / "relion_log.npz") as file:
        image = file["image_q"] / np.float32(16)
        best, diameter = file["noopt/best_fom"], file["noopt/best_diameter"]
        threshold = float(file["noopt/threshold"])
        tried = file["noopt/diameters"].tolist()
    assert tried_diameters((130.0, 170.0), 5.0) == tried
    picker = log.make_picker(CASES["noopt"], {}, 150.0)
    working = picker.prepare(Micrograph(image=image, pixel_size_angstrom=4.0, name="m.mrc"))
    found = picker.responses(working)
    inside = (slice(6, -6), slice(6, -6))
    wanted = (diameter >= 130) & (diameter <= 170)
    # RELION treats the Nyquist row otherwise, which moves the responses to the least diameters.
    agree = found.best_diameter_angstrom == diameter
    assert np.mean(agree[inside]) > 0.99
    assert np.abs(found.figure_of_merit - best)[inside][(wanted & agree)[inside]].max() < 1e-5
    assert abs(found.mean - threshold) < 1e-4


@pytest.mark.parametrize("shape", [(300, 300), (240, 330)])
def test_planted_discs_are_found_where_they_are(shape):
    centres = [(60, 70), (150, 100), (60, 200), (190, 220), (200, 60)]
    found = pick(
        discs(shape, centres, 30),
        2.0,
        60.0,
        log.Spec(working=StandardisedSpec(resolution_angstrom=8.0)),
        above=1.5,
    )
    assert len(found) == len(centres)
    apart = np.hypot(
        found.x[:, None] - [x for _, x in centres], found.y[:, None] - [y for y, _ in centres]
    )
    assert apart.min(axis=0).max() < 3
    assert np.all(np.diff(found.score) <= 0)


def test_a_pick_has_the_value_of_the_map_at_its_place():
    picker = log.make_picker(log.Spec(), {}, 60.0)
    image = discs((256, 256), [(60, 70), (150, 100)], 30).astype(np.float32)
    working = picker.prepare(Micrograph(image=image, pixel_size_angstrom=2.0, name="m.mrc"))
    found, responses = picker.candidates(working), picker.responses(working)
    y, x = working.coordinates.to_working(found.y, found.x)
    at = responses.figure_of_merit[np.round(y).astype(int), np.round(x).astype(int)]
    assert np.allclose(at, found.extra["figure_of_merit"])
    assert np.allclose((at - responses.mean) / responses.deviation, found.score, atol=1e-5)


def test_picks_are_blind_to_gain_and_offset():
    image = discs((256, 256), [(60, 70), (150, 100)], 30)
    one, other = pick(image, 2.0, 60.0), pick(50 * image + 1000, 2.0, 60.0)
    assert len(one) == len(other)
    assert np.allclose(one.x, other.x)
    assert np.allclose(one.score, other.score, atol=1e-3)


def test_same_input_same_picks_also_where_sides_differ():
    image = discs((200, 260), [(60, 70)], 30)
    one, other = pick(image, 2.0, 60.0), pick(image, 2.0, 60.0)
    assert np.array_equal(one.x, other.x)
    assert one.x.max() < 260 and one.y.max() < 200


def test_the_upper_threshold_drops_a_peak_that_still_clears_its_disc():
    image = discs((256, 256), [(60, 70), (150, 100)], 30)
    image[140:160, 90:110] -= 3
    free = pick(image, 2.0, 60.0)
    limit = (free.score[0] + free.score[1]) / 2
    limited = pick(image, 2.0, 60.0, log.Spec(decode=LogDecodeSpec(upper_threshold=float(limit))))
    assert np.array_equal(limited.x, free.x[1:])


def test_distance_and_neighbour_set_how_near_picks_may_be():
    image = np.random.default_rng(0).normal(size=(300, 300))

    def nearest(found):
        apart = np.hypot(found.x[:, None] - found.x, found.y[:, None] - found.y)
        return apart[~np.eye(len(found), dtype=bool)].min()

    spec = log.Spec(min_diameter_angstrom=60.0, max_diameter_angstrom=60.0)
    for decode, least in (
        (LogDecodeSpec(), 60),
        (LogDecodeSpec(neighbour=1.5), 90),
        (LogDecodeSpec(distance_diameters=0.5), 30),
    ):
        found = pick(
            image,
            2.0,
            60.0,
            log.Spec(min_diameter_angstrom=60.0, max_diameter_angstrom=60.0, decode=decode),
        )
        assert nearest(found) * 2.0 > least
        assert nearest(found) * 2.0 < 2 * least
    assert len(pick(image, 2.0, 60.0, spec)) > 10


def test_greedy_maxima_equal_a_search_by_brute_force():
    rng = np.random.default_rng(3)
    merit = rng.normal(size=(40, 50)).astype(np.float32)
    clears = rng.uniform(1, 6, merit.shape).astype(np.float32)
    left, expected = merit.copy(), []
    y, x = np.mgrid[:40, :50]
    while left.max() > 0:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        expected.append((int(row), int(column)))
        left[np.hypot(y - row, x - column) <= clears[row, column]] = -1
    found = greedy_maxima(merit, clears)
    assert list(zip(found[0].tolist(), found[1].tolist(), strict=True)) == expected
    nothing = greedy_maxima(-np.abs(merit), clears)
    assert len(nothing[0]) == len(nothing[1]) == 0


def test_the_transfer_is_undone_up_to_its_first_peak_and_no_further():
    optics = Optics(defocus_u_angstrom=2e4, defocus_v_angstrom=2e4, spherical_aberration_mm=0.0)
    image = jnp.asarray(np.random.default_rng(0).normal(size=(64, 64)), jnp.float32)
    fy, fx = frequency_grid((64, 64), 5.0)
    transfer = np.abs(contrast_transfer(optics, fy, fx))
    ratio = np.fft.rfft2(undo_first_peak(image, 5.0, optics)) / np.fft.rfft2(image)
    # sin(pi lambda D f^2 + asin 0.1) has its first peak at f^2 = (1/2 - asin(0.1) / pi) / (lambda D).
    peak = np.sqrt((0.5 - np.arcsin(0.1) / np.pi) / (electron_wavelength_angstrom(300.0) * 2e4))
    frequency = np.hypot(fy, fx)
    below, beyond = frequency < 0.98 * peak, frequency > 1.02 * peak
    assert below.sum() > 100 and beyond.sum() > 100
    assert np.abs(ratio * transfer - 1)[below].max() < 1e-2
    assert np.abs(ratio - 1)[beyond].max() < 1e-2


def test_undoing_the_transfer_needs_a_table_of_optics(tmp_path):
    with pytest.raises(SpecError, match=r"log\.use_ctf: needs defocus"):
        log.make_picker(log.Spec(use_ctf=True), {}, 60.0)
    with pytest.raises(SpecError, match="micrographs_star: expected nothing without use_ctf"):
        log.Spec(micrographs_star="micrographs.star")
    table = tmp_path / "micrographs.star"
    table.write_text(
        "data_\nloop_\n_rlnMicrographName\n_rlnVoltage\n_rlnDefocusU\n"
        "_rlnSphericalAberration\n_rlnAmplitudeContrast\nmic/m.mrc 300 21000 2.7 0.1\n"
    )
    spec = log.with_optics_of(log.Spec(use_ctf=True), str(table))
    assert spec.micrographs_star == str(table)
    image = discs((256, 256), [(60, 70), (150, 100)], 30)
    plain, undone = pick(image, 2.0, 60.0), pick(image, 2.0, 60.0, spec)
    assert len(undone) and not np.allclose(plain.score[0], undone.score[0], rtol=1e-3)


def test_noise_gives_few_picks_far_above_the_mean_and_nothing_breaks_on_flat_images():
    noise = np.random.default_rng(0).normal(size=(400, 400))
    spec = log.Spec(decode=LogDecodeSpec(adjust_threshold=4.0))
    assert len(pick(noise, 2.0, 100.0, spec)) <= 2
    almost_flat = np.zeros((200, 200))
    almost_flat[100, 100] = 1
    assert np.all(np.isfinite(pick(almost_flat, 2.0, 60.0).score))


def test_settings_are_checked_and_survive_as_plain_data():
    spec = CASES["adj"]
    assert build(log.Spec, as_plain(spec)) == spec
    assert isinstance(log.make_picker(spec, {}, 150.0), Picker)
    with pytest.raises(SpecError, match="max_diameter_angstrom: expected at least"):
        log.make_picker(log.Spec(max_diameter_angstrom=50.0), {}, 150.0)
    with pytest.raises(SpecError, match="adjust_threshold"):
        LogDecodeSpec(adjust_threshold=3.0, upper_threshold=2.0)
