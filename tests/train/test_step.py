"""The training step by hand, and its promises about memory, precision and devices."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import SLOPES, stages

from jaxpick import rngs
from jaxpick.losses import sigmoid_cross_entropy, weighted_mean
from jaxpick.parallel import HardwareSpec, parallelism, replicate
from jaxpick.spec import SpecError
from jaxpick.train import Cached, OptimizerSpec, Stage, StageSpec
from jaxpick.train.metrics import means
from jaxpick.train.state import create_state
from jaxpick.train.step import make_eval_step, make_train_step
from jaxpick.train.updates import averaged, make_optimizer

ONE = parallelism(HardwareSpec(num_devices=1))
EXPLAIN = (
    "the golden step changed: its figures are computed by hand in the docstring of golden_stage, "
    "so the step, an optimizer's convention or the mean over the batch is wrong, not the test"
)


def golden_stage(**optimizer):
    """w = (1/2, -1/2), x = (1, 2), y = 3: error -7/2, loss 49/4, gradient (-7, -14)."""
    pool = {"x": jnp.array([[1.0, 2.0]]), "y": jnp.array([3.0])}

    def loss(params, batch, keys):
        return jnp.square(batch["x"] @ params["w"] - batch["y"]), {}

    settings = StageSpec(steps=10, batch_size=4, optimizer=OptimizerSpec(**optimizer))
    initial = lambda key, previous: {"w": jnp.array([0.5, -0.5])}  # noqa: E731
    return Stage(
        name="golden", init=initial, examples=Cached(shared=pool), loss=loss, settings=settings
    )


def take_steps(stage, count=1, parallel=ONE, precision="float32"):
    """Return the state after some steps and the figures of the first and of the last."""
    optimizer = make_optimizer(stage.settings.optimizer, stage.settings.steps)
    state = replicate(create_state(stage.init(jax.random.key(0), None), optimizer), parallel.mesh)
    step = make_train_step(stage, optimizer, parallel, precision)
    shared = replicate(stage.examples.shared, parallel.mesh)
    key = replicate(rngs.stream(0, "train"), parallel.mesh)
    figures = []
    for _ in range(count):
        state, sums = step(state, shared, None, key)
        figures.append(sums)
    return state, *(means(sums) for sums in jax.device_get((figures[0], figures[-1])))


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ({"kind": "sgd", "momentum": 0.0, "learning_rate": 0.1}, (1.2, 0.9)),
        ({"kind": "adam", "learning_rate": 0.1}, (0.6, -0.4)),
        # The decay pulls each weight by rate * decay * weight before the step of 0.1.
        ({"kind": "adamw", "learning_rate": 0.1, "weight_decay": 0.5}, (0.575, -0.375)),
        # Adagrad divides by sqrt(0.1 + gradient squared).
        (
            {"kind": "adagrad", "learning_rate": 0.1},
            (0.5 + 0.7 / np.sqrt(49.1), -0.5 + 1.4 / np.sqrt(196.1)),
        ),
        # Clipped to length 1: the gradient becomes (-1, -2) / sqrt 5.
        (
            {"kind": "sgd", "momentum": 0.0, "learning_rate": 0.1, "clip_norm": 1.0},
            (0.5 + 0.1 / np.sqrt(5), -0.5 + 0.2 / np.sqrt(5)),
        ),
    ],
)
def test_golden_step(optimizer, expected):
    state, figures, _ = take_steps(golden_stage(**optimizer))
    np.testing.assert_allclose(state.params["w"], expected, rtol=1e-5, err_msg=EXPLAIN)
    assert int(state.step) == 1
    assert figures["loss"] == pytest.approx(12.25), "of the parameters before the update"
    assert figures["gradient_norm"] == pytest.approx(np.hypot(7, 14), rel=1e-5)


def test_average_of_parameters_follows_its_recurrence():
    stage = golden_stage(kind="sgd", momentum=0.0, learning_rate=0.01, average_decay=0.15)
    w, average = np.array([0.5, -0.5]), np.array([0.5, -0.5])
    for n in range(3):
        w = w - 0.01 * 2 * (w @ [1, 2] - 3) * np.array([1, 2])
        decay = min(0.15, (1 + n) / (10 + n))
        average = decay * average + (1 - decay) * w
    state, _, _ = take_steps(stage, 3)
    np.testing.assert_allclose(averaged(state.params, state.opt_state)["w"], average, rtol=1e-5)
    np.testing.assert_allclose(state.params["w"], w, rtol=1e-5)


def test_state_is_donated():
    stage = stages(average_decay=0.9)[0]
    optimizer = make_optimizer(stage.settings.optimizer, 10)
    state = replicate(create_state(stage.init(jax.random.key(0), None), optimizer), ONE.mesh)
    step = make_train_step(stage, optimizer, ONE)
    key = replicate(jax.random.key(0), ONE.mesh)
    step(state, replicate(SLOPES, ONE.mesh), None, key)
    assert state.params["w"].is_deleted()


def test_half_precision_computes_in_half_and_updates_in_full():
    seen = []
    stage = stages()[0]

    def loss(params, batch, keys):
        seen.append((params["w"].dtype, batch["image"].dtype, batch["target"].dtype))
        return stage.loss(params, batch, keys)

    half = dataclasses.replace(stage, loss=loss)
    state, figures, _ = take_steps(half, precision="bfloat16")
    _, full, _ = take_steps(stage)
    assert set(seen) == {(jnp.dtype("bfloat16"), jnp.dtype("bfloat16"), jnp.dtype("float32"))}
    assert state.params["w"].dtype == jnp.float32
    # Eight bits of mantissa in the inputs: about 2^-8 in an error of order one.
    assert figures["loss"] == pytest.approx(full["loss"], rel=0.02)
    assert figures["loss"] != full["loss"]


def test_simulation_stays_on_its_device():
    """No gather of the batch for the FFT: a step sends only sums of gradients, figures."""
    four = parallelism(HardwareSpec(num_devices=4))
    stage = stages()[0]
    optimizer = make_optimizer(stage.settings.optimizer, 10)
    state = replicate(create_state(stage.init(jax.random.key(0), None), optimizer), four.mesh)
    step = make_train_step(stage, optimizer, four)
    arguments = (state, replicate(SLOPES, four.mesh), None, replicate(jax.random.key(0), four.mesh))
    text = step.lower(*arguments).compile().as_text()
    assert "fft" in text
    assert "all-gather" not in text
    assert "all-reduce" in text


def test_batch_must_divide():
    four = parallelism(HardwareSpec(num_devices=4))
    with pytest.raises(SpecError, match="batch_size: expected a multiple of the 4 devices, got 6"):
        make_train_step(stages(batch_size=6)[0], make_optimizer(OptimizerSpec(), 1), four)


def test_eval_step_pools_figures():
    stage = golden_stage()
    step = make_eval_step(stage, ONE)
    params = replicate({"w": jnp.array([0.5, -0.5])}, ONE.mesh)
    key = replicate(jax.random.key(0), ONE.mesh)
    sums = step(params, replicate(stage.examples.shared, ONE.mesh), None, key)
    assert {k: tuple(map(float, v)) for k, v in sums.items()} == {"loss": (49.0, 4.0)}


def test_overfit_one_batch():
    """A small convolutional network must learn one fixed pair of pictures by heart."""
    image = jax.random.normal(jax.random.key(1), (2, 6, 6, 1))
    target = (jax.random.uniform(jax.random.key(2), (2, 6, 6)) > 0.8).astype(jnp.float32)
    model = nn.Sequential([nn.Conv(32, (3, 3)), nn.relu, nn.Conv(1, (3, 3))])

    def loss(params, batch, keys):
        logits = model.apply(params, batch["image"])[..., 0]
        return weighted_mean(sigmoid_cross_entropy(logits, batch["target"])), {}

    stage = Stage(
        name="overfit",
        init=lambda key, previous: model.init(key, image),
        examples=Cached(shared={"image": image, "target": target}),
        loss=loss,
        settings=StageSpec(steps=200, batch_size=4, optimizer=OptimizerSpec(learning_rate=0.03)),
    )
    _, first, last = take_steps(stage, 120)
    assert first["loss"] > 0.4
    assert last["loss"] < 0.02
