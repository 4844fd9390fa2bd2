"""Optimizers and learning rates as settings; `jaxpick.train.updates` builds them."""

import dataclasses
from typing import Literal

from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """An optimizer, its learning rate over the steps, and what is done to gradients and parameters.

    Attributes:
        kind: `sgd` uses `momentum`; `adamw` uses `weight_decay`; both Adams use `b1`, `b2`.
        learning_rate: the constant, initial (staircase) or peak (warmup_cosine) rate.
        schedule: `staircase` multiplies by `decay_factor` every `decay_steps`; `warmup_cosine`
            rises linearly for `warmup_steps`, then falls along a cosine to `final_fraction` of the
            peak at the last step.
        epsilon: added to denominators; the optimizer's usual value if None.
        initial_accumulator: first value of Adagrad's sum of squares.
        clip_norm: largest global norm of a gradient, unlimited if None.
        average_decay: decay of a running average of the parameters, which then is what is validated
            and exported; no average if None.
    """

    kind: Literal["adam", "adamw", "sgd", "adagrad"] = "adam"
    learning_rate: float = 1e-3
    schedule: Literal["constant", "staircase", "warmup_cosine"] = "constant"
    decay_steps: int = 1000
    decay_factor: float = 0.5
    warmup_steps: int = 100
    final_fraction: float = 0.0
    b1: float = 0.9
    b2: float = 0.999
    epsilon: float | None = None
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    initial_accumulator: float = 0.1
    clip_norm: float | None = None
    average_decay: float | None = None

    def __post_init__(self) -> None:
        """Refuse rates and factors that cannot train."""
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "a positive number")
        require(self.decay_steps > 0, "decay_steps", self.decay_steps, "a positive number")
        require(self.warmup_steps >= 0, "warmup_steps", self.warmup_steps, "zero or more")
        clips = self.clip_norm is None or self.clip_norm > 0
        require(clips, "clip_norm", self.clip_norm, "a positive number or null")
        for name in ("b1", "b2", "momentum", "final_fraction"):
            require(
                0 <= getattr(self, name) <= 1, name, getattr(self, name), "a number from 0 to 1"
            )
        averages = self.average_decay is None or 0 < self.average_decay < 1
        require(averages, "average_decay", self.average_decay, "a number between 0 and 1 or null")
