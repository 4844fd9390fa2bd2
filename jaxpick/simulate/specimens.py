"""A specimen: one rigid molecule as point beads that share one form factor.

Atoms, density maps and phantoms all become this, so that one projector serves them. Every bead
carries its integral of excess potential over vitreous ice (volt angstrom^3); the shared shape is a
sum of Gaussians in Fourier space, F(q) = sum_g weight_g exp(-b_g q^2 / 4) with F(0) = 1.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from jaxpick.spec import require

# Share of the mass inside the sphere that `diameter_angstrom` names.
DIAMETER_MASS_SHARE = 0.98


@dataclasses.dataclass(frozen=True, kw_only=True)
class Specimen:
    """One molecule (or one conformer, or one broken variant of it).

    Attributes:
        name: what reports call it.
        positions_angstrom: x, y, z of each bead; the origin is the centre of mass (see `centred`).
        potential_volt_angstrom3: integral of each bead's excess potential; negative is possible
            (lipid tails).
        form_weight: weights of the Gaussians of the shared form factor; they sum to 1.
        form_b_angstrom2: their B factors, exp(-b q^2 / 4).
        mass_kda: molecular mass.
        group: conformers and broken variants of one molecule share this name.
        is_intact: False for a broken variant.
        family: kind of shape, for held-out families and reports ("" where unknown).
    """

    name: str
    positions_angstrom: Float[np.ndarray, "bead 3"]
    potential_volt_angstrom3: Float[np.ndarray, " bead"]
    form_weight: Float[np.ndarray, " gaussian"]
    form_b_angstrom2: Float[np.ndarray, " gaussian"]
    mass_kda: float
    group: str
    is_intact: bool = True
    family: str = ""

    def __post_init__(self) -> None:
        require(
            len(self.positions_angstrom) > 0,
            f"{self.name}: positions_angstrom",
            0,
            "one bead or more",
        )
        total = float(np.sum(self.form_weight))
        require(
            abs(total - 1.0) < 1e-4, f"{self.name}: form_weight", total, "weights that sum to 1"
        )
        require(self.mass_kda > 0, f"{self.name}: mass_kda", self.mass_kda, "a positive mass")


def centred(specimen: Specimen) -> Specimen:
    """Return the specimen with its origin at the centre of (absolute) excess potential."""
    weight = np.abs(specimen.potential_volt_angstrom3)
    centre = weight @ specimen.positions_angstrom / weight.sum()
    moved = np.asarray(specimen.positions_angstrom - centre[None, :], np.float32)
    return dataclasses.replace(specimen, positions_angstrom=moved)


def diameter_angstrom(specimen: Specimen) -> float:
    """Return twice the radius about the origin that holds 98 % of the (absolute) potential.

    For compact molecules this is the longest dimension that a user would give, less a percent: a
    solid ball of radius R gives 1.987 R, a thin rod of length L 0.98 L. Loose tails of less than 2
    % of the mass do not count.
    """
    radius = np.linalg.norm(specimen.positions_angstrom, axis=1)
    order = np.argsort(radius)
    share = np.cumsum(np.abs(specimen.potential_volt_angstrom3)[order])
    last = int(np.searchsorted(share, DIAMETER_MASS_SHARE * share[-1]))
    return 2.0 * float(radius[order[last]])
