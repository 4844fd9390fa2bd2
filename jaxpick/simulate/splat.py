"""Adding turned, shifted views of a bank into one field, and finding which slot owns each pixel.

A view is sampled by one bilinear gather, image(x, y) = view(c x - s y, s x + c y) with c, s = cos,
sin psi and (x, y) the offset from the particle's sub-pixel centre in bank pixels (the convention of
`bank.py`), then added at a whole-pixel corner. On a CPU the additions are a scan of slice updates,
elsewhere one scatter; both keep the same sums up to rounding.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxpick.numerics.memory import computed_once
from jaxpick.pytrees import pytree
from jaxpick.simulate.roles import TARGET
from jaxpick.simulate.scene import SCENE_SCALARS, Scene

# Projected excess potential of 20 angstrom of protein (3.38 V): thinner is not seen as particle.
LEAST_VOLT_ANGSTROM = 68.0
LEAST_SHARE = 0.15
# Distances are known up to this many radii; beyond it is `FAR`.
REACH_RADII = 4.0
FAR = 1e6
# A claim on a pixel is 19 bits of rank above 12 bits of slot: the largest claim wins in one
# maximum.
SLOT_BITS = 12
RANK_LEVELS = 2**19 - 1
HIGHEST_VOLT_ANGSTROM = 8192.0
# Slots that are sampled together on a CPU.
CHUNK = 32

Views = Float[Array, "species view box box"]
Corners = Int[Array, "particle 2"]
Patches = Float[Array, "particle patch patch"]


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Splat:
    """Planes of one field.

    Attributes:
        potential: projected excess potential of all molecules, volt angstrom.
        owner: slot + 1 of the largest projected potential among those above their threshold; else
            0.
        distance: to the nearest target's centre in units of its radius, to 1e-5; `FAR` beyond its
            patch.
        nearest: slot + 1 of that target; 0 where none.
        patches: projected potential of each particle slot alone.
    """

    potential: Float[Array, "*batch y x"]
    owner: Int[Array, "*batch y x"]
    distance: Float[Array, "*batch y x"]
    nearest: Int[Array, "*batch y x"]
    patches: Float[Array, "*batch particle patch patch"]


def splat(
    scene: Scene, views: Views, field_yx_px: tuple[int, int], patch_px: int, max_particles: int
) -> Splat:
    """Return the planes of a scene whose first `max_particles` slots hold particles, used ones
    first.

    `patch_px` must hold every molecule (`Priors.patch_px`).

    Raises:
        ValueError: with more slots than a claim can name.
    """
    num = scene.valid.shape[0]
    if num >= 2**SLOT_BITS:
        raise ValueError(f"slots: expected fewer than {2**SLOT_BITS}, got {num}")
    shape = (field_yx_px[0] + 2 * patch_px, field_yx_px[1] + 2 * patch_px)
    add = _add_in_turn if jax.default_backend() == "cpu" else _add_at_once
    planes, patches = add(scene, views, shape, patch_px)
    potential, owner, nearest = (plane[patch_px:-patch_px, patch_px:-patch_px] for plane in planes)
    distance = REACH_RADII * (1.0 - (nearest >> SLOT_BITS).astype(jnp.float32) / RANK_LEVELS)
    slot_mask = 2**SLOT_BITS - 1
    return Splat(
        potential=potential,
        owner=owner & slot_mask,
        distance=jnp.where(nearest > 0, distance, FAR),
        nearest=nearest & slot_mask,
        patches=patches[:max_particles],
    )


def make_patches(scene: Scene, views: Views, patch_px: int) -> Patches:
    """Return each slot's projected potential around its nearest pixel; zero for free slots."""
    is_used, box = jnp.any(scene.valid), views.shape[-1]
    seen = computed_once(is_used, lambda: _padded_views(scene, views))
    reads = computed_once(is_used, lambda: _reads(scene, box, patch_px))
    dy, dx = _offsets(scene, patch_px)
    cut_y, cut_x, offset = (scene.cut[:, i, None, None] for i in range(3))
    # No cut has a zero normal and an offset of 1: all remains.
    is_kept = jnp.clip(0.5 + offset - cut_y * dy - cut_x * dx, 0.0, 1.0)
    strength = (scene.strength * scene.valid)[:, None, None]
    return _interpolate(seen, reads, box) * (strength * is_kept)


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Reads:
    """Where each pixel of a patch reads its view: four samples from `first`, and the shares of the
    right and the lower ones.
    """

    first: Int[Array, "*batch particle patch patch"]
    right: Float[Array, "*batch particle patch patch"]
    lower: Float[Array, "*batch particle patch patch"]


