"""What a detector makes of the intensity: counts, shot noise, and the marks of a real camera.

Counts are electrons per pixel. Each effect is a pure function of its own; samplers take the key
first. At picking pixel sizes (4 angstrom and more) the DQE and MTF of a modern camera are flat, so
that only DQE(0) enters, as a scale of the dose.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxpick.numerics.fields import white_noise
from jaxpick.numerics.fourier import filter_image
from jaxpick.numerics.grids import centred_pixel_grid, frequency_magnitude, pixel_grid
from jaxpick.numerics.memory import computed_once
from jaxpick.numerics.trigonometry import cos_sin
from jaxpick.typing import Image, RandomKey, Scalar

Count = Float[Array, ""] | Int[Array, ""] | float | int

# Below about this many electrons a pixel the skew of the Poisson law, 1/sqrt(30) = 0.18, begins to
# show.
EXACT_COUNTS_BELOW = 30.0


def expected_counts(
    intensity: Image,
    dose_e_per_angstrom2: Scalar,
    quantum_efficiency: Scalar,
    pixel_size_angstrom: Scalar,
) -> Image:
    """Return the expected counts D x DQE(0) x pixel^2 x I."""
    return (dose_e_per_angstrom2 * quantum_efficiency * pixel_size_angstrom**2) * intensity


def sample_counts(
    key: RandomKey, expected: Image, exact: bool = False, relative_deviation: Scalar = 0.0
) -> Image:
    """Draw counts of the given expectation.

    Args:
        key: random key.
        expected: electrons per pixel, not negative.
        exact: True for the Poisson law, needed below `EXACT_COUNTS_BELOW`; False for its limit mu +
            sqrt(mu) N(0, 1), some twenty times faster.
        relative_deviation: of each pixel's gain, in the limit only: white and independent of the
            counts, it adds up with their variance to mu + (s mu)^2 and needs no draw of its own.
    """
    if exact:
        return jax.random.poisson(key, expected, expected.shape).astype(jnp.float32)
    variance = expected + (relative_deviation * expected) ** 2
    return expected + jnp.sqrt(variance) * white_noise(key, expected.shape)


def gain_residual(
    key: RandomKey,
    shape: tuple[int, int],
    pixel_deviation: Scalar,
    line_deviation: Scalar = 0.0,
    tile_deviation: Scalar = 0.0,
    tiles: tuple[int, int] = (2, 4),
) -> Image:
    """Draw what an imperfect gain reference leaves: a factor of mean 1 for every pixel.

    Args:
        key: random key.
        shape: (y, x).
        pixel_deviation: relative standard deviation of each pixel.
        line_deviation: of each row and of each column.
        tile_deviation: of each of the rectangular tiles, which leaves seams.
        tiles: number of tiles along y and x.
    """
    pixel_key, line_key = jax.random.split(key)
    pixels = pixel_deviation * white_noise(pixel_key, shape)
    return gain_lines(line_key, shape, line_deviation, tile_deviation, tiles) + pixels


def gain_lines(
    key: RandomKey,
    shape: tuple[int, int],
    line_deviation: Scalar,
    tile_deviation: Scalar,
    tiles: tuple[int, int] = (2, 4),
) -> Image:
    """Draw the part of `gain_residual` that rows, columns and tiles have in common."""
    ny, nx = shape
    num = ny + nx + tiles[0] * tiles[1]
    drawn = computed_once(
        jnp.asarray(line_deviation != 0) | jnp.asarray(tile_deviation != 0),
        lambda: jax.random.normal(key, (num,), jnp.float32),
    )
    rows, columns, levels = jnp.split(drawn, [ny, ny + nx])
    height, width = -(-ny // tiles[0]), -(-nx // tiles[1])
    # Seams as blocks of equal values: a broadcast, where indexing would fetch pixel by pixel.
    by_row = jnp.repeat(tile_deviation * levels.reshape(tiles), height, axis=0)[:ny]
    seams = jnp.broadcast_to(by_row[:, :, None], (ny, tiles[1], width)).reshape(ny, -1)[:, :nx]
    return 1.0 + line_deviation * (rows[:, None] + columns[None, :]) + seams


def add_hot_pixels(
    key: RandomKey,
    image: Image,
    count: Count,
    height_range: tuple[Scalar, Scalar],
    capacity: int = 32,
) -> Image:
    """Add spikes (hot pixels, X-rays) at random pixels.

    Args:
        key: random key.
        image: counts.
        count: how many spikes, at most `capacity`; may be traced.
        height_range: lowest and highest spike in counts, uniform between.
        capacity: static number drawn.
    """
    place_key, height_key = jax.random.split(key)
    y, x = _random_pixels(place_key, image.shape, capacity)
    height = jax.random.uniform(
        height_key, (capacity,), jnp.float32, minval=height_range[0], maxval=height_range[1]
    )
    return image.at[y, x].add(jnp.where(jnp.arange(capacity) < count, height, 0.0))


def replace_dead_pixels(
    key: RandomKey, image: Image, count: Count, value: Scalar, capacity: int = 32
) -> Image:
    """Set random pixels to one value, as camera software does with dead ones.

    Args: as for `add_hot_pixels`; `value` in counts, usually the mean.
    """
    y, x = _random_pixels(key, image.shape, capacity)
    # Beyond `count` the index leaves the image and the write is dropped.
    y = jnp.where(jnp.arange(capacity) < count, y, image.shape[0])
    return image.at[y, x].set(value, mode="drop")


def vignetting(
    shape: tuple[int, int],
    depth: Scalar,
    centre_y: Scalar = 0.0,
    centre_x: Scalar = 0.0,
    radius: Scalar = 1.0,
) -> Image:
    """Return the relative brightness of an uneven beam: 1 - depth + depth exp(-r^2 / (2 radius^2)).

    Args:
        shape: (y, x).
        depth: loss far from the centre, 0 to 1.
        centre_y: centre of the beam from the centre of the image, in half its longer side.
        centre_x: the same along x.
        radius: of the beam in the same unit.
    """
    y, x = centred_pixel_grid(shape)
    along_y = jnp.exp(-((y[:, :1] - centre_y) ** 2) / (2.0 * radius**2))
    along_x = jnp.exp(-((x[:1] - centre_x) ** 2) / (2.0 * radius**2))
    return 1.0 - depth + depth * along_y * along_x


def beam_edge(
    shape: tuple[int, int],
    centre_y_px: Scalar,
    centre_x_px: Scalar,
    radius_px: Scalar,
    fringe_px: Scalar,
) -> Image:
    """Return the relative brightness of a round beam with an edge in the field, fringes included.

    Across the edge it is the diffraction of a straight edge, (1/2) |1/2 + C(u) + i (1/2 + S(u))|^2
    with u the distance inside the beam over `fringe_px`; the first maximum, 1.37, is at u = 1.22.

    Args:
        shape: (y, x).
        centre_y_px: centre of the beam in pixels of the image.
        centre_x_px: the same along x.
        radius_px: of the beam.
        fringe_px: sqrt(lambda z / 2) in pixels for an edge at distance z from focus.
    """
    y, x = pixel_grid(shape)
    distance = jnp.sqrt((y - centre_y_px) ** 2 + (x - centre_x_px) ** 2)
    return fresnel_edge((radius_px - distance) / fringe_px)


def fresnel_edge(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the intensity behind a straight edge; u is the distance into the light, reduced.

    u = distance x sqrt(2 / (lambda z)). Auxiliary functions f and g by Abramowitz and Stegun 7.3.32
    and 7.3.33: the intensity is right to 0.006.
    """
    distance = jnp.abs(u)
    f = (1.0 + 0.926 * distance) / (2.0 + 1.792 * distance + 3.104 * distance**2)
    g = 1.0 / (2.0 + 4.142 * distance + 3.492 * distance**2 + 6.670 * distance**3)
    cosine, sine = cos_sin(0.5 * math.pi * distance**2)
    lit = 0.5 * ((1.0 + f * sine - g * cosine) ** 2 + (1.0 - f * cosine - g * sine) ** 2)
    return jnp.where(u > 0, lit, 0.5 * (f**2 + g**2))


