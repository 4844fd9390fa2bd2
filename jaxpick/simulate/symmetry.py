"""Point groups of molecules as rotation matrices: Cn, Dn, T, O, I, identity first.

Axes follow RELION and IMAGIC: the highest (C, D) axis is z and D's twofold axis is x. T, O and
    I keep scipy's axes, where
twofold axes lie on x, y, z.
"""

import re

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from jaxpick.spec import SpecError


def symmetry_group(name: str) -> Float[np.ndarray, "element 3 3"]:
    """Return the rotations of a point group, identity first.

    Args:
        name: "C1", "C7", "D4", "T", "O" or "I" (case does not matter).

    Raises:
        SpecError: on any other name.
    """
    match = re.fullmatch(r"([CD])([1-9]\d*)|([TOI])", name.upper())
    if match is None:
        raise SpecError(f"symmetry: expected Cn, Dn, T, O or I, got {name!r}")
    group = Rotation.create_group(name.upper()).as_matrix()
    # scipy does not promise that the identity comes first.
    order = np.argsort(np.linalg.norm(group - np.eye(3)[None], axis=(1, 2)), kind="stable")
    return group[order]
