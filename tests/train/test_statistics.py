"""Running statistics: batch norm in the trainer, the same on any devices."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick import rngs
from jaxpick.parallel import HardwareSpec, batch_axis, parallelism, replicate
from jaxpick.train import OptimizerSpec, Simulated, Stage, StageSpec
from jaxpick.train.metrics import means
from jaxpick.train.state import create_state
from jaxpick.train.step import make_eval_step, make_train_step
from jaxpick.train.updates import make_optimizer

MOMENTUM = 0.75


class Normed(nn.Module):
    """Three numbers, normalised over the batch and added up with weights."""

    @nn.compact
    def __call__(self, x, is_training):
        norm = nn.BatchNorm(not is_training, momentum=MOMENTUM, axis_name=batch_axis())
        return nn.Dense(1)(norm(x))[:, 0]


def draw(key, shared):
    image = 2.0 + 3.0 * jax.random.normal(key, (3,))
    return {"image": image, "target": image[0] * 0.5 - image[1]}


def stage(**optimizer):
    model = Normed()

    def loss(params, batch, keys):
        value, new = model.apply(params, batch["image"], True, mutable=["batch_stats"])
        return jnp.square(value - batch["target"]), {}, new["batch_stats"]

    def validation_loss(params, batch, keys):
        return jnp.square(model.apply(params, batch["image"], False) - batch["target"]), {}

    return Stage(
        name="normed",
        init=lambda key, previous: model.init(key, jnp.zeros((2, 3)), True),
        examples=Simulated(draw=draw),
        loss=loss,
        validation_loss=validation_loss,
        settings=StageSpec(steps=20, batch_size=8, optimizer=OptimizerSpec(**optimizer)),
    )


def images(key, step=0):
    """The examples that a step draws."""
    example_key, _ = jax.random.split(rngs.at_step(key, step))
    return np.asarray(jax.vmap(lambda k: draw(k, None)["image"])(rngs.per_example(example_key, 8)))


def run(spec=HardwareSpec(num_devices=1), count=1, precision="float32", **optimizer):
    made, parallel = stage(**optimizer), parallelism(spec)
    transform = make_optimizer(made.settings.optimizer, 20)
    params = jax.jit(made.init, static_argnums=1)(jax.random.key(0), None)
    state = replicate(create_state(params, transform), parallel.mesh)
    step = make_train_step(made, transform, parallel, precision)
    key = replicate(rngs.stream(0, "train"), parallel.mesh)
    losses = []
    for _ in range(count):
        state, sums = step(state, None, None, key)
        losses.append(means(jax.device_get(sums))["loss"])
    evaluate = make_eval_step(made, parallel, precision)
    sums = jax.device_get(evaluate(state.params, None, None, key))
    return jax.device_get(state.params), losses, means(sums)["loss"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_statistics_follow_their_recurrence_and_no_gradient(precision):
    """Three steps by hand; a weight decay, which pulls all parameters, does not pull them."""
    params, _, _ = run(count=3, precision=precision, kind="adamw", weight_decay=0.5)
    mean, var = np.zeros(3), np.ones(3)
    for step in range(3):
        batch = images(rngs.stream(0, "train"), step).astype(np.float64)
        mean = MOMENTUM * mean + (1 - MOMENTUM) * batch.mean(0)
        var = MOMENTUM * var + (1 - MOMENTUM) * batch.var(0)
    # The images themselves are rounded to eight bits of mantissa in half precision.
    tolerance = 1e-4 if precision == "float32" else 5e-3
    kept = params["batch_stats"]["BatchNorm_0"]
    assert kept["mean"].dtype == np.float32
    np.testing.assert_allclose(kept["mean"], mean, rtol=tolerance)
    np.testing.assert_allclose(kept["var"], var, rtol=tolerance)


def test_validation_uses_the_running_statistics():
    params, _, loss = run(count=2)
    x = images(rngs.stream(0, "train")).astype(np.float64)
    kept, norm = params["batch_stats"]["BatchNorm_0"], params["params"]["BatchNorm_0"]
    normal = (x - kept["mean"]) / np.sqrt(kept["var"] + 1e-5) * norm["scale"] + norm["bias"]
    value = (
        normal @ params["params"]["Dense_0"]["kernel"][:, 0] + params["params"]["Dense_0"]["bias"]
    )
    assert loss == pytest.approx(np.mean((value - (x[:, 0] * 0.5 - x[:, 1])) ** 2), rel=1e-4)


@pytest.mark.parametrize("strategy", ["jit", "pmap"])
def test_four_devices_normalise_over_the_whole_batch(strategy):
    expected = run(count=4, learning_rate=0.1, kind="sgd")
    found = run(HardwareSpec(strategy=strategy, num_devices=4), 4, learning_rate=0.1, kind="sgd")
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5), expected, found
    )


def test_the_axis_is_there_under_pmap_alone():
    assert batch_axis() is None
    assert jax.jit(lambda x: x + (batch_axis() is None))(1) == 2
    assert batch_axis() is None
