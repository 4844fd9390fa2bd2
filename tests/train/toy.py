"""A training problem small enough to know everything about: a line fitted to noisy pictures."""

import jax
import jax.numpy as jnp

from jaxpick.train import OptimizerSpec, Simulated, Stage, StageSpec

SLOPES = jnp.arange(1.0, 9.0)


def draw(key, slopes):
    """One example: eight numbers, sent through a Fourier transform, and their target."""
    image = jnp.fft.irfft(jnp.fft.rfft(jax.random.normal(key, (8,))), 8)
    return {"image": image, "target": jnp.dot(image, slopes)}


def init(key, previous):
    """Small random slopes, or those of the stage before."""
    return {"w": 0.1 * jax.random.normal(key, (8,))} if previous is None else previous


def loss(params, batch, keys):
    """Squared error, with a random perturbation per example and a ratio of sums."""
    noise = jax.vmap(jax.random.normal)(keys)
    error = jnp.square(batch["image"] @ params["w"] + 0.01 * noise - batch["target"])
    return error, {"ratio": (error, 1.0 + error)}


def stages(names=("one", "two"), steps=12, batch_size=8, examples=None, **optimizer):
    """The toy's stages."""
    settings = {"kind": "sgd", "learning_rate": 0.02, **optimizer}
    source = examples or Simulated(draw=draw, shared=SLOPES)
    return [
        Stage(
            name=name,
            init=init,
            examples=source,
            loss=loss,
            settings=StageSpec(
                steps=steps, batch_size=batch_size, optimizer=OptimizerSpec(**settings)
            ),
        )
        for name in names
    ]
