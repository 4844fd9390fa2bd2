"""Which molecules a simulation shows: procedural ones, structures and maps, as one bank of views.

A bank takes minutes to project, so `stored_bank` keeps it beside a run. It is made anew when the
settings or the files that it was made from change (name and content of each file).
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxpick.io.array_cache import file_digest
from jaxpick.io.banks import load_bank, save_bank
from jaxpick.io.files import InputError, write_text
from jaxpick.simulate.bank import Bank, BankSpec, build_bank
from jaxpick.simulate.phantoms import PhantomSpec, phantom_library
from jaxpick.simulate.specimens import Specimen
from jaxpick.spec import as_plain, require

# Small molecules are another library than the targets', whatever `phantom_seed` is tried.
SMALL_SEED_STEP = 1_000_000

Report = Callable[[str], None]


def _setting(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpecimensSpec:
    """Which molecules the simulator shows.

    Attributes:
        num_phantoms: procedural molecules; 0 for none.
        phantom_seed: of the procedural molecules.
        phantoms: what they may be.
        num_small: procedural molecules too light to be targets, a background of small proteins.
        small: what those may be.
        structures: PDB or mmCIF files to add: file, folder, glob, or a published list and a folder
            (`parsed_table_s1:FOLDER`, `io.structure_lists`).
        maps: density maps to add: file, folder or glob.
        map_mass_kda: masses of maps by name, where known.
        exclude: names of structures and maps to leave out, such as those that are tested on.
        bank: saved bank of views (.npz) in place of all these.
        views: how molecules are projected.
    """

    num_phantoms: int = _setting(64, "procedural molecules; 0 for none")
    phantom_seed: int = _setting(0, "of the procedural molecules")
    phantoms: PhantomSpec = PhantomSpec(num_broken=1)
    num_small: int = _setting(0, "procedural molecules too light to be targets")
    small: PhantomSpec = PhantomSpec(mass_kda=(20.0, 80.0))
    structures: str | None = _setting(None, "PDB or mmCIF files: file, folder, glob, LIST:FOLDER")
    maps: str | None = _setting(None, "density maps to add: file, folder or glob")
    map_mass_kda: Mapping[str, float] = dataclasses.field(
        default_factory=dict, metadata={"help": "masses of maps by name, where known"}
    )
    exclude: tuple[str, ...] = _setting(
        (), "names of structures and maps to leave out, for tests on them"
    )
    bank: str | None = _setting(None, "saved bank of views (.npz) in place of all these")
    views: BankSpec = BankSpec(diameter_px=20.0, box_px=32)

    def __post_init__(self) -> None:
        """Refuse negative counts."""
        for name in ("num_phantoms", "num_small"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")


def read_specimens(spec: SpecimensSpec, report: Report | None = None) -> list[Specimen]:
    """Return the molecules: procedural, small procedural, structures, maps.

    Args:
        spec: which.
        report: called with a sentence for each molecule that is skipped.

    Raises:
        InputError: when a file cannot be read or an excluded name fits none.
    """
    # gemmi and mrcfile are loaded where molecules are read, not where settings are.
    from jaxpick.io.maps import map_name, specimens_from_maps
    from jaxpick.io.structures import specimens_from_structures, structure_name

    specimens = phantom_library(spec.num_phantoms, spec.phantom_seed, spec.phantoms)
    small_seed = spec.phantom_seed + SMALL_SEED_STEP
    specimens += phantom_library(spec.num_small, small_seed, spec.small)
    structures, maps = _files(spec, report)
    if structures:
        left_out = _named(spec.exclude, [structure_name(path) for path in structures])
        specimens += specimens_from_structures(structures, exclude=left_out, report=report)
    if maps:
        left_out = _named(spec.exclude, [map_name(path) for path in maps])
        specimens += specimens_from_maps(maps, exclude=left_out, mass_kda=spec.map_mass_kda)
    return specimens


def stored_bank(spec: SpecimensSpec, path: Path | str, report: Report | None = None) -> Bank:
    """Return the bank of the settings, read from `path` if it was made with the same before.

    Args:
        spec: which molecules and how they are projected.
        path: `.npz` to keep the bank in, with a `.json` of what it was made from beside it.
        report: called with a sentence about what is skipped or reused.
    """
    if spec.bank is not None:
        return load_bank(spec.bank)
    record = _record(spec)
    path = Path(path)
    notes = path.with_suffix(".json")
    if path.is_file() and notes.is_file() and notes.read_text(encoding="utf-8") == record:
        if report is not None:
            report(f"bank of views read from {path}")
        return load_bank(path)
    bank = build_bank(read_specimens(spec, report), spec.views)
    notes.unlink(missing_ok=True)  # a run killed between the two writes must not trust the old one
    save_bank(path, bank)
    write_text(notes, record)
    return bank


def _files(spec: SpecimensSpec, report: Report | None = None) -> tuple[list[Path], list[Path]]:
    from jaxpick.io.maps import find_maps, map_name
    from jaxpick.io.structures import find_structures, structure_name

    structures = [] if spec.structures is None else find_structures(spec.structures, report)
    maps = [] if spec.maps is None else find_maps(spec.maps)
    known = {structure_name(path).lower() for path in structures}
    known |= {map_name(path).lower() for path in maps}
    unknown = [name for name in spec.exclude if name.lower() not in known]
    if unknown:
        raise InputError(f"exclude: expected names of the given structures or maps, got {unknown}")
    return structures, maps


def _named(wanted: tuple[str, ...], names: list[str]) -> list[str]:
    known = {name.lower() for name in names}
    return [name for name in wanted if name.lower() in known]


def _record(spec: SpecimensSpec) -> str:
    files = [path for paths in _files(spec) for path in paths]
    seen = [[str(path.absolute()), file_digest(path)] for path in files]
    return json.dumps({"specimens": as_plain(spec), "files": seen}, indent=1) + "\n"
