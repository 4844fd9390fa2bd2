"""Score picks against true particles.

    python -m experiments.evaluate picks=picks/picks.star truth='truth/*.csv' diameter=180 out=scores
    python -m experiments.evaluate picks=picks/picks.csv truth=particles.star diameter=180 out=scores \
        threshold=0.4 protocol=topaz_ap micrographs='data/*.mrc' margin=230

Picks and truth are files, folders or globs in any supported format; names are matched forgivingly.
Writes metrics.json (pooled figures, intervals from resampled micrographs), curve.csv, curve.png,
per_micrograph.csv and, where a protocol is one-to-one, matches.csv. A micrograph with truth and no
picks counts its misses; one with picks and no truth is left out and named.
"""

import csv
import dataclasses
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from experiments import _plot, _provenance
from jaxpick.evaluate.evaluation import EvaluateSpec, Evaluation, ProtocolName, evaluate
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError, write_text
from jaxpick.io.micrographs import MicrographHeader, find_micrographs, list_pixel_sizes, read_header
from jaxpick.io.names import match_names
from jaxpick.io.nouns import Picks


def _field(text: str, **default: Any) -> Any:
    return dataclasses.field(metadata={"help": text}, **default)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateExperimentSpec:
    """Settings of one evaluation; sizes in angstrom unless they end in _px."""

    picks: str = _field("file, folder or glob of picks")
    truth: str = _field("file, folder or glob of true particles")
    diameter: float = _field("diameter of the particle, angstrom")
    out: str = _field("folder to write")
    protocol: ProtocolName = _field("how to score; see README", default="hungarian")
    radius: float | None = _field("match radius as a part of the diameter", default=None)
    threshold: float | None = _field("score from which picks count; all without", default=None)
    pixel_size: float | None = _field("angstrom; overrides the files", default=None)
    micrographs: str | None = _field("micrographs, for their size and pixel size", default=None)
    image_shape: tuple[int, int] | None = _field("[height,width] of every micrograph", default=None)
    margin: float = _field("border left out on both sides, angstrom", default=0.0)
    margin_px: float = _field("the same in pixels; both add up", default=0.0)
    box: float | None = _field("side of squares in box protocols, angstrom", default=None)
    missing_truth: Literal["leave_out", "empty"] = _field(
        "what picks without truth mean", default="leave_out"
    )
    bootstrap: int = _field("draws of micrographs behind the intervals", default=1000)
    confidence: float = _field("of the intervals", default=0.95)
    seed: int = _field("of the draws", default=0)

    def __post_init__(self) -> None:
        self.settings()

    def settings(self) -> EvaluateSpec:
        """Return the library's settings, checked."""
        shared = ("protocol", "threshold", "image_shape", "margin_px", "missing_truth")
        return EvaluateSpec(
            diameter_angstrom=self.diameter,
            radius_fraction=self.radius,
            pixel_size_angstrom=self.pixel_size,
            margin_angstrom=self.margin,
            box_angstrom=self.box,
            **{name: getattr(self, name) for name in (*shared, "bootstrap", "confidence", "seed")},
        )


def run(spec: EvaluateExperimentSpec) -> int:
    """Evaluate and write; return 1 if a micrograph's header could not be read, else 0."""
    picks, truth = read_picks(spec.picks), read_picks(spec.truth)
    headers, problems = _headers(spec.micrographs)
    shapes = {name: header.shape for name, header in headers.items()}
    truth = _with_pixel_sizes(truth, headers)
    outcome = evaluate(picks, truth, spec=spec.settings(), shapes=shapes)
    out = Path(spec.out)
    _provenance.write(out, spec)
    _write(out, outcome)
    _print(outcome.metrics)
    return 1 if problems else 0


def _headers(pattern: str | None) -> tuple[dict[str, MicrographHeader], list[str]]:
    """Return the headers by file name; what cannot be read is reported and skipped."""
    headers, problems = {}, []
    listed = list_pixel_sizes(pattern) if pattern else {}
    for path in find_micrographs(pattern) if pattern else ():
        try:
            header = read_header(path)
        except InputError as error:
            problems.append(str(error))
            print(f"left out: {error}", file=sys.stderr)
            continue
        size = listed.get(path, header.pixel_size_angstrom)
        headers[path.name] = dataclasses.replace(header, pixel_size_angstrom=size)
    return headers, problems


def _with_pixel_sizes(truth: Sequence[Picks], headers: dict[str, MicrographHeader]) -> list[Picks]:
    """Return the truth with the micrographs' pixel sizes where its own files say none."""
    named = match_names([t.micrograph for t in truth], list(headers)).pairs
    sizes = {name: headers[found].pixel_size_angstrom for name, found in named.items()}
    return [
        dataclasses.replace(t, pixel_size_angstrom=t.pixel_size_angstrom or sizes.get(t.micrograph))
        for t in truth
    ]


def _write(out: Path, outcome: Evaluation) -> None:
    write_text(out / "metrics.json", json.dumps(outcome.metrics, indent=2, allow_nan=False) + "\n")
    write_text(out / "curve.csv", _csv(outcome.curve))
    write_text(out / "per_micrograph.csv", _csv(outcome.per_micrograph))
    if outcome.matches:
        write_text(out / "matches.csv", _csv(outcome.matches))
    figures: Any = outcome.metrics
    marked = {name: (p["recall"], p["precision"]) for name, p in figures["thresholds"].items()}
    title = f"{figures['protocol']}, radius {figures['match_radius_angstrom']:.0f} Å"
    _plot.precision_recall(out / "curve.png", {"pooled": outcome.curve}, marked, title)


def _csv(rows: Sequence[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["threshold"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _print(metrics: Any) -> None:
    """Print the figures a reader asks for first."""
    radius, micrographs = metrics["match_radius_angstrom"], metrics["micrographs"]
    print(f"{metrics['protocol']}, radius {radius:.1f} angstrom, {micrographs} micrographs")
    print(f"average precision {_number(metrics['average_precision'])}")
    names = ("threshold", "precision", "recall", "f1", "f2", "matched", "picked", "true")
    print(f"{'':<10}" + "".join(f"{name:>11}" for name in names) + f"{'error (A)':>11}")
    for label, point in metrics["thresholds"].items():
        shown = [point[name] for name in (*names, "mean_center_error_angstrom")]
        print(f"{label:<10}" + "".join(f"{_number(value):>11}" for value in shown))
    for side in ("without_picks", "without_truth"):
        if left := metrics[f"micrographs_{side}"]:
            print(f"{len(left)} micrographs {side.replace('_', ' ')}: {', '.join(left[:3])}")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


if __name__ == "__main__":
    from experiments._hydra import main

    main(EvaluateExperimentSpec, run)
