"""Published lists of PDB codes, and the files that a user has of them.

`NAME:FOLDER`, as in `simulator.structures=parsed_table_s1:pdb/`, means the structures of the list
that lie in the folder or below it, named by their code (`2xd8.cif.gz`, `2XD8.pdb`) or as the PDB's
own archive names them (`xd/pdb2xd8.ent.gz`). Of several files of one code mmCIF goes first, since
large structures are split in PDB files.
"""

from collections.abc import Callable
from pathlib import Path

from jaxpick.io.files import InputError

_FOLDER = Path(__file__).with_name("lists")
LISTS = tuple(sorted(path.stem for path in _FOLDER.glob("*.txt")))


def listed_codes(name: str) -> tuple[str, ...]:
    """Return the codes of a list, in its order and in capitals.

    Raises:
        InputError: listing those that are known.
    """
    if name not in LISTS:
        raise InputError(f"{name}: no such list of structures; expected {', '.join(LISTS)}")
    lines = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(code for line in lines if not line.startswith("#") for code in line.split())


def named_list(pattern: str | Path) -> tuple[str, str] | None:
    """Return the list and the folder of `NAME:FOLDER`; None for anything else."""
    name, colon, folder = str(pattern).partition(":")
    return (name, folder) if colon and name in LISTS else None


def find_listed(
    name: str,
    folder: str | Path,
    suffixes: tuple[str, ...],
    report: Callable[[str], None] | None = None,
) -> list[Path]:
    """Return the files of a list that are there, in its order.

    Args:
        name: of the list.
        folder: looked into, with all below it.
        suffixes: of structure files.
        report: called with one sentence that counts the missing codes and names the first.

    Raises:
        InputError: when there is no folder, or nothing of the list in it.
    """
    codes, place = listed_codes(name), Path(folder).expanduser()
    if not place.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with structures of {name}")
    files: dict[str, Path] = {}
    for path in sorted(place.rglob("*"), key=lambda path: ("cif" not in path.name.lower(), path)):
        code = _code(path, suffixes)
        if code is not None:
            files.setdefault(code, path)
    missing = [code for code in codes if code not in files]
    if len(missing) == len(codes):
        raise InputError(
            f"{folder}: none of the {len(codes)} structures of {name} is there "
            f"(first: {missing[0]}); expected files named by their codes"
        )
    if missing and report is not None:
        report(
            f"{len(missing)} of {len(codes)} structures of {name} are missing, first {missing[0]}"
        )
    return [files[code] for code in codes if code in files]


def _code(path: Path, suffixes: tuple[str, ...]) -> str | None:
    ends = [end for end in suffixes if path.name.lower().endswith(end)]
    if not ends:
        return None
    stem = path.name[: -max(map(len, ends))].upper()
    return stem.removeprefix("PDB") if len(stem) == 7 else stem
