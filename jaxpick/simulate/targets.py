"""What a network is asked to predict, from a simulated micrograph: segmentation or heat map, and
where it is not judged.

Which particles must be found, which are not judged and which are background is decided once
(`judge`); the maps follow from the distance to the nearest whole particle in its radii, and from
who owns each pixel by projected mass.
"""

import dataclasses
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.numerics.memory import computed_once
from jaxpick.pytrees import pytree
from jaxpick.simulate.planes import CLASSES
from jaxpick.simulate.simulated import Simulated
from jaxpick.simulate.truth import Truth
from jaxpick.spec import require

# Particles on a carbon film, in a haze or behind a micelle stay in sight; the rest covers them.
IN_SIGHT = ("none", "carbon", "micelle", "coil_fog", "lattice", "aggregate_ring")
HIDING = tuple(name for name in CLASSES if name not in IN_SIGHT)
# A pixel whose target would be below this belongs to the background of its particle.
LEAST_VALUE = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetSpec:
    """How truth becomes a target.

    Attributes:
        kind: `disc` (fraction of the radius), `mass` (projected mass, PARSED's "ground-truth
            particle-segmentation map"), or `heat` (Gaussian about the centre).
        disc_fraction: radius of the disc in radii of the particle; below 1, neighbours stay apart.
        heat_sigma: of the Gaussian, in diameters.
        overlap_limit: particles that another covers over a larger share of their disc are not
            judged ...
        drop_overlap: ... and beyond this share they are background; 1 drops none.
        least_dprime: particles whose matched filter gives less signal to noise are not judged.
        least_visible: nor those of which a smaller share lies inside the frame; from 0.5 on, whose
            centre is outside.
        hidden_by: nor those whose centre lies in a contaminant of these classes.
        aggregates: whether aggregates and broken particles are background or are not judged.
        aggregate_ring: what lies next to an aggregate is not judged.

    Two-dimensional crystals are never judged. The defaults are those that networks are trained
    with; `RECORDED` is what the truth of a simulated set says.
    """

    kind: Literal["disc", "mass", "heat"] = "disc"
    disc_fraction: float = 0.5
    heat_sigma: float = 0.2
    overlap_limit: float = 0.6
    drop_overlap: float = 1.0
    least_dprime: float = 3.0
    least_visible: float = 0.5
    hidden_by: tuple[str, ...] = HIDING
    aggregates: Literal["negative", "ignore"] = "negative"
    aggregate_ring: bool = False

    def __post_init__(self) -> None:
        in_reach = 0 < self.disc_fraction <= 1.5
        require(in_reach, "disc_fraction", self.disc_fraction, "above 0, at most 1.5")
        require(self.heat_sigma > 0, "heat_sigma", self.heat_sigma, "a positive share")
        limit = self.overlap_limit
        require(0 < limit <= 1, "overlap_limit", limit, "above 0, at most 1")
        drops = limit <= self.drop_overlap <= 1
        require(drops, "drop_overlap", self.drop_overlap, f"overlap_limit ({limit:g}) to 1")
        require(0 <= self.least_visible <= 1, "least_visible", self.least_visible, "0 to 1")
        known = set(self.hidden_by) <= set(CLASSES)
        require(known, "hidden_by", self.hidden_by, f"some of {', '.join(CLASSES[1:])}")

    @property
    def open_classes(self) -> tuple[str, ...]:
        """Contaminants that may or may not be picked."""
        ring = ("aggregate_ring",) if self.aggregate_ring else ()
        return ("lattice", *ring, *(("aggregate", "broken") if self.aggregates == "ignore" else ()))


# Overlap below 0.3 is kept, up to 0.6 is not judged, beyond is left out of the truth.
RECORDED = TargetSpec(
    overlap_limit=0.3,
    drop_overlap=0.6,
    hidden_by=(*HIDING, "lattice", "aggregate_ring"),
    aggregate_ring=True,
)


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """Target of one micrograph: `value` in [0, 1] and `weight`, 0 where it is not judged."""

    value: Float[Array, "*batch y x"]
    weight: Float[Array, "*batch y x"]


def make_target(simulated: Simulated, spec: TargetSpec) -> Target:
    """Return the target of one micrograph."""
    is_wanted, is_ignored = judge(simulated.truth, spec)
    shape = shape_of(simulated, spec)
    slot = simulated.instance if spec.kind == "mass" else simulated.nearest
    is_drawn = shape > LEAST_VALUE
    is_blank = of_pixel(is_ignored, slot) & is_drawn
    is_blank |= _is_blank(simulated.contaminant_mask, spec)
    wanted = of_pixel(is_wanted, slot)
    return Target(
        value=jnp.where(wanted, shape, 0.0),
        weight=jnp.where(is_blank & ~(wanted & is_drawn), 0.0, 1.0),
    )


def judge(
    truth: Truth, spec: TargetSpec
) -> tuple[Bool[Array, " particle"], Bool[Array, " particle"]]:
    """Return which particles must be found and which are not judged; the rest are background."""
    is_candidate = truth.valid & ~truth.is_broken & (truth.overlap_fraction <= spec.drop_overlap)
    is_clear = truth.overlap_fraction <= spec.overlap_limit
    is_clear &= (truth.visible_fraction >= spec.least_visible) & (truth.dprime >= spec.least_dprime)
    is_clear &= ~jnp.isin(truth.contaminant, _classes(spec.hidden_by))
    return is_candidate & is_clear, is_candidate & ~is_clear


def shape_of(simulated: Simulated, spec: TargetSpec) -> Float[Array, "y x"]:
    """Return the target's shape around every whole particle, before any is left out."""
    if spec.kind == "mass":
        return simulated.mask_mass.astype(jnp.float32)
    if spec.kind == "disc":
        return (simulated.distance <= spec.disc_fraction).astype(jnp.float32)
    # The distance is in radii, the width in diameters.
    return jnp.exp(-0.5 * (simulated.distance / (2.0 * spec.heat_sigma)) ** 2)


def ignored_pixels(
    truth: Truth,
    distance: Float[Array, "y x"],
    nearest: Int[Array, "y x"],
    contaminant_mask: Int[Array, "y x"],
    spec: TargetSpec,
) -> Bool[Array, "y x"]:
    """Return the pixels on which a picker is not judged: whole discs of ignored particles, and
    contaminants that `spec` leaves open.

    Args: the fields of `Simulated`.
    """
    ignored = of_pixel(judge(truth, spec)[1], nearest) & (distance <= 1.0)
    return ignored | _is_blank(contaminant_mask, spec)


def of_pixel(flags: Bool[Array, " particle"], slot: Int[Array, "y x"]) -> Bool[Array, "y x"]:
    """Return each pixel's flag: that of its particle, by slot + 1; False where there is none."""
    return computed_once(jnp.any(flags), lambda: jnp.pad(flags, (1, 0)))[slot]


def _is_blank(contaminant_mask: Int[Array, "y x"], spec: TargetSpec) -> Bool[Array, "y x"]:
    """Return the pixels of contaminants that may or may not be picked."""
    return jnp.isin(contaminant_mask, _classes(spec.open_classes))


def _classes(names: tuple[str, ...]) -> Int[Array, " class"]:
    return jnp.asarray([CLASSES.index(name) for name in names], jnp.int32)
