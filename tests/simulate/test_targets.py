"""Targets: what is asked for, what is background, what is not judged; and processing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.physics.ctf import Optics
from jaxpick.simulate.planes import CLASSES
from jaxpick.simulate.priors import ProcessingPrior
from jaxpick.simulate.processing import gaussian_low_pass, local_contrast, process
from jaxpick.simulate.simulated import Simulated
from jaxpick.simulate.targets import RECORDED, TargetSpec, ignored_pixels, judge, make_target
from jaxpick.simulate.truth import Truth
from jaxpick.spec import SpecError, build
from tests.simulate.scenes import UNPROCESSED

NUM = 6


def example():
    """Six particles in a row of one image: whole, broken, hidden, half overlapped, buried, cut by the edge."""
    x = np.arange(120)
    centre = 10 + 20 * np.arange(NUM)
    apart = np.abs(x[:, None] - centre[None]).astype(np.float32)
    zeros, ones = jnp.zeros((NUM,)), jnp.ones((NUM,), bool)
    truth = Truth(
        centre_yx_px=jnp.asarray(np.stack([0 * centre, centre], -1), jnp.float32),
        valid=ones,
        euler_deg=jnp.zeros((NUM, 3)),
        species=jnp.zeros((NUM,), jnp.int32),
        view=jnp.zeros((NUM,), jnp.int32),
        diameter_px=zeros + 16,
        diameter_angstrom=zeros + 80,
        defocus_angstrom=jnp.zeros((NUM, 2)),
        z_angstrom=zeros,
        contrast=zeros + 1,
        overlap_fraction=jnp.asarray([0.0, 0.0, 0.0, 0.45, 0.9, 0.0]),
        visible_fraction=jnp.asarray([1.0, 1.0, 1.0, 1.0, 1.0, 0.3]),
        snr=zeros,
        dprime=zeros + 20,
        is_inside=ones,
        is_broken=jnp.asarray([False, True, False, False, False, False]),
        contaminant=jnp.asarray([0, CLASSES.index("broken"), CLASSES.index("gold"), 0, 0, 0]),
        layer=jnp.zeros((NUM,), jnp.int32),
    )
    nearest = 1 + apart.argmin(1)
    is_broken, is_mass = nearest == 2, apart.min(1) < 6
    classes = np.where(is_broken & is_mass, CLASSES.index("broken"), 0)
    # Whole particles only have a distance.
    distance = np.where(is_broken, 1e6, apart.min(1) / 8)
    return Simulated(
        image=jnp.ones((1, 120)),
        truth=truth,
        instance=jnp.asarray(np.where(is_mass, nearest, 0)[None], jnp.int32),
        mask_mass=jnp.asarray((is_mass & ~is_broken)[None]),
        mask_disc=jnp.asarray(distance[None] <= 1),
        distance=jnp.asarray(distance[None], jnp.float32),
        nearest=jnp.asarray(np.where(is_broken, 0, nearest)[None], jnp.int32),
        contaminant_mask=jnp.asarray(classes[None], jnp.int32),
        contaminant_instance=jnp.asarray(classes[None], jnp.int32),
        ignore_mask=jnp.zeros((1, 120), bool),
        pixel_size_angstrom=jnp.float32(5.0),
        optics=Optics(),
        dose_e_per_angstrom2=jnp.float32(40.0),
        nominal_diameter_px=jnp.float32(16.0),
        nominal_diameter_angstrom=jnp.float32(80.0),
    )


# As simulator.md keeps, ignores and drops overlaps.
STRICT = TargetSpec(overlap_limit=0.3, drop_overlap=0.6)


def test_particles_are_wanted_ignored_or_background():
    wanted, ignored = judge(example().truth, STRICT)
    np.testing.assert_array_equal(np.flatnonzero(wanted), [0])
    np.testing.assert_array_equal(np.flatnonzero(ignored), [2, 3, 5])


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, [0]),
        ({"overlap_limit": 0.5}, [0, 3]),
        ({"least_visible": 0.2}, [0, 5]),
        ({"hidden_by": ("carbon",)}, [0, 2]),
        ({"least_dprime": 21.0}, []),
        ({"overlap_limit": 1.0, "drop_overlap": 1.0}, [0, 3, 4]),
    ],
)
def test_each_limit_hides_what_exceeds_it(change, wanted):
    found, ignored = judge(example().truth, dataclasses.replace(STRICT, **change))
    np.testing.assert_array_equal(np.flatnonzero(found), wanted)
    assert not np.any(found & ignored) and not ignored[1]


@pytest.mark.parametrize("kind", ["disc", "mass", "heat"])
def test_target_is_high_on_wanted_particles_and_weightless_on_ignored_ones(kind):
    target = make_target(example(), dataclasses.replace(STRICT, kind=kind))
    value, weight = np.asarray(target.value[0]), np.asarray(target.weight[0])
    centres = 10 + 20 * np.arange(NUM)
    np.testing.assert_array_equal(value[centres] > 0.9, [True] + [False] * 5)
    np.testing.assert_array_equal(weight[centres], [1, 1, 0, 0, 1, 0])
    assert weight[20] == 1


def test_ignored_pixels_are_the_whole_discs_of_ignored_particles():
    case = example()
    planes = (case.distance, case.nearest, case.contaminant_mask)
    found = np.asarray(ignored_pixels(case.truth, *planes, STRICT))[0]
    x = np.arange(120)
    expected = np.any([np.abs(x - 10 - 20 * i) <= 8 for i in (2, 3, 5)], axis=0)
    np.testing.assert_array_equal(found, expected)
    open_ended = dataclasses.replace(STRICT, aggregates="ignore")
    also = np.asarray(ignored_pixels(case.truth, *planes, open_ended))[0]
    np.testing.assert_array_equal(np.flatnonzero(also & ~found), np.arange(25, 36))


def test_rings_and_lattices_are_not_judged():
    """What is recorded ignores both; networks are trained to ignore lattices only."""
    case = example()
    classes = jnp.asarray([CLASSES.index("lattice"), CLASSES.index("aggregate_ring")])
    case = dataclasses.replace(case, contaminant_mask=case.contaminant_mask.at[0, :2].set(classes))
    planes = (case.distance, case.nearest, case.contaminant_mask)
    recorded = np.asarray(ignored_pixels(case.truth, *planes, RECORDED))[0, :2]
    np.testing.assert_array_equal(recorded, [True, True])
    np.testing.assert_array_equal(make_target(case, TargetSpec()).weight[0, :2], [0.0, 1.0])
    near = dataclasses.replace(case.truth, contaminant=case.truth.contaminant.at[0].set(classes[1]))
    assert bool(judge(near, TargetSpec())[0][0]) and not bool(judge(near, RECORDED)[0][0])
    # Overlap of 0.45 is not judged, of 0.9 is dropped.
    wanted, ignored = judge(case.truth, RECORDED)
    assert not bool(wanted[3]) and bool(ignored[3]) and not bool(wanted[4] | ignored[4])


def test_settings_of_weights_that_ship_are_read():
    """The fields that the cards of the first weights hold."""
    card = {"kind": "disc", "disc_fraction": 0.5, "overlap_limit": 0.6, "least_dprime": 3.0}
    assert build(TargetSpec, card) == TargetSpec()


def test_broken_particles_may_be_ignored():
    target = make_target(example(), TargetSpec(aggregates="ignore"))
    assert float(target.weight[0, 30]) == 0.0


def test_heat_has_its_width_in_diameters():
    target = make_target(example(), TargetSpec(kind="heat", heat_sigma=0.25))
    # Radius 8 px: sigma is a quarter of 16 px.
    assert float(target.value[0, 14]) == pytest.approx(np.exp(-0.5), rel=1e-4)


def test_impossible_targets_are_refused():
    with pytest.raises(SpecError, match="drop_overlap"):
        TargetSpec(overlap_limit=0.7, drop_overlap=0.6)
    with pytest.raises(SpecError, match="hidden_by"):
        TargetSpec(hidden_by=("fog",))


def test_low_pass_halves_waves_of_its_length():
    x = np.arange(160)
    image = jnp.asarray(np.tile(np.sin(2 * np.pi * x / 16), (96, 1)), jnp.float32)
    low = gaussian_low_pass(image, 16.0)
    np.testing.assert_allclose(low[40:56, 60:100], 0.5 * image[40:56, 60:100], atol=0.01)


def test_local_contrast_evens_out_brightness_and_spread():
    noise = jax.random.normal(jax.random.key(0), (128, 128))
    ramp = jnp.linspace(1.0, 4.0, 128)[None, :]
    flat = np.asarray(local_contrast(5.0 * ramp + ramp * noise, 24.0))
    assert abs(flat[:, :40].std() / flat[:, -40:].std() - 1) < 0.1
    assert abs(flat.mean()) < 0.05


def test_processing_is_nothing_or_what_was_asked():
    image = 1.0 + 0.05 * jax.random.normal(jax.random.key(1), (64, 64))
    untouched = process(jax.random.key(2), image, UNPROCESSED, jnp.float32(16.0))
    np.testing.assert_array_equal(untouched, image)
    coarse = ProcessingPrior(
        low_pass_probability=0.0,
        high_pass_probability=0.0,
        local_contrast_probability=0.0,
        tone_probability=0.0,
        eight_bit_probability=1.0,
    )
    picture = np.asarray(process(jax.random.key(3), image, coarse, jnp.float32(16.0)))
    assert len(np.unique(picture)) <= 256
    assert np.abs(picture - np.asarray(image)).mean() < 0.005
