"""How PARSED's particle classifier learns: accuracy and cross-entropy (Yao, Qian and Huang 2020, Fig. S2).

    python -m experiments.parsed_classifier out=studies/classifier
    python -m experiments.parsed_classifier out=studies/structures specimens.num_phantoms=0 \\
        specimens.structures='pdb/*.cif.gz'

Claim: the classifier, whose convolutions the segmenter starts from (Fig. S1), is accurate to nearly 1 on synthetic
particles after some epochs, training and validation alike. Here the validation patches are of molecules that
training never saw, which the paper does not ask for. Expected: accuracy of 0.9 to 0.95, as particles of every
contrast down to the hardly visible are among them, and no gap between the curves. Writes metrics.csv, curves.png
(its Fig. S2B and C), table.csv and table.md; with several seeds a folder for each.

Two cores: an estimated ten minutes. One GPU: an estimated three.
"""

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import _plot, _provenance
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._members import over
from experiments._study import finish, setting
from jaxpick.io.specimens import SpecimensSpec, stored_bank
from jaxpick.methods import parsed
from jaxpick.spec import as_plain, build, require
from jaxpick.train import TrainSpec, train_stages


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierStudy:
    """Settings of the study."""

    out: str = dataclasses.field(metadata={"help": "folder to write"})
    method: Mapping[str, Any] = setting({}, "changes to PARSED's settings")
    specimens: SpecimensSpec = SpecimensSpec()
    held_out: int = setting(16, "procedural molecules that are only validated on")
    training: TrainSpec = TrainSpec(log_every=20, validate_every=100)
    seeds: int = setting(1, "trainings")

    def __post_init__(self) -> None:
        for name in ("held_out", "seeds"):
            require(getattr(self, name) > 0, name, getattr(self, name), "a positive number")


def run(spec: ClassifierStudy) -> int:
    """Train the first stage alone with each seed."""
    out = Path(spec.out)
    _provenance.write(out, spec)
    settings = build(parsed.Spec, over(as_plain(parsed.Spec()), spec.method), "method")

    # Molecules to learn from, and others to validate on.
    unseen = dataclasses.replace(
        spec.specimens,
        num_phantoms=spec.held_out,
        phantom_seed=HELD_OUT_PHANTOMS[0],
        structures=None,
        maps=None,
        exclude=(),
        bank=None,
    )
    seen = stored_bank(spec.specimens, out / "bank.npz", report=print)
    validation = parsed.classifier_stage(
        settings, stored_bank(unseen, out / "held_out.npz")
    ).examples
    stage = dataclasses.replace(parsed.classifier_stage(settings, seen), validation=validation)
    rows = []
    config = {"method": as_plain(settings), "specimens": as_plain(spec.specimens)}
    for seed in range(spec.seeds):
        folder = out if spec.seeds == 1 else out / f"seed_{seed}"
        (result,) = train_stages((stage,), spec.training, folder, seed=seed, config=config)
        rows.append(
            {"condition": "classifier", "seed": seed, "step": result.step, **result.figures}
        )
        with (folder / "metrics.csv").open(newline="", encoding="utf-8") as table:
            _plot.training_curves(folder / "curves.png", list(csv.DictReader(table)))
    shown = {"accuracy": ("accuracy", 4), "loss": ("cross-entropy", 4), "step": ("at step", 0)}
    return finish(spec, rows, shown=shown)


if __name__ == "__main__":
    from experiments._hydra import main

    main(ClassifierStudy, run)
