"""How far do simulations carry, and what do labels add? From simulated to real micrographs: a question of our own.

    python -m experiments.sim_to_real out=studies/real experiment=real
    python -m experiments.sim_to_real out=studies/own learn.micrographs=... learn.truth=... learn.diameter=180 data...

Each method picks the same micrographs in three ways: with the weights that ship, which learnt from simulations
alone; with those trained on for some steps on labelled micrographs of the same particle; and with a network that
learnt from these labels and nothing else. Expected: simulations alone already above half of the way, tuning best,
and labels alone between, the lower the more parameters a network has. Without files, a contaminated simulated set
stands for the real one. README has such figures for longer trainings. Writes table.csv, table.md,
average_precision.png.

Two cores: an estimated three minutes a training. One GPU: an estimated one minute.
"""

import dataclasses
from pathlib import Path
from typing import Any

from experiments import _study_plots as plots
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._members import SMALL
from experiments._study import Condition, TrainedStudy, check, finish, measure, rows_of, setting
from experiments._study_sets import labels_of, of_one_molecule
from jaxpick import methods
from jaxpick.spec import as_plain, build, require
from jaxpick.weights.shipped import load_picker_weights

DIRTY = {"simulator": {"priors": {"contaminants": {"amount": 2.0, "clean_probability": 0.0}}}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimToRealStudy(TrainedStudy):
    """Settings of the study."""

    methods: tuple[str, ...] = setting(("unet", "topaz", "deepem"), "that learn and have weights")
    steps: int = setting(600, "of each training on labels, in its last stage")

    def __post_init__(self) -> None:
        check(self)
        require(self.steps > 0, "steps", self.steps, "a positive number")
        for name in self.methods:
            require(name in SMALL, "methods", name, f"names among {', '.join(SMALL)}")


def run(spec: SimToRealStudy) -> int:
    """Pick with each method in its three ways; return 1 if one failed."""
    out = Path(spec.out)
    molecule = {"phantom": HELD_OUT_PHANTOMS[0], **DIRTY}
    learnt, tested = of_one_molecule(spec, molecule, 5, tested=5)
    conditions = []
    for name in spec.methods:
        settings = _settings(name, spec.steps)
        labels = {"data": labels_of(learnt), "method": settings}
        labels["training"] = {"validate_every": 200, "log_every": 50}
        ways: dict[str, Any] = {
            "simulated": None,
            "tuned": {**labels, "weights": "shipped"},
            "labels_only": labels,
        }
        conditions += [
            Condition(
                name=f"{name}_{way}",
                told={"method": name, "way": way},
                method=name,
                sets=tested,
                training=training,
            )
            for way, training in ways.items()
        ]
    measured = measure(spec, conditions)
    rows = rows_of(measured)
    named = [
        {**row, "condition": row["way"], row["method"]: row["average_precision"]} for row in rows
    ]
    figures = {name: name for name in spec.methods}
    plots.bars(out / "average_precision.png", named, figures, "Average precision")
    return finish(spec, rows, measured.failures)


def _settings(name: str, steps: int) -> dict[str, Any]:
    """Return the settings of the weights that ship, the last stage as long as asked for."""
    _, card = load_picker_weights(name, None)
    plain = as_plain(build(methods.get(name).Spec, card.get("config", {}), "weights.config"))
    stages = [key for key, value in plain.items() if isinstance(value, dict) and "steps" in value]
    plain[stages[-1]]["steps"] = steps
    return dict(plain)


if __name__ == "__main__":
    from experiments._hydra import main

    main(SimToRealStudy, run)
