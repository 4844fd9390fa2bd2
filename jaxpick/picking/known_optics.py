"""The optics of the micrograph at hand, where a table or one setting for all gives them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from jaxpick.io.files import InputError
from jaxpick.physics.ctf import Optics

# One state of the microscope for all micrographs, one for each by its name without suffix, or none.
KnownOptics: TypeAlias = Optics | Mapping[str, Optics] | None


def optics_of(known: KnownOptics, micrograph: str) -> Optics | None:
    """Return the optics of a micrograph.

    Raises:
        InputError: when there are some, but not of this one.
    """
    if known is None or isinstance(known, Optics):
        return known
    found = known.get(Path(micrograph).stem)
    if found is None:
        raise InputError(
            f"{micrograph}: its defocus is not among those of {len(known)} micrographs"
        )
    return found
