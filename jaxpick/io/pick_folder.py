"""The folder that `pick` writes: one STAR file a micrograph, all candidates, the totals and the
report.

A micrograph is finished when its record stands in `candidates/`: it is written after the table of
candidates and the picture, and says from what file they were made (`jaxpick.io.seen_files`), so that
an interrupted run goes on where it stopped and a changed micrograph is picked again. STAR files
follow from the candidates and the threshold; another threshold needs no other scores. Several
processes may pick into one folder at once, if their settings are the same.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import InputError, write_text
from jaxpick.io.locks import joint_writer
from jaxpick.io.names import match_names
from jaxpick.io.nouns import Picks, make_picks
from jaxpick.io.output_names import TOTAL, stem
from jaxpick.io.report import Panel, write_pick_report, write_picture
from jaxpick.io.seen_files import SeenFile


@dataclasses.dataclass(frozen=True, kw_only=True)
class PickFolder:
    """Where the picks of one run are kept.

    Attributes:
        path: the folder.
        threshold: candidates at or above it are picks; None while it is not known.
        diameter_angstrom: of the particle, for the circles.
        subpixel: keep fractions of pixels in STAR files (RELION's extraction truncates them).
    """

    path: Path
    threshold: float | None
    diameter_angstrom: float
    subpixel: bool = False

    @contextlib.contextmanager
    def held(self, scoring: Mapping[str, Any], overwrite: bool) -> Iterator[None]:
        """Open the folder, and keep processes with other settings out as long as it is used.

        Raises:
            InputError: as `open`; or when another process picks here with other settings.
        """

        def prepare(is_alone: bool) -> None:
            if is_alone:
                self.open(scoring, overwrite)
            elif _read_json(self._settings_file()) != self._settings(scoring):
                raise InputError(
                    f"{self.path}: another process is picking here with other settings; wait for "
                    "it to end, or give another out="
                )

        self._check_folder()
        with joint_writer(self.path, prepare):
            yield

    def open(self, scoring: Mapping[str, Any], overwrite: bool) -> None:
        """Create the folder, or check that what it holds was scored with the same settings.

        Args:
            scoring: settings that candidates depend on, as plain data.
            overwrite: drop candidates that were scored with other settings.

        Raises:
            InputError: when other settings made it and `overwrite` is false, or it is no folder.
        """
        self._check_folder()
        new, old = self._settings(scoring), _read_json(self._settings_file())
        differs = old.get("scoring") != new["scoring"]
        has_candidates = any((self.path / "candidates").glob("[!.]*.json"))
        if differs and has_candidates and not overwrite:
            differing = _differing(old.get("scoring", {}), new["scoring"])
            raise InputError(
                f"{self.path}: holds picks made with another {differing}; give another out= or "
                "say overwrite=true"
            )
        if old != new and (old or has_candidates):
            self._remove(candidates=differs)
        write_text(self._settings_file(), json.dumps(new, indent=1) + "\n")

    def star(self, name: str) -> Path:
        """Return the STAR file of a micrograph."""
        return self.path / f"{stem(name)}.star"

    def finished(self, name: str, source: SeenFile) -> Picks | None:
        """Return the candidates of a finished micrograph, None if it is not finished.

        Args:
            name: of the micrograph within the run.
            source: its file; one that changed since is not finished.

        Raises:
            OSError: when the file is gone.
        """
        record = _read_json(self._record(name))
        if not source.is_recorded(record.get("source")) or not self._picture(name).is_file():
            return None
        try:
            read = read_picks(self._table(name))
        except InputError:
            return None
        picks = read[0] if read else make_picks(name, np.zeros(0), np.zeros(0))
        return dataclasses.replace(
            picks,
            micrograph=name,
            pixel_size_angstrom=record["pixel_size_angstrom"],
            method=record["method"],
        )

    def save(
        self, candidates: Picks, source: SeenFile, image: Float[np.ndarray, "y x"], scale: float
    ) -> None:
        """Write candidates, picture, record and, with a threshold, the STAR file of a micrograph.

        Args:
            candidates: all candidates of the micrograph.
            source: the micrograph's file as it was before it was read.
            image: what the report shows: the working image.
            scale: micrograph pixels per pixel of `image`.

        Raises:
            InputError: when the folder cannot be written or the disk is full.
        """
        name = candidates.micrograph
        write_picks([candidates], self._table(name))
        shown = write_picture(self._picture(name), image)
        record = {
            "source": source.record(),
            "pixel_size_angstrom": candidates.pixel_size_angstrom,
            "method": candidates.method,
            "picture_scale": shown / scale,
        }
        write_text(self._record(name), json.dumps(record))
        if self.threshold is not None:
            self.write_star(candidates)

    def write_star(self, candidates: Picks) -> None:
        """Write the STAR file of one micrograph."""
        star = self.star(candidates.micrograph)
        write_picks([self.above(candidates)], star, subpixel=self.subpixel)

    def above(self, candidates: Picks) -> Picks:
        """Return the candidates at or above the threshold, all of them while there is none."""
        if self.threshold is None:
            return candidates
        return candidates.select(candidates.score >= self.threshold)

    def write_totals(
        self, found: Mapping[str, Picks], problems: Sequence[str], settings: Mapping[str, Any]
    ) -> dict[str, int]:
        """Write `picks.star` (picks), `picks.csv` (all candidates) and `pick.json`.

        Args:
            found: candidates by micrograph.
            problems: one sentence for each micrograph that was left out.
            settings: of the run, as plain data.

        Returns:
            The number of picks in each micrograph.
        """
        kept = {name: self.above(candidates) for name, candidates in found.items()}
        counts = {name: len(picks) for name, picks in kept.items()}
        write_picks(list(kept.values()), self.path / f"{TOTAL}.star", subpixel=self.subpixel)
        write_picks(list(found.values()), self.path / f"{TOTAL}.csv")
        summary = {
            "settings": dict(settings),
            "threshold": self.threshold,
            "total": sum(counts.values()),
            "micrographs": len(found),
            "candidates": sum(len(candidates) for candidates in found.values()),
            "left_out": list(problems),
            "picks": counts,
        }
        write_text(self.path / "pick.json", json.dumps(summary, indent=1, default=str) + "\n")
        return counts

    def write_report(
        self,
        found: Mapping[str, Picks],
        problems: Sequence[str],
        settings: Mapping[str, Any],
        num_pictures: int,
        truth: Sequence[Picks] = (),
    ) -> None:
        """Write `report.html` with pictures of some micrographs, evenly chosen.

        Args:
            found: candidates by micrograph.
            problems: one sentence for each micrograph that was left out.
            settings: of the run, shown as a table.
            num_pictures: at most.
            truth: known particles, drawn beside the picks.
        """
        by_name = {picks.micrograph: picks for picks in truth}
        pairs = match_names(list(found), list(by_name)).pairs
        known = {name: by_name[pair] for name, pair in pairs.items()}
        names = list(found)
        shown = np.unique(np.linspace(0, len(names) - 1, min(num_pictures, len(names))).astype(int))
        panels = [self._panel(found[names[i]], known.get(names[i])) for i in shown]
        scores = np.concatenate([np.zeros(0), *(picks.score for picks in found.values())])
        counts = {name: len(self.above(candidates)) for name, candidates in found.items()}
        threshold = 0.0 if self.threshold is None else self.threshold
        path = self.path / "report.html"
        write_pick_report(path, panels, counts, scores, threshold, settings, problems)

    def _panel(self, candidates: Picks, truth: Picks | None) -> Panel:
        name = candidates.micrograph
        known = {} if truth is None else {"truth_x": truth.x, "truth_y": truth.y}
        return Panel(
            name=name,
            picture=self._picture(name),
            scale=_read_json(self._record(name))["picture_scale"],
            x=candidates.x,
            y=candidates.y,
            score=candidates.score,
            radius_px=self.diameter_angstrom / (candidates.pixel_size_angstrom or 1.0) / 2,
            **known,
        )

    def _check_folder(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: is a file; expected a folder to write (out=FOLDER)")

    def _settings(self, scoring: Mapping[str, Any]) -> dict[str, Any]:
        kept = {"threshold": self.threshold, "subpixel": self.subpixel}
        return dict(json.loads(json.dumps({"scoring": scoring, "picks": kept})))

    def _settings_file(self) -> Path:
        return self.path / "settings.json"

    def _remove(self, candidates: bool) -> None:
        """Remove totals and the STAR files of recorded micrographs, and their records; others' files stay."""
        for name in (f"{TOTAL}.star", f"{TOTAL}.csv", "pick.json", "report.html"):
            (self.path / name).unlink(missing_ok=True)
        for record in (self.path / "candidates").glob("[!.]*.json"):
            (self.path / f"{record.stem}.star").unlink(missing_ok=True)
            if candidates:
                record.unlink()

    def _table(self, name: str) -> Path:
        return self.path / "candidates" / f"{stem(name)}.csv"

    def _record(self, name: str) -> Path:
        return self.path / "candidates" / f"{stem(name)}.json"

    def _picture(self, name: str) -> Path:
        return self.path / "pictures" / f"{stem(name)}.jpg"


def threshold_beside(picks: str | Path) -> float | None:
    """Return the threshold that picks were chosen with, for a `picks.csv` of a folder of picks; else None."""
    path = Path(picks)
    if path.name != f"{TOTAL}.csv":
        return None
    value = _read_json(path.with_name("pick.json")).get("threshold")
    return float(value) if isinstance(value, int | float) else None


def _read_json(path: Path) -> dict[str, Any]:
    """Return a record that this program wrote; nothing if it is not there or damaged."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(names)
