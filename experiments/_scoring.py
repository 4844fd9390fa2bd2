"""One member on one set of micrographs: picked, timed, scored, and kept so that it is done once."""

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import pick
from experiments._commandline import merged
from experiments._data_sets import DataSet
from experiments._members import Member, training_record, training_seconds
from jaxpick.evaluate.comparison import has_ranks
from jaxpick.evaluate.evaluation import EvaluateSpec, evaluate
from jaxpick.evaluate.overlap import TestData, training_overlap
from jaxpick.evaluate.text import as_csv
from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import write_text
from jaxpick.io.micrographs import read_header, read_micrograph
from jaxpick.io.names import match_names
from jaxpick.io.nouns import Picks
from jaxpick.picking.picker import Job, Picker, find_jobs
from jaxpick.spec import as_plain, build
from jaxpick.weights.portable import fingerprint, flatten
from jaxpick.weights.shipped import load_picker_weights

TIMED_MICROGRAPHS, TIMED_SECONDS = 5, 20.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One member on one set.

    Attributes:
        row: its line of the table, plain data.
        candidates: all picks by micrograph, with their scores.
        threshold: score from which they count; None for all.
        curve: rows of the precision-recall curve.
    """

    row: Mapping[str, Any]
    candidates: tuple[Picks, ...]
    threshold: float | None
    curve: Sequence[Mapping[str, Any]]


def score_member(
    member: Member,
    weights: str | None,
    data: DataSet,
    out: Path,
    scoring: EvaluateSpec,
    changes: Mapping[str, Any],
) -> Result:
    """Return the figures of a method on a set; what is finished with the same settings is read back.

    Args:
        member: the method.
        weights: its folder of weights, None for those that ship.
        data: the set.
        out: folder of the comparison.
        scoring: how to score, but for the threshold.
        changes: settings of `pick` by label.
    """
    folder = out / member.path / data.name
    spec = _pick_spec(member, weights, data, folder, changes)
    params, card = load_picker_weights(member.method, weights)
    # Files count by their names, sizes and times and weights by their values, wherever they lie.
    apart = ("out", "micrographs", "weights")
    settings = {name: value for name, value in as_plain(spec).items() if name not in apart}
    record = training_record(member, out / member.path / "training")
    key = {"pick": settings, "weights": fingerprint(params), "training": training_seconds(record)}
    if (kept := kept_result(folder, data, scoring, key)) is not None:
        return kept
    left_out = pick.run(spec, truth=data.truth) != 0
    picked = json.loads((folder / "picks" / "pick.json").read_text(encoding="utf-8"))
    candidates = read_picks(folder / "picks" / "picks.csv")
    row = {
        "weights": member.source,
        "parameters": sum(array.size for array in flatten(params).values()),
        "training_seconds": training_seconds(record),
        "seconds_per_micrograph": seconds_per_micrograph(
            pick.load_picker(spec).picker, find_jobs(spec.micrographs, spec.pixel_size), spec.invert
        ),
        "left_out": len(picked["left_out"]) if left_out else 0,
        "training_overlap": training_overlap(card, record, _test_data(data)),
    }
    first = {"set": data.name, "method": member.label, "seed": member.seed}
    return save_result(
        folder, data, scoring, key, first, row, tuple(candidates), picked["threshold"]
    )


def score_picks(
    label: str,
    candidates: Sequence[Picks],
    threshold: float | None,
    data: DataSet,
    out: Path,
    scoring: EvaluateSpec,
    row: Mapping[str, Any],
) -> Result:
    """Return the figures of picks that are there: another program's, or a consensus."""
    folder = out / label / data.name
    pairs = match_names([p.micrograph for p in candidates], list(data.shapes)).pairs
    named = tuple(
        dataclasses.replace(p, micrograph=pairs[p.micrograph])
        for p in candidates
        if p.micrograph in pairs
    )
    write_picks(list(named), folder / "picks" / "picks.csv")
    first = {"set": data.name, "method": label, "seed": None}
    return save_result(folder, data, scoring, {}, first, row, named, threshold)


