"""The folder that `pick` writes: one STAR file a micrograph, all candidates, the totals and the
report.

A micrograph is finished when its STAR file stands there; it is written last, after its candidates
and its picture, so an interrupted run goes on where it stopped. Where the threshold is found from
all micrographs together, the picture is the last, and the STAR files follow when all are done.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import InputError, write_text
from jaxpick.io.nouns import Picks, make_picks
from jaxpick.io.report import Panel, write_picture


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

    def open(self, settings: Mapping[str, Any], overwrite: bool) -> None:
        """Create the folder, or check that what it holds was made with the same settings.

        Raises:
            InputError: when other settings made it and `overwrite` is false.
        """
        record = self.path / "settings.json"
        text = json.dumps(settings, sort_keys=True, indent=1)
        if record.exists() and record.read_text(encoding="utf-8") != text:
            if not overwrite:
                raise InputError(
                    f"{self.path}: holds picks made with other settings; give another out= or say overwrite=true"
                )
            for old in [*self.path.glob("*.star"), *(self.path / "candidates").glob("*.csv")]:
                old.unlink()
        write_text(record, text)

    def star(self, name: str) -> Path:
        """Return the STAR file of a micrograph."""
        return self.path / f"{stem(name)}.star"

    def finished(self, name: str) -> Picks | None:
        """Return the candidates of a finished micrograph, None if it is not finished."""
        table = self._table(name)
        picture = self._picture(name).with_suffix(".json")
        last = picture if self.threshold is None else self.star(name)
        if not (last.exists() and table.exists()):
            return None
        read = read_picks(table)
        return read[0] if read else make_picks(name, np.zeros(0), np.zeros(0))

    def save(self, candidates: Picks, image: Float[np.ndarray, "y x"], scale: float) -> None:
        """Write candidates, picture and, last, the STAR file (with a threshold) of one micrograph.

        Args:
            candidates: all candidates of the micrograph.
            image: what the report shows: the working image.
            scale: micrograph pixels per pixel of `image`.
        """
        write_picks([candidates], self._table(candidates.micrograph))
        picture = self._picture(candidates.micrograph)
        shown = write_picture(picture, image)
        write_text(picture.with_suffix(".json"), json.dumps({"scale": shown / scale}))
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

    def panel(self, candidates: Picks, truth: Picks | None = None) -> Panel:
        """Return the report's panel of a finished micrograph."""
        picture = self._picture(candidates.micrograph)
        pixel = candidates.pixel_size_angstrom or 1.0
        known = {} if truth is None else {"truth_x": truth.x, "truth_y": truth.y}
        return Panel(
            name=candidates.micrograph,
            png=picture,
            scale=json.loads(picture.with_suffix(".json").read_text())["scale"],
            x=candidates.x,
            y=candidates.y,
            score=candidates.score,
            radius_px=self.diameter_angstrom / pixel / 2,
            **known,
        )

    def write_totals(self, candidates: Sequence[Picks]) -> None:
        """Write `picks.star` (above the threshold) and `picks.csv` (all candidates) of all micrographs."""
        write_picks(
            [self.above(c) for c in candidates], self.path / "picks.star", subpixel=self.subpixel
        )
        write_picks(candidates, self.path / "picks.csv")

    def _table(self, name: str) -> Path:
        return self.path / "candidates" / f"{stem(name)}.csv"

    def _picture(self, name: str) -> Path:
        return self.path / "pictures" / f"{stem(name)}.png"


def stem(name: str) -> str:
    """Return a micrograph's name without its folder and its (possibly double) suffix."""
    base = Path(name).name
    for suffix in (".gz", ".bz2", ".mrc", ".mrcs", ".tif", ".tiff", ".png", ".jpg", ".jpeg"):
        base = base.removesuffix(suffix)
    return base
