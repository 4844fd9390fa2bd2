"""Topaz's networks: plain convolutions, residual networks, and their decoder for the autoencoder term.

Bepler et al. (2019), Nature Methods 16:1153, and topaz-em 0.3 (`topaz/model/features`). A network turns a crop of
exactly its receptive field into one logit. Convolutions are valid and nothing inside is padded, so the score of a
crop does not depend on where it was cut.

The same parameters score a whole image (`dense=True`): where training takes every second pixel of a
map, dense evaluation takes all of them and moves the two by two interleaved phases into the batch.
Later layers then are those of training, on more and smaller images; this equals dilating them. Two
things differ from Topaz: the plain networks' pools are valid (Topaz pads them by a pixel inside each
crop, which no dense evaluation can repeat), and dropout moves no dilation.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.models.convolution import Conv
from jaxpick.models.topaz_layers import Layer, NetworkSpec
from jaxpick.typing import FeatureMaps, RandomKey

NORM_EPSILON, NORM_MOMENTUM = 1e-5, 0.9
FIRST_SLOPE = 0.25
# U(-1/sqrt(fan in), 1/sqrt(fan in)), as PyTorch's layers begin.
INITIAL = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class TopazNetwork(nn.Module):
    """Logit of "particle" of crops, or of every pixel of images.

    Attributes:
        spec: which network.
    """

    spec: NetworkSpec

    def setup(self) -> None:
        """Name the layers by their place, as Topaz's states do."""
        self.blocks = [
            Block(spec=self.spec, layer=layer, drops=drops, name=f"layer{i}")
            for i, (layer, drops) in enumerate(
                zip(self.spec.layers, self.spec.dropped, strict=True)
            )
        ]
        self.classifier = Conv(1, (1, 1), kernel_init=INITIAL, name="classifier")

    def __call__(
        self, images: Float[Array, "batch y x 1"], dense: bool = False, train: bool = False
    ) -> Float[Array, "batch out_y out_x 1"]:
        """Return logits.

        Args:
            images: crops of the receptive field, or larger images.
            dense: a logit for every pixel, the image surrounded by zeros; sides must be multiples of `total_stride`.
            train: dropout, and norms by the batch.
        """
        return self.with_features(images, dense, train)[0]

    def with_features(
        self, images: Float[Array, "batch y x 1"], dense: bool = False, train: bool = False
    ) -> tuple[Float[Array, "batch out_y out_x 1"], Float[Array, "batch out_y out_x feature"]]:
        """Return logits, and the feature maps that they are made of; see `__call__`."""
        maps = self.features(images, dense, train)
        return self.classifier(maps), maps

    def features(
        self, images: Float[Array, "batch y x 1"], dense: bool = False, train: bool = False
    ) -> Float[Array, "batch out_y out_x feature"]:
        """Return the feature maps alone."""
        batch, half = images.shape[0], self.spec.receptive_field_px // 2
        around = ((0, 0), (half, half), (half, half), (0, 0))
        maps = jnp.pad(images, around) if dense else images
        for block in self.blocks:
            maps = block(maps, dense, train)
        return from_phases(maps, batch) if dense else maps


class Block(nn.Module):
    """One layer with its norm, activation and dropout.

    Attributes:
        spec: of the network.
        layer: which of its layers.
        drops: whether its output is dropped out.
    """

    spec: NetworkSpec
    layer: Layer
    drops: bool

    @nn.compact
    def __call__(
        self, maps: FeatureMaps, dense: bool, train: bool
    ) -> Float[Array, "more_or_less out_y out_x feature"]:
        """Return the next maps; a stride of 2 in `dense` gives four times as many."""
        layer, stride = self.layer, 1 if dense else self.layer.stride
        if layer.kind == "pool":
            pool = nn.avg_pool if self.spec.pooling == "average" else nn.max_pool
            maps = pool(maps, (layer.kernel_px,) * 2, (stride,) * 2, "VALID")
            return self._finish(maps, dense, train)
        width = layer.width * self.spec.units
        if layer.kind == "residual":
            skip = maps
            maps = self._convolve(maps, maps.shape[-1], 3, name="conv0")
            maps = self._activate(self._normalise(maps, train, "norm0"), "prelu0")
            maps = self._convolve(maps, width, 3, stride, layer.dilation, name="conv1")
            maps = maps + self._skip(skip, width, stride)
            maps = self._normalise(maps, train, "norm1")
        else:
            maps = self._convolve(maps, width, layer.kernel_px, stride, name="conv")
            maps = self._normalise(maps, train, "norm")
        return self._finish(self._activate(maps, "prelu"), dense, train)

    def _finish(
        self, maps: FeatureMaps, dense: bool, train: bool
    ) -> Float[Array, "more_or_less out_y out_x channel"]:
        if self.drops:
            maps = nn.Dropout(self.spec.dropout, deterministic=not train)(maps)
        return to_phases(maps, self.layer.stride) if dense else maps

    def _convolve(
        self,
        maps: FeatureMaps,
        width: int,
        kernel_px: int,
        stride: int = 1,
        dilation: int = 1,
        name: str = "conv",
        use_bias: bool | None = None,
    ) -> Float[Array, "batch out_y out_x feature"]:
        bias = not self.spec.batch_norm if use_bias is None else use_bias
        bound = (kernel_px**2 * maps.shape[-1]) ** -0.5

        def initial_bias(key: RandomKey, shape: tuple[int, ...], dtype: type) -> Array:
            return jax.random.uniform(key, shape, dtype, -bound, bound)

        return Conv(
            width,
            (kernel_px, kernel_px),
            strides=stride,
            padding="VALID",
            kernel_dilation=dilation,
            use_bias=bias,
            kernel_init=INITIAL,
            bias_init=initial_bias,
            name=name,
        )(maps)

    def _skip(
        self, maps: FeatureMaps, width: int, stride: int
    ) -> Float[Array, "batch out_y out_x feature"]:
        """Crop to the valid output, take every `stride`-th pixel and, where widths differ, project."""
        cut = self.layer.reach_px // 2
        maps = maps[:, cut:-cut:stride, cut:-cut:stride]
        if maps.shape[-1] == width:
            return maps
        return self._convolve(maps, width, 1, name="proj", use_bias=False)

    def _normalise(self, maps: FeatureMaps, train: bool, name: str) -> FeatureMaps:
        if not self.spec.batch_norm:
            return maps
        return nn.BatchNorm(
            use_running_average=not train, momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON, name=name
        )(maps)

    def _activate(self, maps: FeatureMaps, name: str) -> FeatureMaps:
        if not self.spec.architecture.startswith("conv"):
            return nn.relu(maps)
        return nn.PReLU(negative_slope_init=FIRST_SLOPE, name=name)(maps)


def to_phases(
    maps: Float[Array, "batch y x channel"], stride: int
) -> Float[Array, "phase_batch phase_y phase_x channel"]:
    """Move the `stride` x `stride` interleaved phases of each map into the batch, phase by phase."""
    if stride == 1:
        return maps
    phases = [maps[:, y::stride, x::stride] for y in range(stride) for x in range(stride)]
    return jnp.concatenate(phases)


def from_phases(
    maps: Float[Array, "phase_batch phase_y phase_x channel"], batch: int
) -> Float[Array, "batch y x channel"]:
    """Interleave phases again, those of the last stride first."""
    while maps.shape[0] > batch:
        count, height, width, channels = maps.shape
        quads = maps.reshape(2, 2, count // 4, height, width, channels)
        maps = quads.transpose(2, 3, 0, 4, 1, 5).reshape(
            count // 4, 2 * height, 2 * width, channels
        )
    return maps
