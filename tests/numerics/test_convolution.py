"""Correlations agree with SciPy's, through Fourier space or not, batched and differentiated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate2d

from jaxpick.numerics.convolution import (
    correlate,
    correlate_direct,
    correlate_doubling,
    correlate_folded,
    correlate_spectrum,
    image_spectrum,
)


def arrays(kernel=(4, 7), shape=(23, 31), channels=(3, 2)):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(channels[0], *shape)).astype(np.float32)
    return image, rng.normal(size=(*kernel, *channels)).astype(np.float32)


def reference(image, kernels):
    """Sum of SciPy's valid correlations over the channels."""
    filters = range(kernels.shape[3])
    return np.stack(
        [
            sum(correlate2d(plane, kernels[:, :, i, j], "valid") for i, plane in enumerate(image))
            for j in filters
        ]
    )


@pytest.mark.parametrize("kernel", [(1, 1), (4, 7), (7, 4), (23, 31)])
def test_both_ways_agree_with_scipy(kernel):
    image, kernels = arrays(kernel)
    expected = reference(image, kernels)
    scale = np.abs(expected).max()
    spectrum = image_spectrum(jnp.asarray(image))
    for found in (
        correlate_direct(jnp.asarray(image), jnp.asarray(kernels)),
        correlate_spectrum(spectrum, jnp.asarray(kernels), image.shape[1:]),
        correlate(jnp.asarray(image), jnp.asarray(kernels)),
    ):
        np.testing.assert_allclose(found, expected, atol=2e-6 * scale)


@pytest.mark.parametrize("kernel", [(3, 3), (9, 9)])
def test_leading_axes_are_a_batch(kernel):
    image, kernels = arrays(kernel)
    stack = jnp.asarray(np.stack([image, 2 * image, -image]).reshape(3, 1, *image.shape))
    found = jax.jit(correlate)(stack, kernels)
    one = correlate(jnp.asarray(image), jnp.asarray(kernels))
    for index, factor in enumerate((1, 2, -1)):
        np.testing.assert_allclose(found[index, 0], factor * one, rtol=1e-4, atol=1e-4)
    mapped = jax.vmap(lambda part: correlate(part, jnp.asarray(kernels)))(stack)
    np.testing.assert_allclose(mapped, found, atol=1e-4)


def test_the_gradient_through_fourier_space_is_that_of_the_sum():
    image, kernels = arrays((8, 6))

    def loss(apply):
        return lambda k: jnp.sum(jnp.sin(apply(jnp.asarray(image), k)))

    ours, theirs = (jax.grad(loss(f))(jnp.asarray(kernels)) for f in (correlate, correlate_direct))
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * float(jnp.abs(theirs).max()))


def test_doubling_is_the_transposed_convolution_and_so_is_its_gradient():
    """Of an asymmetric kernel on maps that are not square."""
    keys = jax.random.split(jax.random.key(0), 3)
    maps, kernel = (
        jax.random.normal(keys[0], (2, 5, 7, 3)),
        jax.random.normal(keys[1], (3, 3, 3, 4)),
    )
    weights = jax.random.normal(keys[2], (2, 10, 14, 4))

    def usual(maps, kernel):
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_transpose(maps, kernel, (2, 2), "SAME", dimension_numbers=layout)

    both = [
        jax.value_and_grad(lambda m, k, f=f: jnp.sum(weights * f(m, k)), argnums=(0, 1))(
            maps, kernel
        )
        for f in (usual, correlate_doubling)
    ]
    np.testing.assert_allclose(correlate_doubling(maps, kernel), usual(maps, kernel), atol=1e-4)
    for expected, found in zip(jax.tree.leaves(both[0]), jax.tree.leaves(both[1]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [1, 3, 9])
def test_correlations_by_blocks_are_those_of_each_place(side, channels):
    keys = jax.random.split(jax.random.key(side), 2)
    images = jax.random.normal(keys[0], (2, 18, 24, channels))
    kernel = jax.random.normal(keys[1], (side, side, channels, 5))
    blocks = correlate_folded(images, kernel)
    expected = np.moveaxis(correlate_direct(jnp.moveaxis(images, -1, 1), kernel), 1, -1)
    assert blocks.shape == (2, (19 - side) // 2, (25 - side) // 2, 2, 2, 5)
    for a in (0, 1):
        for b in (0, 1):
            np.testing.assert_allclose(
                blocks[:, :, :, a, b], expected[:, a::2, b::2], rtol=1e-4, atol=2e-4
            )
