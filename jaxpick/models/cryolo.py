"""crYOLO's three networks: YOLOv2 on a grid of cells, one anchor, one class.

Wagner et al. (2019), Communications Biology 2:218, and the layer tables of crYOLO's documentation; what they leave
open is YOLOv2's (Redmon and Farhadi 2017, YOLO9000): batch norm without biases before, leaky ReLU of slope 0.1. Made
from these alone.

| layers | maps (kernel) | side of the maps at 1024 |
|---|---|---|
| 1 P 2 P | 32 (3), 64 (3) | 1024, 512 |
| 3 4 5 P | 128 (3), 64 (1), 128 (3) | 256 |
| 6 7 8 P | 256 (3), 128 (1), 256 (3) | 128 |
| 9 to 13 | 512 (3), 256 (1), 512 (3), 256 (1), 512 (3) | 64 |
| `cryolo` 14 to 16 | 1024 (3), 512 (1), 1024 (3) | 64 |
| others P 14 to 20 | 1024 (3), 512 (1), 1024 (3), 512 (1), 1024 (3) three times | 32 |
| `yolo` 21, 22 | 64 (1) of layer 13, space to depth -> 256; with layer 20: 1024 (3) | 32 |
| `phosaurus` 21, 22 | layer 20 doubled; 256 (1) of layer 13; both: 1024 (3) | 64 |
| all | dropout 0.2, 6 (1): four numbers of the box, confidence, class | |

The last layer begins with small weights (ours), so that a new network says what is known before anything is learnt:
middles of cells, sizes of the anchor. With usual ones the exponentials of random sizes give first gradients a hundred
times those that follow; Adam's second moments remember them for a thousand steps, in which next to nothing is learnt.

P is a 2 x 2 max pooling. Trained parameters: `cryolo` 14,576,998, `phosaurus` 50,631,526, `yolo` 50,532,838. A layer
of k x k kernels from m to n maps has k k m n weights, no biases, and the scale and offset of its batch norm, 2 n; the
input is one map; the last layer has 1024 x 6 weights and 6 biases. Running statistics and the anchor are not counted.
"""

from typing import Literal, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxpick.models.convolution import Conv
from jaxpick.numerics.pooling import max_pool
from jaxpick.parallel import batch_axis
from jaxpick.typing import FeatureMaps, RandomKey

Architecture: TypeAlias = Literal["cryolo", "phosaurus", "yolo"]
Layer: TypeAlias = tuple[int, int]  # maps, side of the kernels; (0, 2) pools

POOL: Layer = (0, 2)
TRUNK: tuple[Layer, ...] = (
    *((32, 3), POOL, (64, 3), POOL),
    *((128, 3), (64, 1), (128, 3), POOL),
    *((256, 3), (128, 1), (256, 3), POOL),
    *((512, 3), (256, 1), (512, 3), (256, 1), (512, 3)),
)
SMALL_HEAD: tuple[Layer, ...] = ((1024, 3), (512, 1), (1024, 3))
DEEP_HEAD: tuple[Layer, ...] = (
    POOL,
    *((1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3), (1024, 3), (1024, 3)),
)
SIDE_MULTIPLE = 32
BOX_MAPS = 5  # offset and size along y and x, confidence
SLOPE = 0.1
# Keras's defaults for the memory and the least variance of batch norm.
MOMENTUM, EPSILON = 0.99, 1e-3
DROPOUT = 0.2
LAST_WEIGHTS = 0.01  # standard deviation at the beginning


