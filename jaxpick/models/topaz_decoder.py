"""The decoder of Topaz's autoencoder term: features back to the middle of their crop.

Bepler et al. (2019), Nature Methods 16:1153; topaz-em 0.3 (`--autoencoder`, `topaz/model/generative.py`).
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.models.topaz import NORM_EPSILON, NORM_MOMENTUM
from jaxpick.typing import FeatureMaps

UNITS = 32
LEAK = 0.01


class TopazDecoder(nn.Module):
    """Transposed convolutions with norms from one position's features to an image of 2^n - 1 pixels.

    Attributes:
        crop_px: side of the crops that features come from.
    """

    crop_px: int

    @property
    def depth(self) -> int:
        """How often a map of 4 x 4 is doubled before the image: int(log2(crop + 1) - 3)."""
        return (self.crop_px + 1).bit_length() - 4

    @property
    def image_px(self) -> int:
        """Side of the image, at most that of the crop."""
        return 2 ** (self.depth + 3) - 1

    @nn.compact
    def __call__(
        self, features: Float[Array, "batch 1 1 feature"], train: bool = False
    ) -> Float[Array, "batch side side 1"]:
        """Return images."""
        maps = features
        for level in range(self.depth + 1):
            width, first = UNITS * 2 ** (self.depth - level), level == 0
            maps = nn.ConvTranspose(
                width,
                (4, 4),
                strides=(1, 1) if first else (2, 2),
                # The first makes 4 x 4 of one position, the others double.
                padding=((3, 3),) * 2 if first else ((2, 2),) * 2,
                use_bias=False,
                name=f"up{level}",
            )(maps)
            maps = self._finish(maps, train, f"norm{level}")
        last = nn.ConvTranspose(
            1, (3, 3), strides=(2, 2), padding=((1, 1),) * 2, use_bias=False, name="image"
        )
        return last(maps)

    def _finish(self, maps: FeatureMaps, train: bool, name: str) -> FeatureMaps:
        maps = nn.BatchNorm(
            use_running_average=not train, momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON, name=name
        )(maps)
        return nn.leaky_relu(maps, LEAK)


def reconstruction_error(
    images: Float[Array, "batch side side 1"], crops: Float[Array, "batch y x 1"]
) -> Float[Array, ""]:
    """Return the squared error summed over the middle of a crop, its mean over the batch."""
    cut = (crops.shape[1] - images.shape[1]) // 2
    end = cut + images.shape[1]
    middle = crops[:, cut:end, cut:end]
    return jnp.mean(jnp.sum(jnp.square(images - middle), axis=(1, 2, 3)))
