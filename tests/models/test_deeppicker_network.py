"""DeepPicker's network: the released weights' scores, its counts, and a scan that equals every window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.models.deeppicker import (
    PARTICLE,
    WINDOW_PX,
    DeepPicker,
    resize,
    scan_logits,
    standardise,
)

NAMES = {"conv1": "1", "conv2": "2", "conv3": "3", "conv4": "4", "hidden": "f1", "output": "f2"}


@pytest.fixture(scope="module")
def released(oracles):
    """The released demonstration model and what it gives."""
    with np.load(oracles / "deeppicker_released.npz") as file:
        arrays = {name: file[name] for name in file.files}
    params = {
        layer: {"kernel": arrays[f"weights{suffix}"], "bias": arrays[f"biases{suffix}"]}
        for layer, suffix in NAMES.items()
    }
    return jax.tree.map(jnp.asarray, params), arrays


def random_params(hidden=128):
    shapes = jax.eval_shape(
        lambda key: DeepPicker(hidden=hidden).init(key, jnp.zeros((1, 64, 64))), jax.random.key(0)
    )["params"]
    rng = np.random.default_rng(0)

    def draw(leaf):
        fan = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 4.0
        return jnp.asarray(rng.normal(0, 1.5 / np.sqrt(fan), leaf.shape), jnp.float32)

    return jax.tree.map(draw, shapes)


def test_the_released_model_scores_as_it_did(released):
    params, arrays = released
    patches = jnp.asarray(arrays["patches"].reshape(-1, 64, 64))
    logits = DeepPicker().apply({"params": params}, patches)
    np.testing.assert_allclose(logits, arrays["logits"], atol=1e-4)
    np.testing.assert_allclose(jax.nn.softmax(logits), arrays["softmax"], atol=1e-5)


@pytest.mark.parametrize(("hidden", "count"), [(128, 49922), (64, 33346)])
def test_parameter_counts(hidden, count):
    assert sum(leaf.size for leaf in jax.tree.leaves(random_params(hidden))) == count


@pytest.mark.parametrize("step", [4, 7, 16, 20])
def test_the_scan_gives_each_window_its_own_score(step):
    image = np.random.default_rng(1).normal(size=(105, 133)).astype(np.float32)
    params = random_params()
    view = np.lib.stride_tricks.sliding_window_view(image, (WINDOW_PX, WINDOW_PX))[::step, ::step]
    windows = jnp.asarray(view.reshape(-1, WINDOW_PX, WINDOW_PX))
    alone = np.asarray(DeepPicker().apply({"params": params}, windows))
    scan = jax.jit(scan_logits, static_argnames="step")(params, jnp.asarray(image), step=step)
    assert scan.shape == (*view.shape[:2], 2) and alone.std() > 0.1
    np.testing.assert_allclose(scan, alone.reshape(scan.shape), atol=2e-5 * np.abs(alone).max())


def test_the_scan_of_the_released_model(released):
    params, arrays = released
    patches = arrays["patches"].reshape(-1, 64, 64)
    image = jnp.asarray(np.concatenate(list(patches[:3]), axis=1))
    scores = jax.nn.softmax(scan_logits(params, image, 64))[0, :, PARTICLE]
    np.testing.assert_allclose(scores, arrays["softmax"][:3, PARTICLE], atol=1e-5)


def test_standardised_windows_share_nothing():
    """Where dense scoring ends: a window's own mean and deviation change every map."""
    image = np.random.default_rng(1).normal(size=(64, 68)).astype(np.float32)
    image[:, 64:] += 3.0
    params = random_params()
    windows = jnp.asarray(np.stack([image[:, :64], image[:, 4:]]))
    alone = DeepPicker().apply({"params": params}, standardise(windows))
    scan = scan_logits(params, jnp.asarray(image), 4)[0]
    assert np.abs(np.asarray(alone) - np.asarray(scan))[1].max() > 1e-2


def test_standardising_makes_scale_and_offset_irrelevant():
    windows = jnp.asarray(np.random.default_rng(2).normal(size=(3, 64, 64)), jnp.float32)
    normal = standardise(5 * windows + 7)
    np.testing.assert_allclose(normal, standardise(windows), atol=1e-5)
    np.testing.assert_allclose(np.std(normal, axis=(1, 2)), 1, atol=1e-5)
    assert np.all(np.isfinite(standardise(jnp.ones((1, 64, 64)))))


@pytest.mark.parametrize("side", [40, 64, 107])
def test_windows_of_any_size_come_to_64(side):
    """A plane stays a plane, about the same centre."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    plane = jnp.asarray((2 * y - x)[None], jnp.float32)
    found = np.asarray(resize(plane))[0]
    assert found.shape == (64, 64)
    y, x = (np.mgrid[:64, :64] - 31.5) * side / 64
    np.testing.assert_allclose(found[2:-2, 2:-2], (2 * y - x)[2:-2, 2:-2], atol=1e-3)


def test_dropout_acts_in_training_alone():
    params, windows = random_params(), jnp.ones((2, 64, 64))
    network = DeepPicker()
    still = network.apply({"params": params}, windows)
    drawn = [
        network.apply({"params": params}, windows, True, rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0], drawn[2]) and not np.allclose(drawn[0], still)
