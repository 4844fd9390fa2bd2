"""How well each particle stands out: its variance ratio and the d' of its matched filter.

Both follow from the particle's noise-free image s (in the weak-phase limit, by Parseval) and the
noise's power spectrum P of the normalised image: SNR = sum s^2 / (disc area x variance), the
literature's default, and d'^2 = sum |S|^2 / P, which does not depend on the pixel size.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.grids import frequency_grid, half_plane_weights
from jaxpick.physics.ctf import Envelope, Optics, contrast_transfer, envelope
from jaxpick.typing import Scalar

LARGEST_PX = 16


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
    weight = half_plane_weights((size, size))[None, :] / size**2
    # The beam's mean is not part of the contrast.
    weight = jnp.where(fy**2 + fx**2 > 0, weight, 0.0)
    spectra = jnp.fft.rfft2(patches_rad)
    power = (spectra.real**2 + spectra.imag**2) * (transfer**2 * weight)[None]
    # Binning keeps spectral densities: the noise of a binned pixel is that of a mean of binning^2.
    noise = (shot_variance + structure_variance * transfer**2) / binning**2
    variance = shot_variance + structure_variance * jnp.mean(transfer**2)
    area = 0.25 * jnp.pi * jnp.maximum(diameter_px, 1.0) ** 2 / binning**2
    snr = jnp.sum(power, axis=(1, 2)) / area / variance
    return snr, jnp.sqrt(jnp.sum(power / noise[None], axis=(1, 2)))


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
