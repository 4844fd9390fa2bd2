"""The template picker: planted particles, their poses and correlations, contrast transfer, options."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.nouns import Micrograph
from jaxpick.io.specimens import SpecimensSpec, read_specimens
from jaxpick.methods import template
from jaxpick.physics.ctf import Optics
from jaxpick.picking.known_optics import optics_of
from jaxpick.picking.picker import Picker
from jaxpick.picking.template_picker import TemplateDecodeSpec, imaged
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.simulate.bank import project_specimen
from jaxpick.simulate.phantoms import PhantomSpec
from jaxpick.simulate.rotations import matrix_from_euler
from jaxpick.spec import SpecError, as_plain, build

DIAMETER = 90.0
PIXEL = DIAMETER / 16
PLACES = ((50, 60), (100, 200), (140, 90))
# Nothing is clipped and the background stays: what is planted is what is correlated.
LINEAR = WorkingSpec(diameter_px=16.0, local_share=0.0, clip=1e3, background_diameters=50.0)
SPEC = template.Spec(phantom_seed=3, num_views=12, angular_step_deg=30.0, working=LINEAR)


@pytest.fixture(scope="module")
def picker():
    return template.make_picker(SPEC, {}, DIAMETER)


@pytest.fixture(scope="module")
def planted(picker):
    """An image with exact projections at the poses of three templates, and those poses."""
    euler = picker.templates.euler_deg[[3, 50, 117]]
    views = projected(euler)
    image = np.zeros((192, 256), np.float32)
    for (y, x), view in zip(PLACES, views, strict=True):
        image[y - 16 : y + 16, x - 16 : x + 16] -= view / views.std()
    return image, euler


def projected(euler_deg):
    phantom = SpecimensSpec(num_phantoms=1, phantom_seed=3, phantoms=PhantomSpec())
    rotations = np.asarray(matrix_from_euler(jnp.asarray(euler_deg, jnp.float32)))
    return project_specimen(read_specimens(phantom)[0], rotations, box_px=32, pixel_angstrom=PIXEL)


def pick(picker, image):
    micrograph = Micrograph(
        image=np.asarray(image, np.float32), pixel_size_angstrom=PIXEL, name="m.mrc"
    )
    return picker.candidates(picker.prepare(micrograph))


def nearest(found, place):
    return int(np.argmin(np.hypot(found.y - place[0], found.x - place[1])))


def noise(shape, deviation, seed=0):
    return np.random.default_rng(seed).normal(0, deviation, shape).astype(np.float32)


def test_planted_particles_are_found_with_place_and_pose(picker, planted):
    image, euler = planted
    found = pick(picker, image + noise(image.shape, 0.2))
    for place, angles in zip(PLACES, euler, strict=True):
        i = nearest(found, place)
        assert i < 3, "the planted ones come first"
        assert np.hypot(found.y[i] - place[0], found.x[i] - place[1]) < 0.3
        pose = [found.extra[f"rlnAngle{name}"][i] for name in ("Rot", "Tilt", "Psi")]
        assert np.allclose(pose, angles, atol=1e-3)
    assert np.all(found.score[:3] > picker.threshold)
    assert np.all(np.diff(found.score) <= 0)


def test_turned_views_are_the_projections_at_that_angle(picker):
    """Shears against projection, both within the circle of frequencies that a turn keeps."""
    some = [0, 1, 2, 13, 52, 119]
    exact = projected(picker.templates.euler_deg[some])
    frequency = np.fft.fftfreq(32)
    inside = np.hypot(frequency[:, None], frequency[None, :]) < 0.45
    difference = np.fft.fft2(np.asarray(picker.templates.views)[some] - exact) * inside
    assert np.abs(np.fft.ifft2(difference)).max() < 0.01 * exact.max()


@pytest.mark.parametrize("deviation", [0.5, 1.5])
def test_the_score_is_the_analytic_correlation(picker, planted, deviation):
    """For a signal s and white noise of variance v in K pixels: r = |s| / sqrt(|s|^2 + v (K - 1))."""
    image, _ = planted
    offsets = picker.templates.offsets
    y, x = (offsets[:, axis] + PLACES[0][axis] for axis in range(2))
    signal = image[y, x] - image[y, x].mean()
    expected = 1 / np.sqrt(1 + deviation**2 * (len(offsets) - 1) / np.sum(signal**2))
    scores = []
    for seed in range(6):
        working = picker.prepare(
            Micrograph(
                image=image + noise(image.shape, deviation, seed),
                pixel_size_angstrom=PIXEL,
                name="m.mrc",
            )
        )
        own = picker.filtered("m.mrc")[3:4]
        scores.append(float(picker.score_map(np.asarray(working.image), own)[PLACES[0]]))
    assert abs(np.mean(scores) - expected) < 4 * np.std(scores) / np.sqrt(6) + 0.01


def test_gain_and_offset_change_nothing(picker, planted):
    image = planted[0] + noise(planted[0].shape, 0.3)
    one, other = pick(picker, image), pick(picker, 40 * image + 700)
    assert np.allclose(one.score[:20], other.score[:20], atol=1e-3)
    assert np.allclose(one.x[:3], other.x[:3], atol=0.02)


def test_inverted_contrast_is_another_thing(picker, planted):
    image = planted[0] + noise(planted[0].shape, 0.3)
    assert pick(picker, -image).score.max() < pick(picker, image).score[2]


def test_pure_noise_gives_no_picks_at_the_default_threshold():
    picker = template.make_picker(
        dataclasses.replace(SPEC, working=template.Spec().working), {}, DIAMETER
    )
    found = pick(picker, noise((192, 256), 1.0))
    assert np.sum(found.score >= picker.threshold) == 0


def test_optics_filter_the_templates_as_they_filter_the_particle(planted):
    """Far from focus, templates with the right defocus match better than without."""
    optics = Optics(defocus_u_angstrom=60000.0, defocus_v_angstrom=60000.0)
    image, euler = planted
    blurred = np.zeros_like(image)
    views = np.asarray(imaged(jnp.asarray(projected(euler)), PIXEL, optics))
    for (y, x), view in zip(PLACES, views, strict=True):
        blurred[y - 16 : y + 16, x - 16 : x + 16] += view / views.std()
    blurred += noise(image.shape, 0.2)
    right = dataclasses.replace(SPEC, defocus_angstrom=60000.0)
    with_ctf = pick(template.make_picker(right, {}, DIAMETER), blurred)
    without = pick(template.make_picker(SPEC, {}, DIAMETER), blurred)
    for place in PLACES:
        i, j = nearest(with_ctf, place), nearest(without, place)
        assert np.hypot(with_ctf.y[i] - place[0], with_ctf.x[i] - place[1]) < 0.5
        assert with_ctf.score[i] > 0.9
        assert with_ctf.score[i] > without.score[j]


def test_defocus_comes_from_the_list_of_micrographs(tmp_path):
    table = tmp_path / "micrographs.star"
    table.write_text(
        "data_\nloop_\n_rlnMicrographName\n_rlnVoltage\n_rlnDefocusU\n"
        "_rlnSphericalAberration\n_rlnAmplitudeContrast\nmic/m.mrc 300 21000 2.7 0.1\n"
    )
    spec = template.with_optics_of(SPEC, str(table))
    assert spec.micrographs_star == str(table)
    given = dataclasses.replace(SPEC, defocus_angstrom=1e4)
    assert template.with_optics_of(given, str(table)) == given
    assert template.with_optics_of(SPEC, "mic/*.mrc") == SPEC
    picker = template.make_picker(spec, {}, DIAMETER)
    assert optics_of(picker.optics, "m.mrc").defocus_u_angstrom == 21000
    other = Micrograph(image=noise((64, 64), 1.0), pixel_size_angstrom=PIXEL, name="other.mrc")
    with pytest.raises(InputError, match=r"other\.mrc: its defocus is not among"):
        picker.candidates(picker.prepare(other))


def test_settings_are_checked_and_survive_as_plain_data(picker):
    assert build(template.Spec, as_plain(SPEC)) == SPEC
    assert isinstance(picker, Picker)
    for changes, said in (
        ({"phantom_seed": None}, "give one of"),
        ({"structure": "a.pdb"}, "got structure, phantom_seed"),
    ):
        with pytest.raises(SpecError, match=said):
            template.make_picker(dataclasses.replace(SPEC, **changes), {}, DIAMETER)
    for changes, said in (
        ({"angular_step_deg": 7.0}, "angular_step_deg: expected a divisor of 360"),
        ({"num_views": 0}, "num_views"),
        (
            {"voltage_kv": 200.0},
            "voltage_kv: expected 300, as it counts with defocus_angstrom alone",
        ),
        ({"defocus_angstrom": 1e4, "micrographs_star": "a.star"}, "defocus_angstrom"),
    ):
        with pytest.raises(SpecError, match=said):
            dataclasses.replace(SPEC, **changes)
    with pytest.raises(SpecError, match="candidate_threshold"):
        TemplateDecodeSpec(candidate_threshold=0.6, threshold=0.5)
