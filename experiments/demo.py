"""The whole way in one command: simulate micrographs, pick them with the weights that ship, evaluate against the truth.

    python -m experiments.demo out=demo
    python -m experiments.demo out=demo count=8 seed=3

Needs no data. The particles are procedural phantoms that the weights were not trained on (another seed). Writes
demo/simulated (micrographs, particles.star), demo/picks (STAR files, report.html) and demo/evaluation (metrics.json,
curve.png); prints average precision and F1.
"""

import dataclasses
from pathlib import Path

from experiments import evaluate, pick, simulate
from jaxpick.io.coordinates import read_picks
from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoSpec:
    """Settings of the demonstration."""

    out: str = dataclasses.field(default="demo", metadata={"help": "folder to write"})
    count: int = dataclasses.field(default=4, metadata={"help": "number of micrographs"})
    seed: int = dataclasses.field(default=2026, metadata={"help": "of the simulated micrographs"})

    def __post_init__(self) -> None:
        require(self.count >= 1, "count", self.count, "1 or more")


def run(spec: DemoSpec) -> int:
    """Simulate, pick, evaluate."""
    out = Path(spec.out)
    simulated = simulate.demonstration(out=str(out / "simulated"), count=spec.count, seed=spec.seed)
    simulate.run(simulated)
    truth_file = out / "simulated" / "particles.star"
    diameter = simulate.target_diameter_angstrom(out / "simulated")
    picks = pick.PickSpec(
        micrographs=str(out / "simulated" / "micrographs" / "*.mrc"),
        diameter=diameter,
        out=str(out / "picks"),
    )
    status = pick.run(picks, truth=read_picks(truth_file))
    judged = evaluate.EvaluateExperimentSpec(
        picks=str(out / "picks" / "picks.csv"),
        truth=str(truth_file),
        diameter=diameter,
        out=str(out / "evaluation"),
    )
    evaluate.run(judged)
    print(f"look at {out / 'picks' / 'report.html'}")
    return status


if __name__ == "__main__":
    from experiments._hydra import main

    main(DemoSpec, run)