def strokes(
    shape: tuple[int, int],
    knots_yx_px: Float[Array, "stroke 3 2"],
    width_px: Float[Array, " stroke"],
    height: Float[Array, " stroke"],
) -> Image:
    """Return scratches: quadratic Bezier curves with a Gaussian cross-section; the highest wins.

    Args:
        shape: (y, x).
        knots_yx_px: start, control point and end of each curve.
        width_px: full width at half maximum, up to 3.
        height: of the middle line, not negative.
    """
    # Curves are no longer than their polygons: samples lie less than a pixel apart.
    t = jnp.linspace(0.0, 1.0, 3 * max(shape))[None, :, None]
    start, control, end = (knots_yx_px[:, i, None, :] for i in range(3))
    points = (1.0 - t) ** 2 * start + 2.0 * t * (1.0 - t) * control + t**2 * end
    reach = jnp.arange(-3, 4)
    pixel = jnp.floor(points + 0.5).astype(jnp.int32)
    y = pixel[:, :, 0, None, None] + reach[None, None, :, None]
    x = pixel[:, :, 1, None, None] + reach[None, None, None, :]
    square = (y - points[:, :, 0, None, None]) ** 2 + (x - points[:, :, 1, None, None]) ** 2
    sigma = width_px[:, None, None, None] / (2.0 * math.sqrt(2.0 * math.log(2.0)))
    profile = height[:, None, None, None] * jnp.exp(-square / (2.0 * sigma**2))
    # Negative indices would count from the end: they are sent beyond it, where writes are dropped.
    y = jnp.where(y < 0, shape[0], y)
    x = jnp.where(x < 0, shape[1], x)
    return jnp.zeros(shape, jnp.float32).at[y, x].max(profile, mode="drop")


