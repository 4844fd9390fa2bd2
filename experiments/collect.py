"""Gather the results of many runs into one table: what was set differently, and what came out.

    python -m experiments.collect runs='runs/rates/*' out=rates
    python -m experiments.collect runs='sweeps/*' out=gathered metrics=['best/*/validation/loss']

`runs` names folders that train, evaluate, pick, compare or a study wrote, or folders with such
folders in them. Writes runs.csv and runs.parquet: a row for each run (for each line of the table of
a comparison), first the run and whether it is finished, then every setting that differs among the
runs (method.name, optimizer.learning_rate), then every figure: metrics/... of metrics.json,
best/STAGE/... and last/STAGE/... of a training, pick/..., table/... of a comparison. For each
setting that differs, SETTING.png draws the `metrics` against it. Runs that have not finished are in
the table with what they have so far, and listed; the exit status is then 1.
"""

import dataclasses
import fnmatch
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from experiments import _plot_runs, _provenance
from experiments._collect_runs import Row, Run, find_runs, varying
from jaxpick.evaluate.text import as_csv
from jaxpick.io.files import replacing, write_text
from jaxpick.spec import require

HEADLINES = (
    *("metrics/average_precision", "metrics/f1", "table/average_precision", "table/f1"),
    *("best/*/validation/loss", "best/*/validation/accuracy", "pick/total"),
)
RUN, FINISHED = "run", "finished"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CollectSpec:
    """Settings of one gathering."""

    runs: str = field(metadata={"help": "folders of runs, or folders that hold some: a glob"})
    out: str = field(metadata={"help": "folder to write"})
    metrics: tuple[str, ...] = field(
        default=HEADLINES, metadata={"help": "figures to draw, patterns of columns"}
    )
    pictures: int = field(default=12, metadata={"help": "settings to draw against, at most"})

    def __post_init__(self) -> None:
        for name in ("runs", "out"):
            require(bool(getattr(self, name)), name, getattr(self, name), "a folder")
        require(self.pictures >= 0, "pictures", self.pictures, "0 or more")


def run(spec: CollectSpec) -> int:
    """Write the table and the figures; return 1 if a run has not finished, else 0."""
    runs = find_runs(spec.runs)
    settings = varying(runs)
    rows = table_of(runs, settings)
    out = Path(spec.out)
    _provenance.write(out, spec)
    write_text(out / "runs.csv", as_csv(rows))
    _write_parquet(out / "runs.parquet", rows)
    figures = [name for name in rows[0] if "/" in name]
    drawn = [n for n in figures if any(fnmatch.fnmatchcase(n, p) for p in spec.metrics)]
    for name in settings[: spec.pictures]:
        _plot_runs.against_setting(out / f"{name}.png", name, drawn, rows)
    unfinished = [str(one.folder) for one in runs if not one.is_finished]
    for folder in unfinished:
        print(f"not finished: {folder}", file=sys.stderr)
    told = f"{len(settings)} settings that differ, {len(figures)} figures"
    if len(settings) > spec.pictures:
        told += f"; the first {spec.pictures} settings are drawn (pictures=)"
    print(f"{len(runs)} runs ({len(unfinished)} not finished), {told} -> {out / 'runs.csv'}")
    return 1 if unfinished else 0


def table_of(runs: Sequence[Run], settings: Sequence[str]) -> list[Row]:
    """Return a row for each line of each run, all with the same columns, undefined values None.

    Args:
        runs: with their figures.
        settings: dotted paths of those that are columns.
    """
    figures = dict.fromkeys(name for one in runs for row in one.rows for name in row)
    rows = []
    for one in runs:
        first: Row = {RUN: str(one.folder), FINISHED: one.is_finished}
        own = {name: _cell(one.settings.get(name)) for name in settings}
        rows += [first | own | {name: row.get(name) for name in figures} for row in one.rows]
    return rows


def _cell(value: Any) -> Any:
    """Return a value that one cell of a table can hold."""
    return json.dumps(value) if isinstance(value, list | tuple | Mapping) else value


def _write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """Write the table as Parquet, each column of one type; say so where pyarrow is missing."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        print(f"{path}: not written, as pyarrow is not installed (pip install pyarrow)")
        return
    columns = {name: _of_one_type([row[name] for row in rows]) for name in rows[0]}
    with replacing(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.table(columns), temporary)


def _of_one_type(values: Sequence[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and len(kinds) == 2:
        return [None if value is None else float(value) for value in values]
    if len(kinds) > 1:
        return [None if value is None else str(value) for value in values]
    return list(values)


if __name__ == "__main__":
    from experiments._hydra import main

    main(CollectSpec, run)