def _padded_views(scene: Scene, views: Views) -> Float[Array, "particle sample"]:
    """Return each slot's view, row after row, with zeros behind for pixels outside the box."""
    box = views.shape[-1]
    seen = views[scene.species, scene.view].astype(jnp.float32).reshape(-1, box**2)
    return jnp.pad(seen, ((0, 0), (0, box + 2)))


def _reads(scene: Scene, box: int, patch_px: int) -> Reads:
    """Return where image(x, y) = view(c x - s y, s x + c y) reads its view."""
    dy, dx = _offsets(scene, patch_px)
    psi = jnp.deg2rad(scene.psi_deg)
    c = (scene.magnification * jnp.cos(psi))[:, None, None]
    s = (scene.magnification * jnp.sin(psi))[:, None, None]
    x, y = c * dx - s * dy + box // 2, s * dx + c * dy + box // 2
    x0, y0 = jnp.floor(x), jnp.floor(y)
    is_in = (x0 >= 0) & (y0 >= 0) & (x0 < box - 1) & (y0 < box - 1)
    corner = jnp.where(is_in, y0 * box + x0, float(box**2)).astype(jnp.int32)
    slot = jnp.arange(scene.valid.shape[0]) * (box**2 + box + 2)
    return Reads(first=corner + slot[:, None, None], right=x - x0, lower=y - y0)


def _interpolate(seen: Float[Array, "particle sample"], reads: Reads, box: int) -> Patches:
    samples = seen.reshape(-1)

    def tap(step: int) -> Patches:
        return samples.at[reads.first + step].get(
            mode="promise_in_bounds", wrap_negative_indices=False
        )

    top = tap(0) + reads.right * (tap(1) - tap(0))
    bottom = tap(box) + reads.right * (tap(box + 1) - tap(box))
    return top + reads.lower * (bottom - top)


Planes = tuple[Float[Array, "y x"], Int[Array, "y x"], Int[Array, "y x"]]


def _offsets(
    scene: Scene, patch_px: int
) -> tuple[Float[Array, "particle patch 1"], Float[Array, "particle 1 patch"]]:
    """Return (dy, dx) from each particle's centre of the pixels of its patch."""
    grid = jnp.arange(patch_px, dtype=jnp.float32) - patch_px // 2
    fraction = scene.centre_yx_px - jnp.round(scene.centre_yx_px)
    return (
        grid[None, :, None] - fraction[:, 0, None, None],
        grid[None, None, :] - fraction[:, 1, None, None],
    )


def _parts(
    scene: Scene, views: Views, slot: Int[Array, " particle"], patch_px: int
) -> tuple[Patches, Int[Array, "particle patch patch"], Int[Array, "particle patch patch"]]:
    """Return what each slot adds to the planes: potential, claims by mass and by nearness."""
    patches = make_patches(scene, views, patch_px)
    peak = jnp.max(patches, axis=(1, 2), keepdims=True)
    floor = jnp.maximum(LEAST_SHARE * peak, jnp.minimum(LEAST_VOLT_ANGSTROM, 0.5 * peak))
    name = (slot + 1)[:, None, None]
    share = jnp.clip(patches / HIGHEST_VOLT_ANGSTROM, 0.0, 1.0)
    mass = jnp.where(patches >= floor, _claim(share, name), 0)
    dy, dx = _offsets(scene, patch_px)
    radii = jnp.sqrt(dy**2 + dx**2) / (0.5 * scene.diameter_px[:, None, None])
    is_target = (scene.valid & (scene.role == TARGET))[:, None, None]
    nearness = jnp.where(is_target, _claim(1.0 - radii / REACH_RADII, name), 0)
    return patches, mass, nearness


