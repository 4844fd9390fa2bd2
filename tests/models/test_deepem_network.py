"""DeepEM's networks: Table 1, any box, and a scan that equals every box by itself."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.models.deepem import (
    TABLE_1,
    DeepEM,
    DeepEMLayers,
    box_logit,
    layers_for_box,
    scan_logits,
    spectrum_of,
    turn_params,
)
from jaxpick.spec import SpecError

SIDES = {
    "klh": (272, 222, 74, 54, 27, 18, 9),
    "19s": (160, 141, 47, 38, 19, 16, 8),
    "26s": (150, 120, 60, 46, 23, 14, 7),
    "inflammasome": (112, 98, 49, 40, 20, 14, 7),
}
COUNTS = {"klh": 62761, "19s": 12703, "26s": 36985, "inflammasome": 16225}
SMALL = layers_for_box(32)


def random_params(layers, seed=0, scale=3.0):
    """Parameters whose logits spread well beyond 1."""
    shapes = jax.eval_shape(
        lambda key: DeepEM(layers=layers).init(key, jnp.zeros((1, layers.box_px, layers.box_px))),
        jax.random.key(0),
    )["params"]
    rng = np.random.default_rng(seed)

    def draw(leaf):
        fan = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 1.0
        return jnp.asarray(rng.normal(0, scale / np.sqrt(fan), leaf.shape), jnp.float32)

    return jax.tree.map(draw, shapes)


def boxes_of(image, box, step):
    view = np.lib.stride_tricks.sliding_window_view(image, (box, box))
    return view[::step, ::step]


@pytest.mark.parametrize("name", TABLE_1)
def test_table_1(name):
    layers = TABLE_1[name]
    assert (layers.box_px, *layers.sides) == SIDES[name]
    params = random_params(layers)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == COUNTS[name]
    assert layers_for_box(layers.box_px) is layers


@pytest.mark.parametrize("box", [*range(16, 80), 99, 128, 151, 161, 256, 400])
def test_any_box_has_a_network(box):
    layers = layers_for_box(box)
    assert layers.box_px == box and layers.last_px >= 1 and min(layers.kernels) >= 2
    # Proportions stay near the table's: 0.13 to 0.21, 0.2 to 0.28 of the maps where they are large.
    if box >= 64:
        assert 0.1 < layers.kernels[0] / box < 0.25
        assert 0.15 < layers.kernels[1] / layers.sides[1] < 0.35


def test_boxes_and_layers_that_cannot_be_are_refused():
    with pytest.raises(SpecError, match="box_px: expected 16 or more, got 12"):
        layers_for_box(12)
    with pytest.raises(SpecError, match="kernels"):
        DeepEMLayers(box_px=33, kernels=(5, 3, 3), pools=(2, 2, 2))


@pytest.mark.parametrize("step", [1, 4, 8, 20])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_scan_gives_each_box_its_own_score(step, turns):
    image = np.random.default_rng(1).normal(size=(75, 98)).astype(np.float32)
    params = random_params(SMALL)
    boxes = boxes_of(image, 32, step)
    flat = jnp.asarray(np.rot90(boxes, turns, axes=(2, 3)).reshape(-1, 32, 32))
    alone = jax.jit(jax.vmap(lambda box: box_logit(params, SMALL, box)))(flat)
    spectrum = spectrum_of(jnp.asarray(image))
    scan = scan_logits(turn_params(params, turns), SMALL, spectrum, image.shape, step)
    assert float(jnp.std(alone)) > 0.01
    np.testing.assert_allclose(scan, np.reshape(alone, boxes.shape[:2]), atol=2e-5)


def test_the_raster_scan_of_the_klh_network_is_the_dense_one():
    """Table 1's largest kernels, the paper's step of 20 px, and the network's own of 12."""
    layers, params = TABLE_1["klh"], random_params(TABLE_1["klh"])
    image = np.random.default_rng(2).normal(size=(334, 312)).astype(np.float32)
    spectrum = spectrum_of(jnp.asarray(image))
    alone = jax.jit(lambda box: box_logit(params, layers, box))
    for step in (20, 12):
        scan = jax.nn.sigmoid(scan_logits(params, layers, spectrum, image.shape, step))
        assert scan.shape == tuple((side - 272) // step + 1 for side in image.shape)
        for i, j in ((0, 0), (scan.shape[0] - 1, scan.shape[1] - 1), (1, 2)):
            box = image[i * step :, j * step :][:272, :272]
            expected = jax.nn.sigmoid(alone(jnp.asarray(box)))
            np.testing.assert_allclose(scan[i, j], expected, atol=1e-5)


def test_turning_the_parameters_four_times_gives_them_back():
    params = random_params(SMALL)
    turned = [params]
    for _ in range(4):
        turned.append(turn_params(turned[-1], 1))
    jax.tree.map(np.testing.assert_array_equal, turned[4], params)
    half = np.asarray(params["c1"]["kernel"])[::-1, ::-1]
    np.testing.assert_array_equal(turned[2]["c1"]["kernel"], half)


@pytest.mark.parametrize("initialisation", ["uniform", "glorot"])
def test_initial_weights(initialisation):
    network = DeepEM(layers=TABLE_1["inflammasome"], initialisation=initialisation)
    params = network.init(jax.random.key(0), jnp.zeros((1, 112, 112)))["params"]
    kernel = np.asarray(params["c1"]["kernel"])
    assert not np.any(params["c1"]["bias"])
    if initialisation == "uniform":
        assert kernel.min() >= 0 and kernel.max() < 1
        assert kernel.mean() == pytest.approx(0.5, abs=0.05)
        assert kernel.std() == pytest.approx(12**-0.5, abs=0.03)
    else:
        limit = np.sqrt(6 / (15 * 15 * (1 + 6)))
        assert np.abs(kernel).max() <= limit and np.abs(kernel).max() > 0.98 * limit


def test_uniform_weights_saturate_and_learn_nothing():
    """Why the paper's words cannot be what was run: the gradient of every kernel but the last is 0."""
    network = DeepEM(layers=TABLE_1["inflammasome"], initialisation="uniform")
    boxes = jnp.asarray(np.random.default_rng(0).normal(size=(4, 112, 112)), jnp.float32)
    params = network.init(jax.random.key(0), boxes)["params"]
    loss = lambda p: jnp.sum(jax.nn.sigmoid(network.apply({"params": p}, boxes)) ** 2)  # noqa: E731
    gradient = jax.grad(loss)(params)
    assert not np.any(gradient["c1"]["kernel"]) and not np.any(gradient["c3"]["kernel"])


def test_the_module_agrees_with_the_function_under_jit_and_vmap():
    network, params = DeepEM(layers=SMALL), random_params(SMALL)
    boxes = jnp.asarray(np.random.default_rng(3).normal(size=(5, 32, 32)), jnp.float32)
    plain = network.apply({"params": params}, boxes)
    compiled = jax.jit(network.apply)({"params": params}, boxes)
    each = jnp.stack([box_logit(params, SMALL, box) for box in boxes])
    np.testing.assert_allclose(compiled, plain, atol=1e-5)
    np.testing.assert_allclose(each, plain, atol=1e-5)


def test_rectified_logits_scale_with_the_box_and_those_of_sigmoids_do_not():
    """Biases are 0 at first, so max(0, x) makes the whole network homogeneous."""
    for activation, scales in (("relu", True), ("sigmoid", False)):
        layers = dataclasses.replace(SMALL, activation=activation)
        boxes = jax.random.normal(jax.random.key(0), (3, SMALL.box_px, SMALL.box_px))
        network = DeepEM(layers=layers)
        params = network.init(jax.random.key(1), boxes)
        once, thrice = network.apply(params, boxes), network.apply(params, 3.0 * boxes)
        assert np.allclose(3.0 * once, thrice, rtol=1e-3, atol=1e-4) == scales
