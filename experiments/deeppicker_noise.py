"""Does DeepPicker see particles in noise? Wang et al. (2016), Fig. 6d and 6e.

    python -m experiments.deeppicker_noise out=studies/noise
    python -m experiments.deeppicker_noise out=studies/noise method=unet        # or any other picker
    python -m experiments.deeppicker_noise out=studies/own noise='empty/*.mrc' data.micrographs=... data.truth=...

Claim: on 26 micrographs of nothing, almost every pick of a classifier that was trained on other molecules has a
score below 0.05, while those on TRPV1 spread up to 1: no Einstein from noise. Here noise is white, or correlated
between neighbouring pixels as a detector's is, unless `noise` names empty micrographs; the others are simulated with
one procedural molecule that the weights have not seen. Every candidate counts, whatever its score. Expected: scores
of noise pile up at 0. Writes table.csv (share of scores below 0.05 and picks per micrograph at the picker's
threshold), table.md and scores.png (Fig. 6d, e).

Found (2026-11-20, the weights that ship): not so. On white and on correlated noise next to no score (0.05 % of them)
is below 0.05, and 234 and 245 peaks a micrograph exceed the threshold of 0.986, as many as on the micrographs with
particles (208). The claim fails for these weights; empty micrographs must not be picked with them. Five minutes on two
busy cores; one GPU: an estimated minute.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments import _study_plots as plots
from experiments import pick
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._members import over
from experiments._study import Condition, Study, check, finish, measure, rows_of, setting
from experiments._study_sets import sets_of
from jaxpick.io.coordinates import read_picks
from jaxpick.io.micrographs import find_micrographs, write_mrc
from jaxpick.spec import build, require

LOW, LEAST = 0.05, 1e-6
SCORED = ("deeppicker", "deepem", "unet", "cryolo")
SHOWN: dict[str, tuple[str, int]] = {
    "micrographs": ("micrographs", 0),
    "candidates": ("candidates", 0),
    "low_share": ("share of scores below 0.05", 3),
    "picks_per_micrograph": ("picks a micrograph", 2),
    "threshold": ("at the score", 3),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoiseStudy(Study):
    """Settings of the study."""

    method: str = setting("deeppicker", "which picker")
    weights: str | None = setting(None, "folder of weights; those that ship if null")
    noise: str | None = setting(None, "empty micrographs: folder or glob; noise is drawn if null")
    fields: int = setting(26, "of noise, half white and half correlated")
    correlation: float = setting(0.3, "share of a pixel that each neighbour gets")
    seed: int = setting(0, "of the noise")

    def __post_init__(self) -> None:
        check(self)
        require(self.fields >= 2, "fields", self.fields, "2 or more")
        known = f"scores from 0 to 1: one of {', '.join(SCORED)}"
        require(self.method in SCORED, "method", self.method, known)
        share = self.correlation
        require(0 < share <= 1, "correlation", share, "above 0, at most 1")


def run(spec: NoiseStudy) -> int:
    """Pick noise and micrographs with particles, all candidates kept; return 1 if one failed."""
    out = Path(spec.out)
    usual = {"phantom": HELD_OUT_PHANTOMS[0], "count": 10}
    (data,) = sets_of(spec.data, {"particles": usual}, out / "data")
    everything = {"decode": {"candidate_threshold": LEAST}}
    condition = Condition(
        name="particles",
        told={},
        method=spec.method,
        weights=spec.weights,
        sets=[data],
        pick=everything,
    )
    measured = measure(spec, [condition])
    scores = {
        "particles": np.concatenate([p.score for p in measured.outcomes[0].result.candidates])
    }
    rows = [
        _row("particles", scores["particles"], len(data.shapes), rows_of(measured)[0]["threshold"])
    ]

    # Noise of the size and pixel of those micrographs, at the same diameter.
    pixel = next((t.pixel_size_angstrom for t in data.truth if t.pixel_size_angstrom), None)
    files = {"noise": spec.noise} if spec.noise else _drawn(spec, data.shapes, pixel or 1.0, out)
    for name, pattern in files.items():
        fixed = {"micrographs": pattern, "diameter": data.diameter, "out": str(out / name)}
        fixed |= {"method": spec.method, "weights": spec.weights, "overwrite": True, "pictures": 2}
        pick.run(build(pick.PickSpec, over(over(everything, spec.pick), fixed), "pick"))
        found = read_picks(out / name / "picks.csv")
        scores[name] = np.concatenate([np.zeros(0), *(p.score for p in found)])
        threshold = json.loads((out / name / "pick.json").read_text(encoding="utf-8"))["threshold"]
        rows.append(_row(name, scores[name], len(find_micrographs(pattern)), threshold))
    plots.histograms(out / "scores.png", scores, "Score", limits=(0.0, 1.0))
    return finish(spec, rows, measured.failures, SHOWN)


def _drawn(spec: NoiseStudy, shapes: Any, pixel_angstrom: float, out: Path) -> dict[str, str]:
    """Write white and correlated noise, half of the fields each; return where."""
    shape = next(iter(shapes.values()))
    found = {}
    for name, share in (("white_noise", 0.0), ("correlated_noise", spec.correlation)):
        for number in range(spec.fields // 2):
            path = out / "noise" / name / f"{name}_{number:03d}.mrc"
            rng = np.random.default_rng([spec.seed, number, share > 0])
            field = rng.normal(size=shape).astype(np.float32)
            for axis in (0, 1):
                field = field + share * (np.roll(field, 1, axis) + np.roll(field, -1, axis))
            if not path.exists():
                write_mrc(path, field.astype(np.float32), pixel_angstrom)
        found[name] = str(out / "noise" / name / "*.mrc")
    return found


def _row(name: str, score: np.ndarray, micrographs: int, threshold: float | None) -> dict[str, Any]:
    """Return how scores are distributed."""
    above = len(score) if threshold is None else int(np.sum(score >= threshold))
    return {
        "condition": name,
        "micrographs": micrographs,
        "candidates": len(score),
        "low_share": float(np.mean(score < LOW)) if len(score) else None,
        "picks_per_micrograph": above / micrographs,
        "threshold": threshold,
    }


if __name__ == "__main__":
    from experiments._hydra import main

    main(NoiseStudy, run)
