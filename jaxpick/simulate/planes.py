"""Planes into which contaminants are painted: projected potential, absorption, and a label for each
pixel.

A label is `INSTANCES_PER_CLASS` x class + instance, so that one plane holds both. Smooth functions
of position are evaluated on a coarse grid and interpolated; edges stay sharp because signed
distances, not masks, are interpolated.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from jaxpick.pytrees import pytree
from jaxpick.typing import Image, Scalar

INSTANCES_PER_CLASS = 64
CLASSES = (
    "none",
    "ice_crystal",
    "ethane",
    "carbon",
    "gold",
    "aggregate",
    "broken",
    "denatured",
    "small_protein",
    "filament",
    "vesicle",
    "micelle",
    "coil_fog",
    "lattice",
    "aggregate_ring",
)


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Planes:
    """What contaminants add to a field.

    Attributes:
        potential: projected excess potential, volt angstrom.
        absorption: the amplitude falls as exp(-absorption).
        label: of the contaminant painted last, 0 for none.
    """

    potential: Float[Array, "*batch y x"]
    absorption: Float[Array, "*batch y x"]
    label: Int[Array, "*batch y x"]


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """What sizes of contaminants are measured against.

    Attributes:
        pixel_angstrom: of the field.
        diameter_angstrom: of the target.
        field_angstrom: shorter side of the field.
    """

    pixel_angstrom: Float[Array, "*batch"]
    diameter_angstrom: Float[Array, "*batch"]
    field_angstrom: Float[Array, "*batch"]


def size_of(plane: Shaped[Array, "y x"]) -> tuple[int, int]:
    """Return (y, x) of a plane."""
    return plane.shape[0], plane.shape[1]


def empty_planes(shape: tuple[int, int]) -> Planes:
    """Return planes without contaminants."""
    zero = jnp.zeros(shape, jnp.float32)
    return Planes(potential=zero, absorption=zero, label=jnp.zeros(shape, jnp.int32))


def paint(
    planes: Planes,
    name: str,
    potential: Image,
    absorption: Image,
    mask: Bool[Array, "y x"],
    instance: int | Int[Array, ""] | Int[Array, "y x"] = 0,
) -> Planes:
    """Add one contaminant of the class `name` and label its pixels."""
    label = CLASSES.index(name) * INSTANCES_PER_CLASS + jnp.asarray(instance, jnp.int32)
    return Planes(
        potential=planes.potential + potential,
        absorption=planes.absorption + absorption,
        label=jnp.where(mask, label, planes.label),
    )


def paint_in_window(
    planes: Planes,
    place: Float[Array, "2"],
    window_px: int,
    paint_part: Callable[[Planes, Float[Array, "window_y window_x"]], Planes],
) -> Planes:
    """Change a window around a place of the field, at the cost of the window alone.

    Args:
        planes: of the field.
        place: (y, x), uniform on [0, 1) for a place anywhere that the window lies in the field.
        window_px: its edge, cut to the field's.
        paint_part: gets the window's planes and each pixel's squared distance (px^2) to the place.
    """
    shape, window = size_of(planes.label), min(window_px, *size_of(planes.label))
    room = jnp.asarray([shape[0] - window, shape[1] - window], jnp.float32)
    corner = place * room
    start = corner.astype(jnp.int32)
    grid = jnp.arange(window, dtype=jnp.float32) - (window - 1) / 2
    dy, dx = grid - (corner - start)[0], grid - (corner - start)[1]

    def cut(plane: Array) -> Array:
        return jax.lax.dynamic_slice(plane, (start[0], start[1]), (window, window))

    def put(plane: Array, part: Array) -> Array:
        return jax.lax.dynamic_update_slice(plane, part, (start[0], start[1]))

    part = jax.tree.map(cut, planes)
    return jax.tree.map(put, planes, paint_part(part, dy[:, None] ** 2 + dx[None, :] ** 2))


def class_of_label(label: Int[Array, "y x"]) -> Int[Array, "y x"]:
    """Return the class of each label."""
    return label // INSTANCES_PER_CLASS


def coarse_shape(shape: tuple[int, int], factor: int) -> tuple[int, int]:
    """Return the size of the grid of every `factor`-th pixel that covers the field."""
    return (-(-(shape[0] - 1) // factor) + 1, -(-(shape[1] - 1) // factor) + 1)


def coarse_grid_angstrom(
    shape: tuple[int, int], factor: int, pixel_angstrom: Scalar
) -> tuple[Float[Array, "coarse_y coarse_x"], Float[Array, "coarse_y coarse_x"]]:
    """Return (y, x) in angstrom of every sample of the coarse grid from the field's middle."""
    ny, nx = coarse_shape(shape, factor)
    y = (jnp.arange(ny, dtype=jnp.float32) * factor - (shape[0] - 1) / 2) * pixel_angstrom
    x = (jnp.arange(nx, dtype=jnp.float32) * factor - (shape[1] - 1) / 2) * pixel_angstrom
    return jnp.broadcast_to(y[:, None], (ny, nx)), jnp.broadcast_to(x[None, :], (ny, nx))


def refine(
    coarse: Float[Array, "coarse_y coarse_x"], factor: int, shape: tuple[int, int]
) -> Float[Array, "y x"]:
    """Interpolate a coarse plane bilinearly to every pixel of the field."""
    share = (jnp.arange(factor, dtype=jnp.float32) / factor)[None, None, :]
    left, right = coarse[:, :-1, None], coarse[:, 1:, None]
    along_x = (left * (1.0 - share) + right * share).reshape(coarse.shape[0], -1)
    rows = jnp.concatenate([along_x, coarse[:, -1:]], axis=1)[:, : shape[1]]
    upper, lower = rows[:-1, None], rows[1:, None]
    share = share.reshape(1, factor, 1)
    along_y = (upper * (1.0 - share) + lower * share).reshape(-1, shape[1])
    return jnp.concatenate([along_y, rows[-1:]])[: shape[0]]


def nearest_sample(
    coarse: Int[Array, "coarse_y coarse_x"], factor: int, shape: tuple[int, int]
) -> Int[Array, "y x"]:
    """Give every pixel of the field the value of its coarse sample: the one nearest or next below."""
    ny, nx = coarse.shape
    blocks = jnp.broadcast_to(coarse[:, None, :, None], (ny, factor, nx, factor))
    first = factor // 2
    fine = jnp.pad(blocks.reshape(ny * factor, nx * factor), ((0, factor), (0, factor)), "edge")
    return fine[first : first + shape[0], first : first + shape[1]]
