"""The whole way in one command: simulate micrographs, pick them with the weights that ship, evaluate against the truth.

    python -m experiments.demo
    python -m experiments.demo out=demo count=8 seed=3

Needs no data. The particle is a procedural phantom that the weights were not trained on. Writes demo/simulated
(micrographs, particles.star), demo/picks (STAR files, report.html) and demo/evaluation (metrics.json, curve.png);
prints average precision and F1.
"""

import dataclasses
import json
from pathlib import Path

from experiments import evaluate, pick, simulate
from jaxpick.io.simulated_folder import read_truth
from jaxpick.simulate.phantoms import PhantomSpec
from jaxpick.simulate.priors import MicroscopePrior, PixelAngstrom, Priors, ScenePrior
from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoSpec:
    """Settings of the demonstration."""

    out: str = dataclasses.field(default="demo", metadata={"help": "folder to write"})
    count: int = dataclasses.field(default=4, metadata={"help": "number of micrographs"})
    seed: int = dataclasses.field(default=2026, metadata={"help": "of molecule and micrographs"})

    def __post_init__(self) -> None:
        require(bool(self.out), "out", self.out, "a folder")
        require(self.count >= 1, "count", self.count, "1 or more")


def run(spec: DemoSpec) -> int:
    """Simulate, pick, evaluate."""
    out = Path(spec.out)
    simulate.run(simulation(spec))
    summary = json.loads((out / "simulated" / "simulate.json").read_text(encoding="utf-8"))
    diameter = round(summary["species"][0]["diameter_angstrom"])
    picks = pick.PickSpec(
        micrographs=str(out / "simulated" / "micrographs" / "*.mrc"),
        diameter=float(diameter),
        out=str(out / "picks"),
    )
    status = pick.run(picks, truth=read_truth(out / "simulated"))
    threshold = json.loads((out / "picks" / "pick.json").read_text())["settings"]["threshold"]
    evaluate.run(
        evaluate.EvaluateExperimentSpec(
            picks=str(out / "picks" / "picks.csv"),
            truth=str(out / "simulated" / "particles.star"),
            diameter=float(diameter),
            threshold=threshold,
            missing_truth="empty",
            out=str(out / "evaluation"),
        )
    )
    print(f"look at {out / 'picks' / 'report.html'}")
    return status


def simulation(spec: DemoSpec) -> simulate.SimulateSpec:
    """One molecule of some hundred kilodaltons under ordinary conditions, 1024 x 1024 at 4 angstrom per pixel."""
    priors = Priors(
        pixel=PixelAngstrom(pixel_angstrom=(4.0, 4.0)),
        microscope=MicroscopePrior(
            dose_e_per_angstrom2=(25.0, 60.0), defocus_um=(0.8, 3.0), low_defocus_probability=0.0
        ),
        scene=ScenePrior(empty_probability=0.0, coverage=(0.05, 0.35)),
    )
    simulator = simulate.SimulatorSpec(
        num_phantoms=1,
        phantom_seed=spec.seed,
        phantoms=PhantomSpec(mass_kda=(300.0, 800.0), max_diameter_angstrom=300.0),
        priors=priors,
    )
    return simulate.SimulateSpec(
        out=str(Path(spec.out) / "simulated"), count=spec.count, seed=spec.seed, simulator=simulator
    )


if __name__ == "__main__":
    from experiments._hydra import main

    main(DemoSpec, run)
