"""One simulated micrograph with everything that is true of it."""

import dataclasses

from jaxtyping import Array, Bool, Float, Int

from jaxpick.physics.ctf import Optics
from jaxpick.pytrees import pytree
from jaxpick.simulate.truth import Truth


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulated:
    """One micrograph and its truth.

    Attributes:
        image: counts over their mean, as a motion-corrected micrograph is.
        truth: every particle.
        instance: particle slot + 1 whose projected mass is largest here and above its threshold
            (whole and broken).
        mask_mass: pixels of whole particles by projected mass.
        mask_disc: pixels within the discs of whole particles.
        distance: to the nearest whole particle's centre, in its radii; large where none is near.
        nearest: slot + 1 of that particle.
        contaminant_mask: class of the contaminant here (`planes.CLASSES`), 0 for none.
        contaminant_instance: number of that contaminant within the micrograph.
        ignore_mask: discs of the particles, and contaminants, on which a picker should not be judged
            (by `targets.RECORDED`).
        nominal_diameter_px: the target's diameter as a user would give it.
    """

    image: Float[Array, "*batch y x"]
    truth: Truth
    instance: Int[Array, "*batch y x"]
    mask_mass: Bool[Array, "*batch y x"]
    mask_disc: Bool[Array, "*batch y x"]
    distance: Float[Array, "*batch y x"]
    nearest: Int[Array, "*batch y x"]
    contaminant_mask: Int[Array, "*batch y x"]
    contaminant_instance: Int[Array, "*batch y x"]
    ignore_mask: Bool[Array, "*batch y x"]
    pixel_size_angstrom: Float[Array, "*batch"]
    optics: Optics
    dose_e_per_angstrom2: Float[Array, "*batch"]
    nominal_diameter_px: Float[Array, "*batch"]
    nominal_diameter_angstrom: Float[Array, "*batch"]
