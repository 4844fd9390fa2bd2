"""What a run has to tell: its settings by dotted path, and its figures by slashed name.

A run is a folder with `config.json`. It is finished when the file that its command writes last is
there; figures are then read from every file of figures that is known. A comparison has a row for
each line of its table, any other run one row.
"""

import csv
import dataclasses
import glob
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxpick.io.files import InputError

Row = dict[str, Any]
CONFIG = "config.json"
# Written last by train, evaluate, pick, simulate, compare and the studies that make one table.
LAST_FILES = (
    *("train.json", "metrics.json", "pick.json", "simulate.json", "trials.json", "table.csv"),
    *("study.json", "recursion.csv", "curves.csv"),
)
NOT_SETTINGS = ("out", "overwrite")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One run: its folder, its settings as dotted paths, its rows of figures, whether it ended."""

    folder: Path
    settings: Mapping[str, Any]
    rows: Sequence[Row]
    is_finished: bool


def find_runs(pattern: str) -> list[Run]:
    """Read the runs that a folder or a glob names, or that lie within the folders it names.

    Runs within a run (a comparison's trainings) are its own affair.

    Raises:
        InputError: when there are none.
    """
    named = sorted(glob.glob(os.path.expanduser(pattern), recursive=True))
    folders = dict.fromkeys(run for name in named for run in _within(Path(name)))
    inner = {run for run in folders if any(parent in folders for parent in run.parents)}
    if not folders:
        raise InputError(f"{pattern}: no folder of a run ({CONFIG}) there; expected runs='GLOB'")
    return [_read_run(folder) for folder in folders if folder not in inner]


def varying(runs: Sequence[Run]) -> list[str]:
    """Return the settings that differ among the runs that have them, in the order of the settings.

    One that is there because another is set (an optimizer's rate, where other runs have none) counts
    too; one that belongs to another method does not.
    """
    names = dict.fromkeys(name for run in runs for name in run.settings)
    found = []
    for name in names:
        values = {_key(run.settings[name]) for run in runs if name in run.settings}
        parents = [name[:at] for at, sign in enumerate(name) if sign == "."]
        is_unset = any(parent in run.settings for run in runs for parent in parents)
        if name not in NOT_SETTINGS and (len(values) > 1 or is_unset):
            found.append(name)
    return found


def flatten(values: Any, separator: str, path: str = "") -> Row:
    """Return nested plain data as one level of joined names; a list is one value."""
    if not isinstance(values, Mapping) or (not values and path):
        return {path: values}
    flat: Row = {}
    for name, value in values.items():
        flat |= flatten(value, separator, f"{path}{separator}{name}" if path else str(name))
    return flat


def _within(folder: Path) -> list[Path]:
    """Return the folder if it is a run, else the runs anywhere within it, sorted."""
    if (folder / CONFIG).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"**/{CONFIG}")) if folder.is_dir() else []


def _read_run(folder: Path) -> Run:
    config = _json(folder / CONFIG)
    # A training has rows of figures long before it ends.
    trains = {"training", "specimens", "cached_examples"} <= config.keys()
    last = ("train.json", "curves.csv") if trains else LAST_FILES
    figures = _of_training(folder) | _of_evaluation(folder) | _of_picking(folder)
    lines = _of_comparison(folder)
    return Run(
        folder=folder,
        settings=flatten(config, "."),
        rows=[figures | line for line in lines] or [figures],
        is_finished=any((folder / name).is_file() for name in last),
    )


def _of_training(folder: Path) -> Row:
    """Return the last row of each stage and split, the best validation, and the speed."""
    row: Row = {}
    for line in _table(folder / "metrics.csv"):
        at = f"last/{line.pop('stage', '')}"
        row[f"{at}/step"] = _value(line.pop("step", ""))
        split = line.pop("split", "")
        row |= {f"{at}/{split}/{name}": _value(text) for name, text in line.items() if text}
    record = _json(folder / "train.json")
    for stage in record.get("stages", []):
        at = f"best/{stage['stage']}"
        row |= {f"{at}/step": stage["step"]} | flatten(stage["validation"], "/", f"{at}/validation")
    speed = record.get("examples_per_second", {})
    return row | {f"examples_per_second/{name}": value for name, value in speed.items() if value}


def _of_evaluation(folder: Path) -> Row:
    """Return every figure of `metrics.json`; the two ends of an interval apart."""
    row: Row = {}
    for name, value in flatten(_json(folder / "metrics.json"), "/", "metrics").items():
        if isinstance(value, list) and len(value) == 2:
            row |= {f"{name}/low": value[0], f"{name}/high": value[1]}
        elif not isinstance(value, list | Mapping):
            row[name] = value
    row.pop("metrics", None)
    return row


def _of_picking(folder: Path) -> Row:
    """Return the counts of `pick.json`."""
    record = _json(folder / "pick.json")
    names = ("threshold", "total", "micrographs", "candidates")
    row = {f"pick/{name}": record[name] for name in names if name in record}
    return row | ({"pick/left_out": len(record["left_out"])} if "left_out" in record else {})


def _of_comparison(folder: Path) -> list[Row]:
    """Return the lines of `table.csv`."""
    lines = _table(folder / "table.csv")
    return [{f"table/{name}": _value(text) for name, text in line.items()} for line in lines]


def _json(path: Path) -> dict[str, Any]:
    """Return a record, nothing where there is none.

    Raises:
        InputError: when it cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(read, dict):
        raise InputError(f"{path}: expected names and values, got a {type(read).__name__}")
    return read


def _table(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _value(text: str | None) -> Any:
    """Return a cell as a number where it is one, None where it is empty."""
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
