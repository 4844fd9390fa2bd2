"""The state of the microscope for each micrograph, from RELION's tables of micrographs.

Defocus, astigmatism and phase shift stand with the micrograph; voltage, spherical aberration and
amplitude contrast in its optics group (3.1 and later) or beside them (before).
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxpick.io.files import InputError
from jaxpick.io.star import StarBlock, numbers, read_star
from jaxpick.physics.ctf import Optics

_NAME, _GROUP, _DEFOCUS = "rlnMicrographName", "rlnOpticsGroup", "rlnDefocusU"
_OWN = {
    "defocus_u_angstrom": _DEFOCUS,
    "defocus_v_angstrom": "rlnDefocusV",
    "astigmatism_deg": "rlnDefocusAngle",
    "phase_shift_deg": "rlnPhaseShift",
}
_SHARED = {
    "voltage_kv": "rlnVoltage",
    "spherical_aberration_mm": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
}


def has_optics(path: str | Path) -> bool:
    """Return whether a file is a table of micrographs with their defocus."""
    return str(path).lower().endswith(".star") and _table(read_star(path)) is not None


def read_optics(path: str | Path) -> dict[str, Optics]:
    """Return the optics of each micrograph by its file name without folder and suffix.

    Raises:
        InputError: when the file has no defocus, or a value is missing or no number.
    """
    blocks = read_star(path)
    table = _table(blocks)
    if table is None:
        raise InputError(f"{path}: expected columns _{_NAME} and _{_DEFOCUS}")
    source = str(path)
    columns = {
        name: numbers(table, label, source)
        for name, label in _OWN.items()
        if label in table.columns
    }
    columns |= {name: _shared(label, table, blocks, source) for name, label in _SHARED.items()}
    columns.setdefault("defocus_v_angstrom", columns["defocus_u_angstrom"])
    names = [Path(name.rpartition("@")[2]).stem for name in table.columns[_NAME]]
    return {
        name: Optics(**{field: float(values[row]) for field, values in columns.items()})
        for row, name in enumerate(names)
    }


def _table(blocks: list[StarBlock]) -> StarBlock | None:
    return next((b for b in blocks if {_NAME, _DEFOCUS} <= set(b.columns)), None)


def _shared(
    label: str, table: StarBlock, blocks: list[StarBlock], source: str
) -> Float[np.ndarray, " row"]:
    """Return what an optics group says, or the table itself."""
    if label in table.columns:
        return numbers(table, label, source)
    group = next((b for b in blocks if {_GROUP, label} <= set(b.columns)), None)
    if group is None or _GROUP not in table.columns:
        raise InputError(f"{source}: expected a column _{label} beside _{_DEFOCUS}")
    known = dict(zip(group.columns[_GROUP], numbers(group, label, source), strict=True))
    absent = sorted(set(table.columns[_GROUP]) - set(known))
    if absent:
        raise InputError(f"{source}: optics group {absent[0]} is not in its table of optics")
    return np.array([known[name] for name in table.columns[_GROUP]])
