"""Does DeepPicker find a molecule that it has not seen? Wang et al. (2016), Fig. 2, Fig. 4 and Table 1.

    python -m experiments.deeppicker_cross_molecule out=studies/cross
    python -m experiments.deeppicker_cross_molecule out=studies/own data.micrographs=... data.truth=... \\
        data.diameter=180 \\
        'learn={first: {micrographs: ..., truth: ..., diameter: ...}, second: {...}}'

Claims: a classifier trained on 10,000 particles of one to four other molecules, in equal shares, finds more than 0.8
of a new one's at scores above 0.5; several molecules serve better and more evenly than one (Fig. 2b-e); picks lie
within a tenth of the window of the expert's (Fig. 4), about as near as those of a classifier trained on the molecule
itself. A pick is right within 0.2 windows. The paper then trains once more on the best picks:
`deeppicker_iterations`. Here four procedural molecules stand for Table 1's, in its order of one, two, three and
four, and a fifth is picked. Expected: recall rises with the number of molecules, at the cost of little, and all
deviations are below 0.1.

Writes table.csv, table.md, recall.png (Fig. 2b), ratio.png (Fig. 2c-e: precision and recall against the number of
picks over that of particles) and deviation.png (Fig. 4a-c). `experiment=paper`: 10,000 particles. Two cores: an
estimated hour at the default size, five with `paper`. One GPU: an estimated quarter of an hour, and one hour.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import _study_plots as plots
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._deeppicker import MATCHED, SHOWN, draw_recall
from experiments._study import (
    TRAIN,
    Condition,
    TrainedStudy,
    check,
    finish,
    measure,
    setting,
)
from experiments._study_sets import are_files, labels_of, sets_of, shares
from jaxpick.spec import require

MOLECULES = (101, 102, 103, 104)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossMoleculeStudy(TrainedStudy):
    """Settings of the study; `learn` holds the other molecules by name."""

    particles: int = setting(2000, "learnt from, in equal shares of the molecules")
    own: bool = setting(True, "one condition more: trained on the molecule itself, as Fig. 4 shows")
    radius: float | None = setting(MATCHED, "to match, share of the diameter; 0.2 windows")
    train: Mapping[str, Any] = setting(TRAIN, "changes to train's settings, for every condition")

    def __post_init__(self) -> None:
        check(self)
        require(self.particles > 0, "particles", self.particles, "a positive number")


def run(spec: CrossMoleculeStudy) -> int:
    """Train on one, two, ... molecules, test on another; return 1 if one failed."""
    out = Path(spec.out)
    usual = {f"phantom_{n}": {"phantom": n, "count": 20, "seed": n} for n in MOLECULES}
    target = {"phantom": HELD_OUT_PHANTOMS[0]}
    others = sets_of(spec.learn, usual, out / "learn")
    tested = sets_of(spec.data, {"target": {**target, "count": 10, "seed": 2}}, out / "data")
    chosen = {
        f"{n}_molecule{'s' * (n > 1)}": [labels_of(data) for data in others[:n]]
        for n in range(1, len(others) + 1)
    }
    if spec.own and not are_files(spec.data):
        changes = {k: v for k, v in spec.learn.items() if k in ("count", "size", "simulator")}
        own = {"own": {**target, "count": 20, "seed": 3}}
        chosen["itself"] = [labels_of(d) for d in sets_of(changes, own, out / "learn")]
    conditions = [
        Condition(
            name=name,
            told={"molecules": len(sets), "is_own": name == "itself"},
            method="deeppicker",
            sets=tested,
            training={
                "data": {
                    **sets[0],
                    "more": sets[1:],
                    **shares(spec.particles),
                }
            },
        )
        for name, sets in chosen.items()
    ]
    measured = measure(spec, conditions)
    rows = draw_recall(out, measured)
    plots.bars(out / "deviation.png", rows, {"deviation": "Distance of centres / window"})
    return finish(spec, rows, measured.failures, SHOWN)


if __name__ == "__main__":
    from experiments._hydra import main

    main(CrossMoleculeStudy, run)
