"""At how many pixels a particle should micrographs be scored? A question of our own.

    python -m experiments.working_pixel out=studies/pixel
    python -m experiments.working_pixel out=studies/real experiment=real    # tested on JAXPICK_DATA

Every picker down-samples first. Topaz's figures on real micrographs depend more on the factor than on the network
(README); PARSED has 15 angstrom a pixel for all, DeepPicker 45 px a particle, our U-Net 20. Each condition trains
the U-Net anew with the particle spanning another number of working pixels, the field holding as many of them.
Expected: a broad optimum near 16 to 20; below 10 neighbouring particles merge and centres blur, far above noise is
kept that says nothing and the network sees less of the particle. Time per micrograph grows as the square. Writes
table.csv, table.md, average_precision.png, time.png.

Two cores: an estimated quarter of an hour a condition, more at many pixels. One GPU: an estimated two minutes a
condition.
"""

import dataclasses
from pathlib import Path
from typing import Any

from experiments import _study_plots as plots
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._members import SMALL, over
from experiments._study import (
    SHOWN,
    Condition,
    TrainedStudy,
    check,
    finish,
    measure,
    rows_of,
    setting,
)
from experiments._study_sets import sets_of
from jaxpick.methods import unet
from jaxpick.spec import require

# Of the particles in the U-Net's training fields, whose working diameter is 20 px.
DRAWN_PX = (18.4, 19.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkingPixelStudy(TrainedStudy):
    """Settings of the study; it learns from simulations drawn on the way."""

    diameters_px: tuple[float, ...] = setting((10.0, 14.0, 20.0, 28.0), "pixels a particle spans")

    def __post_init__(self) -> None:
        check(self)
        require(not self.learn, "learn", dict(self.learn), "nothing: fields are simulated")
        allowed = bool(self.diameters_px) and min(self.diameters_px) >= 6
        require(allowed, "diameters_px", self.diameters_px, "6 pixels or more")


def run(spec: WorkingPixelStudy) -> int:
    """Train at each working pixel, test on the same micrographs; return 1 if one failed."""
    out = Path(spec.out)
    usual = {f"phantom_{seed}": {"phantom": seed, "count": 5} for seed in HELD_OUT_PHANTOMS}
    tested = sets_of(spec.data, usual, out / "data")
    conditions = [
        Condition(
            name=f"{size:g}_px",
            told={"diameter_px": size},
            method="unet",
            sets=tested,
            training=over(SMALL["unet"], _at(size)),
        )
        for size in spec.diameters_px
    ]
    measured = measure(spec, conditions)
    rows = rows_of(measured)
    x = ("diameter_px", "Diameter in working pixels")
    y = {"average_precision": "Average precision"}
    plots.against(out / "average_precision.png", rows, x, y, by="set")
    y = {"seconds_per_micrograph": "Seconds per micrograph"}
    plots.against(out / "time.png", rows, x, y, by="set", top=None)
    shown = {"seconds_per_micrograph": ("seconds a micrograph", 2)}
    return finish(spec, rows, measured.failures, SHOWN | shown)


def _at(diameter_px: float) -> dict[str, Any]:
    """Return the training's settings with everything in proportion to the default ones."""
    usual = unet.Spec()
    scale = diameter_px / usual.working.diameter_px
    drawn = [scale * end for end in DRAWN_PX]
    return {
        "method": {
            "working": {"diameter_px": diameter_px},
            "field": {
                "field_px": 16 * round(usual.field.field_px * scale / 16),
                "priors": {"pixel": {"diameter_px": drawn}},
            },
        },
        "specimens": {
            "views": {"diameter_px": 20.0 * scale, "box_px": 2 * round(16.0 * scale + 0.5)}
        },
    }


if __name__ == "__main__":
    from experiments._hydra import main

    main(WorkingPixelStudy, run)
