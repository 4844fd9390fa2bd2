"""Projections at exact poses as central slices of a volume's Fourier transform, on the device.

The volume is divided by the real-space fall-off of linear interpolation (sinc^2), padded twofold,
transformed once; a projection is then a plane of trilinear samples and one inverse transform:
2 to 3 % from the exact sum. The origin of volume and image is voxel / pixel `box // 2`.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxpick.physics.projection import splat_volume
from jaxpick.simulate.specimens import Specimen

PAD = 2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class FourierVolume:
    """A padded spectrum ready for slicing.

    Attributes:
        spectrum: transform about the origin, frequency 0 at [0, 0, 0], in volt.
        voxel_angstrom: sampling of the volume and of its projections.
    """

    spectrum: Complex[Array, "fz fy fx"]
    voxel_angstrom: Float[Array, ""]


def fourier_volume(
    volume: Float[Array, "box box box"], voxel_angstrom: float | Float[Array, ""]
) -> FourierVolume:
    """Transform a volume (z, y, x), in volt, for slicing; its box is even."""
    box = volume.shape[0]
    axis = jnp.sinc((jnp.arange(box, dtype=jnp.float32) - box // 2) / (PAD * box)) ** 2
    fall_off = axis[:, None, None] * axis[None, :, None] * axis[None, None, :]
    margin = (PAD * box - box) // 2
    padded = jnp.pad(volume.astype(jnp.float32) / fall_off, margin)
    return FourierVolume(
        spectrum=jnp.fft.fftn(jnp.fft.ifftshift(padded)),
        voxel_angstrom=jnp.asarray(voxel_angstrom, jnp.float32),
    )


def project_slice(volume: FourierVolume, rotation: Float[Array, "3 3"]) -> Float[Array, "box box"]:
    """Return the projection along z of the volume turned by A, in volt angstrom.

    Frequencies beyond the Nyquist circle are left out, so that all poses have the same band.
    """
    box = volume.spectrum.shape[0] // PAD
    ky = jnp.fft.fftfreq(box, 1.0 / box)[:, None]
    kx = jnp.arange(box // 2 + 1, dtype=jnp.float32)[None, :]
    plane = kx[..., None] * rotation[0][None, None, :] + ky[..., None] * rotation[1][None, None, :]
    sampled = _trilinear(volume.spectrum, PAD * plane)
    inside = kx**2 + ky**2 < (box // 2) ** 2
    image = jnp.fft.irfft2(jnp.where(inside, sampled, 0.0), s=(box, box))
    return jnp.fft.fftshift(image) * volume.voxel_angstrom


def specimen_volume(
    specimen: Specimen, *, box_px: int, voxel_angstrom: float
) -> Float[np.ndarray, "box box box"]:
    """Return a specimen's excess potential on a grid (z, y, x), band-limited, in volt."""
    return splat_volume(
        specimen.positions_angstrom,
        specimen.potential_volt_angstrom3,
        box_px=box_px,
        voxel_angstrom=voxel_angstrom,
        form_weight=specimen.form_weight,
        form_b_angstrom2=specimen.form_b_angstrom2,
    )


def _trilinear(
    spectrum: Complex[Array, "fz fy fx"], xyz: Float[Array, "ky kx 3"]
) -> Complex[Array, "ky kx"]:
    """Sample the periodic spectrum at points (x, y, z) in grid steps."""
    low = jnp.floor(xyz)
    fraction = xyz - low
    index = low.astype(jnp.int32)
    total = jnp.zeros(xyz.shape[:-1], spectrum.dtype)
    for corner in np.ndindex(2, 2, 2):
        shift = jnp.array(corner, jnp.int32)[None, None, :]
        weight = jnp.prod(jnp.where(shift == 1, fraction, 1.0 - fraction), axis=-1)
        x, y, z = jnp.moveaxis(index + shift, -1, 0)
        size = spectrum.shape[0]
        total += weight * spectrum[z % size, y % size, x % size]
    return total
