"""Score a large working image tile by tile, so that memory is bounded by the tile and the map is
that of the whole.

A network reaches `margin_px` around each pixel. Tiles overlap by twice that and each gives only its
core; tiles at the border of the image end there, so that the network's own zero padding acts where
it would act on the whole image, and every tile starts at a multiple of the network's total stride,
so that its poolings fall on the same pixels. Tiles of an image have one shape: one compiled program.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxpick.spec import SpecError
from jaxpick.typing import HostImage, Image, Images

ScoreImages = Callable[[Images], Images]

# Working images are padded to multiples of this, so that mixed sizes share few compiled programs.
SHAPE_STEP_PX = 64


def pad_to_step(image: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "padded_y padded_x"]:
    """Append zeros up to multiples of the shape step."""
    return np.pad(image, [(0, -size % SHAPE_STEP_PX) for size in image.shape])


def score_padded(
    apply: ScoreImages, image: HostImage, tile_px: int, margin_px: int, stride_multiple: int
) -> HostImage:
    """Return `score_tiled` of an image that is padded to the shape step; the network sees its mean, 0, beyond."""
    padded = pad_to_step(image)
    side = max(fitting_side(size, tile_px, margin_px, stride_multiple) for size in padded.shape)
    scores = score_tiled(apply, padded, side, margin_px, stride_multiple)
    return scores[: image.shape[0], : image.shape[1]]


def fitting_side(size: int, tile_px: int, margin_px: int, stride_multiple: int) -> int:
    """Return the smallest tile of which no more are needed along an axis than of `tile_px`.

    An image a little larger than a tile would cost four whole tiles otherwise.

    Raises:
        SpecError: when a tile has no core.
    """
    most = _tile_side(tile_px, stride_multiple)
    count = len(_axis_starts(size, most, margin_px, stride_multiple))
    least = -(-(size + 2 * margin_px * (count - 1)) // count)
    for side in range(-(-least // stride_multiple) * stride_multiple, most, stride_multiple):
        if len(_axis_starts(size, side, margin_px, stride_multiple)) <= count:
            return side
    return most


def score_tiled(
    apply: ScoreImages,
    image: Image | HostImage,
    tile_px: int,
    margin_px: int,
    stride_multiple: int = 1,
    batch_tiles: int = 1,
) -> HostImage:
    """Return the score map of an image, computed tile by tile where the image is larger than a
    tile.

    The image is first zero-padded (it is normalised: zero is its mean) to a multiple of
    `stride_multiple`; the result is that of `apply` on this padded image, cut to the size of the
    image. An axis shorter than a tile is taken whole. Tiles are driven from the host: inside a
    device loop XLA's CPU convolutions run on one thread, and unrolled they would all hold their
    maps at once.

    Args:
        apply: scores a batch of images, each on its own; jitted by the caller, who keeps it for the
            next image.
        image: working image.
        tile_px: side of a tile; rounded down to a multiple of `stride_multiple`.
        margin_px: reach of the network: how far from a pixel an input still moves its score.
        stride_multiple: total stride of the network's poolings.
        batch_tiles: tiles scored at a time.

    Raises:
        SpecError: when a tile has no core.
    """
    padded = np.pad(np.asarray(image), [(0, -size % stride_multiple) for size in image.shape])
    starts = tile_starts(padded.shape, tile_px, margin_px, stride_multiple)
    sides = [min(_tile_side(tile_px, stride_multiple), size) for size in padded.shape]
    scores = np.zeros(padded.shape, np.float32)
    for first in range(0, len(starts), batch_tiles):
        batch = starts[first : first + batch_tiles]
        tiles = np.stack([padded[y : y + sides[0], x : x + sides[1]] for y, x in batch])
        # A last batch that is not full repeats its first tile: one shape, one program.
        full = np.concatenate([tiles, np.repeat(tiles[:1], batch_tiles - len(batch), axis=0)])
        tile_scores = np.asarray(apply(jnp.asarray(full if len(starts) > 1 else tiles)))
        for corner, tile in zip(batch, tile_scores, strict=False):
            _place_core(scores, tile, corner, margin_px)
    return scores[: image.shape[0], : image.shape[1]]


def tile_starts(
    shape: tuple[int, ...], tile_px: int, margin_px: int, stride_multiple: int = 1
) -> Int[np.ndarray, "tile 2"]:
    """Return the (y, x) corners of the tiles whose cores cover an image of `shape` (multiples of
    the stride).
    """
    side = _tile_side(tile_px, stride_multiple)
    axes = [_axis_starts(size, side, margin_px, stride_multiple) for size in shape]
    grid = np.meshgrid(*axes, indexing="ij")
    return np.stack([axis.ravel() for axis in grid], axis=1).astype(np.int32)


def _tile_side(tile_px: int, stride_multiple: int) -> int:
    return tile_px // stride_multiple * stride_multiple


def _axis_starts(
    size: int, side: int, margin_px: int, stride_multiple: int
) -> Int[np.ndarray, " tile"]:
    if size <= side:
        return np.zeros(1, np.int64)
    core = (side - 2 * margin_px) // stride_multiple * stride_multiple
    if core <= 0:
        least = 2 * margin_px + stride_multiple
        raise SpecError(f"tile_px: expected {least} or more for a reach of {margin_px}, got {side}")
    starts = np.arange(0, size - side, core)
    return np.append(starts, size - side)


def _place_core(
    scores: HostImage,
    tile: Float[np.ndarray, "tile_y tile_x"],
    corner: Int[np.ndarray, "2"],
    margin_px: int,
) -> None:
    """Write what is exact of a tile: all but the margins that lie inside the image."""
    within = []
    for start, side, size in zip(corner.tolist(), tile.shape, scores.shape, strict=True):
        low = 0 if start == 0 else margin_px
        within.append((start, low, side if start + side == size else side - margin_px))
    (y, y0, y1), (x, x0, x1) = within
    scores[y + y0 : y + y1, x + x0 : x + x1] = tile[y0:y1, x0:x1]
