"""DeepPicker as a method: its objective, dropout and decay, windows of any size, and where scoring is dense."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxpick.methods import deeppicker
from jaxpick.models.deeppicker import PARTICLE, DeepPicker
from jaxpick.picking.window_picker import scan_patches
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.spec import SpecError

SPEC = deeppicker.Spec()


def discs(count=2, patches=8, seed=0, window=64):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:window, :window] - (window - 1) / 2
    label = np.tile(np.repeat([1, 0], patches // 2), (count, 1)).astype(np.int32)
    image = rng.normal(0, 0.6, (count, patches, window, window))
    image -= 1.5 * label[:, :, None, None] * (np.hypot(y, x) < 0.3 * window)
    return {
        "image": jnp.asarray(image, jnp.float32),
        "label": jnp.asarray(label),
        "weight": jnp.ones((count, patches), jnp.float32),
    }


def keys(count=2, seed=0):
    return jax.random.split(jax.random.key(seed), count)


@pytest.fixture(scope="module")
def stage(bank):
    return deeppicker.training_stages(SPEC, bank)[0]


@pytest.fixture(scope="module")
def start(stage):
    return jax.jit(stage.init, static_argnums=1)(jax.random.key(0), None)


@pytest.fixture(scope="module")
def fitted(stage, start):
    """Parameters fitted to one batch, and the losses on the way."""
    batch, optimizer = discs(), optax.sgd(0.02, 0.9)

    @jax.jit
    def step(params, state, key):
        def objective(params):
            return jnp.mean(stage.loss(params, batch, jax.random.split(key, 2))[0])

        loss, gradient = jax.value_and_grad(objective)(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss

    params, state, losses = start, optimizer.init(start), []
    for number in range(100):
        params, state, loss = step(params, state, jax.random.key(number))
        losses.append(float(loss))
    return params, losses


def test_numbers_of_paper_and_program():
    optimizer = SPEC.classifier.optimizer
    assert (optimizer.learning_rate, optimizer.momentum) == (0.01, 0.9)
    assert optimizer.schedule == "staircase" and optimizer.decay_factor == 0.95
    assert SPEC.classifier.batch_size * SPEC.patches_per_field == 100
    # Ten epochs of 10,000 particles and as many others in batches of 100.
    assert optimizer.decay_steps == 10 * 20000 // 100 and SPEC.classifier.patience == 10
    assert SPEC.classifier.steps == 200 * 20000 // 100
    assert SPEC.decode.step_px == 4 and SPEC.decode.peak_window == 0.8
    # 0.6 windows of 64 px, in radii of 22.5 px.
    assert SPEC.least_distance == pytest.approx(0.6 * 64 / 22.5)


def test_initial_weights_are_small_and_truncated(start):
    kernel = np.asarray(start["hidden"]["kernel"])
    assert kernel.std() == pytest.approx(0.05, rel=0.2) and np.abs(kernel).max() < 0.13
    assert not np.any(start["conv1"]["bias"])


def test_the_objective_is_cross_entropy_and_decay_of_the_full_layers(stage, start):
    batch = discs()
    losses, _ = stage.validation_loss(start, batch, keys())
    logits = DeepPicker().apply({"params": start}, batch["image"].reshape(-1, 64, 64))
    chosen = jax.nn.log_softmax(logits)[jnp.arange(16), batch["label"].reshape(-1)]
    np.testing.assert_allclose(losses, -np.mean(np.reshape(chosen, (2, 8)), axis=1), rtol=1e-5)
    weights = [np.asarray(start[name]["kernel"]) for name in ("hidden", "output")]
    decay = 5e-4 * 0.5 * sum(np.sum(w**2) for w in weights)
    without = dataclasses.replace(SPEC, weight_decay=0.0)
    assert float(deeppicker.weight_penalty(SPEC, start)) == pytest.approx(decay, rel=1e-5)
    assert float(deeppicker.weight_penalty(without, start)) == 0.0


def test_dropout_follows_the_keys_and_ends_with_training(stage, fitted):
    params, batch = fitted[0], discs(seed=5)
    one, same, other = (stage.loss(params, batch, keys(seed=s))[0] for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other, rtol=1e-6)
    still = [stage.validation_loss(params, batch, keys(seed=s))[0] for s in (0, 1)]
    np.testing.assert_array_equal(*still)


def test_steps_lower_the_loss_and_one_batch_is_learnt_by_heart(stage, fitted):
    params, losses = fitted
    assert min(losses[1:8]) < losses[0]
    final, figures = stage.validation_loss(params, discs(), keys())
    assert float(jnp.mean(final)) < 0.05 * losses[0]
    assert float(jnp.sum(figures["accuracy"][0])) == 16


def patchwise(spec, params, picker, image):
    """Score every window by itself, as the authors do."""

    @jax.jit
    def score(windows):
        both = DeepPicker().apply({"params": params}, deeppicker.as_inputs(spec, windows))
        return both[:, PARTICLE] - both[:, 1 - PARTICLE]

    return scan_patches(score, image, picker.grid, 64)


@pytest.mark.parametrize(
    ("changes", "is_dense"),
    [
        ({}, True),
        ({"standardise_windows": True}, False),
        ({"window_px": 40, "working": WorkingSpec(diameter_px=28.0)}, False),
        ({"window_px": 80}, False),
    ],
)
def test_windows_are_scored_together_where_they_are_taken_as_they_lie(changes, is_dense, fitted):
    spec = dataclasses.replace(SPEC, **changes)
    assert spec.is_dense == is_dense
    picker = deeppicker.make_picker(spec, fitted[0], 100.0)
    image = np.random.default_rng(1).normal(size=(96, 104)).astype(np.float32)
    expected = patchwise(spec, fitted[0], picker, image)
    np.testing.assert_allclose(picker.score_map(image), expected, atol=1e-4)


def test_windows_of_any_size_are_inputs():
    for window in (40, 64, 100):
        found = deeppicker.as_inputs(SPEC, jnp.ones((2, window, window)))
        assert found.shape == (2, 64, 64)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"dropout": 1.0}, "dropout"),
        ({"window_px": 8}, "window_px"),
        ({"window_px": 40}, "working.diameter_px"),
        ({"negative_windows": 0.0}, "negative_windows"),
        ({"patches_per_field": 5}, "patches_per_field"),
    ],
)
def test_impossible_settings_are_refused(settings, name):
    with pytest.raises(SpecError, match=name):
        deeppicker.Spec(**settings)
