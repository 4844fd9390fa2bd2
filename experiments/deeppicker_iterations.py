"""How often should DeepPicker learn from its own picks? Wang et al. (2016), section 4.3.

    python -m experiments.deeppicker_iterations out=studies/iterations
    python -m experiments.deeppicker_iterations out=studies/own data.micrographs=... data.truth=... data.diameter=180

Claim: one iteration, training once more on the 10,000 picks of the highest scores, is enough; more change nothing
significant. Each round picks, learns from its best picks and goes on from the last weights (`experiments.iterate`),
and is scored against the truth, which it never sees. A pick is right within 0.2 windows. Expected: a step from round
0 (the weights that ship) to round 1 where the molecule is unlike those learnt from, then a plateau; `best` must not
exceed the particles that there are, or false picks are learnt. Writes table.csv, table.md and rounds.png.

Two cores: an estimated half hour. One GPU: an estimated five minutes.
"""

import dataclasses
import json
from pathlib import Path

from experiments import _study_plots as plots
from experiments import iterate
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._deeppicker import MATCHED
from experiments._scoring import score_picks
from experiments._study import Study, check, finish, setting
from experiments._study_sets import sets_of
from jaxpick.io.coordinates import read_picks
from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class IterationsStudy(Study):
    """Settings of the study."""

    method: str = setting("deeppicker", "which picker; it must learn")
    weights: str | None = setting(None, "folder of the first weights; those that ship if null")
    rounds: int = setting(4, "of learning from picks")
    best: int = setting(1000, "picks that are learnt from")
    steps: int = setting(1000, "of training in each round")
    radius: float | None = setting(MATCHED, "to match, share of the diameter; 0.2 windows")
    seed: int = setting(0, "of training")

    def __post_init__(self) -> None:
        check(self)
        require(not self.pick, "pick", dict(self.pick), "nothing: rounds pick as iterate does")
        for name in ("rounds", "best", "steps"):
            require(getattr(self, name) > 0, name, getattr(self, name), "a positive number")


def run(spec: IterationsStudy) -> int:
    """Iterate, then score the picks of each round; return 1 if a micrograph was left out."""
    out = Path(spec.out)
    usual = {"phantom": HELD_OUT_PHANTOMS[0], "count": 10}
    (data,) = sets_of(spec.data, {"tested": usual}, out / "data")
    status = iterate.run(
        iterate.IterateSpec(
            micrographs=data.micrographs,
            diameter=data.diameter,
            out=str(out / "iterations"),
            method=spec.method,
            weights=spec.weights,
            pixel_size=data.spec.pixel_size,
            rounds=spec.rounds,
            best=spec.best,
            steps=spec.steps,
            seed=spec.seed,
        )
    )
    rows = []
    for number in range(spec.rounds + 1):
        folder = (
            out / "iterations" / (f"round_{number + 1}" if number < spec.rounds else "") / "picks"
        )
        threshold = json.loads((folder / "pick.json").read_text(encoding="utf-8"))["threshold"]
        name, picks = f"round_{number}", read_picks(folder / "picks.csv")
        scored = score_picks(name, picks, threshold, data, out, spec.scoring(), {})
        rows.append({"condition": name, "round": number, **scored.row, "seed": spec.seed})
    figures = {"average_precision": "AP", "recall": "Recall", "precision": "Precision"}
    plots.against(out / "rounds.png", rows, ("round", "Rounds of learning from picks"), figures)
    return status | finish(spec, rows)


if __name__ == "__main__":
    from experiments._hydra import main

    main(IterationsStudy, run)
