"""Pick particles in micrographs.

    python -m experiments.pick micrographs='data/*.mrc' diameter=180 out=picks
    python -m experiments.pick micrographs=job/micrographs.star diameter=125 pixel_size=1.5 out=picks threshold=0.4

Needs a diameter in angstrom (the longest dimension of the particle) and a pixel size (from the header unless given).
Writes one STAR file a micrograph, picks.star, picks.csv (all candidates with their scores), pick.json and report.html
with pictures and a threshold to try. Run again after an interruption, it goes on where it stopped. Exit status 1 means
that some micrographs were left out; each is named with its reason.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments import _provenance
from experiments._commandline import merged
from jaxpick import methods
from jaxpick.io.files import write_text
from jaxpick.io.micrographs import find_micrographs
from jaxpick.io.nouns import Picks
from jaxpick.io.pick_folder import PickFolder, stem
from jaxpick.io.report import write_pick_report
from jaxpick.picking.picker import pick_files
from jaxpick.spec import as_plain, build, require
from jaxpick.weights.shipped import load_picker_weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class PickSpec:
    """Settings of one picking run; sizes in angstrom."""

    micrographs: str = dataclasses.field(
        metadata={"help": "file, folder, glob or RELION micrographs.star"}
    )
    diameter: float = dataclasses.field(
        metadata={"help": "longest dimension of the particle, angstrom"}
    )
    out: str = dataclasses.field(metadata={"help": "folder to write"})
    method: str = dataclasses.field(default=methods.DEFAULT, metadata={"help": "which picker"})
    weights: str | None = dataclasses.field(
        default=None, metadata={"help": "folder of weights; the shipped ones if left out"}
    )
    pixel_size: float | None = dataclasses.field(
        default=None, metadata={"help": "angstrom; overrides the header"}
    )
    threshold: float | None = dataclasses.field(
        default=None, metadata={"help": "lowest score of a pick; the method's own if left out"}
    )
    distance: float | None = dataclasses.field(
        default=None,
        metadata={"help": "least distance of two picks, angstrom; half the diameter if left out"},
    )
    decode: Mapping[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata={"help": "changes to the method's decoder: +decode.mass.cutoff=10.3"},
    )
    margin: float = dataclasses.field(
        default=0.0, metadata={"help": "no picks this close to the border, angstrom"}
    )
    subpixel: bool = dataclasses.field(
        default=False, metadata={"help": "keep fractions of pixels in STAR files"}
    )
    pictures: int = dataclasses.field(
        default=24, metadata={"help": "pictures in the report, evenly chosen"}
    )
    overwrite: bool = dataclasses.field(
        default=False, metadata={"help": "replace picks made with other settings"}
    )

    def __post_init__(self) -> None:
        require(self.diameter > 0, "diameter", self.diameter, "angstrom above 0")
        require(
            self.pixel_size is None or self.pixel_size > 0,
            "pixel_size",
            self.pixel_size,
            "angstrom above 0",
        )
        require(
            self.distance is None or self.distance > 0,
            "distance",
            self.distance,
            "angstrom above 0",
        )
        require(self.margin >= 0, "margin", self.margin, "angstrom, 0 or above")
        require(
            self.method in methods.NAMES,
            "method",
            self.method,
            f"one of {', '.join(methods.NAMES)}",
        )


def run(spec: PickSpec, truth: Sequence[Picks] = ()) -> int:
    """Pick every micrograph; return 1 if any was left out, else 0. `truth` is only drawn into the report."""
    params, card = load_picker_weights(spec.method, spec.weights)
    method = methods.get(spec.method)
    trained = build(method.Spec, card.get("config", {}), "weights.config")
    decode = build(
        type(trained.decode), merged(as_plain(trained.decode), dict(spec.decode)), "decode"
    )
    if spec.distance is not None:
        decode = dataclasses.replace(decode, distance_diameters=spec.distance / spec.diameter)
    picker = method.make_picker(trained, params, spec.diameter, decode, spec.margin)
    threshold = picker.threshold if spec.threshold is None else spec.threshold
    paths = find_micrographs(spec.micrographs)
    folder = PickFolder(
        path=Path(spec.out),
        threshold=threshold,
        diameter_angstrom=spec.diameter,
        subpixel=spec.subpixel,
    )
    settings = {
        **as_plain(spec),
        "threshold": threshold,
        "weights_card": card.get("name", spec.weights),
    }
    folder.open(
        {k: v for k, v in settings.items() if k not in ("micrographs", "overwrite", "pictures")},
        spec.overwrite,
    )
    _provenance.write(folder.path, spec)
    found, problems = _pick_all(paths, folder, picker, spec)
    if folder.threshold is None:
        scores = [candidates.score for candidates in found.values()]
        chosen = picker.choose_threshold(np.concatenate([np.zeros(0), *scores]))
        folder = dataclasses.replace(folder, threshold=chosen)
        for candidates in found.values():
            folder.write_star(candidates)
    _write_results(folder, found, problems, settings, spec, truth)
    return 1 if problems else 0


def _pick_all(
    paths: list[Path], folder: PickFolder, picker: object, spec: PickSpec
) -> tuple[dict[str, Picks], list[str]]:
    found = {path.name: old for path in paths if (old := folder.finished(path.name)) is not None}
    if found:
        print(f"{len(found)} of {len(paths)} micrographs were finished before")
    left = [path for path in paths if path.name not in found]
    problems: list[str] = []
    start = time.monotonic()
    for done, outcome in enumerate(pick_files(left, picker, spec.pixel_size), start=1):  # type: ignore[arg-type]
        if outcome.candidates is None or outcome.working is None:
            problems.append(outcome.problem)
            print(f"left out: {outcome.problem}", file=sys.stderr)
            continue
        working = outcome.working
        folder.save(outcome.candidates, np.asarray(working.image), working.coordinates.scale_x)
        found[outcome.path.name] = outcome.candidates
        rate = done / (time.monotonic() - start)
        count = len(folder.above(outcome.candidates))
        print(
            f"{done}/{len(left)} {outcome.path.name}: {count} picks; {rate:.2f}/s, {(len(left) - done) / rate:.0f} s left",
            flush=True,
        )
    return {path.name: found[path.name] for path in paths if path.name in found}, problems


def _write_results(
    folder: PickFolder,
    found: dict[str, Picks],
    problems: list[str],
    settings: dict,
    spec: PickSpec,
    truth: Sequence[Picks],
) -> None:
    folder.write_totals(list(found.values()))
    counts = {name: len(folder.above(candidates)) for name, candidates in found.items()}
    summary = {
        "settings": settings,
        "threshold": folder.threshold,
        "picks": counts,
        "total": sum(counts.values()),
        "left_out": problems,
    }
    write_text(folder.path / "pick.json", json.dumps(summary, indent=1))
    shown = (
        [
            list(found)[i]
            for i in np.unique(
                np.linspace(0, len(found) - 1, min(spec.pictures, len(found))).astype(int)
            )
        ]
        if found
        else []
    )
    known = {stem(picks.micrograph): picks for picks in truth}
    panels = [folder.panel(found[name], known.get(stem(name))) for name in shown]
    scores = np.concatenate([c.score for c in found.values()]) if found else np.zeros(0)
    write_pick_report(
        folder.path / "report.html",
        panels,
        counts,
        scores,
        folder.threshold or 0.0,
        settings,
        problems,
    )
    print(
        f"{sum(counts.values())} picks in {len(counts)} micrographs -> {folder.path}/picks.star, report.html"
    )


if __name__ == "__main__":
    from experiments._hydra import main

    main(PickSpec, run)