def save_result(
    folder: Path,
    data: DataSet,
    scoring: EvaluateSpec,
    key: Mapping[str, Any],
    first: Mapping[str, Any],
    row: Mapping[str, Any],
    candidates: tuple[Picks, ...],
    threshold: float | None,
) -> Result:
    """Score picks and write what came out; `result.json`, which says that all is there, comes last."""
    settings = dataclasses.replace(scoring_of(scoring, data), threshold=threshold)
    outcome = evaluate(candidates, data.truth, spec=settings, shapes=data.shapes)
    figures: Any = outcome.metrics
    write_text(folder / "metrics.json", json.dumps(figures, indent=2, allow_nan=False) + "\n")
    for name in ("curve", "per_micrograph", "matches"):
        write_text(folder / f"{name}.csv", as_csv(getattr(outcome, name)))
    full = {**first, **_figures(figures), **row}
    if not has_ranks(candidates):
        full |= dict.fromkeys(n for n in full if n.startswith(("average", "best")))
    record = {"row": full, "threshold": threshold, "curve": outcome.curve}
    own = _key(data, scoring, key)
    write_text(folder / "result.json", json.dumps({"key": own, **record}) + "\n")
    return Result(row=full, candidates=candidates, threshold=threshold, curve=outcome.curve)


def kept_result(
    folder: Path, data: DataSet, scoring: EvaluateSpec, key: Mapping[str, Any]
) -> Result | None:
    """Return a finished result of the same settings and files, None without."""
    path = folder / "result.json"
    if not path.is_file():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    if kept["key"] != _key(data, scoring, key):
        return None
    candidates = tuple(read_picks(folder / "picks" / "picks.csv"))
    rest = {name: kept[name] for name in ("row", "threshold", "curve")}
    return Result(candidates=candidates, **rest)


def scoring_of(scoring: EvaluateSpec, data: DataSet) -> EvaluateSpec:
    """Return how a set is scored."""
    return dataclasses.replace(
        scoring,
        diameter_angstrom=data.diameter,
        pixel_size_angstrom=data.spec.pixel_size,
        margin_angstrom=data.spec.margin,
        margin_px=data.spec.margin_px,
    )


def seconds_per_micrograph(picker: Picker, jobs: Sequence[Job], invert: bool) -> float | None:
    """Return the least time from file to picks of micrographs of the first one's size, once warm.

    The least and not the mean: what else the machine does only adds to it.
    """
    first = read_header(jobs[0].path).shape
    same = [job for job in jobs if read_header(job.path).shape == first][:TIMED_MICROGRAPHS]
    seconds: list[float] = []
    for job in (same[0], *same):
        start = time.monotonic()
        read = read_micrograph(job.path, job.pixel_size_angstrom)
        image = -read.image if invert else read.image
        picker.candidates(picker.prepare(dataclasses.replace(read, image=image)))
        seconds.append(time.monotonic() - start)
        if sum(seconds) > TIMED_SECONDS and len(seconds) > 1:
            break
    return min(seconds[1:])


def _pick_spec(
    member: Member,
    weights: str | None,
    data: DataSet,
    folder: Path,
    changes: Mapping[str, Any],
) -> pick.PickSpec:
    fixed = {
        "micrographs": data.micrographs,
        "diameter": data.diameter,
        "out": str(folder / "picks"),
        "method": member.method,
        "weights": weights,
        "pixel_size": data.spec.pixel_size,
        "invert": data.spec.invert,
        "overwrite": True,
    }
    own = merged(changes.get(member.label, {}), data.pick.get(member.label, {}))
    return build(pick.PickSpec, merged({"pictures": 6} | own, fixed), f"pick.{member.label}")


def _test_data(data: DataSet) -> TestData:
    is_phantom = data.spec.micrographs is None and data.spec.structures is None
    return TestData(
        molecules=data.spec.molecules,
        phantom_seed=data.spec.phantom if is_phantom else None,
        micrographs=() if data.spec.micrographs is None else tuple(data.shapes),
    )


def _figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the table says of an evaluation; F1 at the method's threshold and with hindsight."""
    best, intervals = metrics["thresholds"]["best_f1"], metrics["intervals"]
    average = metrics["average_precision_interval"] or (None, None)
    low, high = intervals.get("f1") or (None, None)
    names = ("precision", "recall", "mean_center_error_angstrom", "matched", "picked", "true")
    return {
        "average_precision": metrics["average_precision"],
        "average_precision_low": average[0],
        "average_precision_high": average[1],
        "f1": metrics["f1"],
        "f1_low": low,
        "f1_high": high,
        "best_f1": best["f1"],
        **{name: metrics[name] for name in names},
        "threshold": metrics["threshold"],
        "best_threshold": best["threshold"],
        "micrographs": metrics["micrographs"],
    }


def _key(data: DataSet, scoring: EvaluateSpec, key: Mapping[str, Any]) -> Any:
    whole = {"data": data.fingerprint(), "scoring": as_plain(scoring_of(scoring, data)), **key}
    return json.loads(json.dumps(whole))