def dip_noise_power(noise: Image, depth: Scalar, corner: Scalar) -> Image:
    """Lower low-frequency noise as coincidence loss does: times 1 - a exp(-(f / f1)^2).

    Args:
        noise: zero-mean noise, without signal.
        depth: a, 0 to 0.2.
        corner: f1 in cycles per pixel.
    """
    frequency = frequency_magnitude(noise.shape)
    return filter_image(noise, 1.0 - depth * jnp.exp(-((frequency / corner) ** 2)))


def blur_by_mtf(counts: Image, decay: Scalar) -> Image:
    """Apply the transfer exp(-f / f0) of an old camera or scanned film, f0 in cycles per pixel."""
    return filter_image(counts, jnp.exp(-frequency_magnitude(counts.shape) / decay))


def add_read_noise(key: RandomKey, counts: Image, deviation: Scalar) -> Image:
    """Add the white electronic noise of a camera that integrates charge; `deviation` in counts."""
    return counts + deviation * white_noise(key, counts.shape)


def quantise(image: Image, step: Scalar, lowest: Scalar, num_levels: int = 256) -> Image:
    """Round and clip to the levels lowest, lowest + step, ... that an integer file can hold."""
    level = jnp.clip(jnp.round((image - lowest) / step), 0, num_levels - 1)
    return lowest + step * level


def _random_pixels(
    key: RandomKey, shape: tuple[int, ...], count: int
) -> tuple[Int[Array, " spot"], Int[Array, " spot"]]:
    y_key, x_key = jax.random.split(key)
    return jax.random.randint(y_key, (count,), 0, shape[0]), jax.random.randint(
        x_key, (count,), 0, shape[1]
    )
