"""One training step of each network.

Forward, a mean square of the outputs, backward and Adam on the same random batch in both programs; a step's share of
several steps in a row. The networks have the same number of parameters (checked). The floor is that of the floating
point operations that the compiler counts in our step. Where the compiler's convolutions lose on a CPU, and what
was done, is told in `jaxpick/numerics/layers.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import _machine, _peers
from benchmarks._report import Row, main
from benchmarks._timing import Timing, repeated
from jaxpick.models.cryolo import DetectionNetwork
from jaxpick.models.deepem import TABLE_1, DeepEM
from jaxpick.models.deeppicker import DeepPicker
from jaxpick.models.parsed import ParsedSegmenter
from jaxpick.models.topaz import TopazNetwork
from jaxpick.models.topaz_layers import NetworkSpec
from jaxpick.models.unet import UNet


class Case(NamedTuple):
    """A network, the batch it is given, and how many steps make a run."""

    network: nn.Module
    shape: tuple[int, ...]
    steps: int


CASES: Mapping[str, Case] = {
    "unet": Case(UNet((32, 48, 64, 64)), (8, 128, 128, 1), 5),
    "parsed": Case(ParsedSegmenter(), (8, 128, 128, 1), 5),
    "deepem": Case(DeepEM(TABLE_1["klh"]), (8, 272, 272), 3),
    "deeppicker": Case(DeepPicker(), (160, 64, 64), 5),
    "topaz_conv31": Case(TopazNetwork(NetworkSpec(architecture="conv31")), (256, 31, 31, 1), 3),
    "topaz_resnet8": Case(TopazNetwork(NetworkSpec(architecture="resnet8")), (256, 71, 71, 1), 1),
    "cryolo": Case(DetectionNetwork("cryolo", width=0.25), (4, 256, 256, 1), 2),
}


def measure(runs: int) -> list[Row]:
    """Return a row a network."""
    return [_row(name, case, runs) for name, case in CASES.items()]


def _row(name: str, case: Case, runs: int) -> Row:
    call, flops, parameters = _steps(case)
    ours = repeated(call, runs).divided(case.steps)
    batch, side = case.shape[0], case.shape[1]
    settings = {"shape": (batch, 1, side, case.shape[2]), "steps": case.steps, "runs": runs}
    found = _peers.ask("topaz", "torch_networks.py", network=name, what="step", **settings)
    if found is not None and found["parameters"] != parameters:
        raise ValueError(f"{name}: {parameters} parameters here, {found['parameters']} there")
    return Row(
        figure=f"{name}, {batch} of {side} x {case.shape[2]}, {parameters:,} parameters",
        ours=ours,
        peer=f"PyTorch {_peers.version('topaz', 'torch')}",
        theirs=None if found is None else Timing(tuple(found["seconds"])),
        floor_seconds=_machine.floor_seconds(flops, 0.0),
        target="1",
    )


def _steps(case: Case) -> tuple[Callable[[], Any], float, int]:
    """Return a function that does the steps, the operations of one, and the parameters that are learnt."""
    images = jax.random.normal(jax.random.key(0), case.shape)
    variables = jax.jit(case.network.init)(jax.random.key(1), images)
    statistics = {name: value for name, value in variables.items() if name != "params"}
    optimizer = optax.adam(1e-3)
    keys = jax.random.split(jax.random.key(2), case.shape[0])

    def loss(params: Any, statistics: Any) -> tuple[jax.Array, Any]:
        options: dict[str, Any] = {"rngs": {"dropout": keys[0]}}
        if isinstance(case.network, DetectionNetwork):
            options["dropout_keys"] = keys
        if isinstance(case.network, DeepPicker):
            options["is_training"] = True
        made, changed = case.network.apply(
            {"params": params, **statistics}, images, mutable=list(statistics), **options
        )
        return jnp.mean(made**2), changed

    @jax.jit
    def step(params: Any, state: Any, statistics: Any) -> tuple[Any, Any, Any]:
        gradient, changed = jax.grad(loss, has_aux=True)(params, statistics)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, changed

    params = variables["params"]
    start = (params, jax.jit(optimizer.init)(params), statistics)
    cost = step.lower(*start).compile().cost_analysis()

    def steps() -> Any:
        values = start
        for _ in range(case.steps):
            values = step(*values)
        return values

    return steps, float(cost["flops"]), sum(np.size(leaf) for leaf in jax.tree.leaves(params))


if __name__ == "__main__":
    main(measure, __doc__ or "", "training_step")
