"""Convolutions of networks have the values and gradients of plain ones, whatever they are made of."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.models.convolution import Conv
from jaxpick.numerics import layers
from jaxpick.numerics.layers import convolve


def check(shape, filters, side, dtype=jnp.float32, tolerance=1e-5, **settings):
    """Compare with `nn.Conv`: parameters, values, gradients of maps, kernel and bias."""
    keys = jax.random.split(jax.random.key(sum(shape)), 3)
    maps = jax.random.normal(keys[0], shape, dtype)
    plain, ours = (kind(filters, (side, side), dtype=dtype, **settings) for kind in (nn.Conv, Conv))
    params = plain.init(keys[1], maps)
    weights = jax.random.normal(keys[2], plain.apply(params, maps).shape, dtype)

    def everything(layer):
        def loss(params, maps):
            values = layer.apply(params, maps)
            return jnp.sum(values * weights).astype(jnp.float32), values

        found = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, maps)
        return found, layer.init(keys[1], maps)

    for expected, found in zip(
        *(jax.tree.leaves(everything(layer)) for layer in (plain, ours)), strict=True
    ):
        assert expected.shape == found.shape and expected.dtype == found.dtype
        scale = float(jnp.abs(expected).max())
        np.testing.assert_allclose(
            np.float32(found), np.float32(expected), atol=tolerance * max(scale, 1.0)
        )


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (1, 2), (2, 1), (2, 2)])
@pytest.mark.parametrize(("channels", "filters", "side"), [(3, 17, 3), (2, 5, 1), (4, 3, 2)])
def test_strides_dilations_and_products(channels, filters, side, padding, stride, dilation):
    check(
        (3, 9, 12, channels),
        filters,
        side,
        padding=padding,
        strides=stride,
        kernel_dilation=dilation,
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("channels", "filters", "side"), [(1, 8, 3), (1, 16, 7), (8, 16, 5)])
@pytest.mark.parametrize("shape", [(11, 14), (8, 8)])
def test_few_maps_by_blocks_of_places(shape, channels, filters, side, padding):
    check((2, *shape, channels), filters, side, padding=padding)
    assert layers._is_folded(jnp.zeros((side, side, channels, filters)), (1, 1))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_batch_in_parts(padding):
    check((2 * layers.PART_IMAGES, 5, 6, 18), 20, 3, padding=padding)


def test_a_kernel_as_large_as_the_map():
    check((3, 5, 5, 6), 7, 5, padding="VALID")


def test_half_precision_stays_half():
    check((2, 8, 8, 4), 20, 3, jnp.bfloat16, 0.02)
    check((2, 8, 8, 4), 3, 1, jnp.bfloat16, 0.02)


def test_a_mapped_layer_is_that_of_each():
    maps, kernel = jnp.ones((4, 2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))

    def value(maps):
        return jnp.sum(convolve(maps, kernel, (1, 1), "SAME") ** 2)

    mapped, each = jax.vmap(jax.grad(value))(maps), jax.grad(value)(maps[0])
    np.testing.assert_allclose(mapped, jnp.broadcast_to(each, mapped.shape), rtol=1e-5)


def test_other_settings_are_refused():
    layer = Conv(4, (3, 3), input_dilation=2)
    with pytest.raises(ValueError, match=r"lhs_dilation: expected \(1, 1\), got \(2, 2\)"):
        layer.init(jax.random.key(0), jnp.ones((1, 8, 8, 4)))
