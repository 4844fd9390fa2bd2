"""A bank of views: projections of several species on one set of directions.

The view's pixel `box // 2` in y and x is the specimen's centre of mass. Views are projected excess
potential over vitreous ice in volt angstrom, before any optics, band-limited to their own Nyquist
frequency. Only the direction is quantised: at placement the view is turned by psi, image(x, y) =
view(c x - s y, s x + c y) with c, s = cos, sin psi and (x, y) the offset from the particle's
centre, and its Euler angles are then exactly (rot, tilt, psi) of RELION.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxpick.physics.projection import project_beads
from jaxpick.pytrees import pytree
from jaxpick.simulate.rotations import fibonacci_views_deg, matrix_from_euler
from jaxpick.simulate.specimens import Specimen, diameter_angstrom
from jaxpick.spec import SpecError, require

# A particle wider than this share of its box would meet its own periodic image when the view is
# turned.
MAX_BOX_SHARE = 0.95


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Bank:
    """Views of several species, the same directions and box for all.

    Attributes:
        views: projected excess potential over ice, volt angstrom, float16 or float32, at psi = 0.
        euler_deg: RELION rot and tilt of each view; psi is added at placement.
        pixel_angstrom: sampling of each species' views (species may differ).
        diameter_angstrom: twice the radius that holds 98 % of the mass
            (`specimens.diameter_angstrom`).
        mass_kda: molecular mass.
        group: conformers and broken variants of one molecule share a number.
        is_intact: False for a broken variant.
    """

    views: Float[Array, "species view box box"]
    euler_deg: Float[Array, "view 2"]
    pixel_angstrom: Float[Array, " species"]
    diameter_angstrom: Float[Array, " species"]
    mass_kda: Float[Array, " species"]
    group: Int[Array, " species"]
    is_intact: Bool[Array, " species"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BankSpec:
    """How a bank is sampled: a pixel size for all, or as many pixels for each particle's diameter.

    Attributes:
        num_views: directions on the whole sphere; neighbours are sqrt(4 pi / num_views) rad apart.
        box_px: edge of each view.
        pixel_angstrom: sampling for all species; None when `diameter_px` is given.
        diameter_px: each species is sampled so that its diameter spans this many pixels.
        b_factor_angstrom2: damping exp(-B q^2 / 4) on top of each specimen's own form factor.
        dtype: of the stored views.
    """

    num_views: int = 256
    box_px: int = 64
    pixel_angstrom: float | None = None
    diameter_px: float | None = None
    b_factor_angstrom2: float = 0.0
    dtype: Literal["float16", "float32"] = "float16"

    def __post_init__(self) -> None:
        require(self.num_views >= 1, "num_views", self.num_views, "1 or more")
        require(
            self.box_px >= 8 and self.box_px % 2 == 0,
            "box_px",
            self.box_px,
            "an even number from 8",
        )
        chosen = (self.pixel_angstrom is None) != (self.diameter_px is None)
        require(
            chosen,
            "pixel_angstrom",
            self.pixel_angstrom,
            "this or diameter_px, not both and not neither",
        )
        if self.pixel_angstrom is not None:
            require(
                self.pixel_angstrom > 0, "pixel_angstrom", self.pixel_angstrom, "a positive number"
            )
        if self.diameter_px is not None:
            fits = 2 <= self.diameter_px <= MAX_BOX_SHARE * self.box_px
            require(fits, "diameter_px", self.diameter_px, f"2 to {MAX_BOX_SHARE} of box_px")
        require(
            self.b_factor_angstrom2 >= 0, "b_factor_angstrom2", self.b_factor_angstrom2, "0 or more"
        )


def build_bank(specimens: Sequence[Specimen], spec: BankSpec) -> Bank:
    """Project every specimen in every direction.

    Args:
        specimens: centred molecules, one or more; their order is the order of `species`.
        spec: the sampling.

    Raises:
        SpecError: when a specimen does not fit its box, or there is none.
    """
    require(len(specimens) > 0, "specimens", len(specimens), "one or more")
    diameters = np.array([diameter_angstrom(specimen) for specimen in specimens])
    pixels = np.array([_pixel(s, d, spec) for s, d in zip(specimens, diameters, strict=True)])
    euler = fibonacci_views_deg(spec.num_views)
    rotations = np.asarray(
        matrix_from_euler(jnp.asarray(np.pad(euler, ((0, 0), (0, 1))), jnp.float32))
    )
    views = np.empty((len(specimens), spec.num_views, spec.box_px, spec.box_px), spec.dtype)
    for index, specimen in enumerate(specimens):
        views[index] = project_specimen(
            specimen,
            rotations,
            box_px=spec.box_px,
            pixel_angstrom=float(pixels[index]),
            b_factor_angstrom2=spec.b_factor_angstrom2,
        )
    _, group = np.unique([specimen.group for specimen in specimens], return_inverse=True)
    return Bank(
        views=jnp.asarray(views),
        euler_deg=jnp.asarray(euler, jnp.float32),
        pixel_angstrom=jnp.asarray(pixels, jnp.float32),
        diameter_angstrom=jnp.asarray(diameters, jnp.float32),
        mass_kda=jnp.asarray([specimen.mass_kda for specimen in specimens], jnp.float32),
        group=jnp.asarray(group, jnp.int32),
        is_intact=jnp.asarray([specimen.is_intact for specimen in specimens]),
    )


def project_specimen(
    specimen: Specimen,
    rotations: Float[np.ndarray, "view 3 3"],
    *,
    box_px: int,
    pixel_angstrom: float,
    b_factor_angstrom2: float = 0.0,
) -> Float[np.ndarray, "view box box"]:
    """Return one specimen's views at any rotations, in volt angstrom, float32.

    With each particle's own A(rot, tilt, psi) this gives evaluation sets their exact poses.
    """
    return project_beads(
        specimen.positions_angstrom,
        specimen.potential_volt_angstrom3,
        rotations,
        box_px=box_px,
        pixel_angstrom=pixel_angstrom,
        form_weight=specimen.form_weight,
        form_b_angstrom2=specimen.form_b_angstrom2 + b_factor_angstrom2,
    )


def join_banks(banks: Sequence[Bank]) -> Bank:
    """Put the species of several banks of one box and one set of views behind each other."""
    shapes = {bank.views.shape[1:] for bank in banks}
    require(len(shapes) == 1, "banks", sorted(shapes), "the same number of views and the same box")
    fields = [
        field.name for field in dataclasses.fields(Bank) if field.name not in ("euler_deg", "group")
    ]
    joined = {name: jnp.concatenate([getattr(bank, name) for bank in banks]) for name in fields}
    steps = np.cumsum([0] + [int(bank.group.max()) + 1 for bank in banks[:-1]])
    group = jnp.concatenate(
        [bank.group + int(step) for bank, step in zip(banks, steps, strict=True)]
    )
    return Bank(euler_deg=banks[0].euler_deg, group=group, **joined)


def select_species(
    bank: Bank, keep: Int[np.ndarray, " kept"] | Bool[np.ndarray, " species"]
) -> Bank:
    """Return the bank of the chosen species (indices or a mask); group numbers are kept."""
    fields = [field.name for field in dataclasses.fields(Bank) if field.name != "euler_deg"]
    return dataclasses.replace(
        bank, **{name: getattr(bank, name)[jnp.asarray(keep)] for name in fields}
    )


def _pixel(specimen: Specimen, diameter: float, spec: BankSpec) -> float:
    if spec.pixel_angstrom is None:
        return diameter / float(spec.diameter_px or 1.0)
    if diameter > MAX_BOX_SHARE * spec.box_px * spec.pixel_angstrom:
        raise SpecError(
            f"box_px: expected a box that holds {specimen.name} ({diameter:.0f} angstrom), "
            f"got {spec.box_px} px of {spec.pixel_angstrom} angstrom"
        )
    return spec.pixel_angstrom
