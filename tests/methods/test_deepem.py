"""DeepEM as a method: its objective, its turns, its threshold, and training that ends in picks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxpick.methods import deepem
from jaxpick.methods.simulated_examples import FieldSpec
from jaxpick.methods.window_training import measure_patches, patch_loss
from jaxpick.models.deepem import TABLE_1
from jaxpick.picking.window_picker import scan_patches
from jaxpick.spec import SpecError
from jaxpick.train.sources import Cached
from jaxpick.train.stage import Stage

SPEC = deepem.Spec(box_px=24, working=deepem.WorkingSpec(diameter_px=14.0, local_share=0.0))


def discs(count=4, patches=8, seed=0, box=24):
    """Boxes with a disc in the middle, and boxes of noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:box, :box] - (box - 1) / 2
    label = np.tile(np.repeat([1, 0], patches // 2), (count, 1)).astype(np.int32)
    image = rng.normal(0, 0.6, (count, patches, box, box))
    image -= 1.5 * label[:, :, None, None] * (np.hypot(y, x) < 6)
    return {
        "image": jnp.asarray(image, jnp.float32),
        "label": jnp.asarray(label),
        "weight": jnp.ones((count, patches), jnp.float32),
    }


@pytest.fixture(scope="module")
def stage(bank):
    return deepem.training_stages(SPEC, bank)[0]


@pytest.fixture(scope="module")
def fitted(stage):
    """Parameters fitted to one batch by plain descent at a rate of 1, and the losses on the way."""
    batch = discs()
    params = jax.jit(stage.init, static_argnums=1)(jax.random.key(0), None)
    optimizer = optax.sgd(1.0)

    @jax.jit
    def step(params, state):
        loss, gradient = jax.value_and_grad(lambda p: jnp.mean(stage.loss(p, batch, None)[0]))(
            params
        )
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss

    state, losses = optimizer.init(params), []
    for _ in range(400):
        params, state, loss = step(params, state)
        losses.append(float(loss))
    return params, losses


def test_the_paper_trains_by_plain_descent_at_a_rate_of_one():
    optimizer = SPEC.classifier.optimizer
    assert (optimizer.kind, optimizer.learning_rate, optimizer.momentum) == ("sgd", 1.0, 0.0)
    assert optimizer.schedule == "constant" and SPEC.classifier.patience is None


def test_the_objective_is_half_the_mean_squared_error(stage, fitted):
    """Equation 4, over the boxes that count."""
    batch = discs(2)
    batch["weight"] = batch["weight"].at[0, 3].set(0.0)
    losses, figures = stage.loss(fitted[0], batch, None)
    scores = jax.nn.sigmoid(deepem.logits(SPEC, fitted[0], batch["image"]))
    error = 0.5 * (np.asarray(scores) - np.asarray(batch["label"])) ** 2 * batch["weight"]
    np.testing.assert_allclose(losses, error.sum(1) / batch["weight"].sum(1), rtol=1e-5)
    assert float(figures["accuracy"][1][0]) == 7


def test_one_step_lowers_the_loss_and_one_batch_is_learnt_by_heart(fitted):
    """A single box of the 32 on the wrong side of one half would alone cost the bound."""
    _, losses = fitted
    assert losses[1] < losses[0] and losses[-1] < 0.5 * 0.5**2 / 32


def test_each_box_is_turned_by_quarters_of_its_own(stage):
    batch = discs(1)
    example = {name: value[0] for name, value in batch.items()}
    turned = jax.vmap(lambda key: deepem.quarter_turns(key, example)["image"])(
        jax.random.split(jax.random.key(0), 40)
    )
    for box in range(2):
        copies = [np.rot90(example["image"][box], k) for k in range(4)]
        counts = [sum(np.array_equal(t, copy) for t in turned[:, box]) for copy in copies]
        assert sum(counts) == 40 and min(counts) > 2
    ways = np.asarray(turned)
    same = [np.array_equal(t[0], np.rot90(example["image"][0], 0)) for t in ways]
    other = [np.array_equal(t[1], np.rot90(example["image"][1], 0)) for t in ways]
    assert same != other


def test_a_micrograph_is_scored_as_box_by_box_in_four_turns(fitted):
    """The raster scan of the paper, whatever its step."""
    image = np.random.default_rng(1).normal(size=(70, 83)).astype(np.float32)

    @jax.jit
    def alone(boxes):
        turns = [deepem.logits(SPEC, fitted[0], jnp.rot90(boxes, k, (1, 2))) for k in range(4)]
        return jnp.mean(jax.nn.sigmoid(jnp.stack(turns)), axis=0)

    for step in (2, 8, 20):
        decode = dataclasses.replace(SPEC.decode, step_px=step)
        picker = deepem.make_picker(SPEC, fitted[0], 100.0, decode)
        expected = scan_patches(alone, image, picker.grid)
        np.testing.assert_allclose(picker.score_map(image), expected, atol=1e-5)


def test_turning_the_micrograph_turns_its_scores(fitted):
    """The mean of four turns knows no direction; the grid of 48 + 24 pixels turns onto itself."""
    image = np.random.default_rng(2).normal(size=(72, 72)).astype(np.float32)
    picker = deepem.make_picker(SPEC, fitted[0], 100.0)
    turned = picker.score_map(np.ascontiguousarray(np.rot90(image)))
    np.testing.assert_allclose(turned, np.rot90(picker.score_map(image)), atol=1e-5)


def test_calibration_keeps_the_range_of_the_particles_deviations(stage, fitted):
    batch = discs(16, seed=3)
    held = dataclasses.replace(stage, examples=Cached(shared=batch))
    spec = deepem.calibrate(SPEC, fitted[0], held, seed=0)
    assert spec == deepem.calibrate(SPEC, fitted[0], held, seed=0)
    deviations = np.asarray(jnp.std(batch["image"], axis=(2, 3)))[np.asarray(batch["label"]) > 0]
    low, high = spec.decode.deviation_range
    assert low < deviations.min() and high > deviations.max() and high < 2 * deviations.max()


def test_fitted_scores_tell_discs_from_noise(stage, fitted):
    held = dataclasses.replace(stage, examples=Cached(shared=discs(16, seed=3)))
    score, label, _ = measure_patches(
        held, lambda e: jax.nn.sigmoid(deepem.logits(SPEC, fitted[0], e["image"]))[:, None],
        jax.random.key(1), 8,
    )  # fmt: skip
    assert ((score[:, 0] >= 0.5) == (label > 0)).mean() > 0.95


def test_patches_without_weight_count_nowhere():
    losses = jnp.asarray([[1.0, 5.0]])
    mean, figures = patch_loss(
        losses, jnp.asarray([[0.9, 0.9]]), jnp.asarray([[1, 0]]), jnp.asarray([[1.0, 0.0]])
    )
    assert float(mean[0]) == 1.0 and float(figures["accuracy"][0][0]) == 1.0


def test_the_default_scan_of_klh_is_the_networks_stride():
    spec = deepem.Spec(
        box_px=272,
        working=deepem.WorkingSpec(diameter_px=181.0),
        decode=deepem.BoxDecodeSpec(),
    )
    assert spec.layers == TABLE_1["klh"] and spec.step_px == 12
    raster = dataclasses.replace(spec, decode=deepem.BoxDecodeSpec(step_px=20))
    assert raster.step_px == 20


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"box_px": 12}, "box_px"),
        ({"box_px": 16}, "working.diameter_px"),
        ({"patches_per_field": 3}, "patches_per_field"),
    ],
)
def test_impossible_settings_are_refused(settings, name):
    with pytest.raises(SpecError, match=name):
        deepem.Spec(**settings)


def test_fields_of_the_simulator_give_boxes(bank):
    """Traced, not run."""
    spec = dataclasses.replace(SPEC, field=FieldSpec(field_px=64, max_particles=8))
    stage = deepem.training_stages(spec, bank)[0]
    assert isinstance(stage, Stage)
    example = jax.eval_shape(
        lambda key: stage.examples.example(key, None, stage.examples.shared), jax.random.key(0)
    )
    assert example["image"].shape == (spec.patches_per_field, 24, 24)
