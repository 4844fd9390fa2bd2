"""A small U-Net: the segmenter behind jaxpick's default picker.

Ronneberger, Fischer and Brox (2015) in its least form: residual 3 x 3 convolutions, max pooling going down, 1 x 1
convolutions and nearest-neighbour doubling going up, sums for skips. The image is folded 2 x 2 into channels first, so
that nothing wide ever runs at full resolution: at 16 pixels a particle the first convolution sees an eighth of it, and
most of the arithmetic is spent where a pixel is a quarter.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.models.convolution import Conv
from jaxpick.numerics.pooling import max_pool


class UNet(nn.Module):
    """Logit of "particle centre region" for every pixel.

    Attributes:
        widths: filters at 1/2, 1/4, 1/8 ... of the resolution.
    """

    widths: tuple[int, ...] = (32, 48, 64)

    @property
    def stride_multiple(self) -> int:
        """Sides of images must be multiples of this."""
        return 2 ** len(self.widths)

    @property
    def reach_px(self) -> int:
        """Return an upper bound of how far from a pixel an input moves its logit."""
        levels = len(self.widths)
        down = sum(2 * 2 ** (level + 1) for level in range(levels))
        up = sum(2 ** (level + 1) for level in range(levels - 1))
        return down + up + 2**levels

    @nn.compact
    def __call__(self, images: Float[Array, "batch y x 1"]) -> Float[Array, "batch y x 1"]:
        """Return logits; y and x must be multiples of `stride_multiple`."""
        maps = self._residual("e0", self._convolve("in", 0, fold(images)), 0)
        skips = []
        for level in range(1, len(self.widths)):
            skips.append(maps)
            maps = self._convolve(f"d{level}", level, max_pool(maps))
            maps = self._residual(f"e{level}", maps, level)
        for level in reversed(range(len(self.widths) - 1)):
            maps = Conv(self.widths[level], (1, 1), name=f"u{level}")(maps)
            maps = nn.relu(jnp.repeat(jnp.repeat(maps, 2, 1), 2, 2) + skips[level])
            maps = self._residual(f"o{level}", maps, level)
        return unfold(Conv(4, (1, 1), name="head")(maps))

    def _convolve(
        self, name: str, level: int, maps: Float[Array, "batch y x c"]
    ) -> Float[Array, "batch y x channel"]:
        return nn.relu(Conv(self.widths[level], (3, 3), name=name)(maps))

    def _residual(
        self, name: str, maps: Float[Array, "batch y x channel"], level: int
    ) -> Float[Array, "batch y x channel"]:
        return maps + self._convolve(name, level, maps)


def fold(images: Float[Array, "batch y x 1"]) -> Float[Array, "batch half_y half_x 4"]:
    """Move each 2 x 2 block of pixels into four channels."""
    batch, height, width, _ = images.shape
    blocks = images.reshape(batch, height // 2, 2, width // 2, 2)
    return blocks.transpose(0, 1, 3, 2, 4).reshape(batch, height // 2, width // 2, 4)


def unfold(maps: Float[Array, "batch half_y half_x 4"]) -> Float[Array, "batch y x 1"]:
    """Undo `fold`."""
    batch, height, width, _ = maps.shape
    blocks = maps.reshape(batch, height, width, 2, 2).transpose(0, 1, 3, 2, 4)
    return blocks.reshape(batch, 2 * height, 2 * width, 1)
