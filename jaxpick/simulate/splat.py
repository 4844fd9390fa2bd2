"""Adding turned, shifted views of a bank into one field, and finding which slot owns each pixel.

A view is sampled by one bilinear gather, image(x, y) = view(c x - s y, s x + c y) with c, s = cos, sin psi and (x, y) the
offset from the particle's sub-pixel centre in bank pixels (the convention of `bank.py`), then added at a whole-pixel
corner. On a CPU the additions are a scan of slice updates, elsewhere one scatter; both keep the same sums up to rounding.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxpick.simulate.bank import Bank
from jaxpick.simulate.scene import TARGET, Scene

# Projected excess potential of 20 angstrom of protein (3.38 V): thinner is not seen as particle.
LEAST_VOLT_ANGSTROM = 68.0
LEAST_SHARE = 0.15
FAR = 1e6


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Splat:
    """Planes of one field.

    Attributes:
        potential: projected excess potential of all molecules, volt angstrom.
        owner: slot with the largest projected potential here, where that one's is above its threshold, plus 1; else 0.
        distance: distance to the nearest target centre in units of its radius (`FAR` beyond its patch).
        nearest: slot of that target plus 1; 0 where none.
        patches: projected potential of each slot alone.
    """

    potential: Float[Array, "y x"]
    owner: Int[Array, "y x"]
    distance: Float[Array, "y x"]
    nearest: Int[Array, "y x"]
    patches: Float[Array, "particle patch patch"]


def splat(scene: Scene, bank: Bank, field_yx_px: tuple[int, int], patch_px: int) -> Splat:
    """Return the planes of a scene; `patch_px` must hold every particle (`Priors.patch_px`)."""
    patches, distance, corner = make_patches(scene, bank, patch_px)
    slot = jnp.arange(1, scene.valid.shape[0] + 1, dtype=jnp.int32)
    peak = jnp.max(patches, axis=(1, 2))
    floor = jnp.maximum(LEAST_SHARE * peak, jnp.minimum(LEAST_VOLT_ANGSTROM, 0.5 * peak))
    margin = patch_px
    shape = (field_yx_px[0] + 2 * margin, field_yx_px[1] + 2 * margin)
    planes = _by_scan if jax.default_backend() == "cpu" else _by_scatter
    corner = jnp.clip(corner + margin, 0, (jnp.asarray(shape) - patch_px)[None, :])
    whole = planes(shape, corner, slot, patches, floor, distance)
    potential, owner, distance, nearest = (
        plane[margin:-margin, margin:-margin] for plane in whole
    )
    return Splat(
        potential=potential, owner=owner, distance=distance, nearest=nearest, patches=patches
    )


def make_patches(
    scene: Scene, bank: Bank, patch_px: int
) -> tuple[
    Float[Array, "particle patch patch"],
    Float[Array, "particle patch patch"],
    Int[Array, "particle 2"],
]:
    """Return each slot's projected potential, its distance map (radii; targets only) and its patch's corner in the field.

    Free slots hold zeros and `FAR`.
    """
    whole = jnp.round(scene.centre_yx_px)
    corner = whole.astype(jnp.int32) - patch_px // 2
    grid = jnp.arange(patch_px, dtype=jnp.float32) - patch_px // 2
    fraction = scene.centre_yx_px - whole
    dy = grid[None, :, None] - fraction[:, 0, None, None]
    dx = grid[None, None, :] - fraction[:, 1, None, None]
    cut_y, cut_x, offset = (scene.cut[:, i, None, None] for i in range(3))
    is_kept = jax.nn.sigmoid(2.0 * (offset - cut_y * dy - cut_x * dx))
    is_kept = jnp.where((cut_y == 0) & (cut_x == 0), 1.0, is_kept)
    strength = (scene.strength * scene.valid)[:, None, None]
    patches = sample_views(scene, bank, dy, dx) * strength * is_kept
    radii = jnp.sqrt(dy**2 + dx**2) / (0.5 * scene.diameter_px[:, None, None])
    is_target = (scene.valid & (scene.role == TARGET))[:, None, None]
    return patches, jnp.where(is_target, radii, FAR), corner


def sample_views(
    scene: Scene,
    bank: Bank,
    dy: Float[Array, "particle patch 1"],
    dx: Float[Array, "particle 1 patch"],
) -> Float[Array, "particle patch patch"]:
    """Sample each slot's view at offsets (dy, dx) in micrograph pixels from its centre; zero outside the box."""
    box = bank.views.shape[-1]
    views = bank.views[scene.species, scene.view].astype(jnp.float32)
    psi = jnp.deg2rad(scene.psi_deg)
    c = (scene.magnification * jnp.cos(psi))[:, None, None]
    s = (scene.magnification * jnp.sin(psi))[:, None, None]
    x = c * dx - s * dy + box // 2
    y = s * dx + c * dy + box // 2
    x0, y0 = jnp.floor(x), jnp.floor(y)
    fx, fy = x - x0, y - y0
    is_in = (x0 >= 0) & (y0 >= 0) & (x0 < box - 1) & (y0 < box - 1)
    corner = jnp.where(is_in, y0 * box + x0, 0.0).astype(jnp.int32)
    flat, at = views.reshape(-1, box * box), corner.reshape(corner.shape[0], -1)

    def tap(step: int) -> Float[Array, "particle patch patch"]:
        taken = jnp.take_along_axis(flat, at + step, axis=1, mode="promise_in_bounds")
        return taken.reshape(corner.shape)

    top = tap(0) * (1.0 - fx) + tap(1) * fx
    bottom = tap(box) * (1.0 - fx) + tap(box + 1) * fx
    return jnp.where(is_in, top * (1.0 - fy) + bottom * fy, 0.0)


