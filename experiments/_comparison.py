"""What joins a comparison without being run, and what it writes."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments._comparison_report import write_report
from experiments._data_sets import DataSet
from experiments._scoring import Result, scoring_of
from jaxpick.evaluate.comparison import Resampled, difference_rows, mean_of, resample
from jaxpick.evaluate.comparison_tables import NOTE, latex, markdown
from jaxpick.evaluate.evaluation import EvaluateSpec
from jaxpick.evaluate.text import as_csv
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError, write_text
from jaxpick.io.nouns import Picks, make_picks
from jaxpick.picking.consensus import consensus, rank_scores

DIFFERENCES = ("set", "method", "figure", "difference", "low", "high", "is_clear")


def external_picks(name: str, pattern: str, data: DataSet) -> list[Picks]:
    """Return another program's picks of a set's micrographs.

    Raises:
        InputError: when none of its names fits a micrograph.
    """
    read = read_picks(pattern, micrograph_shape=data.shapes)
    if not read:
        raise InputError(f"external.{name}: {pattern} holds no coordinates")
    return read


def consensus_of(labels: Sequence[str], results: Sequence[Result], data: DataSet) -> list[Picks]:
    """Return the consensus of the first seed of each method on a set.

    Raises:
        InputError: when one of them has no result there.
    """
    chosen = []
    for label in labels:
        own = [r for r in results if (r.row["set"], r.row["method"]) == (data.name, label)]
        if not own:
            raise InputError(f"consensus: {label} has no picks of {data.name}")
        chosen.append(_ranked(own[0]))
    pixel = {t.micrograph: t.pixel_size_angstrom for t in data.truth}
    found = []
    for name in data.shapes:
        members = [m.get(name, make_picks(name, np.zeros(0), np.zeros(0))) for m in chosen]
        own_pixel = [m.pixel_size_angstrom for m in members] + [pixel.get(name)]
        sizes = [data.spec.pixel_size, *own_pixel]
        size = next((s for s in sizes if s), None)
        if size is None:
            raise InputError(f"consensus: the pixel size of {name} is unknown")
        found.append(consensus(members, data.diameter / size))
    return found


def resample_all(
    results: Sequence[Result], sets: Sequence[DataSet], scoring: EvaluateSpec
) -> dict[str, dict[str, dict[str, Resampled]]]:
    """Return set -> method -> figure, the seeds of a method averaged draw by draw."""
    whole: dict[str, dict[str, dict[str, Resampled]]] = {}
    for data in sets:
        seeds: dict[str, list[dict[str, Resampled]]] = {}
        for result in (r for r in results if r.row["set"] == data.name):
            settings = dataclasses.replace(scoring_of(scoring, data), threshold=result.threshold)
            figures = resample(
                result.candidates, data.truth, spec=settings, name=data.name, shapes=data.shapes
            )
            seeds.setdefault(result.row["method"], []).append(figures)
        whole[data.name] = {
            method: {
                name: mean_of([part[name] for part in parts])
                for name in parts[0]
                if all(name in part for part in parts)
            }
            for method, parts in seeds.items()
        }
    return whole


def write_comparison(
    out: Path,
    results: Sequence[Result],
    sets: Sequence[DataSet],
    failures: Sequence[str],
    scoring: EvaluateSpec,
    baseline: str,
    pictures: int,
    settings: Mapping[str, Any],
) -> str:
    """Write tables, curves and the report; return the table as Markdown."""
    rows = [result.row for result in results]
    resampled = resample_all(results, sets, scoring)
    differences = difference_rows(resampled, baseline, scoring.confidence)
    heading = (
        f"Protocol {scoring.protocol}; {100 * scoring.confidence:g} % intervals from "
        f"{scoring.bootstrap} draws of micrographs; baseline {baseline}."
    )
    about = {data.name: data.about for data in sets}
    table = markdown(rows, differences, about, failures, heading)
    words = (heading, NOTE)
    write_report(out, results, sets, differences, scoring, pictures, words, failures, settings)
    write_text(out / "table.csv", as_csv(rows))
    write_text(out / "differences.csv", as_csv(differences or [dict.fromkeys(DIFFERENCES)]))
    write_text(out / "table.tex", latex(rows, heading))
    write_text(out / "table.md", table)
    return table


def _ranked(result: Result) -> dict[str, Picks]:
    """Return a result's picks with their scores as ranks among all of the set."""
    scores = np.concatenate([np.zeros(0), *(p.score for p in result.candidates)])
    ranks = np.split(
        rank_scores(scores, result.threshold), np.cumsum([len(p) for p in result.candidates])[:-1]
    )
    pairs = zip(result.candidates, ranks, strict=False)
    return {p.micrograph: dataclasses.replace(p, score=rank) for p, rank in pairs}
