"""What does each part of the domain randomisation buy? A question of our own.

    python -m experiments.domain_randomisation out=studies/randomisation
    python -m experiments.domain_randomisation out=studies/real experiment=real    # tested on JAXPICK_DATA
    python -m experiments.domain_randomisation out=studies/few changes=[all,carbon,ice] seeds=3

The simulator draws every micrograph's contaminants, contrast, ice, camera and processing anew
(`jaxpick.simulate.priors`), in the belief that a picker which has seen more than reality holds will take reality for
one more draw (Tobin et al. 2017). Each condition leaves one thing out of that: one contaminant, all of them, the
spread of contrast and dose, that of the ice, what people do to files. Trained on procedural molecules, tested on
another one in clean and in contaminated fields. Expected: leaving out a contaminant costs precision where it lies,
and hardly anything elsewhere; leaving out contrast or processing costs most on real micrographs. Differences below
the spread over seeds mean nothing: give `seeds=3` or more.

Writes table.csv, table.md, average_precision.png. Two cores: an estimated quarter of an hour a condition. One GPU:
an estimated two minutes a condition.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import _study_plots as plots
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._members import SMALL, over
from experiments._study import Condition, TrainedStudy, check, finish, measure, rows_of, setting
from experiments._study_sets import sets_of
from jaxpick import methods
from jaxpick.spec import require

CONTAMINANTS = (
    *("ice_crystals", "ethane", "carbon", "gold_beads", "aggregates", "broken", "denatured"),
    *("small_proteins", "filaments", "vesicles", "micelles", "coil_fog", "lattices"),
)
# What each condition lays over the training's priors.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "nothing": {},
    **{name: {"contaminants": {name: 0.0}} for name in CONTAMINANTS},
    "all": {"contaminants": {"amount": 0.0}},
    "contrast": {
        "scene": {"contrast_scale": [0.85, 0.85]},
        "microscope": {"dose_e_per_angstrom2": [30.0, 30.0], "defocus_um": [1.7, 1.7]},
    },
    "ice": {
        "ice": {
            **{"structure": [0.3, 0.3], "gradient": [0.0, 0.0], "mottling": [0.0, 0.0]},
            **{"thickness_log_sd": 0.0, "texture_probability": 0.0},
        }
    },
    "processing": {
        "processing": {
            f"{name}_probability": 0.0
            for name in ("low_pass", "high_pass", "local_contrast", "tone", "eight_bit")
        }
    },
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomisationStudy(TrainedStudy):
    """Settings of the study; it learns from simulations drawn on the way."""

    method: str = setting("unet", "which picker; it must learn from simulated fields")
    changes: tuple[str, ...] = setting(
        ("nothing", "carbon", "ice_crystals", "aggregates", "all", "contrast", "ice", "processing"),
        "what is left out, one condition each",
    )

    def __post_init__(self) -> None:
        check(self)
        require(not self.learn, "learn", dict(self.learn), "nothing: fields are simulated")
        learns = self.method in SMALL
        require(learns, "method", self.method, f"one of {', '.join(SMALL)}")
        for name in self.changes:
            require(name in CHANGES, "changes", name, f"names among {', '.join(CHANGES)}")


def run(spec: RandomisationStudy) -> int:
    """Train without each, test on the same micrographs; return 1 if one failed."""
    out = Path(spec.out)
    molecule = {"phantom": HELD_OUT_PHANTOMS[0], "count": 10}
    dirty = {"contaminants": {"amount": 2.0, "clean_probability": 0.0}}
    usual = {
        "clean": {**molecule, "simulator": {"priors": {"contaminants": {"amount": 0.0}}}},
        "contaminated": {**molecule, "simulator": {"priors": dirty}},
    }
    tested = sets_of(spec.data, usual, out / "data")
    settings = methods.get(spec.method).Spec
    fields = [f.name for f in dataclasses.fields(settings) if f.name in ("field", "patch_field")]
    conditions = [
        Condition(
            name=f"without_{name}",
            told={"without": name},
            method=spec.method,
            sets=tested,
            training=over(
                SMALL[spec.method], {"method": {f: {"priors": CHANGES[name]} for f in fields}}
            ),
        )
        for name in spec.changes
    ]
    measured = measure(spec, conditions)
    rows = rows_of(measured)
    plots.average_precision(out / "average_precision.png", rows, [one.name for one in tested])
    return finish(spec, rows, measured.failures)


if __name__ == "__main__":
    from experiments._hydra import main

    main(RandomisationStudy, run)
