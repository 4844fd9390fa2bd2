"""Molecules at their true poses, by Fourier slices, in place of the nearest views of a bank."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxpick.pytrees import pytree
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.rotations import matrix_from_euler
from jaxpick.simulate.scene import Scene
from jaxpick.simulate.slices import (
    PAD,
    FourierVolume,
    fourier_volume,
    project_slice,
    specimen_volume,
)
from jaxpick.simulate.specimens import Specimen


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Volumes:
    """The species of a bank as volumes ready for slicing; see `slices.FourierVolume`."""

    spectra: Complex[Array, "species fz fy fx"]
    voxel_angstrom: Float[Array, " species"]


def bank_volumes(specimens: Sequence[Specimen], bank: Bank) -> Volumes:
    """Return the volumes of the specimens that a bank was built from, in its box and sampling."""
    box = bank.views.shape[-1]
    spectra = []
    for specimen, pixel in zip(specimens, bank.pixel_angstrom, strict=True):
        volume = specimen_volume(specimen, box_px=box, voxel_angstrom=float(pixel))
        spectra.append(fourier_volume(jnp.asarray(volume), float(pixel)).spectrum)
    return Volumes(spectra=jnp.stack(spectra), voxel_angstrom=bank.pixel_angstrom)


def slice_poses(
    scene: Scene, volumes: Volumes
) -> tuple[Scene, Float[Array, "species view box box"]]:
    """Return a scene and views of one species in which slot i shows view i, at its own direction.

    Psi is left to placement, as for any bank.
    """
    num, box = scene.valid.shape[0], volumes.spectra.shape[-1] // PAD
    euler_deg = jnp.pad(scene.rot_tilt_deg, ((0, 0), (0, 1)))

    def project(one: tuple[Array, Array, Array]) -> Float[Array, "box box"]:
        species, rotation, is_used = one
        volume = FourierVolume(
            spectrum=volumes.spectra[species], voxel_angstrom=volumes.voxel_angstrom[species]
        )
        nothing = jnp.zeros((box, box), jnp.float32)
        return jax.lax.cond(is_used, lambda: project_slice(volume, rotation), lambda: nothing)

    views = jax.lax.map(project, (scene.species, matrix_from_euler(euler_deg), scene.valid))
    first, every = jnp.zeros((num,), jnp.int32), jnp.arange(num, dtype=jnp.int32)
    shown = dataclasses.replace(scene, species=first, view=every)
    return shown, views[None]
