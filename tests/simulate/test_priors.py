"""Priors are specs: built from plain data, refused by name, hashable; draws keep to their ranges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.simulate import draws
from jaxpick.simulate.imaging import draw_exposure
from jaxpick.simulate.priors import (
    DiameterPixels,
    IcePrior,
    MicroscopePrior,
    PixelAngstrom,
    Priors,
)
from jaxpick.spec import SpecError, as_plain, build


def test_priors_are_built_from_plain_data_and_written_back():
    values = {
        "pixel": {"kind": "angstrom", "pixel_angstrom": [4, 6]},
        "microscope": {"dose_e_per_angstrom2": [1, 80]},
        "target_snr": 0.01,
    }
    priors = build(Priors, values)
    assert priors.pixel == PixelAngstrom(pixel_angstrom=(4.0, 6.0))
    assert priors.microscope.dose_e_per_angstrom2 == (1.0, 80.0)
    assert build(Priors, as_plain(priors)) == priors
    assert hash(priors) == hash(build(Priors, values))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"microscope": {"defocus_um": [4.0, 0.5]}}, "microscope.defocus_um"),
        ({"ice": {"thickness": [1, 2]}}, "ice.thickness"),
        ({"contaminants": {"carbon": 1.5}}, "contaminants.carbon"),
        ({"scene": {"layout_weights": [1.0, 0.0]}}, "scene.layout_weights"),
        ({"pixel": {"kind": "nm"}}, "pixel.kind"),
        (
            {"contaminants": {"ranges": {"num_ice_crystals": [0, 3]}}},
            "contaminants.ranges.num_ice_crystals",
        ),
        (
            {"contaminants": {"ranges": {"vesicle_diameter_angstrom": [9, 3]}}},
            "contaminants.ranges.vesicle_diameter_angstrom",
        ),
        (
            {"contaminants": {"ranges": {"aggregate_members": [1, 3]}}},
            "contaminants.ranges.aggregate_members",
        ),
        ({"target_snr": -1.0}, "target_snr"),
    ],
)
def test_an_impossible_prior_is_refused_by_its_name(values, named):
    with pytest.raises(SpecError, match=named):
        build(Priors, values)


def test_patch_holds_the_largest_particle_and_is_even():
    priors = Priors(pixel=DiameterPixels(diameter_px=(10.0, 21.0), diameter_error=0.2))
    assert priors.patch_px % 2 == 0
    assert priors.patch_px >= 21 * 1.2 + 4


def test_exposures_keep_to_their_ranges():
    microscope = MicroscopePrior(dose_e_per_angstrom2=(1.0, 3.0), low_defocus_probability=0.0)
    draw = jax.jit(jax.vmap(lambda key: draw_exposure(key, microscope, IcePrior())))
    drawn = draw(jax.random.split(jax.random.key(0), 500))
    dose = np.asarray(drawn.dose_e_per_angstrom2)
    assert (dose >= 0.999).all() and (dose <= 3.001).all()
    # Uniform in the logarithm: half of them below the geometric mean.
    assert abs((dose < 3**0.5).mean() - 0.5) < 0.1
    optics = drawn.optics
    mean = 0.5 * np.asarray(optics.defocus_u_angstrom + optics.defocus_v_angstrom)
    assert (mean >= 4999).all() and (mean <= 40001).all()
    assert np.asarray(optics.defocus_u_angstrom >= optics.defocus_v_angstrom).all()
    assert set(np.unique(optics.voltage_kv)) <= {100.0, 120.0, 200.0, 300.0}
    assert abs((np.asarray(optics.voltage_kv) == 300.0).mean() - 0.75) < 0.08
    assert abs((np.asarray(optics.phase_shift_deg) > 0).mean() - 0.07) < 0.05


def test_pick_follows_its_weights_and_never_takes_a_weight_of_zero():
    weights = jnp.asarray([0.0, 2.0, 0.0, 1.0, 1.0, 0.0])
    u = jnp.linspace(0.0, 1.0, 4001)
    counts = np.bincount(draws.pick(u, weights), minlength=6) / 4001
    np.testing.assert_allclose(counts, np.asarray(weights) / 4, atol=1e-3)


def test_numbers_run_from_the_fewest_to_the_most():
    u = jnp.linspace(0.0, 1.0, 8000, endpoint=False)
    counts = np.bincount(draws.number(u, (2, 5)), minlength=6)
    np.testing.assert_array_equal(counts, [0, 0, 2000, 2000, 2000, 2000])
    counts = np.bincount(draws.log_number(u, (2, 5)), minlength=6) / 8000
    expected = np.log([3 / 2, 4 / 3, 5 / 4, 6 / 5]) / np.log(3)
    np.testing.assert_allclose(counts[2:], expected, atol=1e-3)


def test_unit_arrays_are_independent_parts_of_one_draw():
    first, second, third = draws.unit_arrays(jax.random.key(1), (2000,), (), (2000, 1))
    assert first.shape == (2000,) and second.shape == () and third.shape == (2000, 1)
    assert abs(np.corrcoef(first, third[:, 0])[0, 1]) < 4 / 2000**0.5


def test_maps_of_uniform_numbers_have_their_quantiles():
    u = jnp.linspace(0.0, 1.0, 101)
    np.testing.assert_allclose(draws.log_uniform(u, (0.1, 10.0))[50], 1.0, rtol=1e-5)
    np.testing.assert_allclose(
        np.asarray(draws.standard_normal(u))[[2, 50, 98]], [-2.0537, 0, 2.0537], atol=1e-3
    )
    median = draws.clipped_log_normal(jnp.float32(0.5), 3.0, 0.4, (1.0, 9.0))
    assert abs(float(median) - 3.0) < 1e-5
    assert float(draws.clipped_log_normal(jnp.float32(0.999), 3.0, 4.0, (1.0, 9.0))) == 9.0
