"""PARSED's own test (Note S2, Fig. 2B): accuracy and F1 against the mass threshold, on a held-out molecule.

    python -m experiments.parsed_accuracy weights=parsed_paper out=accuracy
    python -m experiments.parsed_accuracy weights=parsed_paper out=accuracy simulator.structures=5Y36.cif.gz \
        simulator.num_phantoms=0 aperture=128

Yao, Qian and Huang (2020), Bioinformatics 36:1252: 400 simulated micrographs of 5Y36, a pick right within 0.3 apertures
of a particle. Here the molecule is a phantom of that mass that no training saw, or the structure given. Expect both
curves to rise while false blobs fall away and to sink when particles do, and the cut that is found from the masses
alone (Fig. S4) near the best F1. Writes curve.csv, curve.png (accuracy as printed and with the disc's true area),
masses.png (histogram and cut), metrics.json, and the micrographs and picks. Ten minutes on two busy cores for 400.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments import _plot, _provenance, pick, simulate
from jaxpick.evaluate.evaluation import EvaluateSpec, Evaluation, evaluate
from jaxpick.evaluate.text import as_csv, summary_text
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import write_text
from jaxpick.simulate.phantoms import PhantomSpec
from jaxpick.simulate.priors import PixelAngstrom, Priors
from jaxpick.spec import require


def setting(default: Any, text: str) -> Any:
    """Return a field with its help."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccuracySpec:
    """Settings of the test."""

    out: str = dataclasses.field(metadata={"help": "folder to write"})
    weights: str | None = setting(None, "folder of weights; the shipped ones if left out")
    method: str = setting("parsed", "which picker; its scores must be masses")
    aperture: float | None = setting(None, "angstrom; the molecule's diameter if left out")
    count: int = setting(400, "micrographs")
    seed: int = setting(5036, "of the micrographs")
    size: tuple[int, int] = setting((768, 768), "of a micrograph in pixels, [y,x]")
    bootstrap: int = setting(200, "draws of micrographs for intervals")
    simulator: simulate.SimulatorSpec = simulate.SimulatorSpec(
        num_phantoms=1,
        phantom_seed=5036,
        phantoms=PhantomSpec(mass_kda=(200.0, 250.0)),
        priors=Priors(pixel=PixelAngstrom(pixel_angstrom=(5.0, 5.0))),
    )

    def __post_init__(self) -> None:
        allowed = self.aperture is None or self.aperture > 0
        require(allowed, "aperture", self.aperture, "angstrom above 0")


def run(spec: AccuracySpec) -> int:
    """Simulate, pick, score at every mass."""
    out = Path(spec.out)
    _provenance.write(out, spec)

    # Micrographs of one molecule with their true particles.
    simulated = simulate.SimulateSpec(
        out=str(out / "simulated"),
        count=spec.count,
        seed=spec.seed,
        size=spec.size,
        simulator=spec.simulator,
    )
    simulate.run(simulated)
    truth = read_picks(out / "simulated" / "particles.star")

    # Blobs of the whole set, and the cut between the two peaks of their masses.
    species = _read(out / "simulated" / "simulate.json")["species"]
    aperture = spec.aperture or species[0]["diameter_angstrom"]
    picks = pick.PickSpec(
        micrographs=str(out / "simulated" / "micrographs" / "*.mrc"),
        diameter=aperture,
        out=str(out / "picks"),
        method=spec.method,
        weights=spec.weights,
        decode={"aperture_diameters": 1.0},
    )
    status = pick.run(picks, truth=truth)
    candidates = read_picks(out / "picks" / "picks.csv")
    cut = _read(out / "picks" / "pick.json")["threshold"]

    # Recall, precision, accuracy and F1 of Note S2 at the cut and at every mass.
    settings = EvaluateSpec(
        diameter_angstrom=aperture,
        protocol="parsed_accuracy",
        image_shape=spec.size,
        threshold=cut,
        bootstrap=spec.bootstrap,
    )
    outcome = evaluate(candidates, truth, spec=settings)
    _write(out, outcome, np.concatenate([c.score for c in candidates]), cut)
    print(summary_text(outcome.metrics))
    return status


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(out: Path, outcome: Evaluation, masses: np.ndarray, cut: float) -> None:
    write_text(out / "metrics.json", json.dumps(outcome.metrics, indent=2, allow_nan=False) + "\n")
    write_text(out / "curve.csv", as_csv(outcome.curve))
    names = {"accuracy": "Accuracy, as printed", "accuracy_corrected": "Accuracy, disc's area"}
    names |= {"f1": "F1", "precision": "Precision", "recall": "Recall"}
    _plot.against(out / "curve.png", "threshold", names, outcome.curve, "Mass threshold", cut)
    _plot.histogram(out / "masses.png", masses, "Mass of blob", cut)


if __name__ == "__main__":
    from experiments._hydra import main

    main(AccuracySpec, run)