def _claim(share: Patches, name: Int[Array, "particle 1 1"]) -> Int[Array, "particle patch patch"]:
    rank = jnp.round(share * RANK_LEVELS).astype(jnp.int32)
    return jnp.where(rank > 0, (rank << SLOT_BITS) | name, 0)


def _corners(scene: Scene, shape: tuple[int, int], patch_px: int) -> Corners:
    """Return the first pixel of each slot's patch in planes with a rim of one patch."""
    corner = jnp.round(scene.centre_yx_px).astype(jnp.int32) - patch_px // 2 + patch_px
    return jnp.clip(corner, 0, (jnp.asarray(shape) - patch_px)[None, :])


def _empty(shape: tuple[int, int]) -> Planes:
    none = jnp.zeros(shape, jnp.int32)
    return jnp.zeros(shape, jnp.float32), none, none


def _add_in_turn(
    scene: Scene, views: Views, shape: tuple[int, int], patch_px: int
) -> tuple[Planes, Patches]:
    """Add patch after patch into slices: fastest on a CPU, where only used slots cost."""
    num = scene.valid.shape[0]
    padded = -(-num // CHUNK) * CHUNK
    order = jnp.argsort(~scene.valid, stable=True)
    order = jnp.pad(order, (0, padded - num), constant_values=num - 1)
    corners, num_valid = _corners(scene, shape, patch_px), jnp.sum(scene.valid)

    def add_chunk(chunk: Array, carry: tuple[Planes, Patches]) -> tuple[Planes, Patches]:
        planes, patches = carry
        slot = jax.lax.dynamic_slice(order, (chunk * CHUNK,), (CHUNK,))
        parts = _parts(_take(scene, slot), views, slot, patch_px)
        patches = jax.lax.dynamic_update_slice(patches, parts[0], (chunk * CHUNK, 0, 0))

        used = jnp.minimum(num_valid - chunk * CHUNK, CHUNK)
        first = corners[slot]
        # One loop a plane: each then updates its plane in place.
        planes = (
            _merge(planes[0], parts[0], first, used, jnp.add),
            _merge(planes[1], parts[1], first, used, jnp.maximum),
            _merge(planes[2], parts[2], first, used, jnp.maximum),
        )
        return planes, patches

    patches = jnp.zeros((padded, patch_px, patch_px), jnp.float32)
    num_chunks = (num_valid + CHUNK - 1) // CHUNK
    return jax.lax.fori_loop(0, num_chunks, add_chunk, (_empty(shape), patches))


def _merge(
    plane: Array,
    parts: Array,
    corner: Corners,
    num: Int[Array, ""],
    combine: Callable[[Array, Array], Array],
) -> Array:
    """Combine the first `num` patches with the plane, one after another."""

    def add(i: Array, plane: Array) -> Array:
        start = (corner[i, 0], corner[i, 1])
        old = jax.lax.dynamic_slice(plane, start, parts.shape[1:])
        return jax.lax.dynamic_update_slice(plane, combine(old, parts[i]), start)

    return jax.lax.fori_loop(0, num, add, plane)


def _take(scene: Scene, slot: Int[Array, " chosen"]) -> Scene:
    """Return the scene of the chosen slots."""
    names = [f.name for f in dataclasses.fields(Scene) if f.name not in SCENE_SCALARS]
    return dataclasses.replace(scene, **{name: getattr(scene, name)[slot] for name in names})


def _add_at_once(
    scene: Scene, views: Views, shape: tuple[int, int], patch_px: int
) -> tuple[Planes, Patches]:
    """Scatter all patches together: fastest where scattering is atomic."""
    parts = _parts(scene, views, jnp.arange(scene.valid.shape[0]), patch_px)
    corner, grid = _corners(scene, shape, patch_px), jnp.arange(patch_px)
    y = corner[:, 0, None, None] + grid[None, :, None]
    x = corner[:, 1, None, None] + grid[None, None, :]
    empty = _empty(shape)
    planes = (
        empty[0].at[y, x].add(parts[0]),
        empty[1].at[y, x].max(parts[1]),
        empty[2].at[y, x].max(parts[2]),
    )
    return planes, parts[0]
