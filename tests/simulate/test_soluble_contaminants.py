"""Unfolded chains, micelles and the surroundings of aggregates: their laws, and what is labelled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.numerics.fourier import radial_power_spectrum
from jaxpick.physics.constants import PROTEIN_EXCESS_POTENTIAL_VOLT
from jaxpick.simulate import planes
from jaxpick.simulate import soluble_contaminants as soluble
from jaxpick.simulate.contaminant_ranges import ContaminantRanges
from jaxpick.simulate.contaminants import draw_contaminants
from jaxpick.simulate.draws import units
from jaxpick.simulate.priors import ContaminantsPrior

PIXEL = 5.0
RANGES = ContaminantRanges()
CLEAN = ContaminantsPrior(
    **dict.fromkeys(
        ("ice_crystals", "ethane", "carbon", "gold_beads", "denatured", "filaments", "vesicles"),
        0.0,
    )
    | {"micelles": 0.0, "coil_fog": 0.0, "aggregate_fog": 0.0}
)


def site(shape):
    return planes.Site(
        pixel_angstrom=jnp.float32(PIXEL),
        diameter_angstrom=jnp.float32(150.0),
        field_angstrom=jnp.float32(min(shape) * PIXEL),
    )


def classes(drawn):
    return np.asarray(drawn.label) // planes.INSTANCES_PER_CLASS


def clumps(places, valid=True):
    places = jnp.asarray(places, jnp.float32)
    num = places.shape[0]
    return soluble.Clumps(
        places_angstrom=places,
        radius_angstrom=jnp.full((num,), 75.0),
        valid=jnp.full((num,), valid),
    )


def test_chains_have_guiniers_radius_and_the_exponent_of_self_avoidance():
    radius, low = 40.0, 2e-4
    flat, near = soluble.coil_power(jnp.asarray([0.0, low]), 10.0, radius)
    x = (2 * np.pi * low * radius) ** 2
    assert float(near / flat) == pytest.approx(1 - x / 3, abs=1e-4)
    far = soluble.coil_power(jnp.asarray([0.2, 0.4]), 10.0, radius)
    assert np.log2(far[0] / far[1]) == pytest.approx(1 / 0.588, abs=0.01)
    # 40 angstrom are 159 residues (Kohn et al. 2004): 17.5 kDa, 73 kV angstrom^3.
    assert float(flat) == pytest.approx(10.0 * 159 * 110 * 4.17, rel=0.01)


def test_haze_has_the_mean_and_the_spectrum_of_its_chains():
    shape, keys = (256, 256), jax.random.split(jax.random.key(3), 16)
    share = jnp.ones(shape)

    def one(key):
        drawn = soluble._add_haze(key, planes.empty_planes(shape), share, site(shape), RANGES, 0)
        density, layer, radius = units(jax.random.split(key)[0], 3)
        mean = 4.17 * 0.6022 * 0.02 * 15.0**density * 40.0 * 4.0**layer
        power = radial_power_spectrum(drawn.potential - jnp.mean(drawn.potential), PIXEL)
        wave = jnp.arange(power.shape[0]) / shape[0] / PIXEL
        expected = soluble.coil_power(wave, mean, 20.0 + 60.0 * radius)
        # Waves from 600 to 80 angstrom: longer ones are few, shorter ones interpolated.
        ratio = jnp.mean((power / expected)[2:16])
        return ratio, jnp.mean(drawn.potential) / mean, classes_of(drawn)

    def classes_of(drawn):
        return jnp.all(
            drawn.label // planes.INSTANCES_PER_CLASS == planes.CLASSES.index("coil_fog")
        )

    ratio, mean, labelled = (np.asarray(part) for part in jax.jit(jax.vmap(one))(keys))
    assert labelled.all()
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)
    np.testing.assert_allclose(mean, 1.0, atol=0.05)


def test_fog_lies_in_patches_and_is_labelled_where_it_is_dense():
    shape = (96, 128)
    empty = planes.empty_planes(shape)
    paint = jax.vmap(lambda key: soluble.add_coil_fog(key, empty, site(shape), RANGES))
    drawn = jax.jit(paint)(jax.random.split(jax.random.key(0), 20))
    is_fog = classes(drawn) == planes.CLASSES.index("coil_fog")
    assert set(np.unique(classes(drawn))) == {0, planes.CLASSES.index("coil_fog")}
    covered = is_fog.mean(axis=(1, 2))
    assert covered.min() < 0.2 and covered.max() > 0.5 and 0.1 < covered.mean() < 0.9
    inside, outside = drawn.potential[is_fog].mean(), drawn.potential[~is_fog].mean()
    assert float(inside) > 3 * float(outside) > 0
    assert not np.asarray(drawn.absorption).any()


def test_micelles_are_balls_of_detergent_of_forty_to_sixty_angstrom():
    shape = (160, 160)
    empty = planes.empty_planes(shape)
    paint = jax.vmap(lambda key: soluble.add_micelles(key, empty, site(shape), RANGES))
    drawn = jax.jit(paint)(jax.random.split(jax.random.key(1), 40))
    assert set(np.unique(classes(drawn))) == {0, planes.CLASSES.index("micelle")}
    numbers, widths = [], []
    for label, potential in zip(*map(np.asarray, (drawn.label, drawn.potential)), strict=True):
        first = planes.CLASSES.index("micelle") * planes.INSTANCES_PER_CLASS
        areas = np.bincount(label[label > 0] - first) * PIXEL**2
        # The last one painted is whole, whatever lies below.
        width = 2 * np.sqrt(areas[-1] / np.pi)
        numbers.append(len(areas))
        widths.append(width)
        if 40 < width < 60:
            volt = potential[label == first + len(areas) - 1].max() / width
            assert volt > 0.45 * PROTEIN_EXCESS_POTENTIAL_VOLT
    assert min(numbers) >= 1 and 20 < max(numbers) <= RANGES.num_micelles[1]
    is_micelle = np.array(widths) < 66
    assert 0.5 < is_micelle.mean() < 0.95
    assert np.array(widths)[is_micelle].min() > 33 and max(widths) < 300


def test_a_micelles_potential_is_that_of_its_volume():
    shape = (96, 96)
    scalars, u = jnp.asarray([0.9, 0.5, 0.5, 0.5]), jnp.asarray([0.31, 0.72, 0.5])
    empty = planes.empty_planes(shape)
    drawn = soluble._add_micelle(u, empty, site(shape), RANGES, scalars, jnp.int32(0))
    total = float(drawn.potential.sum()) * PIXEL**2
    expected = 0.6 * PROTEIN_EXCESS_POTENTIAL_VOLT * 4 / 3 * np.pi * 25.0**3
    assert total == pytest.approx(expected, rel=0.03)


def test_the_ring_reaches_a_radius_beyond_each_member_of_an_aggregate():
    shape = (97, 129)
    members = clumps([[0.0, 0.0], [40.0, 120.0]])
    drawn = soluble.mark_rings(planes.empty_planes(shape), site(shape), members)
    y = (np.arange(97)[:, None] - 48) * PIXEL
    x = (np.arange(129)[None] - 64) * PIXEL
    expected = np.hypot(y, x) < 150
    expected |= np.hypot(y - 40, x - 120) < 150
    marked = classes(drawn) == planes.CLASSES.index("aggregate_ring")
    assert np.mean(marked ^ expected) < 0.004
    assert not np.asarray(drawn.potential).any()


def test_haze_about_aggregates_is_there_only_with_them():
    shape = (240, 256)
    foggy = ContaminantsPrior(**(vars(CLEAN) | {"aggregate_fog": 1.0}))

    def draw(prior, valid):
        return draw_contaminants(
            jax.random.key(5), prior, shape, site(shape), jnp.asarray(True), clumps([[0, 0]], valid)
        )

    alone, with_ring, with_fog = draw(foggy, False), draw(CLEAN, True), draw(foggy, True)
    assert not np.asarray(alone.potential).any() and not np.asarray(alone.label).any()
    assert not np.asarray(with_ring.potential).any() and np.asarray(with_ring.label).any()
    potential = np.asarray(with_fog.potential)
    assert potential[110:130, 118:138].mean() > 20 * abs(potential[:30, :30].mean())
    # The ring's label lies above the fog's.
    assert classes(with_fog)[120, 128] == planes.CLASSES.index("aggregate_ring")
