"""Topaz's working images: Fourier cropping, and a normalisation by what the background is.

Bepler et al. (2019), Nature Methods 16:1153; topaz-em 0.3 (`topaz preprocess`, `topaz normalize`). Pixel values are a
mixture of two normal distributions of one variance; the brighter one is the background, whose share has a beta prior.
The image minus the background's mean, over the common standard deviation, is what a network sees: particles weigh
less on the scale the more of them there are, unlike with the plain mean.

The mixture is fitted to a histogram of all pixels, not to one in ten of them: its 2048 bins keep their
own means, so that next to nothing is lost, and twelve starts cost as much as one pass over the image.
Pixels beyond eight standard deviations count as if they lay there. Sides are rounded to the nearest,
and both true factors are kept; Topaz rounds down and scales coordinates by the nominal factor.
"""

import dataclasses
import functools
import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlog1py, xlogy
from jaxtyping import Array, Float, Int

from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.numerics.fourier import fourier_resample
from jaxpick.preprocess.borders import Box, usable_box
from jaxpick.preprocess.working import WorkingImage, check_diameter, inside_plane
from jaxpick.spec import require
from jaxpick.typing import HostImage, Image, Scalar

STARTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
MAX_ROUNDS, LEAST_CHANGE = 100, 1e-5
BINS, RANGE_DEVIATIONS = 2048, 8.0
# RELION runs Topaz at a quarter of the size, or smaller: a particle fills half of resnet8's 71 pixels.
RELION_WINDOW_PX, RELION_LEAST_FACTOR = 71, 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class TopazPreprocessSpec:
    """How a micrograph becomes Topaz's working image.

    Attributes:
        kind: Topaz's.
        diameter_px: working pixels that span the diameter given by the user.
        factor: micrograph pixels per working pixel (`topaz preprocess -s`); then `diameter_px` is null. With neither,
            RELION's rule: max(4, round(2 diameter / 71 pixels)).
        normalisation: by the mixture, or by mean and standard deviation (`--affine`).
        alpha: of the beta prior of the background's share.
        beta: of the same.
    """

    kind: Literal["topaz"] = "topaz"
    diameter_px: float | None = 20.0
    factor: float | None = None
    normalisation: Literal["mixture", "affine"] = "mixture"
    alpha: float = 900.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        size, factor = self.diameter_px, self.factor
        require(size is None or 4 <= size <= 256, "diameter_px", size, "4 to 256")
        require(factor is None or factor >= 1, "factor", factor, "1 or more")
        one = size is None or factor is None
        require(one, "factor", factor, "null, or diameter_px=null beside it")
        for name in ("alpha", "beta"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")

    def scale(self, diameter_angstrom: float, pixel_size_angstrom: float) -> float:
        """Return the micrograph pixels per working pixel, before sides are rounded."""
        diameter_px = diameter_angstrom / pixel_size_angstrom
        if self.factor is not None:
            return self.factor
        if self.diameter_px is not None:
            return diameter_px / self.diameter_px
        return float(max(RELION_LEAST_FACTOR, round(2 * diameter_px / RELION_WINDOW_PX)))


class Mixture(NamedTuple):
    """The background's mean, the common standard deviation, the background's share, and the log posterior."""

    mean: Scalar
    deviation: Scalar
    share: Scalar
    log_posterior: Scalar


def make_topaz_image(
    image: HostImage,
    pixel_size_angstrom: float,
    diameter_angstrom: float,
    name: str,
    spec: TopazPreprocessSpec,
) -> WorkingImage:
    """Resample and normalise one micrograph; borders without information of their own become 0.

    Args:
        image: micrograph.
        pixel_size_angstrom: of the micrograph.
        diameter_angstrom: particle diameter that the user gives.
        name: file name of the micrograph.
        spec: scale and normalisation.

    Raises:
        InputError: when the diameter does not fit the micrograph.
    """
    shape = (image.shape[0], image.shape[1])
    check_diameter(shape, pixel_size_angstrom, diameter_angstrom, name)
    scale = spec.scale(diameter_angstrom, pixel_size_angstrom)
    small = (max(round(shape[0] / scale), 1), max(round(shape[1] / scale), 1))
    coordinates, usable = CoordinateMap.between(shape, small), usable_box(image)
    box = jnp.asarray(_working_box(usable, coordinates, small))
    return WorkingImage(
        image=_resample_and_normalise(jnp.asarray(image, jnp.float32), small, spec, box),
        coordinates=coordinates,
        pixel_size_angstrom=pixel_size_angstrom
        * (coordinates.scale_y * coordinates.scale_x) ** 0.5,
        micrograph=name,
        micrograph_shape=shape,
        micrograph_pixel_size_angstrom=pixel_size_angstrom,
        usable=usable,
    )


@functools.partial(jax.jit, static_argnames="spec")
def normalise_topaz(
    image: Image, spec: TopazPreprocessSpec, usable: Int[Array, "4"] | None = None
) -> Float[Array, "y x"]:
    """Subtract the background's mean and divide by the standard deviation.

    Args:
        image: at the working pixel.
        spec: normalisation.
        usable: first and last + 1 row, first and last + 1 column that count; the rest becomes 0.
    """
    inside = inside_plane(image.shape, usable)
    mean, deviation = _mean_and_deviation(image, inside)
    if spec.normalisation == "mixture":
        fitted = fit_mixture(image, spec.alpha, spec.beta, inside)
        mean, deviation = fitted.mean, fitted.deviation
    return inside * (image - mean) / jnp.maximum(deviation, 1e-12)


@functools.partial(jax.jit, static_argnames=("alpha", "beta"))
def fit_mixture(
    values: Float[Array, "*shape"],
    alpha: float = 900.0,
    beta: float = 1.0,
    weights: Float[Array, "*shape"] | None = None,
) -> Mixture:
    """Fit two normal distributions of one variance by expectation maximisation; the best of twelve starts.

    Args:
        values: pixels.
        alpha: of the beta prior of the brighter component's share.
        beta: of the same.
        weights: how often each pixel counts; once if None.
    """
    weights = jnp.ones(values.shape, jnp.float32) if weights is None else weights
    # One value first: images may have a large offset.
    offset = values.ravel()[0]
    centre, scale = _core(values - offset, weights)
    scale = jnp.maximum(scale, 1e-12)
    normal = jnp.clip((values - offset - centre) / scale, -RANGE_DEVIATIONS, RANGE_DEVIATIONS)
    count, x = _histogram(normal, weights)
    states = jax.vmap(lambda share: _start(count, x, share))(jnp.asarray(STARTS, jnp.float32))
    climb = functools.partial(_round, count, x, alpha, beta)

    def improve(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        states, _, number = carry
        after = jax.vmap(climb)(states)
        return after, jnp.max(jnp.abs(after - states)), number + 1

    def goes_on(carry: tuple[Array, Array, Array]) -> Array:
        return (carry[1] > LEAST_CHANGE) & (carry[2] < MAX_ROUNDS)

    first = (states, jnp.float32(jnp.inf), jnp.int32(0))
    states, _, _ = jax.lax.while_loop(goes_on, improve, first)
    posterior = jax.vmap(lambda state: jnp.asarray(_log_posterior(count, x, alpha, beta, state)))(
        states
    )
    best = jnp.argmax(posterior)
    bright, _, deviation, share = states[best]
    log_scale = jnp.sum(count) * jnp.log(scale)
    return Mixture(
        mean=offset + centre + scale * bright,
        deviation=scale * deviation,
        share=share,
        log_posterior=posterior[best] - log_scale,
    )


# A state: means of the bright and the dark component, their standard deviation, the bright one's share.
State = Float[Array, "4"]
Bins = Float[Array, "bin"]


def _start(count: Bins, x: Bins, share: Scalar) -> State:
    """Split the pixels at a quantile: the brightest `share` of them are background."""
    total = jnp.sum(count)
    below = jnp.cumsum(count) - (1.0 - share) * total
    bright = jnp.where(share >= 1.0, 1.0, jnp.clip(below / jnp.maximum(count, 1.0), 0.0, 1.0))
    return _from_parts(count, x, bright, share)


def _round(count: Bins, x: Bins, alpha: float, beta: float, state: State) -> State:
    """Weigh every pixel by how likely it is background, then fit both components to the weights."""
    bright, dark, _ = _log_densities(x, state)
    weight = jnp.exp(bright - jnp.logaddexp(bright, dark))
    a = alpha + jnp.sum(count * weight)
    b = beta + jnp.sum(count * (1.0 - weight))
    return _from_parts(count, x, weight, (a - 1.0) / (a + b - 2.0))


def _from_parts(count: Bins, x: Bins, bright: Bins, share: Scalar) -> State:
    """Return means and common deviation of what is bright and what is not."""
    on, off = count * bright, count * (1.0 - bright)
    mean_on = jnp.sum(on * x) / jnp.maximum(jnp.sum(on), 1e-6)
    mean_off = jnp.sum(off * x) / jnp.maximum(jnp.sum(off), 1e-6)
    squares = jnp.sum(on * (x - mean_on) ** 2 + off * (x - mean_off) ** 2)
    deviation = jnp.sqrt(squares / jnp.maximum(jnp.sum(count), 1.0))
    return jnp.stack([mean_on, mean_off, jnp.maximum(deviation, 1e-6), jnp.asarray(share)])


def _log_densities(x: Bins, state: State) -> tuple[Bins, Bins, Bins]:
    """Return the log densities of the bright component, of the dark one, and of both."""
    bright, dark, deviation, share = state
    scale = -jnp.log(deviation) - 0.5 * math.log(2.0 * math.pi)
    on = jnp.log(share) + scale - 0.5 * ((x - bright) / deviation) ** 2
    rest = jnp.where(share < 1.0, jnp.log1p(-jnp.minimum(share, 1.0 - 1e-7)), -1e9)
    off = rest + scale - 0.5 * ((x - dark) / deviation) ** 2
    return on, off, jnp.logaddexp(on, off)


def _log_posterior(count: Bins, x: Bins, alpha: float, beta: float, state: State) -> Scalar:
    share = state[3]
    prior = xlogy(alpha - 1.0, share) + xlog1py(beta - 1.0, -share)
    constant = math.lgamma(alpha + beta) - math.lgamma(alpha) - math.lgamma(beta)
    return jnp.sum(count * _log_densities(x, state)[2]) + prior + constant


def _histogram(
    values: Float[Array, "*shape"], weights: Float[Array, "*shape"]
) -> tuple[Bins, Bins]:
    """Return how much is in each bin and the mean of it."""
    width = 2.0 * RANGE_DEVIATIONS / BINS
    place = jnp.minimum((values + RANGE_DEVIATIONS) / width, BINS - 1.0).astype(jnp.int32)
    both = jnp.stack([weights.ravel(), (weights * values).ravel()], axis=1)
    count, total = jax.ops.segment_sum(both, place.ravel(), BINS).T
    return count, total / jnp.maximum(count, 1e-6)


def _core(
    values: Float[Array, "*shape"], weights: Float[Array, "*shape"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return mean and standard deviation without what is far from the rest."""
    mean, deviation = _mean_and_deviation(values, weights)
    for _ in range(3):
        near = weights * (jnp.abs(values - mean) <= 4.0 * deviation)
        mean, deviation = _mean_and_deviation(values, near)
    return mean, deviation


def _mean_and_deviation(
    values: Float[Array, "*shape"], weights: Float[Array, "*shape"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    total = jnp.maximum(jnp.sum(weights), 1e-6)
    mean = jnp.sum(weights * values) / total
    return mean, jnp.sqrt(jnp.sum(weights * (values - mean) ** 2) / total)


def _working_box(
    usable: Box, coordinates: CoordinateMap, shape: tuple[int, int]
) -> Int[np.ndarray, "4"]:
    """Return the working pixels whose centres lie in the usable part of the micrograph."""
    (top, bottom, left, right), (ny, nx) = usable, shape
    y, x = coordinates.scale_y, coordinates.scale_x
    ends = min(math.floor((bottom - 1) / y) + 1, ny), min(math.floor((right - 1) / x) + 1, nx)
    return np.array([math.ceil(top / y), ends[0], math.ceil(left / x), ends[1]], np.int32)


@functools.partial(jax.jit, static_argnames=("shape", "spec"))
def _resample_and_normalise(
    image: Image, shape: tuple[int, int], spec: TopazPreprocessSpec, usable: Int[Array, "4"]
) -> Float[Array, "small_y small_x"]:
    return normalise_topaz(fourier_resample(image, shape), spec, usable)
