"""Training: stages of pure functions, one step, one loop, exact resume.

Names are loaded when they are first used: methods need the settings of a stage, and who picks need
not wait for optimizers and checkpoints.
"""

import importlib
from typing import Any

_HOMES = {
    "Cached": "sources",
    "DivergedError": "loop",
    "ExampleSource": "sources",
    "Interrupted": "stops",
    "Loaded": "sources",
    "OptimizerSpec": "optimizers",
    "Params": "stage",
    "Simulated": "sources",
    "Stage": "stage",
    "StageResult": "loop",
    "StageSpec": "stage",
    "TrainSpec": "loop",
    "cache_examples": "sources",
    "train_stages": "loop",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
