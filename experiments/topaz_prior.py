"""What if Topaz is told a wrong number of particles? Bepler et al. (2019), Nature Methods 16:1153, supplement.

    python -m experiments.topaz_prior out=studies/prior
    python -m experiments.topaz_prior out=studies/own learn.micrographs=... learn.truth=... learn.diameter=180 data...

Topaz must be told how many particles a micrograph holds (its -n, hence pi). Claim: the expectation criteria bear a
wrong pi, since it is a soft constraint, better than PU, whose risk subtracts it outright. Here pi is a quarter to
four times the true share, with 100 labels. Expected: a broad maximum about 1 for GE-binomial and GE-KL, with a slow
fall to more; PU falls where it is told too many. Where fewer are expected than are labelled, Topaz takes PN instead,
and so does this. Writes table.csv, table.md and prior.png.

Two cores: an estimated four hours for the fifteen (2000 minibatches each). One GPU: an estimated half hour.
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
class PriorStudy(TrainedStudy):
    """Settings of the study."""

    objectives: tuple[Kind, ...] = setting(("pu", "ge_kl", "ge_binomial"), "one line each")
    factors: tuple[float, ...] = setting((0.25, 0.5, 1.0, 2.0, 4.0), "times the true number")
    labels: int = setting(100, "particles known")
    train: Mapping[str, Any] = setting(TRAIN, "changes to train's settings, for every condition")

    def __post_init__(self) -> None:
        check(self)
        allowed = bool(self.factors) and min(self.factors) > 0
        require(allowed, "factors", self.factors, "positive numbers")
        require(self.labels > 0, "labels", self.labels, "a positive number")
        expecting = bool(self.objectives) and "pn" not in self.objectives
        require(expecting, "objectives", self.objectives, "those that expect a number: not pn")


def run(spec: PriorStudy) -> int:
    """Train each objective with each number told; return 1 if one failed."""
    out = Path(spec.out)
    learnt, tested = of_one_molecule(spec, MOLECULE, 20)
    conditions = [
        condition(kind, spec.labels, factor, learnt, tested, {"objective": kind, "factor": factor})
        for kind in spec.objectives
        for factor in spec.factors
    ]
    measured = measure(spec, conditions)
    rows = rows_of(measured)
    x, y = ("factor", "Particles told / true"), {"average_precision": "Average precision"}
    plots.against(out / "prior.png", rows, x, y, by="objective", log=True)
    return finish(spec, rows, measured.failures)


if __name__ == "__main__":
    from experiments._hydra import main

    main(PriorStudy, run)
