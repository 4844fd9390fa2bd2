"""How training is run: intervals, validation, precision, which parameters are kept."""

import dataclasses
from typing import Literal

from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """How training is run; what is trained, and for how long, is the stages' own.

    Attributes:
        precision: of the networks' arithmetic.
        log_every: steps averaged in one row of figures.
        validate_every: steps between validations, each with a checkpoint.
        validation_batches: batches of a validation.
        keep: whether a stage's result is its best or its last validated parameters.
        max_steps: cap on the steps of every stage, for trials; none if None.
        tensorboard: write TensorBoard files beside the metrics.
    """

    precision: Literal["float32", "bfloat16"] = "float32"
    log_every: int = 50
    validate_every: int = 500
    validation_batches: int = 4
    keep: Literal["best", "last"] = "best"
    max_steps: int | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        """Refuse intervals that are not positive."""
        for name in ("log_every", "validate_every", "validation_batches"):
            require(getattr(self, name) > 0, name, getattr(self, name), "a positive number")
        capped = self.max_steps is None or self.max_steps > 0
        require(capped, "max_steps", self.max_steps, "a positive number or null")
