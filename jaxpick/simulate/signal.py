"""How well each particle stands out: its variance ratio and the d' of its matched filter.

Both follow from the particle's noise-free image s (in the weak-phase limit) and the noise's power
spectrum P of the normalised image: SNR = var(s) within the particle's disc / var(noise), the
literature's default, and d'^2 = sum |S|^2 / P, which does not depend on the pixel size.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.grids import frequency_grid, half_plane_weights
from jaxpick.physics.ctf import Envelope, Optics, contrast_transfer, envelope
from jaxpick.typing import Scalar

# Larger patches are binned: 64 pixels of 4 angstrom then lack what is finer than 16 angstrom.
LARGEST_PX = 32


def particle_signal(
    patches_rad: Float[Array, "particle patch patch"],
    diameter_px: Float[Array, " particle"],
    optics: Optics,
    damping: Envelope,
    pixel_angstrom: Scalar,
    shot_variance: Scalar,
    structure_variance: Scalar,
) -> tuple[Float[Array, " particle"], Float[Array, " particle"]]:
    """Return SNR and d' of each particle.

    Args:
        patches_rad: phase of each particle alone.
        shot_variance: of a pixel of the normalised image, white.
        structure_variance: of a pixel's structural phase (rad^2), white before the transfer.
    """
    patches_rad, binning = _bin_large(patches_rad)
    size = patches_rad.shape[-1]
    fy, fx = frequency_grid((size, size), binning * pixel_angstrom)
    transfer = 2.0 * contrast_transfer(optics, fy, fx) * envelope(damping, fy, fx)
    # The beam's mean is not part of the contrast.
    transfer = jnp.where(fy**2 + fx**2 > 0, transfer, 0.0)
    weight = half_plane_weights((size, size))[None, :] / size**2
    spectra = jnp.fft.rfft2(patches_rad) * transfer[None]
    # Binning keeps spectral densities: the noise of a binned pixel is that of a mean of binning^2.
    noise = (shot_variance + structure_variance * transfer**2) / binning**2
    power = (spectra.real**2 + spectra.imag**2) * (weight / noise)[None]
    image = jnp.fft.irfft2(spectra, s=(size, size))
    variance = shot_variance + structure_variance * jnp.mean(transfer**2)
    snr = _variance_within(image, 0.5 * diameter_px / binning) / variance
    return snr, jnp.sqrt(jnp.sum(power, axis=(1, 2)))


def _variance_within(
    images: Float[Array, "particle y x"], radius_px: Float[Array, " particle"]
) -> Float[Array, " particle"]:
    """Return the variance of each image within a disc about its pixel `size // 2`."""
    offset = jnp.arange(images.shape[-1], dtype=jnp.float32) - images.shape[-1] // 2
    square = offset[:, None] ** 2 + offset[None, :] ** 2
    inside = (square[None] <= jnp.maximum(radius_px, 1.0)[:, None, None] ** 2).astype(jnp.float32)
    area = jnp.sum(inside, axis=(1, 2))
    mean = jnp.sum(images * inside, axis=(1, 2)) / area
    deviation = (images - mean[:, None, None]) * inside
    return jnp.sum(deviation**2, axis=(1, 2)) / area


def _bin_large(
    patches: Float[Array, "particle patch patch"],
) -> tuple[Float[Array, "particle small small"], int]:
    """Bin patches of many pixels; what is lost lies beyond half of Nyquist and is little."""
    size = patches.shape[-1]
    binning = max(1, size // LARGEST_PX)
    kept = size // binning * binning
    blocks = patches[:, :kept, :kept].reshape(
        -1, kept // binning, binning, kept // binning, binning
    )
    return jnp.mean(blocks, axis=(2, 4)), binning
