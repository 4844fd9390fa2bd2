"""Must training molecules be real ones? Phantoms against atoms against density maps: a question of our own.

    python -m experiments.simulator_realism out=studies/realism experiment=proteins
    python -m experiments.simulator_realism out=studies/realism structures='pdb/*.cif.gz' \\
        data.structures=held/6CVM.pdb.gz

PARSED learns from 400 structures of the PDB (its Table S1); the weights that ship learnt from procedural molecules,
which need no download and have no bias towards what was solved. Each condition trains the same network for the same
time on molecules of one sort, or on all of them, and picks proteins that none has seen (`exclude` names those of the
tests). Expected: atoms and phantoms together best, phantoms alone close behind, maps alone worst, as there are few
of them and they are blurred.

Writes table.csv, table.md, average_precision.png. Two cores: an estimated quarter of an hour a condition, and some
minutes to project structures. One GPU: an estimated two minutes a condition.
"""

import dataclasses
from pathlib import Path
from typing import Any

from experiments import _study_plots as plots
from experiments._data_sets import HELD_OUT_PHANTOMS
from experiments._members import SMALL, over
from experiments._study import Condition, TrainedStudy, check, finish, measure, rows_of, setting
from experiments._study_sets import sets_of
from jaxpick.io.maps import find_maps, map_name
from jaxpick.io.structures import find_structures, structure_name
from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class RealismStudy(TrainedStudy):
    """Settings of the study; it learns from simulations drawn on the way."""

    method: str = setting("unet", "which picker; it must learn from simulated fields")
    structures: str | None = setting(None, "PDB or mmCIF files to learn from: folder or glob")
    maps: str | None = setting(None, "density maps to learn from: folder or glob")
    exclude: tuple[str, ...] = setting((), "names of structures and maps that are tested on")

    def __post_init__(self) -> None:
        check(self)
        require(not self.learn, "learn", dict(self.learn), "nothing: fields are simulated")
        require(self.method in SMALL, "method", self.method, f"one of {', '.join(SMALL)}")


def run(spec: RealismStudy) -> int:
    """Train on molecules of each sort, test on others; return 1 if one failed."""
    given = spec.structures is not None or spec.maps is not None
    require(given, "structures", None, "files here or in maps, to compare phantoms with")
    out = Path(spec.out)
    usual = {f"phantom_{seed}": {"phantom": seed, "count": 5} for seed in HELD_OUT_PHANTOMS[:1]}
    tested = sets_of(spec.data, usual, out / "data")
    conditions = [
        Condition(
            name=name,
            told={"molecules": name},
            method=spec.method,
            sets=tested,
            training=over(SMALL[spec.method], {"specimens": molecules}),
        )
        for name, molecules in _sorts(spec).items()
    ]
    measured = measure(spec, conditions)
    rows = rows_of(measured)
    plots.average_precision(out / "average_precision.png", rows, [one.name for one in tested])
    return finish(spec, rows, measured.failures)


def _sorts(spec: RealismStudy) -> dict[str, dict[str, Any]]:
    """Return the settings of the molecules of each sort, and of all sorts together."""
    none = {"num_phantoms": 0}
    found: dict[str, dict[str, Any]] = {"phantoms": {}}
    if spec.structures is not None:
        names = [structure_name(path).lower() for path in find_structures(spec.structures)]
        left_out = [name for name in spec.exclude if name.lower() in names]
        found["atoms"] = {**none, "structures": spec.structures, "exclude": left_out}
    if spec.maps is not None:
        names = [map_name(path).lower() for path in find_maps(spec.maps)]
        left_out = [name for name in spec.exclude if name.lower() in names]
        found["maps"] = {**none, "maps": spec.maps, "exclude": left_out}
    every = {"structures": spec.structures, "maps": spec.maps, "exclude": list(spec.exclude)}
    return {**found, "together": every}


if __name__ == "__main__":
    from experiments._hydra import main

    main(RealismStudy, run)
