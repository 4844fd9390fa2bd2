"""Specimens from maps: the scale, the threshold, the centre, the crop."""

import numpy as np
import pytest

from jaxpick.simulate.maps import DensityMap, excess_potential, fourier_crop_map, specimen_from_map
from jaxpick.simulate.specimens import diameter_angstrom
from jaxpick.spec import SpecError


def ball_map(radius=40.0, voxel=(3.0, 3.0, 3.0), centre=(6.0, -9.0, 3.0), scale=7.0):
    """A soft ball about `centre` (z, y, x from the middle voxel), on noise."""
    size = [2 * int(75.0 / v) for v in voxel]
    grids = np.meshgrid(*[(np.arange(n) - n // 2) * v for n, v in zip(size, voxel, strict=True)],
                        indexing="ij")  # fmt: skip
    distance = np.sqrt(sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True)))
    noise = np.random.default_rng(0).normal(0, 0.02, distance.shape)
    density = scale * (1 / (1 + np.exp((distance - radius) / 1.5)) + noise)
    return DensityMap(density=density.astype(np.float32), voxel_angstrom=voxel, name="ball")


BALL_KDA = 4 / 3 * np.pi * 40.0**3 * 0.81e-3


@pytest.mark.parametrize("scale", [0.01, 7.0])
def test_integral_is_that_of_the_mass_whatever_the_scale(scale):
    specimen = specimen_from_map(ball_map(scale=scale), mass_kda=200.0)
    assert specimen.potential_volt_angstrom3.sum() == pytest.approx(4.17 * 200e3, rel=1e-4)
    assert specimen.mass_kda == 200.0


def test_mass_is_the_enclosed_volume_when_not_given():
    specimen = specimen_from_map(ball_map(), threshold=3.5)
    assert specimen.mass_kda == pytest.approx(BALL_KDA, rel=0.03)


def test_threshold_encloses_the_mass_when_not_given():
    specimen = specimen_from_map(ball_map(), mass_kda=BALL_KDA)
    assert diameter_angstrom(specimen) == pytest.approx(80.0, rel=0.04)


def test_specimen_is_the_ball_about_its_own_centre_on_uneven_voxels():
    density_map = ball_map(voxel=(2.0, 3.0, 4.0))
    specimen = specimen_from_map(density_map, mass_kda=BALL_KDA)
    weight = specimen.potential_volt_angstrom3
    np.testing.assert_allclose(weight @ specimen.positions_angstrom / weight.sum(), 0, atol=0.01)
    spread = np.sqrt(weight @ specimen.positions_angstrom**2 / weight.sum())
    np.testing.assert_allclose(spread, spread.mean(), rtol=0.02)


def test_crop_keeps_places_and_values():
    fine = ball_map(voxel=(1.5, 1.5, 1.5))
    coarse = fourier_crop_map(fine, 2.9)
    assert coarse.density.shape == (50, 50, 50)
    # 100 voxels of 1.5 become 50 of 3.0: every second one, where the map is smooth.
    assert coarse.voxel_angstrom == pytest.approx((3.0, 3.0, 3.0))
    rms = np.sqrt(np.mean((coarse.density - fine.density[::2, ::2, ::2]) ** 2))
    assert rms < 0.04 * fine.density.max()


def test_nothing_below_half_the_threshold_survives():
    density_map = ball_map()
    potential, _ = excess_potential(density_map, 3.5, None)
    assert (potential[density_map.density < 1.75] == 0).all()
    assert (potential >= 0).all()


def test_impossible_maps_are_refused():
    with pytest.raises(SpecError, match="threshold"):
        specimen_from_map(ball_map(), threshold=100.0)
    with pytest.raises(SpecError, match="mass_kda"):
        specimen_from_map(ball_map(), mass_kda=1e6)
    with pytest.raises(SpecError, match="voxel_angstrom"):
        DensityMap(density=np.ones((4, 4, 4), np.float32), voxel_angstrom=(1.0, 0.0, 1.0), name="x")
