"""How many particles must be picked by hand for DeepPicker? Wang et al. (2016), Fig. 5.

    python -m experiments.deeppicker_semi_automated out=studies/semi
    python -m experiments.deeppicker_semi_automated out=studies/own learn.micrographs=... learn.truth=... \\
        learn.diameter=180 \\
        data.micrographs=... data.truth=... data.diameter=180

Claim: trained on 400, 1000 or 10,000 particles of the molecule itself, the classifier finds about as many, and
hardly more than when it is trained on other molecules: 400 picked by hand are enough. A pick is right within 0.2
windows. Here `automated` are the weights that ship, which learnt from simulated molecules of all sorts. Expected:
three curves that nearly coincide; the more labels, the fewer steps it takes to learn them by heart, so the best
validated state is kept. A number beyond the labels that there are counts as all of them. Writes table.csv, table.md,
recall.png (Fig. 5b) and ratio.png (Fig. 5c-e).

Two cores: an estimated hour. One GPU: an estimated quarter of an hour.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._deeppicker import MATCHED, SHOWN, draw_recall
from experiments._study import (
    TRAIN,
    Condition,
    TrainedStudy,
    check,
    finish,
    measure,
    setting,
)
from experiments._study_sets import labels_of, of_one_molecule, shares
from jaxpick.spec import require

MOLECULE = {"phantom": HELD_OUT_PHANTOMS[0]}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemiAutomatedStudy(TrainedStudy):
    """Settings of the study."""

    particles: tuple[int, ...] = setting((400, 1000, 10000), "labelled, one condition each")
    weights: str | None = setting(None, "of the automated one; those that ship if null")
    radius: float | None = setting(MATCHED, "to match, share of the diameter; 0.2 windows")
    train: Mapping[str, Any] = setting(TRAIN, "changes to train's settings, for every condition")

    def __post_init__(self) -> None:
        check(self)
        allowed = bool(self.particles) and min(self.particles) > 0
        require(allowed, "particles", self.particles, "positive numbers")


def run(spec: SemiAutomatedStudy) -> int:
    """Train with each number of labels, test on other micrographs; return 1 if one failed."""
    out = Path(spec.out)
    learnt, tested = of_one_molecule(spec, MOLECULE, 100)
    conditions = [
        Condition(
            name=f"{number}_particles",
            told={"particles": number},
            method="deeppicker",
            sets=tested,
            training={
                "data": {**labels_of(learnt), **shares(number)},
            },
        )
        for number in spec.particles
    ]
    automated = Condition(
        name="automated",
        told={"particles": 0},
        method="deeppicker",
        sets=tested,
        weights=spec.weights,
    )
    measured = measure(spec, [*conditions, automated])
    rows = draw_recall(out, measured)
    return finish(spec, rows, measured.failures, SHOWN)


if __name__ == "__main__":
    from experiments._hydra import main

    main(SemiAutomatedStudy, run)
