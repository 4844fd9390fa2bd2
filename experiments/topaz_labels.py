"""From how few labels can Topaz learn, and by which objective? Bepler et al. (2019), Nature Methods 16:1153, Fig. 2.

    python -m experiments.topaz_labels out=studies/labels
    python -m experiments.topaz_labels out=studies/own learn.micrographs=... learn.truth=... learn.diameter=180 data...

Claim: with 10 to 1000 labelled particles and the others unlabelled, the generalised expectation criteria
(GE-binomial before GE-KL) find more than PU with its non-negative risk, and far more than PN, which takes what is
unlabelled for background; the fewer labels, the wider the gap. All are told the true number of particles per
micrograph. Here micrographs of one procedural molecule are learnt from and others tested on. Expected: PN falls
behind at 10 labels, all meet at 1000. The threshold is set with every label known, so average precision is the
figure to look at. Writes table.csv, table.md and labels.png.

Two cores: an estimated three hours for the twelve (2000 minibatches each). One GPU: an estimated half hour.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import _study_plots as plots
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._study import TrainedStudy, check, finish, measure, rows_of, setting
from experiments._study_sets import of_one_molecule
from experiments._topaz import TRAIN, condition
from jaxpick.methods.topaz_objective import Kind
from jaxpick.spec import require

MOLECULE = {"phantom": HELD_OUT_PHANTOMS[0]}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelsStudy(TrainedStudy):
    """Settings of the study."""

    objectives: tuple[Kind, ...] = setting(("pn", "pu", "ge_kl", "ge_binomial"), "one line each")
    labels: tuple[int, ...] = setting((10, 100, 1000), "particles known, one condition each")
    train: Mapping[str, Any] = setting(TRAIN, "changes to train's settings, for every condition")

    def __post_init__(self) -> None:
        check(self)
        allowed = bool(self.labels) and min(self.labels) > 0
        require(allowed, "labels", self.labels, "positive numbers")
        require(bool(self.objectives), "objectives", self.objectives, "one or more")


def run(spec: LabelsStudy) -> int:
    """Train each objective with each number of labels; return 1 if one failed."""
    out = Path(spec.out)
    learnt, tested = of_one_molecule(spec, MOLECULE, 20)
    conditions = [
        condition(kind, number, 1.0, learnt, tested, {"objective": kind, "labels": number})
        for kind in spec.objectives
        for number in spec.labels
    ]
    measured = measure(spec, conditions)
    rows = rows_of(measured)
    x, y = ("labels", "Labelled particles"), {"average_precision": "Average precision"}
    plots.against(out / "labels.png", rows, x, y, by="objective", log=True)
    return finish(spec, rows, measured.failures)


if __name__ == "__main__":
    from experiments._hydra import main

    main(LabelsStudy, run)
