"""Pick, learn from the best picks, pick again: DeepPicker's iteration, for any method that learns.

    python -m experiments.iterate micrographs='job/*.mrc' diameter=180 out=iterated \\
        method=deeppicker weights=runs/deeppicker/weights

No label is needed: the first weights come from other molecules or from simulations. In each round
the micrographs are picked, the `best` picks of the highest scores become labels, and training goes on
from the weights with them (Wang et al. 2016, Fig. 1: one round with 10,000). Writes round_1/ ... with
picks/ and training/, and picks/ with the last weights. The same command goes on after an
interruption. Exit status 1 means that some micrographs were left out.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import pick, train
from jaxpick import methods
from jaxpick.methods.labelled_spec import LabelledSpec
from jaxpick.spec import as_plain, build, require
from jaxpick.train import TrainSpec
from jaxpick.weights.shipped import load_picker_weights


def setting(default: Any, text: str) -> Any:
    """Return a field with its help."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class IterateSpec:
    """Settings of the iteration; sizes in angstrom."""

    micrographs: str = dataclasses.field(
        metadata={"help": "file, folder, glob or RELION micrographs.star"}
    )
    diameter: float = dataclasses.field(metadata={"help": "longest dimension of the particle"})
    out: str = dataclasses.field(metadata={"help": "folder to write"})
    method: str = setting("deeppicker", "which picker")
    weights: str | None = setting(None, "folder of the first weights; the shipped ones if null")
    pixel_size: float | None = setting(None, "angstrom; overrides headers")
    rounds: int = setting(1, "of learning from picks")
    best: int = setting(10000, "picks that are learnt from, those of the highest scores")
    steps: int = setting(2000, "of training in each round")
    validation_fraction: float = setting(0.1, "share of the micrographs only validated on")
    training: TrainSpec = TrainSpec(validate_every=200)
    seed: int = setting(0, "of training")

    def __post_init__(self) -> None:
        """Refuse an iteration of nothing."""
        for name in ("rounds", "best", "steps"):
            require(getattr(self, name) > 0, name, getattr(self, name), "a positive number")
        learns = self.method in methods.NAMES and self.method not in methods.UNTRAINED
        require(learns, "method", self.method, "a method that learns")


def run(spec: IterateSpec) -> int:
    """Pick and learn in turns, then pick; return 1 if a micrograph was left out, else 0."""
    out, weights, status = Path(spec.out), spec.weights, 0
    for number in range(1, spec.rounds + 1):
        folder = out / f"round_{number}"
        status |= pick.run(_picking(spec, weights, folder / "picks"))
        status |= train.run(_training(spec, weights, folder))
        weights = str(folder / "training" / "weights")
    return status | pick.run(_picking(spec, weights, out / "picks"))


def _picking(spec: IterateSpec, weights: str | None, folder: Path) -> pick.PickSpec:
    return pick.PickSpec(
        micrographs=spec.micrographs,
        diameter=spec.diameter,
        out=str(folder),
        method=spec.method,
        weights=weights,
        pixel_size=spec.pixel_size,
    )


def _training(spec: IterateSpec, weights: str | None, folder: Path) -> train.TrainExperiment:
    """Return a training on the round's picks, from the weights that they were picked with."""
    data = LabelledSpec(
        micrographs=spec.micrographs,
        coordinates=str(folder / "picks" / "picks.csv"),
        diameter=spec.diameter,
        pixel_size=spec.pixel_size,
        most_labels=spec.best,
        validation_fraction=spec.validation_fraction,
    )
    return train.TrainExperiment(
        out=str(folder / "training"),
        method=_settings(spec, weights),
        weights=weights or "shipped",
        seed=spec.seed,
        data=data,
        training=spec.training,
    )


def _settings(spec: IterateSpec, weights: str | None) -> Mapping[str, Any]:
    """Return the settings of the weights, the last stage as long as asked for."""
    _, card = load_picker_weights(spec.method, weights)
    trained = build(methods.get(spec.method).Spec, card.get("config", {}), "weights.config")
    plain = as_plain(trained)
    stages = [name for name, value in plain.items() if isinstance(value, dict) and "steps" in value]
    plain[stages[-1]]["steps"] = spec.steps
    return {"name": spec.method, **plain}


if __name__ == "__main__":
    from experiments._hydra import main

    main(IterateSpec, run)
