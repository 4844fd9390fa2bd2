"""The layers of Topaz's networks, by name: what of a network is numbers.

Bepler et al. (2019), Nature Methods 16:1153; topaz-em 0.3, `topaz/model/features`.
"""

import dataclasses
from typing import Literal, TypeAlias

from jaxpick.spec import require

LayerKind: TypeAlias = Literal["convolution", "residual", "pool"]
Architecture: TypeAlias = Literal["conv31", "conv63", "conv127", "resnet6", "resnet8", "resnet16"]
POOL_PX, POOL_STRIDE = 3, 2


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes:
        kind: a convolution, Topaz's residual block A, or a max pool.
        kernel_px: of the convolution; both of a residual block are 3.
        stride: at training.
        width: of its output, in units.
        dilation: of a residual block's second convolution.
    """

    kind: LayerKind
    kernel_px: int = 3
    stride: int = 1
    width: int = 1
    dilation: int = 1

    @property
    def reach_px(self) -> int:
        """How much smaller than its input its valid output is, before any stride."""
        if self.kind == "residual":
            return 2 + 2 * self.dilation
        return self.kernel_px - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """Which network.

    Attributes:
        architecture: `conv31`, `conv63`, `conv127` (PReLU) by receptive field; `resnet6`, `resnet8` (ReLU; 71 pixels)
            and `resnet16` (91).
        units: filters of the first layer.
        unit_scaling: the plain networks' width grows by this factor from layer to layer but the last; 2 if None. The
            slides' network of 32, 64 and 128 filters is `conv31` with 32 units and scaling 2.
        batch_norm: after each convolution and each sum.
        dropout: rate; after each layer of a plain network, after each strided layer of a residual one and its last.
        pooling: strides become a pool of 3 x 3 pixels and stride 2; None for strided convolutions.
    """

    architecture: Architecture = "resnet8"
    units: int = 32
    unit_scaling: int | None = None
    batch_norm: bool = False
    dropout: float = 0.0
    pooling: Literal["max", "average"] | None = None

    def __post_init__(self) -> None:
        require(self.units > 0, "units", self.units, "a positive number")
        plain, scaling = self.architecture.startswith("conv"), self.unit_scaling
        require(
            plain or scaling is None, "unit_scaling", scaling, "null: resnets double by themselves"
        )
        require(scaling is None or scaling >= 1, "unit_scaling", scaling, "1 or more")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "0 to below 1")
        strided = self.architecture != "resnet6"
        require(
            strided or self.pooling is None, "pooling", self.pooling, "null: resnet6 has its own"
        )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in order, strides replaced by pools where asked for."""
        layers = _layers(self.architecture, self.unit_scaling or 2)
        if self.pooling is None:
            return layers
        pooled: list[Layer] = []
        for layer in layers:
            pooled.append(dataclasses.replace(layer, stride=1))
            if layer.stride > 1:
                pooled.append(Layer("pool", POOL_PX, POOL_STRIDE, layer.width))
        return tuple(pooled)

    @property
    def dropped(self) -> tuple[bool, ...]:
        """Which layers' outputs are dropped out at training."""
        layers, plain = self.layers, self.architecture.startswith("conv")
        last = len(layers) - 1
        return tuple(
            self.dropout > 0 and (layer.stride > 1 or i == last or (plain and layer.kind != "pool"))
            for i, layer in enumerate(layers)
        )

    @property
    def receptive_field_px(self) -> int:
        """Side of a crop that gives one logit."""
        side, step = 1, 1
        for layer in self.layers:
            side, step = side + step * layer.reach_px, step * layer.stride
        return side

    @property
    def total_stride(self) -> int:
        """Pixels between neighbouring logits at training; sides of dense images are multiples of it."""
        step = 1
        for layer in self.layers:
            step *= layer.stride
        return step


def _layers(architecture: Architecture, scaling: int) -> tuple[Layer, ...]:
    convolution: LayerKind = "convolution"
    residual: LayerKind = "residual"
    pool: LayerKind = "pool"
    if architecture.startswith("conv"):
        halvings = {"conv31": 2, "conv63": 3, "conv127": 4}[architecture]
        return tuple(
            Layer(convolution, 5 if i else 7, 2 if i < halvings else 1, scaling**i)
            for i in range(halvings + 1)
        )
    if architecture == "resnet6":
        return (
            Layer(convolution, 5),
            Layer(pool, POOL_PX, POOL_STRIDE),
            Layer(residual, width=2, dilation=4),
            Layer(pool, POOL_PX, POOL_STRIDE, 2),
            Layer(residual, width=2, dilation=2),
            Layer(convolution, 5, width=4),
        )
    if architecture == "resnet8":
        return (
            Layer(convolution, 7, 2),
            Layer(residual, dilation=2),
            Layer(residual, stride=2, width=2, dilation=2),
            Layer(residual, width=2, dilation=2),
            Layer(convolution, 5, width=4),
        )
    return (
        Layer(convolution, 7),
        Layer(residual, stride=2),
        *(Layer(residual),) * 3,
        Layer(residual, stride=2, width=2),
        *(Layer(residual, width=2),) * 2,
        Layer(convolution, 5, width=4),
    )
