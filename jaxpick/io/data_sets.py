"""Data sets as people have them on disk: where each layout keeps its micrographs and its particles.

`files`: what is named, nothing is looked for. `simulated`: a folder that `experiments.simulate`
wrote. `cryoppp`: `micrographs/` and `ground_truth/particle_coordinates/*.csv` of one of CryoPPP's
sets (Dhakal et al., Sci Data 10:392, 2023); y is flipped for MRC and TIFF files, but not for the
JPEG pictures of its small version, which are stored flipped already (`io.cryoppp`). `empiar`:
micrographs anywhere in a folder with a STAR table, or STAR or box files of their names
(`io.empiar`). `relion`: a project (`io.relion_project`). Movies are not read.
"""

import dataclasses
import glob
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from jaxpick.io.empiar import find_empiar
from jaxpick.io.files import InputError
from jaxpick.io.micrographs import SUFFIXES
from jaxpick.io.relion_project import find_relion
from jaxpick.spec import SpecError, require

Layout: TypeAlias = Literal["files", "simulated", "empiar", "cryoppp", "relion"]
_PICTURES = (".jpg", ".jpeg", ".png")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlaceSpec:
    """A data set on disk, for commands that read its micrographs or particles; see above."""

    layout: Layout | None = None
    folder: str | None = None
    job: str | None = None

    def __post_init__(self) -> None:
        """Refuse half a place."""
        require_place(self.layout, self.folder, self.job, "")

    def require_if_none(self, name: str, value: str | None) -> None:
        """Refuse a setting that is left out where there is no folder to look into either."""
        expected = "a file or folder, or data=LAYOUT data.folder=FOLDER"
        require(bool(value) or self.folder is not None, name, value, expected)

    def micrographs(self, given: str) -> str:
        """Return the micrographs given, else those of the folder."""
        return self.find(given, None, wants=False).micrographs

    def find(self, micrographs: str | None, coordinates: str | None, wants: bool) -> "DataFiles":
        """Return the files given, and those of the folder where there is one (`find_data`)."""
        given = (micrographs or None, coordinates or None)
        if self.folder is None or self.layout is None:
            return DataFiles(micrographs or "", coordinates)
        return find_data(self.layout, self.folder, *given, self.job, wants)


class DataFiles(NamedTuple):
    """Micrographs and particles of a data set, each a file, folder, glob or RELION list.

    `coordinates` is None where none were looked for. `flip_y` is None for the convention of the
    coordinates' own format. `diameter_angstrom` is None where the layout does not tell.
    """

    micrographs: str
    coordinates: str | None
    flip_y: bool | None = None
    diameter_angstrom: float | None = None

    def by_name(self, diameter: float | None, flip_y: bool | None) -> dict[str, Any]:
        """Return the settings of a set that names these files; what is given goes before what is
        found."""
        return {
            "layout": "files",
            "folder": None,
            "job": None,
            "micrographs": self.micrographs,
            "diameter": diameter or self.diameter_angstrom,
            "flip_y": self.flip_y if flip_y is None else flip_y,
        }


def find_data(
    layout: Layout,
    folder: str,
    micrographs: str | None = None,
    coordinates: str | None = None,
    job: str | None = None,
    needs_coordinates: bool = True,
) -> DataFiles:
    """Return where a data set's files are.

    Args:
        layout: how the folder is laid out.
        folder: of the data set.
        micrographs: taken in place of the layout's own.
        coordinates: taken in place of the layout's own.
        job: of a RELION project whose picks are taken, as `AutoPick/job010`; the last if None.
        needs_coordinates: False to pick, where there may be none.

    Raises:
        InputError: saying what was looked for and not found.
    """
    place = Path(os.path.expanduser(folder))
    if not place.is_dir():
        raise InputError(f"{folder}: no such folder; expected one laid out as {layout}")
    wants = needs_coordinates and coordinates is None
    if layout == "relion":
        found = DataFiles(*find_relion(place, micrographs, job, wants))
    elif layout == "empiar":
        found = DataFiles(*find_empiar(place, micrographs, wants))
    else:
        found = _ONE_FOLDER[layout](place, micrographs, wants)
    return found._replace(coordinates=coordinates) if coordinates else found


def require_place(
    layout: Layout | None, folder: str | None, job: str | None, micrographs: str | None
) -> None:
    """Refuse a folder without its layout, and a layout without its folder.

    Raises:
        SpecError: naming the setting.
    """
    if layout in (None, "files"):
        expected = "data=LAYOUT with it: simulated, empiar, cryoppp or relion"
        require(folder is None, "folder", folder, expected)
    elif layout != "simulated":
        require(bool(folder), "folder", folder, f"the folder of the data set, as data={layout}")
    elif folder is None:
        require(not micrographs, "micrographs", micrographs, "a folder, as data=simulated")
    require(job is None or layout == "relion", "job", job, "data=relion with it")
    if layout == "files" and micrographs is None:
        raise SpecError("micrographs: None; expected files, as data=files")


def _find_simulated(folder: Path, micrographs: str | None, wants: bool) -> DataFiles:
    """Find what `experiments.simulate` writes; the diameter is that of its largest molecule."""
    found = micrographs or one_pattern(folder / "micrographs", (".mrc",), folder)
    truth = _existing(folder / "particles.star", folder) if wants else None
    summary = folder / "simulate.json"
    species = json.loads(summary.read_text("utf-8"))["species"] if summary.is_file() else []
    diameter = max((float(round(s["diameter_angstrom"])) for s in species), default=None)
    return DataFiles(found, truth, None, diameter)


def _find_cryoppp(folder: Path, micrographs: str | None, wants: bool) -> DataFiles:
    """Find CryoPPP's micrographs and tables; its pictures are flipped already, as its tables are."""
    found = micrographs or one_pattern(folder / "micrographs", SUFFIXES, folder)
    is_picture = found.lower().endswith(_PICTURES)
    tables = folder / "ground_truth" / "particle_coordinates"
    truth = one_pattern(tables, (".csv",), folder) if wants else None
    return DataFiles(found, truth, False if is_picture else None)


def one_pattern(place: Path, suffixes: Sequence[str], folder: Path) -> str:
    """Return a glob of the files in a folder that end in the commonest of the suffixes.

    Raises:
        InputError: when there is none.
    """
    names = [p.name.lower() for p in place.glob("*") if not p.name.startswith(".")]
    counts = {end: sum(name.endswith(end) for name in names) for end in suffixes}
    best = max(counts, key=lambda end: counts[end])
    if not counts[best]:
        ends = "/".join(suffixes)
        raise InputError(
            f"{folder}: looked for {place.relative_to(folder)}/ with files ending in {ends} "
            "and found none"
        )
    written = next(p.name for p in place.glob("*") if p.name.lower().endswith(best))
    return f"{glob.escape(str(place))}/*{written[-len(best) :]}"


def _existing(path: Path, folder: Path) -> str:
    if not path.is_file():
        raise InputError(f"{folder}: looked for {path.relative_to(folder)} and did not find it")
    return str(path)


_ONE_FOLDER: dict[str, Callable[[Path, str | None, bool], DataFiles]] = {
    "simulated": _find_simulated,
    "cryoppp": _find_cryoppp,
}
