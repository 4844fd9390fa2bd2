"""Where should blobs be cut by their mass? PARSED (Yao, Qian and Huang 2020), Fig. S4.

    python -m experiments.parsed_masses out=studies/masses
    python -m experiments.parsed_masses out=studies/masses_real experiment=real    # the sets of JAXPICK_DATA

Claim: the masses of segmented blobs show two peaks in one data set (EMPIAR-10081), false ones lighter, and are cut
between them; in another they show one (EMPIAR-10049), and every blob is kept. The cut is found from the masses alone
here, by Silverman's test, where the paper looks. Expected: one peak on a clean set, two on one with contaminants,
and F1 at the cut near that of the mass that is best in hindsight. Sets: one molecule that no weights have seen, near
200 angstrom (what the weights that ship serve), with and without contaminants. Writes table.csv, table.md and
masses.png (its Fig. S4).

Found (2026-11-21, the weights that ship): two peaks on both simulated sets, cut at 15.0 and 11.6 where few blobs
lie, F1 0.967 of 0.967 and 0.806 of 0.813 that are possible, 0.916 and 0.783 without a cut: light false blobs come
without contaminants too. Real beta-galactosidase has one peak and all 9814 blobs are kept, F1 0.766 of 0.804;
apoferritin (125 angstrom) gives ten blobs in all, being too small for 15 angstrom a pixel. Not always so: on the
proteins of README's table a valley within the particles' own masses is taken, and F1 falls by 0.08 to 0.2. A minute on
two cores; one GPU: an estimated minute.
"""

import dataclasses
from pathlib import Path

import numpy as np

from experiments import _study_plots as plots
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._study import Condition, Study, finish, measure, rows_of, setting
from experiments._study_sets import sets_of

DIRTY = {"amount": 2.0, "clean_probability": 0.0}
# The weights that ship bring a cut of their own; blobs too light for the histogram are left out.
AUTOMATIC = {"mass": {"cutoff": None}, "candidate_threshold": 0.5}
SHOWN = {
    "blobs": ("blobs", 0),
    "kept_share": ("kept", 3),
    "threshold": ("cut", 2),
    "best_threshold": ("best mass in hindsight", 2),
    "all_f1": ("F1 of every blob", 3),
    "f1": ("F1 at the cut", 3),
    "best_f1": ("best F1", 3),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MassStudy(Study):
    """Settings of the study."""

    weights: str = setting("parsed_paper", "folder of weights of parsed, or those that ship")


def run(spec: MassStudy) -> int:
    """Segment every set, draw its masses and the cut; return 1 if one failed."""
    out = Path(spec.out)
    molecule = {"phantom": HELD_OUT_PHANTOMS[1], "count": 10, "seed": 4}
    usual = {
        "clean": {**molecule, "simulator": {"priors": {"contaminants": {"amount": 0.0}}}},
        "contaminated": {**molecule, "simulator": {"priors": {"contaminants": DIRTY}}},
    }
    conditions = [
        Condition(
            name=data.name,
            told={},
            method="parsed",
            weights=spec.weights,
            sets=[data],
            pick={"decode": AUTOMATIC},
        )
        for data in sets_of(spec.data, usual, out / "data")
    ]
    measured = measure(spec, conditions)
    masses, cuts, rows = {}, {}, []
    for one, row in zip(measured.outcomes, rows_of(measured), strict=True):
        mass = np.concatenate([np.zeros(0), *(p.score for p in one.result.candidates)])
        cut = one.result.threshold
        masses[one.data.name], cuts[one.data.name] = mass, cut
        kept = float(np.mean(mass >= (cut or 0.0))) if len(mass) else None
        every = one.result.curve[-1]["f1"] if one.result.curve else None
        rows.append({**row, "blobs": len(mass), "kept_share": kept, "all_f1": every})
    if masses:
        plots.histograms(out / "masses.png", masses, "Mass of blob", cuts)
    return finish(spec, rows, measured.failures, SHOWN)


if __name__ == "__main__":
    from experiments._hydra import main

    main(MassStudy, run)
