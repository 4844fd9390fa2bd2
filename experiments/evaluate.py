r"""Score picks against true particles.

    python -m experiments.evaluate picks=picks.star truth='truth/*.csv' diameter=180 out=scores
    python -m experiments.evaluate picks=picks.csv truth=particles.star diameter=180 out=scores \
        threshold=0.4 protocol=topaz_ap micrographs='data/*.mrc' margin=230
    python -m experiments.evaluate picks=picks.csv data=cryoppp data.folder=10017 diameter=180 out=scores

Picks and truth are files, folders or globs in any supported format; names are matched forgivingly.
A picks.csv holds every candidate: the figures on top are those at the threshold that its pick.json tells.
Writes metrics.json (pooled figures, intervals from resampled micrographs), curve.csv, curve.png,
per_micrograph.csv and matches.csv (the pairs of one-to-one protocols).
"""

import dataclasses
import json
from dataclasses import field
from pathlib import Path
from typing import Any

from experiments import _plot, _provenance
from experiments._headers import read_headers, with_pixel_sizes
from jaxpick.evaluate.evaluation import (
    EvaluateSpec,
    Evaluation,
    MissingPicks,
    MissingTruth,
    ProtocolName,
    evaluate,
)
from jaxpick.evaluate.protocols import PROTOCOLS
from jaxpick.evaluate.text import as_csv, curve_text, point_text, summary_text
from jaxpick.io.coordinates import read_picks
from jaxpick.io.data_sets import PlaceSpec
from jaxpick.io.files import write_text
from jaxpick.io.pick_folder import threshold_beside
from jaxpick.spec import require

NO_PICKS = "truth without picks: count as missed, or leave_out"
NO_TRUTH = "picks without truth: leave_out, or empty (all of them wrong)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateExperimentSpec:
    """Settings of one evaluation; sizes in angstrom unless they end in _px."""

    picks: str = field(metadata={"help": "file, folder or glob of picks"})
    truth: str | None = field(
        default=None, metadata={"help": "file, folder or glob of true particles"}
    )
    data: PlaceSpec = PlaceSpec()
    diameter: float = field(metadata={"help": "of the particle, angstrom"})
    out: str = field(metadata={"help": "folder to write"})
    protocol: ProtocolName = field(default="hungarian", metadata={"help": "how to score"})
    radius: float | None = field(default=None, metadata={"help": "to match, share of diameter"})
    threshold: float | None = field(
        default=None, metadata={"help": "least score; else that of pick.json"}
    )
    pixel_size: float | None = field(default=None, metadata={"help": "angstrom; overrides files"})
    micrographs: str | None = field(default=None, metadata={"help": "tell size and pixel size"})
    image_shape: tuple[int, int] | None = field(default=None, metadata={"help": "[height,width]"})
    margin: float = field(default=0.0, metadata={"help": "border left out, angstrom"})
    margin_px: float = field(default=0.0, metadata={"help": "border in pixels; both add up"})
    box: float | None = field(default=None, metadata={"help": "side of squares, angstrom"})
    missing_picks: MissingPicks = field(default="count", metadata={"help": NO_PICKS})
    missing_truth: MissingTruth = field(default="leave_out", metadata={"help": NO_TRUTH})
    bootstrap: int = field(default=1000, metadata={"help": "draws of micrographs for intervals"})
    confidence: float = field(default=0.95, metadata={"help": "of the intervals"})
    seed: int = field(default=0, metadata={"help": "of the draws"})

    def __post_init__(self) -> None:
        for name in ("picks", "out"):
            require(bool(getattr(self, name)), name, getattr(self, name), "a file or folder")
        self.data.require_if_none("truth", self.truth)
        for name in ("diameter", "radius", "pixel_size", "box"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "a number above 0")
        require(self.margin >= 0, "margin", self.margin, "0 or more")
        self.settings()

    def settings(self) -> EvaluateSpec:
        """Return the library's settings, checked."""
        shared = ("protocol", "threshold", "image_shape", "margin_px", "missing_picks")
        return EvaluateSpec(
            diameter_angstrom=self.diameter,
            radius_fraction=self.radius,
            pixel_size_angstrom=self.pixel_size,
            margin_angstrom=self.margin,
            box_angstrom=self.box,
            **{
                name: getattr(self, name)
                for name in (*shared, "missing_truth", "bootstrap", "confidence", "seed")
            },
        )


def run(spec: EvaluateExperimentSpec) -> int:
    """Evaluate and write; return 1 if a micrograph's header could not be read, else 0."""
    data = spec.data.find(spec.micrographs, spec.truth, wants=True)
    headers, problems = read_headers(data.micrographs)
    shapes = {name: header.shape for name, header in headers.items()}
    known = shapes or spec.image_shape
    picks = read_picks(spec.picks, micrograph_shape=known)
    true = read_picks(str(data.coordinates), micrograph_shape=known, flip_y=data.flip_y)
    truth = with_pixel_sizes(true, headers)
    settings = dataclasses.replace(spec.settings(), threshold=_threshold(spec))
    outcome = evaluate(picks, truth, spec=settings, shapes=shapes)
    out = Path(spec.out)
    _provenance.write(out, spec)
    _write(out, outcome)
    print(summary_text(outcome.metrics))
    return 1 if problems else 0


def _threshold(spec: EvaluateExperimentSpec) -> float | None:
    """Return the threshold given, else the one that the picks were chosen with, unless the protocol finds its own."""
    if spec.threshold is not None or PROTOCOLS[spec.protocol].headline != "all":
        return spec.threshold
    return threshold_beside(spec.picks)


def _write(out: Path, outcome: Evaluation) -> None:
    write_text(out / "metrics.json", json.dumps(outcome.metrics, indent=2, allow_nan=False) + "\n")
    for name in ("curve", "per_micrograph", "matches"):
        write_text(out / f"{name}.csv", as_csv(getattr(outcome, name)))
    figures: Any = outcome.metrics
    points = figures["thresholds"].items()
    marked = {f"{name}: {point_text(p)}": (p["recall"], p["precision"]) for name, p in points}
    title = f"{figures['protocol']}, radius {figures['match_radius_angstrom']:.0f} Å"
    title += "\nPoints: the picks above a threshold, matched alone"
    _plot.precision_recall(out / "curve.png", {curve_text(figures): outcome.curve}, marked, title)


if __name__ == "__main__":
    from experiments._hydra import main

    main(EvaluateExperimentSpec, run)
