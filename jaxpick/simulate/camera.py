"""From the intensity behind the lens to the image that a camera writes, divided by its mean."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.grids import centred_pixel_grid
from jaxpick.physics import detector
from jaxpick.simulate.draws import Unit, coin, log_uniform, sometimes, uniform, unit_arrays
from jaxpick.simulate.planes import size_of
from jaxpick.simulate.priors import DetectorPrior
from jaxpick.simulate.processing import gaussian_low_pass
from jaxpick.typing import Image, RandomKey, Scalar

MAX_BAD_PIXELS = 32
MAX_SCRATCHES = 3


def expose(
    key: RandomKey,
    intensity: Image,
    dose_e_per_angstrom2: Scalar,
    pixel_angstrom: Scalar,
    prior: DetectorPrior,
) -> Image:
    """Draw the counts of one exposure over their mean, with the marks of the camera."""
    unit_key, count_key, read_key, line_key = jax.random.split(key, 4)
    u, spots, knots = unit_arrays(unit_key, (28,), (2, MAX_BAD_PIXELS, 3), (MAX_SCRATCHES, 3, 2))
    intensity = _blur_one_side(u[13:17], prior, intensity, pixel_angstrom)
    beam = _beam(u[:4], prior, size_of(intensity))
    beam = _edge_beam(u[17:21], prior, beam)
    expected = detector.expected_counts(intensity * beam, dose_e_per_angstrom2, 1.0, pixel_angstrom)
    is_uneven = coin(u[11], prior.gain_probability)
    residue = jnp.where(is_uneven, log_uniform(u[9], prior.gain_residue), 0.0)
    seam = jnp.where(is_uneven, uniform(u[10], prior.gain_seam), 0.0)
    counts = _count(count_key, expected, residue, prior)
    counts = _dip_noise(u[4:7], prior, counts, expected)
    counts = _integrate_charge(read_key, u[7:9], u[21], prior, counts)
    counts *= detector.gain_lines(line_key, size_of(intensity), 0.3 * residue, seam)
    mean = jnp.mean(counts)
    counts = _spoil_pixels(spots, u[12], u[22], prior, counts, mean)
    return _scratch(knots, u[23:28], prior, counts, mean) / mean


def _beam(u: Float[Array, " number"], prior: DetectorPrior, shape: tuple[int, int]) -> Image:
    return detector.vignetting(
        shape,
        uniform(u[0], prior.vignetting),
        uniform(u[1], (-0.7, 0.7)),
        uniform(u[2], (-0.7, 0.7)),
        uniform(u[3], (0.8, 2.0)),
    )


def _edge_beam(u: Float[Array, " number"], prior: DetectorPrior, beam: Image) -> Image:
    """Let the rim of the beam cross the field in some micrographs."""
    ny, nx = size_of(beam)
    longer = max(ny, nx)

    def cut(beam: Image) -> Image:
        radius, angle = longer * uniform(u[0], (0.8, 2.0)), 2.0 * jnp.pi * u[1]
        away = radius - longer * uniform(u[2], (0.3, 0.5))
        y, x = ny / 2 + away * jnp.sin(angle), nx / 2 + away * jnp.cos(angle)
        fringe_px = longer * log_uniform(u[2], (0.003, 0.02))
        return beam * detector.beam_edge((ny, nx), y, x, radius, fringe_px)

    return sometimes(u[3], prior.beam_edge_probability, cut, beam)


def _blur_one_side(
    u: Float[Array, " number"], prior: DetectorPrior, intensity: Image, pixel_angstrom: Scalar
) -> Image:
    """Blur one side of some micrographs more than the other, as charging does."""

    def blur(intensity: Image) -> Image:
        y, x = centred_pixel_grid(size_of(intensity))
        angle = 2.0 * jnp.pi * u[0]
        along = y * jnp.sin(angle) + x * jnp.cos(angle) - uniform(u[1], (-0.5, 0.5))
        b_factor = log_uniform(u[2], prior.local_blur_b_factor_angstrom2)
        # exp(-B f^2 / 4) is one half at this wavelength.
        wavelength_px = jnp.sqrt(b_factor / (4.0 * math.log(2.0))) / pixel_angstrom
        share = jax.nn.sigmoid(4.0 * along)
        return intensity + share * (gaussian_low_pass(intensity, wavelength_px) - intensity)

    return sometimes(u[3], prior.local_blur_probability, blur, intensity)


def _count(
    key: RandomKey, expected: Image, residue: Float[Array, ""], prior: DetectorPrior
) -> Image:
    def limit(expected: Image) -> Image:
        return detector.sample_counts(key, expected, relative_deviation=residue)

    if prior.exact_counts_below <= 0.0:
        return limit(expected)
    is_few = jnp.mean(expected) < prior.exact_counts_below
    return jax.lax.cond(
        is_few, lambda expected: detector.sample_counts(key, expected, True), limit, expected
    )


def _dip_noise(
    u: Float[Array, " number"], prior: DetectorPrior, counts: Image, expected: Image
) -> Image:
    """Lower the noise at low frequency, as coincidence loss does, in some micrographs."""

    def dip(counts: Image) -> Image:
        depth, corner = uniform(u[0], prior.noise_dip), uniform(u[1], (0.05, 0.3))
        return expected + detector.dip_noise_power(counts - expected, depth, corner)

    return sometimes(u[2], prior.noise_dip_probability, dip, counts)


def _integrate_charge(
    key: RandomKey,
    u: Float[Array, " number"],
    for_decay: Unit,
    prior: DetectorPrior,
    counts: Image,
) -> Image:
    """Give some micrographs the transfer and the own noise of an old camera or scanned film."""

    def integrate(counts: Image) -> Image:
        deviation = uniform(u[0], prior.read_noise) * jnp.sqrt(jnp.mean(counts))
        blurred = detector.blur_by_mtf(counts, log_uniform(for_decay, prior.mtf_decay))
        return detector.add_read_noise(key, blurred, deviation)

    return sometimes(u[1], prior.read_noise_probability, integrate, counts)


def _spoil_pixels(
    u: Float[Array, "2 spot 3"],
    for_hot: Unit,
    for_dead: Unit,
    prior: DetectorPrior,
    counts: Image,
    mean: Float[Array, ""],
) -> Image:
    """Add spikes of so many standard deviations of the shot noise, and dead pixels at the mean."""
    shape = jnp.asarray(counts.shape, jnp.float32)
    place = (u[:, :, :2] * shape[None, None, :]).astype(jnp.int32)
    index = jnp.arange(u.shape[1])
    num_hot = jnp.round(log_uniform(for_hot, prior.hot_pixel_fraction) * counts.size)
    num_dead = jnp.round(log_uniform(for_dead, prior.dead_pixel_fraction) * counts.size)
    height = uniform(u[0, :, 2], prior.hot_pixel_sigma) * jnp.sqrt(mean)
    counts = counts.at[place[0, :, 0], place[0, :, 1]].add(jnp.where(index < num_hot, height, 0.0))
    # Beyond their number the index leaves the image and the write is dropped.
    row = jnp.where(index < num_dead, place[1, :, 0], counts.shape[0])
    return counts.at[row, place[1, :, 1]].set(mean, mode="drop")


def _scratch(
    knots: Float[Array, "stroke 3 2"],
    u: Float[Array, " number"],
    prior: DetectorPrior,
    counts: Image,
    mean: Float[Array, ""],
) -> Image:
    """Scratch some micrographs: up to `MAX_SCRATCHES` strokes, all bright or all dark."""
    ny, nx = size_of(counts)

    def scratch(counts: Image) -> Image:
        used = jnp.arange(MAX_SCRATCHES) < 1.0 + MAX_SCRATCHES * u[0]
        height = used * log_uniform(u[1], prior.scratch_sigma) * jnp.sqrt(mean)
        width = jnp.full((MAX_SCRATCHES,), uniform(u[2], prior.scratch_width_px))
        places = knots * jnp.asarray([ny, nx], jnp.float32)[None, None, :]
        sign = jnp.where(u[3] < 0.5, 1.0, -1.0)
        return counts + sign * detector.strokes((ny, nx), places, width, height)

    return sometimes(u[4], prior.scratch_probability, scratch, counts)
