"""What studies share: conditions that differ in one thing, each trained and scored on the same micrographs.

A condition says how a picker is made: by a training of its own, from weights that are given, or with those that
ship. Its micrographs are files with known particles or are simulated once and kept. Whatever is finished is not done
again, so that the same command goes on after an interruption; a condition that fails is listed and does not stop the
others.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

from experiments import _provenance
from experiments._data_sets import DataSet
from experiments._failures import listed
from experiments._members import Member, over, trained_weights
from experiments._scoring import Result, score_member
from jaxpick.evaluate.comparison_tables import cell
from jaxpick.evaluate.evaluation import EvaluateSpec, ProtocolName
from jaxpick.evaluate.text import as_csv
from jaxpick.io.files import write_text
from jaxpick.spec import as_plain, require

# Of a classifier of patches at a size for two cores; what is picked goes up to the border.
TRAIN: Mapping[str, Any] = {
    "method": {"classifier": {"steps": 6000}, "decode": {"border": "zeros"}},
    "training": {"validate_every": 500, "log_every": 100},
}
SHOWN = {
    "average_precision": ("AP", 3),
    "f1": ("F1", 3),
    "best_f1": ("best F1", 3),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
    "mean_center_error_angstrom": ("centre error, angstrom", 1),
    "threshold": ("threshold", 3),
}


def setting(default: Any, text: str) -> Any:
    """Return a field with its help; a mapping is copied for each spec."""
    told = {"help": text}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=told)
    return field(default=default, metadata=told)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """Settings of a study that only picks."""

    out: str = field(metadata={"help": "folder to write"})
    data: Mapping[str, Any] = setting({}, "tested on: as in compare; changes to what is simulated")
    pick: Mapping[str, Any] = setting({}, "changes to pick's settings")
    protocol: ProtocolName = setting("score_order", "how to score")
    radius: float | None = setting(None, "to match, share of the diameter; the protocol's own")
    bootstrap: int = setting(200, "draws of micrographs for intervals")

    def __post_init__(self) -> None:
        check(self)

    def scoring(self) -> EvaluateSpec:
        """Return how picks are scored, without the sizes of a set."""
        chosen: Any = {name: getattr(self, name) for name in ("protocol", "bootstrap")}
        return EvaluateSpec(diameter_angstrom=1.0, radius_fraction=self.radius, **chosen)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedStudy(Study):
    """Settings of a study that trains each of its conditions, `seeds` times."""

    learn: Mapping[str, Any] = setting({}, "learnt from: as data")
    train: Mapping[str, Any] = setting({}, "changes to train's settings, for every condition")
    seeds: int = setting(1, "trainings of each condition")


def check(study: Study) -> None:
    """Refuse a study without a folder or trainings, and impossible scoring."""
    require(bool(study.out), "out", study.out, "a folder")
    seeds = getattr(study, "seeds", 1)
    require(seeds >= 1, "seeds", seeds, "1 or more")
    study.scoring()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """One line of a study.

    Attributes:
        name: of its folder, and in figures.
        told: what is particular about it, by column of the table.
        method: which picker.
        training: settings of its training; None for weights that are there.
        weights: folder of weights; None for those that ship.
        sets: micrographs that it is tested on.
        pick: changes to pick's settings.
    """

    name: str
    told: Mapping[str, Any]
    method: str
    sets: Sequence[DataSet]
    training: Mapping[str, Any] | None = None
    weights: str | None = None
    pick: Mapping[str, Any] = field(default_factory=dict)


class Outcome(NamedTuple):
    """What came out of a condition on one set, with one seed."""

    condition: Condition
    seed: int | None
    data: DataSet
    result: Result
    folder: Path


class Measured(NamedTuple):
    """All outcomes of a study, and what failed, a sentence each."""

    outcomes: tuple[Outcome, ...]
    failures: tuple[str, ...] = ()


def measure(study: Study, conditions: Sequence[Condition]) -> Measured:
    """Train and score every condition with every seed on each of its sets."""
    _provenance.write(Path(study.out), study)
    outcomes: list[Outcome] = []
    failures: list[str] = []
    for condition in conditions:
        for seed in range(getattr(study, "seeds", 1)) if condition.training else [None]:
            with listed(failures, f"{condition.name}, seed {seed}"):
                outcomes += _scored(study, condition, seed)
    return Measured(tuple(outcomes), tuple(failures))


def _scored(study: Study, condition: Condition, seed: int | None) -> list[Outcome]:
    out = Path(study.out)
    training = None
    if condition.training is not None:
        training = over(condition.training, getattr(study, "train", {}))
    member = Member(
        label=condition.name,
        method=condition.method,
        seed=seed,
        weights=condition.weights,
        training=training,
    )
    weights = trained_weights(member, out / member.path / "training")
    changes = {member.label: over({"pictures": 2}, over(condition.pick, study.pick))}
    found = []
    for data in condition.sets:
        print(f"{member.path} on {data.name}", flush=True)
        result = score_member(member, weights, data, out, study.scoring(), changes)
        found.append(Outcome(condition, seed, data, result, out / member.path / data.name))
    return found


def rows_of(measured: Measured) -> list[dict[str, Any]]:
    """Return a row of the table for each outcome: what it is, then its figures."""
    return [
        {
            "condition": one.condition.name,
            **one.condition.told,
            **{n: v for n, v in one.result.row.items() if n not in ("method", "seed")},
            "seed": one.seed,
        }
        for one in measured.outcomes
    ]


def finish(
    study: Any,
    rows: Sequence[Mapping[str, Any]],
    failures: Sequence[str] = (),
    shown: Mapping[str, tuple[str, int]] | None = None,
) -> int:
    """Write table.csv, table.md and study.json; return 1 if something failed, else 0.

    Args:
        study: its settings, with the folder `out`.
        rows: of the table, one a condition, set and seed.
        failures: what is not in the table, a sentence each.
        shown: column -> (heading, digits) of the figures in table.md; those of picking if None.
    """
    out, shown = Path(study.out), shown or SHOWN
    table = _markdown(rows, {n: s for n, s in shown.items() if any(n in row for row in rows)})
    table += "".join(f"\nFailed: {text}\n" for text in failures)
    write_text(out / "table.csv", as_csv(rows))
    write_text(out / "table.md", table)
    record = {
        "study": type(study).__name__,
        "settings": as_plain(study),
        "git": _provenance.git_revision(),
        "packages": _provenance.package_versions(),
        "seeds": sorted({row["seed"] for row in rows if row.get("seed") is not None}),
        "conditions": list(dict.fromkeys(row["condition"] for row in rows)),
        "failures": list(failures),
    }
    write_text(out / "study.json", json.dumps(record, indent=2, default=str) + "\n")
    print(table)
    return 1 if failures else 0


def _markdown(rows: Sequence[Mapping[str, Any]], shown: Mapping[str, tuple[str, int]]) -> str:
    """Return the mean and spread over seeds of each condition on each set."""
    grouped: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["condition"], row.get("set", "")), []).append(row)
    lines = [["condition", "set", *(heading for heading, _ in shown.values())]]
    lines.append(["---"] * len(lines[0]))
    for key, group in grouped.items():
        lines.append([*key, *(cell(group, name, digits) for name, (_, digits) in shown.items())])
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
