"""DeepEM from the paper's first weights and from others: loss and accuracy of both (Zhu, Ouyang and Mao 2017).

    python -m experiments.deepem_initialisation out=runs/initialisation
    python -m experiments.deepem_initialisation out=runs/initialisation experiment=debug

The paper draws all weights between 0 and 1 (its "Training"). Expected: from these the sums of a layer saturate
every sigmoid, the gradient is zero to the last bit, and the loss stays where it began; from weights around 0 (its
toolbox's, Glorot's) it falls at once. Each is one run of `experiments.train` on the same boxes in the same
order: uniform/ and glorot/, with curves.csv and curves.png of both beside them. Six minutes on two cores,
seconds with experiment=debug.
"""

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from experiments import _plot, train
from experiments.train import TrainExperiment, setting
from jaxpick.evaluate.text import as_csv
from jaxpick.io.files import write_text
from jaxpick.methods import deepem
from jaxpick.models.deepem import Initialisation


@dataclasses.dataclass(frozen=True, kw_only=True)
class InitialisationStudy(TrainExperiment):
    """Settings of both runs, as of `experiments.train`."""

    method: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: {"name": "deepem"}, metadata={"help": "and its settings"}
    )
    cached_examples: int = setting(512, "simulate so many once and draw from them; 0: always new")


def run(spec: InitialisationStudy) -> int:
    """Train from each initialisation and draw both; return 1 if a micrograph was left out, else 0."""
    status, rows = 0, []
    for name in get_args(Initialisation):
        out = Path(spec.out) / name
        method = {**spec.method, "initialisation": name}
        status |= train.run(dataclasses.replace(spec, out=str(out), method=method))
        with (out / "metrics.csv").open(newline="", encoding="utf-8") as table:
            rows += [{**row, "stage": name} for row in csv.DictReader(table)]
    write_text(Path(spec.out) / "curves.csv", as_csv(rows))
    _plot.training_curves(Path(spec.out) / "curves.png", rows)
    return status


def choices() -> dict[str, dict[str, type]]:
    """Return DeepEM's settings, for `method=deepem` and its presets."""
    return {"method": {"deepem": deepem.Spec}}


if __name__ == "__main__":
    from experiments._hydra import main

    main(InitialisationStudy, run, choices=choices())
