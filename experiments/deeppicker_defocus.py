"""Does DeepPicker find particles at every defocus? Wang et al. (2016), Fig. 6a-c.

    python -m experiments.deeppicker_defocus out=studies/defocus
    python -m experiments.deeppicker_defocus out=studies/own data.micrographs=... data.truth=... data.diameter=180 \\
        defocus=ctf.star

Claim: recall hardly depends on the defocus between 1 and 3.5 um, although the contrast does. Each micrograph is
picked with the weights that ship, trained on other molecules, and counted in its bin of defocus; a pick is right
within 0.2 windows. Simulated micrographs of one procedural molecule are drawn evenly from the range and know their
defocus; for files, `defocus` is a STAR or CSV file with rlnMicrographName and rlnDefocusU. Expected: recall falls a
little towards low defocus, where the particle's low frequencies are not shown. Writes table.csv (a row a bin),
micrographs.csv, table.md and defocus.png (its Fig. 6a-c).

Found (2026-11-20, the weights that ship, 40 micrographs): recall 0.65, 0.70, 0.68 below 2.5 um and 0.49, 0.52 above,
so no fall towards low defocus; but coverage, dose and contaminants are drawn for each micrograph too, and six to ten
in a bin are few: recall of single micrographs spreads by 0.2 to 0.3. Recall is below the paper's 0.8 throughout. Two
minutes on two busy cores; one GPU: an estimated half minute.
"""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from experiments import _study_plots as plots
from experiments._data_sets import HELD_OUT_PHANTOMS, DataSet
from experiments._deeppicker import MATCHED
from experiments._study import Condition, Study, check, finish, measure, setting
from experiments._study_sets import are_files, sets_of
from jaxpick.evaluate.text import as_csv
from jaxpick.io.files import InputError, write_text
from jaxpick.io.names import match_names
from jaxpick.io.optics import read_optics
from jaxpick.spec import require

ANGSTROM_PER_UM = 1e4


@dataclasses.dataclass(frozen=True, kw_only=True)
class DefocusStudy(Study):
    """Settings of the study."""

    method: str = setting("deeppicker", "which picker")
    weights: str | None = setting(None, "folder of weights; those that ship if null")
    defocus: str | None = setting(None, "CSV or STAR with the defocus of files")
    edges_um: tuple[float, ...] = setting((1.0, 1.5, 2.0, 2.5, 3.0, 3.5), "of the bins")
    radius: float | None = setting(MATCHED, "to match, share of the diameter; 0.2 windows")

    def __post_init__(self) -> None:
        check(self)
        rises = len(self.edges_um) > 1 and bool(np.all(np.diff(self.edges_um) > 0))
        require(rises, "edges_um", self.edges_um, "two rising numbers or more")
        have_files = are_files(self.data)
        expected = "a file, as data.micrographs are given" if have_files else "data.micrographs"
        require((self.defocus is not None) == have_files, "defocus", self.defocus, expected)


def run(spec: DefocusStudy) -> int:
    """Pick all, count by defocus; return 1 if it failed."""
    out = Path(spec.out)
    # Uniform between the outer edges: the prior's other branch, always taken.
    scope = {
        "low_defocus_probability": 1.0,
        "low_defocus_um": [*spec.edges_um[:: len(spec.edges_um) - 1]],
    }
    usual = {
        "phantom": HELD_OUT_PHANTOMS[0],
        "count": 40,
        "simulator": {"priors": {"microscope": scope}},
    }
    (data,) = sets_of(spec.data, {"tested": usual}, out / "data")
    known_um = _defocus_um(spec, data)
    condition = Condition(
        name=spec.method, told={}, method=spec.method, weights=spec.weights, sets=[data]
    )
    measured = measure(spec, [condition])
    each: list[dict[str, Any]] = []
    for one in measured.outcomes:
        with (one.folder / "per_micrograph.csv").open(newline="", encoding="utf-8") as table:
            for row in csv.DictReader(table):
                each.append({**row, "defocus_um": known_um.get(row["micrograph"])})
    write_text(out / "micrographs.csv", as_csv(each))
    rows = _binned(each, spec)
    x = ("defocus_um", "Defocus, um")
    plots.against(out / "defocus.png", rows, x, {"recall": "Recall", "precision": "Precision"})
    shown = {"micrographs": ("micrographs", 0), "true": ("particles", 0)}
    shown |= {"recall": ("recall", 3), "precision": ("precision", 3)}
    return finish(spec, rows, measured.failures, shown)


def _defocus_um(spec: DefocusStudy, data: DataSet) -> dict[str, float]:
    """Return the defocus of each micrograph: of its particles if simulated, else as the file says."""
    if spec.defocus is None:
        own = {t.micrograph: t.extra["rlnDefocusU"] for t in data.truth if len(t)}
        return {name: float(np.mean(values)) / ANGSTROM_PER_UM for name, values in own.items()}
    path = Path(spec.defocus)
    if path.suffix.lower() == ".star":
        listed = {name: float(one.defocus_u_angstrom) for name, one in read_optics(path).items()}
    else:
        with path.open(newline="", encoding="utf-8") as table:
            rows = list(csv.DictReader(table))
        if not rows or not {"rlnMicrographName", "rlnDefocusU"} <= set(rows[0]):
            raise InputError(f"{path}: expected columns rlnMicrographName and rlnDefocusU")
        listed = {row["rlnMicrographName"]: float(row["rlnDefocusU"]) for row in rows}
    pairs = match_names(list(listed), list(data.shapes)).pairs
    if not pairs:
        raise InputError(f"{path}: none of its names fits one of {len(data.shapes)} micrographs")
    return {pairs[name]: listed[name] / ANGSTROM_PER_UM for name in pairs}


def _binned(each: list[dict[str, Any]], spec: DefocusStudy) -> list[dict[str, Any]]:
    """Return a row for each bin that has particles, its counts summed over micrographs."""
    rows: list[dict[str, Any]] = []
    for low, high in zip(spec.edges_um[:-1], spec.edges_um[1:], strict=True):
        mine = [r for r in each if r["defocus_um"] is not None and low <= r["defocus_um"] < high]
        matched, picked, true = (
            sum(int(r[n]) for r in mine) for n in ("matched", "picked", "true")
        )
        if true:
            counts = {"micrographs": len(mine), "true": true, "picked": picked}
            ratios = {"recall": matched / true, "precision": matched / picked if picked else None}
            name = f"{low:g}-{high:g}_um"
            rows.append({"condition": name, "defocus_um": (low + high) / 2, **counts, **ratios})
    return rows


if __name__ == "__main__":
    from experiments._hydra import main

    main(DefocusStudy, run)
