"""How particles lie in a micrograph: anywhere, or about a few preferred axes, with psi always free.

The view direction is the beam seen from the body: the third row of RELION's matrix A(rot, tilt,
psi). Particles that prefer an axis point both ways along it, as at the two air-water interfaces
(Noble et al. 2018). Distributions about an axis are von Mises-Fisher.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxpick.simulate.draws import coin, log_uniform, uniform, units
from jaxpick.simulate.priors import ScenePrior
from jaxpick.typing import RandomKey, Scalar

MAX_LOBES = 3


def view_directions(euler_deg: Float[Array, "view 2"]) -> Float[Array, "view 3"]:
    """Return the unit view directions (x, y, z) of rot and tilt in degrees."""
    rot, tilt = jnp.deg2rad(euler_deg[:, 0]), jnp.deg2rad(euler_deg[:, 1])
    parts = [jnp.sin(tilt) * jnp.cos(rot), jnp.sin(tilt) * jnp.sin(rot), jnp.cos(tilt)]
    return jnp.stack(parts, axis=-1)


def nearest_view(
    directions: Float[Array, "num 3"], views: Float[Array, "view 3"]
) -> Int[Array, " num"]:
    """Return the index of the view direction nearest to each direction."""
    return jnp.argmax(directions @ views.T, axis=-1).astype(jnp.int32)


def uniform_directions(key: RandomKey, num: int) -> Float[Array, "num 3"]:
    """Draw unit vectors uniformly on the sphere."""
    return _unit(jax.random.normal(key, (num, 3), jnp.float32))


def von_mises_fisher(
    key: RandomKey, mean: Float[Array, "num 3"], concentration: Scalar
) -> Float[Array, "num 3"]:
    """Draw one direction about each mean direction; the spread is near 57 deg / sqrt(concentration).

    The cosine is drawn by inversion, w = 1 + log(u + (1 - u) exp(-2 kappa)) / kappa, exact in three
    dimensions (Jakob 2012, eq. 4).
    """
    cosine_key, azimuth_key = jax.random.split(key)
    u = jax.random.uniform(cosine_key, (mean.shape[0], 1), jnp.float32, 1e-7, 1.0)
    kappa = jnp.maximum(jnp.asarray(concentration, jnp.float32), 1e-3)
    cosine = jnp.clip(1.0 + jnp.log(u + (1.0 - u) * jnp.exp(-2.0 * kappa)) / kappa, -1.0, 1.0)
    noise = jax.random.normal(azimuth_key, mean.shape, jnp.float32)
    tangent = _unit(noise - jnp.sum(noise * mean, axis=-1, keepdims=True) * mean)
    return cosine * mean + jnp.sqrt(1.0 - cosine**2) * tangent


def preferred_directions(
    key: RandomKey, num: int, num_lobes: int, weight: Scalar, concentration: Scalar
) -> Float[Array, "num 3"]:
    """Draw directions of which a fraction `weight` lies about `num_lobes` random axes."""
    axis_key, pick_key, lobe_key, free_key = jax.random.split(key, 4)
    axes = uniform_directions(axis_key, num_lobes)
    u, v, w = jax.random.uniform(pick_key, (3, num), jnp.float32)
    lobe = jnp.minimum(jnp.floor(u * num_lobes), num_lobes - 1).astype(jnp.int32)
    sign = jnp.where(v < 0.5, 1.0, -1.0)
    preferred = von_mises_fisher(lobe_key, sign[:, None] * axes[lobe], concentration)
    return jnp.where((w < weight)[:, None], preferred, uniform_directions(free_key, num))


def draw_directions(key: RandomKey, prior: ScenePrior, num: int) -> Float[Array, "num 3"]:
    """Draw one micrograph's view directions from its prior."""
    unit_key, draw_key = jax.random.split(key)
    for_coin, for_weight, for_kappa = units(unit_key, 3)
    is_preferred = coin(for_coin, prior.preferred_probability)
    weight = uniform(for_weight, prior.preferred_weight) * is_preferred
    kappa = log_uniform(for_kappa, prior.preferred_kappa)
    return preferred_directions(draw_key, num, MAX_LOBES, weight, kappa)


def _unit(vector: Float[Array, "num 3"]) -> Float[Array, "num 3"]:
    return vector / jnp.maximum(jnp.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)
