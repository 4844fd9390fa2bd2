"""From planes of phase and absorption to the intensity on the detector: one exit wave, one lens.

The transmission of the specimen is T = exp[i phi (sqrt(1 - Q^2) + i Q) - a]. The amplitude contrast
Q of `Optics` is folded in here, once: `absorption` holds only what goes beyond it (inelastic loss t
/ (2 Lambda), gold, carbon), never Q phi itself. In the linear limit this is I = 1 - 2 phi (x)
sin(chi + asin Q) - 2 a (x) cos chi, the contrast transfer function of `ctf`.

The unscattered beam passes with phase 0 and amplitude 1, so that a phase plate shifts only what is
scattered, and without envelopes, Q and absorption the mean intensity is exactly 1. Fields are
periodic: the caller pads by the reach of the fringes, about lambda x defocus x f_max, and crops.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.grids import centred_pixel_grid, frequency_grid
from jaxpick.numerics.trigonometry import cos_sin
from jaxpick.physics.constants import electron_wavelength_angstrom
from jaxpick.physics.ctf import (
    Envelope,
    Optics,
    aberration_phase,
    amplitude_contrast_angle,
    envelope,
    spatial_coherence_envelope,
)
from jaxpick.typing import Image, Scalar

HalfPlane = Float[Array, "fy fx"]


def form_intensity(
    phase: Image,
    absorption: Image | None,
    optics: Optics,
    damping: Envelope | None,
    pixel_size_angstrom: Scalar,
) -> Image:
    """Return the relative intensity of a phase-and-absorption object behind the lens.

    The even transfer function E exp(i chi) acts on the real and imaginary parts of T - 1 through
    real transforms: the cost of one complex FFT pair, with sine and cosine of chi on the half plane
    only, and no rounding against the background of 1.

    Args:
        phase: phi in radian, sigma_e x projected potential (excess over the ice).
        absorption: a, the amplitude falls as exp(-a); None for none beyond Q phi.
        optics: of this micrograph, scalar fields.
        damping: envelopes; None for a perfect instrument.
        pixel_size_angstrom: pixel size.
    """
    real, imaginary = _transmission_minus_one(phase, absorption, optics)
    cosine, sine = _wave_transfer(phase.shape, optics, damping, pixel_size_angstrom)
    real_spectrum, imaginary_spectrum = jnp.fft.rfft2(real), jnp.fft.rfft2(imaginary)
    in_phase = jnp.fft.irfft2(real_spectrum * cosine - imaginary_spectrum * sine, s=phase.shape)
    quadrature = jnp.fft.irfft2(real_spectrum * sine + imaginary_spectrum * cosine, s=phase.shape)
    return (1.0 + in_phase) ** 2 + quadrature**2


def form_intensity_tilted(
    phase: Image,
    absorption: Image | None,
    optics: Optics,
    damping: Envelope | None,
    pixel_size_angstrom: Scalar,
    slope_yx: Float[Array, "2"],
    num_bands: int = 6,
) -> Image:
    """Return the intensity of a tilted specimen, each part of which has the defocus of its place.

    The transmission is shared out linearly between bands of equal defocus, whose waves add up
    behind the lens: one more pair of transforms a band, whatever lies in it.

    Args: as for `form_intensity`, and
        slope_yx: growth of the defocus along y and x, angstrom per angstrom; 0 in the middle.
        num_bands: bands across the field, 2 or more.
    """
    real, imaginary = _transmission_minus_one(phase, absorption, optics)
    cosine, sine = _wave_transfer(phase.shape, optics, damping, pixel_size_angstrom)
    fy, fx = frequency_grid(phase.shape, pixel_size_angstrom)
    turn = math.pi * electron_wavelength_angstrom(optics.voltage_kv) * (fy**2 + fx**2)
    y, x = centred_pixel_grid(phase.shape)
    half = 0.5 * max(phase.shape) * pixel_size_angstrom
    defocus = half * (slope_yx[0] * y + slope_yx[1] * x)
    reach = jnp.maximum(jnp.max(jnp.abs(defocus)), 1.0)
    step = 2.0 * reach / (num_bands - 1)

    def add_band(band: Array, spectra: tuple[Array, Array]) -> tuple[Array, Array]:
        share = jnp.maximum(1.0 - jnp.abs(defocus / step - band + 0.5 * (num_bands - 1)), 0.0)
        c, s = cos_sin((band * step - reach) * turn)
        c, s = cosine * c - sine * s, sine * c + cosine * s
        first, second = jnp.fft.rfft2(share * real), jnp.fft.rfft2(share * imaginary)
        return spectra[0] + first * c - second * s, spectra[1] + first * s + second * c

    nothing = jnp.zeros(cosine.shape, jnp.result_type(phase, jnp.complex64))
    wave = jax.lax.fori_loop(0, num_bands, add_band, (nothing, nothing))
    in_phase, quadrature = (jnp.fft.irfft2(part, s=phase.shape) for part in wave)
    return (1.0 + in_phase) ** 2 + quadrature**2


def form_intensity_weak(
    phase: Image,
    absorption: Image | None,
    optics: Optics,
    damping: Envelope | None,
    pixel_size_angstrom: Scalar,
) -> Image:
    """Return the linear limit of `form_intensity`, at half its cost, for phi and a well below 1.

    Args: as for `form_intensity`.
    """
    cosine, sine = _wave_transfer(phase.shape, optics, damping, pixel_size_angstrom)
    attenuation = optics.amplitude_contrast
    retained = jnp.cos(amplitude_contrast_angle(optics))
    spectrum = jnp.fft.rfft2(phase) * (retained * sine + attenuation * cosine)
    if absorption is not None:
        spectrum = spectrum + jnp.fft.rfft2(absorption) * cosine
    return 1.0 - 2.0 * jnp.fft.irfft2(spectrum, s=phase.shape)


def zero_loss_transmission(thickness_angstrom: Image, mean_free_path_angstrom: Scalar) -> Image:
    """Return the share exp(-t / Lambda) of electrons that lose no energy."""
    return jnp.exp(-thickness_angstrom / mean_free_path_angstrom)


def add_inelastic(
    elastic_intensity: Image,
    zero_loss: Image,
    passed_fraction: Scalar,
    mean_intensity: Scalar = 1.0,
) -> Image:
    """Add the structureless pedestal of inelastic electrons to the elastic image.

    I = T I_el + passed (1 - T) <I_el>: the inelastic image is delocalised beyond the size of a
    particle.

    Args:
        elastic_intensity: of the elastic electrons, relative to their number.
        zero_loss: T, from `zero_loss_transmission`; then leave t / (2 Lambda) out of the
            absorption.
        passed_fraction: 0 behind an energy filter, 1 without.
        mean_intensity: <I_el>.
    """
    return zero_loss * elastic_intensity + passed_fraction * mean_intensity * (1.0 - zero_loss)


def _transmission_minus_one(
    phase: Image, absorption: Image | None, optics: Optics
) -> tuple[Image, Image]:
    # T - 1 without cancellation: Re = expm1(-b) cos - 2 sin^2(phi/2), Im = exp(-b) sin, with b = Q
    # phi + a.
    loss = optics.amplitude_contrast * phase
    if absorption is not None:
        loss = loss + absorption
    half_cosine, half_sine = cos_sin(0.5 * jnp.cos(amplitude_contrast_angle(optics)) * phase)
    cosine_minus_one = -2.0 * half_sine**2
    decay_minus_one = jnp.expm1(-loss)
    real = decay_minus_one * (1.0 + cosine_minus_one) + cosine_minus_one
    return real, (1.0 + decay_minus_one) * 2.0 * half_sine * half_cosine


def _wave_transfer(
    shape: tuple[int, ...], optics: Optics, damping: Envelope | None, pixel_size_angstrom: Scalar
) -> tuple[HalfPlane, HalfPlane]:
    """Return E cos chi and E sin chi; 1 and 0 for the unscattered beam."""
    fy, fx = frequency_grid(shape, pixel_size_angstrom)
    if shape[1] % 2 == 0:
        # The Nyquist column holds both f and -f: without one value for both, electrons get lost.
        fy = jnp.where(jnp.arange(fy.shape[1])[None, :] == fy.shape[1] - 1, jnp.abs(fy), fy)
    cosine, sine = cos_sin(aberration_phase(optics, fy, fx))
    if damping is not None:
        damped = envelope(damping, fy, fx)
        if not (isinstance(damping.convergence_mrad, float) and damping.convergence_mrad == 0):
            damped = damped * spatial_coherence_envelope(optics, damping.convergence_mrad, fy, fx)
        cosine, sine = damped * cosine, damped * sine
    scattered = fy**2 + fx**2 > 0
    return jnp.where(scattered, cosine, 1.0), jnp.where(scattered, sine, 0.0)
