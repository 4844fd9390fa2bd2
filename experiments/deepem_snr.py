"""Down to what signal-to-noise ratio does DeepEM find particles? Zhu, Ouyang and Mao (2017), Fig. 6.

    python -m experiments.deepem_snr out=studies/snr
    python -m experiments.deepem_snr out=studies/ribosome learn.structures=ribosome.cif.gz \\
        data.structures=ribosome.cif.gz

Claim: at a ratio of 0.01 particles are still recognised well after training on micrographs of that ratio, at 0.005
less so, at 0.001 badly. For each ratio the network is trained on one synthetic set and tested on another of the same
ratio, as in the paper; its particle is the 70S ribosome, here a procedural molecule of like mass unless a structure
is given. The simulator sets the exposure so that the variance of the particles within their discs over that of the
noise, in pixels of the micrograph, is the ratio: it depends on the pixel (4 angstrom here; the paper does not tell
its own), so the order of the curves is the claim that can be tested, not their heights. Writes table.csv, table.md
and curves.png (its Fig. 6).

Found (2026-11-20, 3000 steps in place of 6000, one seed): average precision 0.554, 0.378 and 0.183, recall at the
picker's threshold 0.84, 0.75 and 0.72 with precision 0.49, 0.38 and 0.20: the order holds, and at 0.01 most
particles are found, with as many false. Five minutes on two busy cores with those steps, an estimated ten with the
default. One GPU: an estimated three.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import _study_plots as plots
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._members import over
from experiments._study import (
    TRAIN,
    Condition,
    TrainedStudy,
    check,
    finish,
    measure,
    rows_of,
    setting,
)
from experiments._study_sets import are_files, labels_of, sets_of
from jaxpick.spec import require

MOLECULE = {"phantom": HELD_OUT_PHANTOMS[1]}
CLEAN = {"contaminants": {"amount": 0.0}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SnrStudy(TrainedStudy):
    """Settings of the study; `learn` and `data` are changes to what is simulated."""

    ratios: tuple[float, ...] = setting((0.01, 0.005, 0.001), "signal to noise, one condition each")
    train: Mapping[str, Any] = setting(TRAIN, "changes to train's settings, for every condition")

    def __post_init__(self) -> None:
        check(self)
        allowed = bool(self.ratios) and min(self.ratios) > 0
        require(allowed, "ratios", self.ratios, "positive numbers")
        for name in ("learn", "data"):
            is_drawn = not are_files(getattr(self, name))
            require(is_drawn, name, getattr(self, name), "no files: they have a ratio already")


def run(spec: SnrStudy) -> int:
    """Train and test at each ratio; return 1 if one failed."""
    out = Path(spec.out)
    conditions = []
    for ratio in spec.ratios:
        # Two sets of that ratio: one to learn from, one to test on.
        priors = {"simulator": {"priors": {**CLEAN, "target_snr": ratio}}}
        learnt = {f"learnt_{ratio:g}": over({**MOLECULE, "count": 20, "seed": 1}, priors)}
        tested = {f"tested_{ratio:g}": over({**MOLECULE, "count": 10, "seed": 2}, priors)}
        (source,) = sets_of(spec.learn, learnt, out / "learn")
        conditions.append(
            Condition(
                name=f"SNR_{ratio:g}",
                told={"snr": ratio},
                method="deepem",
                sets=sets_of(spec.data, tested, out / "data"),
                training={"data": labels_of(source)},
            )
        )
    measured = measure(spec, conditions)
    plots.precision_recall(out / "curves.png", measured)
    return finish(spec, rows_of(measured), measured.failures)


if __name__ == "__main__":
    from experiments._hydra import main

    main(SnrStudy, run)
