"""PARSED's networks: sizes of the paper, the released output, dense equal to crop-wise, the
reach of a pixel.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.models.parsed import (
    STRIDE_MULTIPLE,
    ParsedClassifier,
    ParsedReleased,
    ParsedSegmenter,
    ParsedTrunk,
    initialise_segmenter,
    receptive_field_px,
    released_receptive_field_px,
)
from jaxpick.spec import SpecError


def _count(params) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _noise(shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


def _initialised(model, *shapes, seed=0, positive=False):
    """Parameters drawn with non-zero biases, so that zero padding is seen where it is applied."""
    random = np.random.default_rng(seed)
    described = jax.eval_shape(
        model.init, jax.random.key(0), *(jnp.zeros(shape) for shape in shapes)
    )

    def draw(leaf):
        values = random.normal(size=leaf.shape) / np.sqrt(np.prod(leaf.shape[:-1]) + 1)
        return jnp.asarray(np.abs(values) + 0.01 if positive else values, jnp.float32)

    return jax.tree.map(draw, described)


def test_parameter_counts_are_those_of_the_paper_and_of_the_released_file():
    patch = (1, 16, 16, 1)
    assert _count(_initialised(ParsedTrunk(), patch)) == 28_064
    # Two deconvolutions of 9,248 and 2 x 32 weights + 2 biases; 3 x 3 kernels hold 9 times the
    # weights.
    assert _count(_initialised(ParsedSegmenter(), patch)) == 28_064 + 2 * 9_248 + 66
    assert (
        _count(_initialised(ParsedSegmenter(head_kernel_px=3), patch)) == 28_064 + 2 * 9_248 + 578
    )
    # 4 x 4 x 32 inputs after two poolings of a 16 x 16 patch.
    head = (512 * 128 + 128) + (128 * 128 + 128) + (128 * 2 + 2)
    assert _count(_initialised(ParsedClassifier(), patch)) == 28_064 + head
    assert _count(_initialised(ParsedReleased(), patch, patch)) == 353_313


@pytest.mark.oracle
def test_released_network_equals_keras(oracles):
    reference = np.load(oracles / "parsed_released.npz")
    params: dict = {}
    for name in reference.files:
        if name.startswith("weights/"):
            _, layer, array = name.split("/")
            params.setdefault(layer, {})[array] = reference[name]
    image, mask = (reference[name][None, :, :, None] for name in ("image", "mask"))
    output = jax.jit(ParsedReleased().apply)(
        {"params": params}, jnp.asarray(image), jnp.asarray(mask)
    )
    np.testing.assert_allclose(output[0, :, :, 0], reference["out/masked"], atol=1e-4)


@pytest.mark.parametrize("shape", [(17, 20), (2, 5)])
def test_segmenter_keeps_any_size_and_equals_the_padded_input(shape):
    model = ParsedSegmenter(width=4)
    params = _initialised(model, (1, 16, 16, 1))
    images = _noise((2, *shape, 1))
    logits = jax.jit(model.apply)(params, images)
    assert logits.shape == (2, *shape, 2)
    to_multiple = [(0, -size % STRIDE_MULTIPLE) for size in shape]
    padded = jnp.pad(images, [(0, 0), *to_multiple, (0, 0)])
    dense = jax.jit(model.apply)(params, padded)[:, : shape[0], : shape[1]]
    np.testing.assert_array_equal(logits, dense)


@pytest.mark.parametrize("head_kernel_px", [1, 3])
def test_crop_with_the_receptive_field_equals_dense(head_kernel_px):
    model = ParsedSegmenter(width=4, head_kernel_px=head_kernel_px)
    params = _initialised(model, (1, 16, 16, 1))
    images = _noise((1, 64, 60, 1))
    dense = jax.jit(model.apply)(params, images)
    margin = -(-receptive_field_px(head_kernel_px) // STRIDE_MULTIPLE) * STRIDE_MULTIPLE
    crop = images[:, 4 : 8 + 2 * margin, 8 : 12 + 2 * margin]
    core = jax.jit(model.apply)(params, crop)[:, margin:-margin, margin:-margin]
    expected = dense[:, 4 + margin : 8 + margin, 8 + margin : 12 + margin]
    np.testing.assert_allclose(core, expected, atol=1e-5)


@pytest.mark.parametrize("head_kernel_px", [1, 3])
def test_receptive_field_is_the_reach_of_the_gradient(head_kernel_px):
    model = ParsedSegmenter(width=2, head_kernel_px=head_kernel_px)
    params = _initialised(model, (1, 16, 16, 1), positive=True)

    @jax.jit
    def reached(image, y):
        gradient = jax.grad(lambda i: model.apply(params, i[None, :, :, None])[0, y, 20, 0])(image)
        return jnp.any(gradient != 0, axis=1)

    reach = 0
    for seed in range(
        12
    ):  # a pooling passes the gradient to one pixel only: several images are needed
        image = jax.random.uniform(jax.random.key(seed), (44, 40))
        for y in range(20, 24):
            rows = np.flatnonzero(reached(image, y))
            reach = max(reach, y - rows.min(), rows.max() - y)
    assert reach == receptive_field_px(head_kernel_px)


def test_released_receptive_field_is_the_sum_of_its_half_kernels():
    model = ParsedReleased(width=2)
    image = jnp.ones((1, 64, 64, 1))
    params = _initialised(model, image.shape, image.shape, positive=True)
    gradient = jax.jit(jax.grad(lambda i: model.apply(params, i, image)[0, 32, 32, 0]))(image)
    rows = np.flatnonzero(np.any(np.asarray(gradient[0, :, :, 0]) != 0, axis=1))
    assert 32 - rows.min() == rows.max() - 32 == released_receptive_field_px()


def test_mask_blanks_the_released_output():
    model = ParsedReleased(width=2)
    image, mask = _noise((1, 12, 12, 1)), jnp.zeros((1, 12, 12, 1)).at[:, :, :6].set(1.0)
    output = jax.jit(model.apply)(_initialised(model, image.shape, mask.shape), image, mask)
    assert np.all(np.asarray(output) >= 0)
    assert np.all(np.asarray(output[:, :, 6:]) == 0)


def test_classifier_trunk_initialises_the_segmenter():
    patch = _noise((1, 16, 16, 1))
    classifier = _initialised(ParsedClassifier(width=4), patch.shape, seed=1)["params"]
    segmenter = _initialised(ParsedSegmenter(width=4), patch.shape, seed=2)["params"]
    initialised = initialise_segmenter(classifier, segmenter)
    apply = jax.jit(ParsedTrunk(width=4).apply)
    of_classifier = apply({"params": classifier["trunk"]}, patch)
    of_segmenter = apply({"params": initialised["trunk"]}, patch)
    np.testing.assert_array_equal(of_classifier[1], of_segmenter[1])
    assert initialised["deconv2d_1"] is segmenter["deconv2d_1"]
    other = _initialised(ParsedSegmenter(width=8), patch.shape)["params"]
    with pytest.raises(SpecError, match="trunk"):
        initialise_segmenter(classifier, other)


def test_half_precision_computes_in_it_and_returns_float32():
    model = ParsedSegmenter(width=4, dtype=jnp.bfloat16)
    images = _noise((1, 16, 16, 1))
    params = _initialised(ParsedSegmenter(width=4), (1, 16, 16, 1))
    logits = jax.jit(model.apply)(params, images)
    assert logits.dtype == jnp.float32
    full = jax.jit(ParsedSegmenter(width=4).apply)(params, images)
    # bfloat16 keeps 8 bits: 0.4 % a layer, seven layers.
    np.testing.assert_allclose(logits, full, atol=0.05 * float(jnp.abs(full).max()))
