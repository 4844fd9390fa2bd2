"""crYOLO's networks: the tables' parameter counts, shapes, the passthrough, statistics, shifts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.models.cryolo import DROPOUT, DetectionNetwork, drop_out, fold_blocks, num_maps

ARCHITECTURES = ("cryolo", "phosaurus", "yolo")
NARROW = 1 / 64


def count_by_hand(architecture):
    """Layers of the documentation's tables: (maps in, maps out, side) without biases, 2 BN values a map."""
    trunk = [(1, 32, 3), (32, 64, 3), (64, 128, 3), (128, 64, 1), (64, 128, 3), (128, 256, 3)]
    trunk += [(256, 128, 1), (128, 256, 3), (256, 512, 3), (512, 256, 1), (256, 512, 3)]
    trunk += [(512, 256, 1), (256, 512, 3)]
    small = [(512, 1024, 3), (1024, 512, 1), (512, 1024, 3)]
    deep = [*small, (1024, 512, 1), (512, 1024, 3), (1024, 1024, 3), (1024, 1024, 3)]
    joined = {"yolo": 64, "phosaurus": 256}.get(architecture)
    layers = trunk + (small if joined is None else deep)
    if joined is not None:
        layers += [(512, joined, 1), (256 + 1024, 1024, 3)]
    return sum(m * n * k * k + 2 * n for m, n, k in layers) + 1024 * 6 + 6


