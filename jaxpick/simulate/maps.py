"""Specimens from density maps: an arbitrary scale becomes excess potential over ice.

Maps of EMDB are relative to solvent already, but their scale means nothing and most are sharpened.
The density is resampled by Fourier cropping, cut below a soft threshold, and scaled so that it adds
up to 4.17 volt angstrom^3 per dalton; a B factor takes the sharpening back.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from jaxpick.physics.constants import (
    PROTEIN_DENSITY_DALTON_PER_ANGSTROM3,
    PROTEIN_EXCESS_VOLT_ANGSTROM3_PER_DALTON,
)
from jaxpick.simulate.specimens import Specimen, centred
from jaxpick.spec import require

# Finer maps are cropped in Fourier space to this voxel: enough for 4 angstrom pixels.
WORKING_VOXEL_ANGSTROM = 2.5
# Density fades in between this share of the threshold and the threshold.
SOFT_EDGE = 0.5
# Where neither mass nor threshold is known: a usual contour level, in standard deviations.
CONTOUR_SIGMA = 3.0
DESHARPENING_B_ANGSTROM2 = 100.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class DensityMap:
    """A density map in (z, y, x) order.

    Attributes:
        density: arbitrary units, protein positive.
        voxel_angstrom: edges of a voxel along z, y, x.
        name: what reports call it.
    """

    density: Float[np.ndarray, "z y x"]
    voxel_angstrom: tuple[float, float, float]
    name: str

    def __post_init__(self) -> None:
        positive = all(edge > 0 for edge in self.voxel_angstrom)
        require(positive, f"{self.name}: voxel_angstrom", self.voxel_angstrom, "positive edges")


def specimen_from_map(
    density_map: DensityMap,
    *,
    mass_kda: float | None = None,
    threshold: float | None = None,
    b_factor_angstrom2: float = DESHARPENING_B_ANGSTROM2,
    group: str | None = None,
) -> Specimen:
    """Return the specimen of a map: its voxels above the threshold are the beads.

    Args:
        density_map: the map.
        mass_kda: of the molecule; when left out, the volume above the threshold at 0.81
            Da/angstrom^3.
        threshold: contour level in the map's units; when left out, the one that encloses the mass,
            or three standard deviations above the mean when that is unknown too.
        b_factor_angstrom2: takes sharpening back, 50 to 150 for sharpened maps.
        group: shared by conformers of one molecule; the name when left out.

    Raises:
        SpecError: when nothing lies above the threshold or the mass does not fit the map.
    """
    cropped = fourier_crop_map(density_map, WORKING_VOXEL_ANGSTROM)
    level = _threshold(cropped, mass_kda, threshold)
    potential, mass = excess_potential(cropped, level, mass_kda)
    index = np.argwhere(potential > 0)
    voxel = np.array(cropped.voxel_angstrom)
    return centred(
        Specimen(
            name=density_map.name,
            positions_angstrom=(index * voxel)[:, ::-1].astype(np.float32),
            potential_volt_angstrom3=(potential[tuple(index.T)] * voxel.prod()).astype(np.float32),
            form_weight=np.ones(1),
            form_b_angstrom2=np.array([b_factor_angstrom2]),
            mass_kda=mass,
            group=density_map.name if group is None else group,
            family="map",
        )
    )


def excess_potential(
    density_map: DensityMap, threshold: float, mass_kda: float | None
) -> tuple[Float[np.ndarray, "z y x"], float]:
    """Return the map as excess potential in volt, zero below half the threshold, and the mass."""
    above = density_map.density > threshold
    name = f"{density_map.name}: threshold"
    require(bool(above.any()), name, threshold, f"less than {float(density_map.density.max()):g}")
    volume = float(np.prod(density_map.voxel_angstrom))
    enclosed = above.sum() * volume * PROTEIN_DENSITY_DALTON_PER_ANGSTROM3 * 1e-3
    mass = float(enclosed if mass_kda is None else mass_kda)
    low = threshold * SOFT_EDGE if threshold > 0 else threshold - abs(threshold) * SOFT_EDGE
    edge = np.clip((density_map.density - low) / max(threshold - low, 1e-12), 0.0, 1.0)
    soft = np.where(edge > 0, density_map.density - min(low, 0.0), 0.0) * edge**2 * (3 - 2 * edge)
    total = PROTEIN_EXCESS_VOLT_ANGSTROM3_PER_DALTON * mass * 1e3
    return soft * (total / (soft.sum() * volume)), mass


def fourier_crop_map(density_map: DensityMap, voxel_angstrom: float) -> DensityMap:
    """Return the map sampled no finer than `voxel_angstrom`; voxel 0 stays where it is.

    Each axis is cropped on its own to an even size; its true voxel edge is kept.
    """
    density = density_map.density
    voxels = list(density_map.voxel_angstrom)
    for axis in range(3):
        size = density.shape[axis]
        new = 2 * int(size * voxels[axis] / voxel_angstrom / 2)
        if not 2 <= new < size:
            continue
        spectrum = np.fft.rfft(density, axis=axis)
        kept = np.take(spectrum, np.arange(new // 2 + 1), axis=axis)
        density = np.fft.irfft(kept, n=new, axis=axis) * (new / size)
        voxels[axis] *= size / new
    return dataclasses.replace(
        density_map,
        density=density.astype(np.float32),
        voxel_angstrom=(float(voxels[0]), float(voxels[1]), float(voxels[2])),
    )


def _threshold(density_map: DensityMap, mass_kda: float | None, threshold: float | None) -> float:
    if threshold is not None:
        return threshold
    density = density_map.density
    if mass_kda is None:
        return float(density.mean() + CONTOUR_SIGMA * density.std())
    volume = mass_kda * 1e3 / PROTEIN_DENSITY_DALTON_PER_ANGSTROM3
    num = round(volume / float(np.prod(density_map.voxel_angstrom)))
    fits = 1 <= num < density.size
    limit = density.size * np.prod(density_map.voxel_angstrom) * 0.81e-3
    require(fits, f"{density_map.name}: mass_kda", mass_kda, f"a mass that fits, < {limit:.0f} kDa")
    return float(np.partition(density.ravel(), density.size - num)[density.size - num])