Planes = tuple[
    Float[Array, "y x"], Int[Array, "y x"], Float[Array, "y x"], Int[Array, "y x"]
]


def _by_scan(
    shape: tuple[int, int],
    corner: Int[Array, "particle 2"],
    slot: Int[Array, " particle"],
    patches: Float[Array, "particle patch patch"],
    floor: Float[Array, " particle"],
    distance: Float[Array, "particle patch patch"],
) -> Planes:
    patch_shape = patches.shape[1:]

    def add(planes: tuple[Array, ...], one: tuple[Array, ...]) -> tuple[tuple[Array, ...], None]:
        corner, slot, patch, floor, distance = one
        old = [jax.lax.dynamic_slice(plane, (corner[0], corner[1]), patch_shape) for plane in planes]
        total, best, owner, nearest_distance, nearest = old
        owns = (patch > best) & (patch >= floor) & (patch > 0)
        nears = distance < nearest_distance
        new = (
            total + patch,
            jnp.where(owns, patch, best),
            jnp.where(owns, slot, owner),
            jnp.where(nears, distance, nearest_distance),
            jnp.where(nears, slot, nearest),
        )
        updated = [
            jax.lax.dynamic_update_slice(plane, value, (corner[0], corner[1]))
            for plane, value in zip(planes, new, strict=True)
        ]
        return tuple(updated), None

    zero, none = jnp.zeros(shape, jnp.float32), jnp.zeros(shape, jnp.int32)
    start = (zero, zero, none, jnp.full(shape, FAR, jnp.float32), none)
    planes, _ = jax.lax.scan(add, start, (corner, slot, patches, floor, distance))
    return planes[0], planes[2], planes[3], planes[4]


def _by_scatter(
    shape: tuple[int, int],
    corner: Int[Array, "particle 2"],
    slot: Int[Array, " particle"],
    patches: Float[Array, "particle patch patch"],
    floor: Float[Array, " particle"],
    distance: Float[Array, "particle patch patch"],
) -> Planes:
    grid = jnp.arange(patches.shape[1])
    y = corner[:, 0, None, None] + grid[None, :, None]
    x = corner[:, 1, None, None] + grid[None, None, :]
    zero, none = jnp.zeros(shape, jnp.float32), jnp.zeros(shape, jnp.int32)
    seen = jnp.where((patches >= floor[:, None, None]) & (patches > 0), patches, 0.0)
    best = zero.at[y, x].max(seen)
    is_owner = (seen > 0) & (seen == best[y, x])
    nearest = jnp.full(shape, FAR, jnp.float32).at[y, x].min(distance)
    is_nearest = (distance < FAR) & (distance == nearest[y, x])
    labels = jnp.broadcast_to(slot[:, None, None], patches.shape)
    return (
        zero.at[y, x].add(patches),
        none.at[y, x].max(jnp.where(is_owner, labels, 0)),
        nearest,
        none.at[y, x].max(jnp.where(is_nearest, labels, 0)),
    )