@pytest.mark.parametrize(
    ("architecture", "exact", "millions"),
    [
        ("cryolo", 14_576_998, 14.58),
        ("phosaurus", 50_631_526, 50.63),
        ("yolo", 50_532_838, 50.53),
    ],
)
def test_parameter_counts_are_the_tables(architecture, exact, millions):
    network = DetectionNetwork(architecture=architecture)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 1)))
    count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes["params"]))
    assert count == exact == count_by_hand(architecture)
    assert round(count / 1e6, 2) == millions


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(1024, 1024), (1024, 1440)])
def test_grids(architecture, shape):
    """64 cells along 1024 pixels for two networks, 32 for `yolo`; six maps."""
    network = DetectionNetwork(architecture=architecture, width=NARROW)
    images = jax.ShapeDtypeStruct((2, *shape, 1), jnp.float32)
    params = jax.eval_shape(network.init, jax.random.key(0), images)
    found = jax.eval_shape(network.apply, params, images)
    stride = 32 if architecture == "yolo" else 16
    assert network.stride == stride
    assert found.shape == (2, shape[0] // stride, shape[1] // stride, 6)


@pytest.mark.parametrize(("width", "expected"), [(1.0, 32), (0.5, 16), (0.25, 8), (1 / 64, 4)])
def test_width(width, expected):
    assert num_maps(32, width) == expected and num_maps(32, 2.0) == 64


def test_folding_keeps_every_number_in_its_place():
    maps = np.random.default_rng(0).normal(size=(2, 6, 4, 3)).astype(np.float32)
    folded = np.asarray(fold_blocks(jnp.asarray(maps)))
    assert folded.shape == (2, 3, 2, 12)
    for dy in (0, 1):
        for dx in (0, 1):
            start = 3 * (2 * dy + dx)
            np.testing.assert_array_equal(folded[..., start : start + 3], maps[:, dy::2, dx::2, :])


def variables(network, seed=0, side=32):
    """Random parameters and statistics, as after training."""
    random = np.random.default_rng(seed)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, side, side, 1)))

    def draw(path, leaf):
        name = path[-1].key
        if name == "anchor_px":
            return jnp.float32(20.0)
        if name == "kernel":
            scale = (2.0 / np.prod(leaf.shape[:-1])) ** 0.5
            return jnp.asarray(random.normal(0, scale, leaf.shape), jnp.float32)
        low, high = (0.5, 1.5) if name in ("scale", "var") else (-0.2, 0.2)
        return jnp.asarray(random.uniform(low, high, leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def trained(request):
    network = DetectionNetwork(architecture=request.param, width=NARROW)
    return network, variables(network)


def test_cells_see_what_lies_in_them_and_shift_with_it(trained):
    """A picture moved by two strides moves the maps by two cells, away from the border."""
    network, params = trained
    random = np.random.default_rng(1)
    image = random.normal(size=(768, 768)).astype(np.float32)
    apply = jax.jit(lambda images: network.apply(params, images[..., None]))
    still, moved = np.asarray(apply(jnp.stack([image, np.roll(image, (64, 32), (0, 1))])))
    cells_y, cells_x, edge = 64 // network.stride, 32 // network.stride, 320 // network.stride
    inside = slice(edge, edge + 2)
    shifted_y = slice(edge + cells_y, edge + 2 + cells_y)
    shifted_x = slice(edge + cells_x, edge + 2 + cells_x)
    expected = still[inside, inside]
    np.testing.assert_allclose(
        moved[shifted_y, shifted_x], expected, atol=2e-4 * np.abs(still).max()
    )
    assert np.std(still[..., 4]) > 1e-3


def test_training_normalises_by_the_batch_and_moves_the_statistics(trained):
    network, params = trained
    images = jnp.asarray(np.random.default_rng(2).normal(2.0, 3.0, (3, 64, 64, 1)), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 3)
    apply = jax.jit(lambda p, x: network.apply(p, x, keys, mutable=["batch_stats"]))
    maps, new = apply(params, images)
    scaled, _ = apply(params, 5.0 * images)
    # The first layer's normalisation takes the factor out again.
    np.testing.assert_allclose(maps, scaled, rtol=0.02, atol=0.02 * np.abs(maps).max())
    first, old = (tree["batch_stats"]["trunk_0_norm"] for tree in (new, params))
    kernel = params["params"]["trunk_0"]["kernel"]
    response = jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    expected = 0.99 * old["mean"] + 0.01 * jnp.mean(response, (0, 1, 2))
    np.testing.assert_allclose(first["mean"], expected, atol=1e-4)
    assert float(new["batch_stats"]["anchor_px"]) == 20.0


def test_picking_scores_an_image_the_same_in_any_batch(trained):
    network, params = trained
    images = jnp.asarray(np.random.default_rng(3).normal(size=(2, 64, 64, 1)), jnp.float32)
    both = network.apply(params, images)
    np.testing.assert_allclose(both[1], network.apply(params, images[1:])[0], atol=1e-5)


def test_dropout_keeps_the_mean_and_depends_on_its_key_alone():
    ones = jnp.ones((100, 100, 4))
    found = np.asarray(drop_out(jax.random.key(0), ones))
    assert set(np.unique(found)) == {0.0, np.float32(1 / (1 - DROPOUT))}
    # 40,000 coins: five standard deviations.
    assert np.mean(found == 0) == pytest.approx(DROPOUT, abs=5 * (0.2 * 0.8 / 40000) ** 0.5)
    np.testing.assert_array_equal(found, drop_out(jax.random.key(0), ones))
    assert np.any(found != np.asarray(drop_out(jax.random.key(1), ones)))


def test_a_new_network_says_what_is_known_before_anything_is_learnt():
    """Middles of cells and the anchor's size, whatever is on the image: else training does not begin."""
    network = DetectionNetwork(architecture="cryolo", width=0.2)
    images = jnp.asarray(np.random.default_rng(4).normal(size=(2, 96, 96, 1)), jnp.float32)
    keys = jax.random.split(jax.random.key(1), 2)
    params = jax.jit(network.init)(jax.random.key(0), images)
    apply = jax.jit(lambda p: network.apply(p, images, keys, mutable=["batch_stats"])[0])
    maps = np.asarray(apply(params))
    # A sigmoid of 0.5 is 2 of 16 pixels off the middle; exp(0.5) is 1.6 anchors.
    assert np.abs(maps).max() < 1.0 and maps.std() < 0.25
    assert maps.std() > 0.01
