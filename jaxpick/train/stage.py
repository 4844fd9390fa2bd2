"""What a method hands to the trainer: stages, each with parameters, examples and an objective.

A stage is made of pure functions:

- `init(key, previous)` gives the parameters, from those of the stage before (None for the first);
- `examples` gives ONE example from a key (see `jaxpick.train.sources`); batching is the trainer's;
- `loss(params, batch, keys)` gives the loss of each example, shape [batch], and further figures by
  name. `keys` holds one key per example, so that dropout and the like do not depend on how many
  devices share the batch. A figure is an array [batch], averaged over examples, or a pair (sum,
  weight) of arrays [batch], for ratios such as precision.

A network with running statistics (batch norm) keeps them among its parameters under the name
`batch_stats`, as Flax does. Its loss returns their next values as a third result, and the step puts
them in the place of the old ones. Means over a batch go over `jaxpick.parallel.batch_axis()` too.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from jaxtyping import PyTree

from jaxpick import rngs
from jaxpick.parallel import Parallelism
from jaxpick.spec import require
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.sources import ExampleSource, cache_examples

Params: TypeAlias = PyTree
Loss: TypeAlias = Callable[..., tuple[Any, ...]]

STATISTICS = "batch_stats"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageSpec:
    """How long and with what a stage is optimised; a method's defaults are its paper's numbers.

    Attributes:
        steps: at most.
        batch_size: examples of a step.
        optimizer: and its rate.
        patience: the stage ends early when so many validations in a row were not the best; None
            for all steps.
    """

    steps: int = 1000
    batch_size: int = 32
    optimizer: OptimizerSpec = OptimizerSpec()
    patience: int | None = None

    def __post_init__(self) -> None:
        """Refuse empty training."""
        waits = self.patience is None or self.patience > 0
        require(waits, "patience", self.patience, "a positive number or null")
        require(self.steps > 0, "steps", self.steps, "a positive number")
        require(self.batch_size > 0, "batch_size", self.batch_size, "a positive number")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of training.

    Attributes:
        name: of its folder of checkpoints and its rows in the metrics.
        init: `(key, previous parameters or None) -> parameters`.
        examples: what it is trained on.
        loss: `(params, batch, keys) -> (loss per example, figures per example)`, followed by the
            next running statistics where the network has some.
        validation_loss: the same without dropout and with the running statistics in use; `loss` if
            None. Statistics that it returns are left alone.
        settings: steps, batch size, optimizer.
        validation: what it is validated on; fresh draws of `examples`, the same each time, if None.
        monitor: the figure that says which parameters are best.
        best_is: whether the best value of `monitor` is its lowest or highest.
        compute_names: entries of an example (a mapping) that the network reads: mixed precision
            casts these, and no targets, coordinates or weights.
    """

    name: str
    init: Callable[..., Params]
    examples: ExampleSource
    loss: Loss
    validation_loss: Loss | None = None
    settings: StageSpec = StageSpec()
    validation: ExampleSource | None = None
    monitor: str = "loss"
    best_is: Literal["lowest", "highest"] = "lowest"
    compute_names: tuple[str, ...] = ("image",)


def with_optimizer(settings: Any, optimizer: OptimizerSpec) -> Any:
    """Return a method's settings with one optimizer in each of its stages."""
    own = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    stages = {
        name: dataclasses.replace(value, optimizer=optimizer)
        for name, value in own.items()
        if isinstance(value, StageSpec)
    }
    return dataclasses.replace(settings, **stages)


def with_cached_examples(stage: Stage, seed: int, count: int, parallel: Parallelism) -> Stage:
    """Return the stage on a fixed set of its examples; it is still validated on new ones.

    Args:
        stage: whose examples are simulated.
        seed: of the set.
        count: number of examples.
        parallel: devices of this process that share the work.
    """
    key = rngs.stream(seed, f"{stage.name}/cache")
    pool = cache_examples(stage.examples, key, count, parallel, chunk_size=16)
    return dataclasses.replace(stage, examples=pool, validation=stage.validation or stage.examples)
