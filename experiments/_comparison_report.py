"""What a comparison's report shows: figures, and the same micrographs with every method's picks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments._data_sets import DataSet
from experiments._scoring import Result, scoring_of
from jaxpick.evaluate.comparison_tables import (
    by_method,
    details,
    overlap_table,
    overview,
)
from jaxpick.evaluate.evaluation import EvaluateSpec, terms_of
from jaxpick.evaluate.matching import match_by_score
from jaxpick.evaluate.pairs import Pair, pair_micrographs
from jaxpick.evaluate.protocols import PROTOCOLS
from jaxpick.io.comparison_report import Leaf, Section, Shown, write_comparison_report
from jaxpick.io.figures import Line, intervals_svg, precision_recall_svg, standalone
from jaxpick.io.files import write_text
from jaxpick.io.micrographs import read_micrograph
from jaxpick.io.report import write_picture
from jaxpick.picking.picker import find_jobs
from jaxpick.preprocess.working import WorkingSpec, make_working_image

SHORT = {"average_precision": "average precision", "f1": "F1"}


def write_report(
    out: Path,
    results: Sequence[Result],
    sets: Sequence[DataSet],
    differences: Sequence[Mapping[str, Any]],
    scoring: EvaluateSpec,
    pictures: int,
    heading: Sequence[str],
    failures: Sequence[str],
    settings: Mapping[str, Any],
) -> None:
    """Write curves_SET.svg and report.html."""
    rows = [result.row for result in results]
    sections = []
    for data in sets:
        own = [result for result in results if result.row["set"] == data.name]
        if own:
            sections.append(_section(out, own, data, differences, scoring, pictures))
    means = [
        name for name in dict.fromkeys(r["set"] for r in differences) if name.startswith("mean of")
    ]
    figures = [figure for name in means for figure in _forest(differences, name)]
    tables = (overview(rows), figures, sections, overlap_table(rows), failures, settings)
    write_comparison_report(out / "report.html", heading, *tables)


def _section(
    out: Path,
    results: Sequence[Result],
    data: DataSet,
    differences: Sequence[Mapping[str, Any]],
    scoring: EvaluateSpec,
    pictures: int,
) -> Section:
    rows = [result.row for result in results]
    curves = precision_recall_svg(_lines(results), f"{data.name}: dots at each method's threshold")
    write_text(out / f"curves_{data.name}.svg", standalone(curves))
    counts = f"{rows[0]['micrographs']} micrographs, {rows[0]['true']} particles"
    about = f"{data.about}; {counts}; diameter {data.diameter:g} Å"
    figures = [curves, *_forest(differences, data.name)]
    leaves = _leaves(out, results, data, scoring, pictures)
    return Section(name=data.name, about=about, table=details(rows), figures=figures, leaves=leaves)


def _lines(results: Sequence[Result]) -> list[Line]:
    lines = []
    for label in dict.fromkeys(result.row["method"] for result in results):
        own = [result for result in results if result.row["method"] == label]
        at = [np.mean([r.row[name] or 0.0 for r in own]) for name in ("recall", "precision")]
        lines.append(Line(label, [r.curve for r in own], (float(at[0]), float(at[1]))))
    return lines


def _forest(differences: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Return a figure of a set's differences for each figure of merit."""
    found = []
    mean = f", {name}" if name.startswith("mean of") else ""
    for figure, words in SHORT.items():
        rows = [r for r in differences if (r["set"], r["figure"]) == (name, figure)]
        labelled = [{**row, "label": row["method"]} for row in rows]
        if labelled:
            found.append(intervals_svg(labelled, f"{words} less the baseline's{mean}"))
    return found


def _leaves(
    out: Path,
    results: Sequence[Result],
    data: DataSet,
    scoring: EvaluateSpec,
    pictures: int,
) -> list[Leaf]:
    """Return micrographs, evenly chosen, with the picks of the first seed of each method."""
    first = {key[1]: rows[0]["seed"] for key, rows in by_method([r.row for r in results]).items()}
    chosen = [r for r in results if first[r.row["method"]] == r.row["seed"]]
    pairs = {r.row["method"]: _pairs(r, data, scoring) for r in chosen}
    jobs = {job.name: job for job in find_jobs(data.micrographs, data.spec.pixel_size)}
    names = [name for name in next(iter(pairs.values()), {}) if name in jobs]
    shown = np.unique(np.linspace(0, len(names) - 1, min(pictures, len(names))).astype(int))
    leaves = []
    for name in (names[i] for i in shown):
        picture = out / "pictures" / data.name / f"{Path(name).stem}.jpg"
        job = jobs[name]
        read = read_micrograph(job.path, job.pixel_size_angstrom)
        image = -read.image if data.spec.invert else read.image
        working = make_working_image(
            image, read.pixel_size_angstrom, data.diameter, name, WorkingSpec(diameter_px=24.0)
        )
        scale = write_picture(picture, np.asarray(working.image)) / working.coordinates.scale_x
        one = next(iter(pairs.values()))[name]
        leaves.append(
            Leaf(
                name=name,
                picture=picture,
                scale=scale,
                radius_px=one.diameter_px / 2,
                truth=one.truth[:, ::-1],
                methods=[_verdict(label, own[name], scoring) for label, own in pairs.items()],
            )
        )
    return leaves


def _pairs(result: Result, data: DataSet, scoring: EvaluateSpec) -> dict[str, Pair]:
    terms = terms_of(scoring_of(scoring, data))
    found = pair_micrographs(result.candidates, data.truth, terms, data.shapes).pairs
    cut = -np.inf if result.threshold is None else result.threshold
    return {pair.micrograph: pair.above(cut) for pair in found}


def _verdict(label: str, pair: Pair, scoring: EvaluateSpec) -> Shown:
    matcher = PROTOCOLS[scoring.protocol].matcher or match_by_score
    found = matcher(pair.picks, pair.score, pair.truth, pair.radius_px)
    is_hit, is_found = np.zeros(len(pair.picks), bool), np.zeros(len(pair.truth), bool)
    is_hit[found.pick] = is_found[found.truth] = True
    return Shown(
        method=label,
        picks=pair.picks[:, ::-1],
        is_hit=is_hit,
        missed=pair.truth[~is_found][:, ::-1],
        votes=label != "consensus",
    )
