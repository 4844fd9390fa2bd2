"""DeepEM's learning process (Zhu, Ouyang and Mao 2017, Fig. 2): train, test, add mistakes, train again.

    python -m experiments.deepem_recursive out=runs/recursive \\
        data.micrographs='job/*.mrc' data.coordinates='labels/*.star' data.diameter=180

Labelled micrographs are split in three: to learn from, to add mistakes from, and to test on
(data.validation_fraction). Each round trains from random weights and measures the error on test boxes
(1 - accuracy at a score of 0.5; the paper goes on until it is about 5 %). Above the limit, the micrographs
to add from are picked; picks that are no particles and particles that were missed, told by the labels,
join what is learnt from. Writes round_1/ ... as `train` does, weights/ of the last round and
recursion.csv. Exit status 1 means that some micrographs were left out.
"""

import csv
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from experiments import _provenance
from jaxpick.evaluate.field_threshold import calibrate
from jaxpick.evaluate.hard_examples import hard_examples
from jaxpick.io.files import InputError, write_text
from jaxpick.methods import deepem
from jaxpick.methods.labelled_micrographs import Labelled, LabelledMicrograph
from jaxpick.methods.labelled_sets import read_sets
from jaxpick.methods.labelled_spec import LabelledSpec
from jaxpick.methods.labelled_splits import split
from jaxpick.spec import as_plain, build, require
from jaxpick.train import StageResult, TrainSpec, train_stages
from jaxpick.weights.portable import save_weights


def setting(default: Any, text: str) -> Any:
    """Return a field with its help."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecursionSpec:
    """Settings of the recursion."""

    out: str = dataclasses.field(metadata={"help": "folder to write"})
    method: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: {"name": "deepem"}, metadata={"help": "and its settings"}
    )
    data: LabelledSpec = LabelledSpec()
    error_limit: float = setting(0.05, "share of test boxes judged wrongly that is good enough")
    rounds: int = setting(5, "at most")
    add_fraction: float = setting(0.5, "of the micrographs not tested on: mistakes are added from")
    training: TrainSpec = TrainSpec()
    seed: int = setting(0, "of parameters, examples and the split")

    def __post_init__(self) -> None:
        """Refuse a recursion without data or rounds."""
        given = not self.data.is_simulated
        require(given, "data.micrographs", self.data.micrographs, "labelled micrographs")
        require(self.rounds > 0, "rounds", self.rounds, "a positive number")
        require(0 < self.add_fraction < 1, "add_fraction", self.add_fraction, "above 0, below 1")
        require(0 <= self.error_limit < 1, "error_limit", self.error_limit, "0 to below 1")


def run(spec: RecursionSpec) -> int:
    """Train until the error is below the limit; return 1 if a micrograph was left out, else 0."""
    out = Path(spec.out)
    values = {name: value for name, value in spec.method.items() if name != "name"}
    settings = build(deepem.Spec, values, "method")
    data = read_sets(spec.data, settings.working, out / "cache", spec.seed)
    learnt, further = split(data.train, spec.add_fraction, spec.seed)
    if not further or not data.validation:
        raise InputError("data.micrographs: expected three or more, to learn, add and test with")
    _provenance.write(out, spec)
    rows: list[dict[str, Any]] = []
    for number in range(1, spec.rounds + 1):
        result, trained = _train(spec, settings, dataclasses.replace(data, train=learnt), number)
        error = 1.0 - result.figures["accuracy"]
        ends = error <= spec.error_limit or number == spec.rounds
        added = () if ends else _mistakes(trained, result.params, further)
        rows.append(_row(number, error, added))
        print("  ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()))
        if ends:
            break
        learnt = (*learnt, *added)
    card = {"name": out.name, "method": deepem.NAME, "config": as_plain(trained)}
    save_weights(out / "weights", jax.device_get(result.params), card | {"recursion": rows})
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "recursion.csv", text.getvalue())
    return 1 if data.summary["left_out"] else 0


def _train(
    spec: RecursionSpec, settings: deepem.Spec, data: Labelled, number: int
) -> tuple[StageResult, deepem.Spec]:
    """Train from random weights; return the result and the settings with their threshold."""
    stages = deepem.training_stages(settings, data)
    learnt = [[m.name, len(m.learnt_yx_px)] for m in data.train]
    config = {"method": as_plain(settings), "learnt": learnt}
    folder = Path(spec.out) / f"round_{number}"
    (result,) = train_stages(stages, spec.training, folder, seed=spec.seed, config=config)
    return result, calibrate(deepem, settings, result.params, stages[0], data, spec.seed)


def _mistakes(
    settings: deepem.Spec, params: Any, further: tuple[LabelledMicrograph, ...]
) -> tuple[LabelledMicrograph, ...]:
    """Return the micrographs' false and missed particles; their working pixels count as angstrom."""
    picker: Any = deepem.make_picker(settings, params, 2.0 * further[0].radius_px)
    return hard_examples(picker, further, picker.threshold)


def _row(number: int, error: float, added: tuple[LabelledMicrograph, ...]) -> dict[str, Any]:
    false = sum(len(m.negatives_yx_px) for m in added if m.negatives_yx_px is not None)
    missed = sum(len(m.learnt_yx_px) for m in added)
    return {"round": number, "error": error, "false_added": false, "missed_added": missed}


def choices() -> dict[str, dict[str, type]]:
    """Return DeepEM's settings, for `method=deepem` and its presets."""
    return {"method": {"deepem": deepem.Spec}}


if __name__ == "__main__":
    from experiments._hydra import main

    main(RecursionSpec, run, choices=choices())
