"""How particles lie in a micrograph: anywhere, or about a few preferred axes, with psi always free.

The view direction is the beam seen from the body: the third row of RELION's matrix A(rot, tilt,
psi). Particles that prefer an axis point both ways along it, as at the two air-water interfaces
(Noble et al. 2018). Distributions about an axis are von Mises-Fisher.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxpick.simulate.draws import coin, log_uniform, uniform, unit_arrays
from jaxpick.simulate.priors import ScenePrior
from jaxpick.typing import RandomKey, Scalar

MAX_LOBES = 3


def view_directions(euler_deg: Float[Array, "view 2"]) -> Float[Array, "view 3"]:
    """Return the unit view directions (x, y, z) of rot and tilt in degrees."""
    rot, tilt = jnp.deg2rad(euler_deg[:, 0]), jnp.deg2rad(euler_deg[:, 1])
    parts = [jnp.sin(tilt) * jnp.cos(rot), jnp.sin(tilt) * jnp.sin(rot), jnp.cos(tilt)]
    return jnp.stack(parts, axis=-1)


def rot_and_tilt_deg(directions: Float[Array, "num 3"]) -> Float[Array, "num 2"]:
    """Return rot and tilt in degrees of unit view directions: the inverse of `view_directions`."""
    rot = jnp.arctan2(directions[:, 1], directions[:, 0])
    tilt = jnp.arccos(jnp.clip(directions[:, 2], -1.0, 1.0))
    return jnp.rad2deg(jnp.stack([rot, tilt], axis=-1))


def nearest_view(
    directions: Float[Array, "num 3"], views: Float[Array, "view 3"]
) -> Int[Array, " num"]:
    """Return the index of the view direction nearest to each direction."""
    return jnp.argmax(directions @ views.T, axis=-1).astype(jnp.int32)


def uniform_directions(u: Float[Array, "num 2"]) -> Float[Array, "num 3"]:
    """Map numbers on [0, 1) to unit vectors uniform on the sphere (Archimedes: z is uniform)."""
    z, azimuth = 2.0 * u[:, 0] - 1.0, 2.0 * jnp.pi * u[:, 1]
    sine = jnp.sqrt(1.0 - z**2)
    return jnp.stack([sine * jnp.cos(azimuth), sine * jnp.sin(azimuth), z], axis=-1)


def von_mises_fisher(
    u: Float[Array, "num 2"], mean: Float[Array, "num 3"], concentration: Scalar
) -> Float[Array, "num 3"]:
    """Map numbers on [0, 1) to one direction about each mean; spread near 57 deg /
    sqrt(concentration).

    The cosine is drawn by inversion, w = 1 + log(v + (1 - v) exp(-2 kappa)) / kappa, exact in three
    dimensions (Jakob 2012, eq. 4).
    """
    kappa = jnp.maximum(jnp.asarray(concentration, jnp.float32), 1e-3)
    v = jnp.maximum(u[:, 0:1], 1e-7)
    cosine = jnp.clip(1.0 + jnp.log(v + (1.0 - v) * jnp.exp(-2.0 * kappa)) / kappa, -1.0, 1.0)
    first, second = _tangents(mean)
    azimuth = 2.0 * jnp.pi * u[:, 1:2]
    tangent = jnp.cos(azimuth) * first + jnp.sin(azimuth) * second
    return cosine * mean + jnp.sqrt(1.0 - cosine**2) * tangent


def preferred_directions(
    u: Float[Array, "num 6"], axes: Float[Array, "lobe 3"], weight: Scalar, concentration: Scalar
) -> Float[Array, "num 3"]:
    """Map numbers on [0, 1) to directions of which a fraction `weight` lies about the axes."""
    num_lobes = axes.shape[0]
    lobe = jnp.minimum(jnp.floor(u[:, 0] * num_lobes), num_lobes - 1).astype(jnp.int32)
    sign = jnp.where(u[:, 1] < 0.5, 1.0, -1.0)
    preferred = von_mises_fisher(u[:, 2:4], sign[:, None] * axes[lobe], concentration)
    # The same two numbers serve: a direction is either preferred or free.
    free = uniform_directions(u[:, 2:4])
    return jnp.where(u[:, 4:5] < weight, preferred, free)


def draw_poses(
    key: RandomKey, prior: ScenePrior, num: int
) -> tuple[Float[Array, "num 3"], Float[Array, " num"]]:
    """Draw one micrograph's view directions and psi in degrees."""
    scalars, for_axes, u = unit_arrays(key, (3,), (MAX_LOBES, 2), (num, 6))
    is_preferred = coin(scalars[0], prior.preferred_probability)
    weight = uniform(scalars[1], prior.preferred_weight) * is_preferred
    kappa = log_uniform(scalars[2], prior.preferred_kappa)
    directions = preferred_directions(u, uniform_directions(for_axes), weight, kappa)
    return directions, 360.0 * u[:, 5] - 180.0


def _tangents(axis: Float[Array, "num 3"]) -> tuple[Float[Array, "num 3"], Float[Array, "num 3"]]:
    """Return two unit vectors normal to each axis and to each other (Duff et al. 2017)."""
    x, y, z = axis[:, 0], axis[:, 1], axis[:, 2]
    sign = jnp.where(z >= 0, 1.0, -1.0)
    a = -1.0 / (sign + z)
    b = x * y * a
    first = jnp.stack([1.0 + sign * x**2 * a, sign * b, -sign * x], axis=-1)
    return first, jnp.stack([b, sign + y**2 * a, -y], axis=-1)
