"""What a network is asked to predict, from a simulated micrograph: segmentation, heat map, and
where not to look.

Everything follows from two planes of `render.Simulated`: the distance to the nearest whole particle
in its radii, and who owns each pixel by projected mass.
"""

import dataclasses
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxpick.pytrees import pytree
from jaxpick.simulate.planes import CLASSES
from jaxpick.simulate.render import Simulated
from jaxpick.spec import require

HIDING = tuple(CLASSES.index(name) for name in ("ice_crystal", "gold"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetSpec:
    """How truth becomes a target.

    Attributes:
        kind: `disc` (fraction of the radius), `mass` (projected mass), or `heat` (Gaussian about
            the centre).
        disc_fraction: radius of the disc in radii of the particle.
        heat_sigma: of the Gaussian, in diameters.
        ignore_overlap: particles that another covers by more than this share are not judged ...
        drop_overlap: ... and beyond this share they count as background.
        aggregates: whether aggregates and broken particles are background or are not judged.
        least_visible: particles of which less is inside the frame are not judged.
        least_dprime: weaker particles are not judged; 0 judges all.
    """

    kind: Literal["disc", "mass", "heat"] = "disc"
    disc_fraction: float = 0.5
    heat_sigma: float = 0.2
    ignore_overlap: float = 0.3
    drop_overlap: float = 0.6
    aggregates: Literal["negative", "ignore"] = "negative"
    least_visible: float = 0.5
    least_dprime: float = 0.0

    def __post_init__(self) -> None:
        require(self.disc_fraction > 0, "disc_fraction", self.disc_fraction, "a positive share")
        require(self.heat_sigma > 0, "heat_sigma", self.heat_sigma, "a positive share")
        ordered = 0 <= self.ignore_overlap <= self.drop_overlap <= 1
        require(ordered, "ignore_overlap", self.ignore_overlap, "0 <= ignore <= drop_overlap <= 1")
        require(0 <= self.least_visible <= 1, "least_visible", self.least_visible, "0 to 1")


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """Target of one micrograph: `value` in [0, 1] and `weight`, 0 where it is not judged."""

    value: Float[Array, "*batch y x"]
    weight: Float[Array, "*batch y x"]


def make_target(simulated: Simulated, spec: TargetSpec) -> Target:
    """Return the target of one micrograph."""
    is_kept, is_ignored = judge(simulated, spec)
    shape = value_of(simulated, spec)
    kept, ignored = (_by_pixel(simulated, spec, flags) for flags in (is_kept, is_ignored))
    is_blank = ignored & (shape > 0.1)
    if spec.aggregates == "ignore":
        classes = [CLASSES.index(name) for name in ("aggregate", "broken")]
        is_blank |= jnp.isin(simulated.contaminant_mask, jnp.asarray(classes))
    is_blank |= simulated.ignore_mask
    return Target(
        value=jnp.where(kept, shape, 0.0),
        weight=jnp.where(is_blank & ~(kept & (shape > 0.1)), 0.0, 1.0),
    )


def judge(
    simulated: Simulated, spec: TargetSpec
) -> tuple[Bool[Array, " particle"], Bool[Array, " particle"]]:
    """Return which particles must be found and which are not judged; the rest are background."""
    truth = simulated.truth
    is_hidden = jnp.isin(truth.contaminant, jnp.asarray(HIDING))
    is_whole = truth.valid & ~truth.is_broken
    is_candidate = is_whole & ~is_hidden & (truth.overlap_fraction <= spec.drop_overlap)
    is_clear = is_candidate & (truth.overlap_fraction <= spec.ignore_overlap)
    is_clear &= (truth.visible_fraction >= spec.least_visible) & (truth.dprime >= spec.least_dprime)
    return is_clear, is_candidate & ~is_clear


def value_of(simulated: Simulated, spec: TargetSpec) -> Float[Array, "y x"]:
    """Return the target's shape around every whole particle, before any is left out."""
    if spec.kind == "mass":
        return simulated.mask_mass.astype(jnp.float32)
    if spec.kind == "disc":
        return (simulated.distance <= spec.disc_fraction).astype(jnp.float32)
    # The distance is in radii, the width in diameters.
    return jnp.exp(-0.5 * (simulated.distance / (2.0 * spec.heat_sigma)) ** 2)


def _by_pixel(
    simulated: Simulated, spec: TargetSpec, flags: Bool[Array, " particle"]
) -> Bool[Array, "y x"]:
    """Return each pixel's flag: that of the particle which its target belongs to."""
    slot = simulated.instance if spec.kind == "mass" else simulated.nearest
    return jnp.concatenate([jnp.zeros((1,), bool), flags])[slot]
