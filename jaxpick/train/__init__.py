"""Training: stages of pure functions, one step, one loop, exact resume."""

from jaxpick.train.loop import (
    DivergedError,
    StageResult,
    TrainSpec,
    train_stages,
)
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.sources import Cached, ExampleSource, Loaded, Simulated, cache_examples
from jaxpick.train.stage import Params, Stage, StageSpec
from jaxpick.train.stops import Interrupted

__all__ = [
    "Cached",
    "DivergedError",
    "ExampleSource",
    "Interrupted",
    "Loaded",
    "OptimizerSpec",
    "Params",
    "Simulated",
    "Stage",
    "StageResult",
    "StageSpec",
    "TrainSpec",
    "cache_examples",
    "train_stages",
]