class DetectionNetwork(nn.Module):
    """For each cell of the image: a box relative to cell and anchor, a confidence, classes.

    Attributes:
        architecture: which of the three.
        width: factor on the number of maps of every layer, for small machines.
        num_classes: one for particles alone.
        anchor_px: side of the anchor that a new network starts with; kept with its statistics, so
            that weights bring theirs.
    """

    architecture: Architecture = "phosaurus"
    width: float = 1.0
    num_classes: int = 1
    anchor_px: float = 32.0

    @property
    def stride(self) -> int:
        """Side of a cell in pixels."""
        return 32 if self.architecture == "yolo" else 16

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch y x 1"], dropout_keys: Key[Array, " batch"] | None = None
    ) -> Float[Array, "batch cell_y cell_x map"]:
        """Return (batch, cell y, cell x, map); sides of images are multiples of 32.

        Maps: offsets y and x, sizes y and x, confidence, classes, all before their activations.

        Args:
            images: one map each.
            dropout_keys: of each example, in training, which uses the batch's statistics; None
                uses the running ones and drops nothing.
        """
        is_training = dropout_keys is not None
        self.variable("batch_stats", "anchor_px", lambda: jnp.float32(self.anchor_px))
        trunk = self._layers("trunk", TRUNK, images, is_training)
        if self.architecture == "cryolo":
            maps = self._layers("head", SMALL_HEAD, trunk, is_training)
        else:
            maps = self._layers("head", DEEP_HEAD, trunk, is_training)
            maps = self._join(trunk, maps, is_training)
        if dropout_keys is not None:
            maps = jax.vmap(drop_out)(dropout_keys, maps)
        small = nn.initializers.normal(LAST_WEIGHTS)
        last = Conv(BOX_MAPS + self.num_classes, (1, 1), kernel_init=small, name="detection")
        return last(maps)

    def _join(
        self,
        trunk: FeatureMaps,
        deep: Float[Array, "batch half_y half_x features"],
        is_training: bool,
    ) -> Float[Array, "batch cell_y cell_x joined"]:
        """Bring the trunk's finer maps to the deep ones past what lies between."""
        if self.architecture == "yolo":
            passed = fold_blocks(self._convolve("pass", (64, 1), trunk, is_training))
        else:
            passed = self._convolve("pass", (256, 1), trunk, is_training)
            deep = jnp.repeat(jnp.repeat(deep, 2, axis=1), 2, axis=2)
        return self._convolve("join", (1024, 3), jnp.concatenate([passed, deep], -1), is_training)

    def _layers(
        self, name: str, layers: tuple[Layer, ...], maps: FeatureMaps, is_training: bool
    ) -> Float[Array, "batch cell_y cell_x features"]:
        for index, layer in enumerate(layers):
            is_pool = layer == POOL
            block = f"{name}_{index}"
            maps = max_pool(maps) if is_pool else self._convolve(block, layer, maps, is_training)
        return maps

    def _convolve(
        self, name: str, layer: Layer, maps: FeatureMaps, is_training: bool
    ) -> Float[Array, "batch y x features"]:
        side = layer[1]
        features = num_maps(layer[0], self.width)
        maps = Conv(features, (side, side), use_bias=False, name=name)(maps)
        maps = nn.BatchNorm(
            use_running_average=not is_training,
            momentum=MOMENTUM,
            epsilon=EPSILON,
            axis_name=batch_axis(),
            name=f"{name}_norm",
        )(maps)
        return nn.leaky_relu(maps, SLOPE)


def drop_out(key: RandomKey, maps: Float[Array, "y x channel"]) -> Float[Array, "y x channel"]:
    """Set a random fifth of the values to 0 and scale the others up to the same mean."""
    keep = jax.random.bernoulli(key, 1.0 - DROPOUT, maps.shape)
    return jnp.where(keep, maps / (1.0 - DROPOUT), 0.0)


def num_maps(maps: int, width: float) -> int:
    """Return the maps of a layer of a narrower or wider network: a multiple of 4, 4 at least."""
    return maps if width == 1.0 else max(4 * round(maps * width / 4), 4)


def fold_blocks(
    maps: Float[Array, "batch y x channel"],
) -> Float[Array, "batch half_y half_x folded"]:
    """Move each 2 x 2 block of pixels into channels, block by block row-major (YOLOv2's reorganisation)."""
    batch, height, width, channels = maps.shape
    blocks = maps.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4 * channels)
