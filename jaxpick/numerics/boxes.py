"""Boxes: centre y, centre x, height, width in pixels, pixel centres at integers.

The geometry that detectors share: overlap, suppression, and the grid of cells that predictions are made on. Cell i of
an axis covers the pixels from i * stride to (i + 1) * stride - 1, that is positions from i * stride - 1/2.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from jaxpick.typing import Scalar

# Sizes are within a factor of e^4, 55, of the anchor.
LARGEST_LOG_SIZE = 4.0


def intersection_over_union(
    first: Float[Array, "*#shape 4"], second: Float[Array, "*#shape 4"]
) -> Float[Array, "*#shape"]:
    """Return the area common to two boxes over the area of both; 0 for boxes without area."""
    low = jnp.maximum(_corner(first, -0.5), _corner(second, -0.5))
    high = jnp.minimum(_corner(first, 0.5), _corner(second, 0.5))
    common = jnp.prod(jnp.maximum(high - low, 0.0), axis=-1)
    both = jnp.prod(first[..., 2:], axis=-1) + jnp.prod(second[..., 2:], axis=-1) - common
    return jnp.where(both > 0, common / jnp.where(both > 0, both, 1.0), 0.0)


def greedy_by_overlap(
    boxes: Float[Array, "box 4"], valid: Bool[Array, " box"], limit: Scalar
) -> Bool[Array, " box"]:
    """Return which boxes remain when each, in order, removes all later ones that overlap it more than `limit`.

    The sequential search itself, one vectorised comparison a box, as `peaks.greedy_by_distance`.

    Args:
        boxes: in descending order of score, the valid ones first.
        valid: rows that hold a box.
        limit: intersection over union; traced.
    """

    def judge(i: Array, kept: Array) -> Array:
        overlap = intersection_over_union(boxes, boxes[i][None, :])
        return kept.at[i].set(~jnp.any(kept & (overlap > limit)))

    return lax.fori_loop(0, jnp.sum(valid), judge, jnp.zeros_like(valid)) & valid


def cell_centres(shape: tuple[int, int], stride_px: int) -> Float[Array, "cell_y cell_x 2"]:
    """Return the middle (y, x) of each cell of a grid, in pixels."""
    y, x = (jnp.arange(size, dtype=jnp.float32) for size in shape)
    index = jnp.stack(jnp.meshgrid(y, x, indexing="ij"), axis=-1)
    return (index + 0.5) * stride_px - 0.5


def boxes_of_maps(
    maps: Float[Array, "cell_y cell_x channel"], stride_px: int, anchor_px: Scalar
) -> Float[Array, "cell_y cell_x 4"]:
    """Return the boxes that a network's maps stand for (Redmon and Farhadi 2017, section 2).

    Centre = corner of the cell + stride * sigmoid(t), size = anchor * exp(t).

    Args:
        maps: the first four are t of centre y, x, height and width.
        stride_px: side of a cell.
        anchor_px: side of the anchor.
    """
    middle = cell_centres((maps.shape[0], maps.shape[1]), stride_px)
    centre = middle + stride_px * (jax.nn.sigmoid(maps[..., :2]) - 0.5)
    log_size = jnp.clip(maps[..., 2:4], -LARGEST_LOG_SIZE, LARGEST_LOG_SIZE)
    return jnp.concatenate([centre, anchor_px * jnp.exp(log_size)], axis=-1)


def boxes_of_cells(
    boxes: Float[Array, "box 4"],
    wanted: Bool[Array, " box"],
    shape: tuple[int, int],
    stride_px: int,
) -> tuple[Float[Array, "cell_y cell_x 4"], Bool[Array, "cell_y cell_x"]]:
    """Return the box whose centre lies in each cell, zeros without one, and which cells have one.

    Of several in one cell the first is taken; centres off the grid are left out.
    """
    cell = jnp.floor((boxes[:, :2] + 0.5) / stride_px).astype(jnp.int32)
    is_on = wanted & jnp.all((cell >= 0) & (cell < jnp.asarray(shape)[None, :]), axis=1)
    y, x = jnp.where(is_on[:, None], cell, -1).T
    count = boxes.shape[0]
    # Rows count down, so that the first box has the highest claim.
    claim = jnp.where(is_on, count - jnp.arange(count), 0)
    claims = jnp.zeros(shape, jnp.int32).at[y, x].max(claim)
    found = boxes[jnp.clip(count - claims, 0, count - 1)]
    return jnp.where((claims > 0)[..., None], found, 0.0), claims > 0


def _corner(boxes: Float[Array, "*shape 4"], side: float) -> Float[Array, "*shape 2"]:
    return boxes[..., :2] + side * boxes[..., 2:]
