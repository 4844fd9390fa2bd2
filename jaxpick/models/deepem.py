"""DeepEM's networks: three convolutions with sigmoids (or rectified), each followed by a mean, and one output unit.

Zhu, Ouyang and Mao (2017), BMC Bioinformatics 18:348, Fig. 1 and Table 1. The table gives the sides of
the maps; kernels and pools follow from them. `layers_for_box` gives the table's networks for the
table's boxes, and one of like proportions for any other box.

The network is one pure function of its parameters. A box is a window of one position; a micrograph
is scored at all windows at once, with the same result (`jaxpick.numerics.fragments`).
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxpick.numerics.convolution import correlate, correlate_spectrum, image_spectrum
from jaxpick.numerics.fragments import as_fragment, gather_windows, num_windows, pool_fragments
from jaxpick.spec import require
from jaxpick.typing import Image

Initialisation: TypeAlias = Literal["uniform", "glorot"]
Activation: TypeAlias = Literal["sigmoid", "relu"]

LEAST_BOX_PX = 16
NAMES = ("c1", "c3", "c5")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeepEMLayers:
    """A network for one box: C1 S2 C3 S4 C5 S6 and the output.

    Attributes:
        box_px: side of the input.
        kernels: sides of the kernels of C1, C3, C5.
        pools: sides of the means of S2, S4, S6.
        maps: maps of C1, C3, C5.
        activation: of C1, C3, C5; the paper's is the sigmoid (its equation 1).
    """

    box_px: int
    kernels: tuple[int, int, int]
    pools: tuple[int, int, int]
    maps: tuple[int, int, int] = (6, 12, 12)
    activation: Activation = "sigmoid"

    def __post_init__(self) -> None:
        """Refuse layers that do not divide the box."""
        side = self.box_px
        for kernel, pool in zip(self.kernels, self.pools, strict=True):
            side = side - kernel + 1
            fits = kernel > 0 and pool > 0 and side >= pool and side % pool == 0
            require(fits, "kernels", self.kernels, f"maps that pools {self.pools} divide")
            side //= pool

    @property
    def stride(self) -> int:
        """Product of the pools."""
        return self.pools[0] * self.pools[1] * self.pools[2]

    @property
    def last_px(self) -> int:
        """Side of the maps of S6."""
        return self.sides[-1]

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the maps of C1, S2, C3, S4, C5, S6, as Table 1 gives them."""
        sides, side = [], self.box_px
        for kernel, pool in zip(self.kernels, self.pools, strict=True):
            sides += [side - kernel + 1, (side - kernel + 1) // pool]
            side = sides[-1]
        return tuple(sides)


TABLE_1 = {
    "klh": DeepEMLayers(box_px=272, kernels=(51, 21, 10), pools=(3, 2, 2)),
    "19s": DeepEMLayers(box_px=160, kernels=(20, 10, 4), pools=(3, 2, 2)),
    "26s": DeepEMLayers(box_px=150, kernels=(31, 15, 10), pools=(2, 2, 2)),
    "inflammasome": DeepEMLayers(box_px=112, kernels=(15, 10, 7), pools=(2, 2, 2)),
}
# Kernels as shares of the maps that they run over, means of the table.
SHARES = (0.16, 0.24, 0.34)


def layers_for_box(box_px: int) -> DeepEMLayers:
    """Return Table 1's network for its boxes, else the valid one nearest to its mean proportions.

    Raises:
        SpecError: for a box that holds no such network.
    """
    require(box_px >= LEAST_BOX_PX, "box_px", box_px, f"{LEAST_BOX_PX} or more")
    known = {layers.box_px: layers for layers in TABLE_1.values()}
    if box_px in known:
        return known[box_px]
    pools = (3 if box_px >= 155 else 2, 2, 2)
    return min(_valid_layers(box_px, pools), key=_distance)


def _valid_layers(box_px: int, pools: tuple[int, int, int]) -> list[DeepEMLayers]:
    found = []
    first = [k for k in range(2, box_px // 2) if (box_px - k + 1) % pools[0] == 0]
    for one, two, three in itertools.product(
        first, range(2, box_px // 4), range(2, box_px // 8 + 2)
    ):
        s2 = (box_px - one + 1) // pools[0]
        s4, left = divmod(s2 - two + 1, pools[1])
        c5 = s4 - three + 1
        if left == 0 and c5 >= pools[2] and c5 % pools[2] == 0:
            found.append(DeepEMLayers(box_px=box_px, kernels=(one, two, three), pools=pools))
    return found


def _distance(layers: DeepEMLayers) -> float:
    inputs = (layers.box_px, layers.sides[1], layers.sides[3])
    wanted = [share * side for share, side in zip(SHARES, inputs, strict=True)]
    return sum(abs(k - w) / w for k, w in zip(layers.kernels, wanted, strict=True))


class DeepEM(nn.Module):
    """Logit of "particle" of each box.

    Attributes:
        layers: of the network.
        initialisation: `uniform`, every weight between 0 and 1 as the paper says; `glorot`, uniform
            about 0 with the variance of Glorot and Bengio (2010), as its toolbox does. Biases are 0.
    """

    layers: DeepEMLayers
    initialisation: Initialisation = "glorot"

    @nn.compact
    def __call__(self, boxes: Float[Array, "batch y x"]) -> Float[Array, " batch"]:
        """Return the logits; y and x are the box."""
        start = jax.nn.initializers.glorot_uniform()
        if self.initialisation == "uniform":
            start = jax.nn.initializers.uniform(1.0)
        channels, params = 1, {}
        for name, kernel, maps in zip(NAMES, self.layers.kernels, self.layers.maps, strict=True):
            params[name] = self._layer(name, (kernel, kernel, channels, maps), start)
            channels = maps
        last = self.layers.last_px
        params["output"] = self._layer("output", (last, last, channels, 1), start)
        return jax.vmap(lambda box: box_logit(params, self.layers, box))(boxes)

    def _layer(self, name: str, shape: tuple[int, ...], start: Any) -> dict[str, Array]:
        return Layer(shape=shape, start=start, name=name)()


class Layer(nn.Module):
    """Kernel and bias of one layer."""

    shape: tuple[int, ...]
    start: Any

    @nn.compact
    def __call__(self) -> dict[str, Array]:
        """Return the layer's parameters."""
        kernel = self.param("kernel", self.start, self.shape)
        bias = self.param("bias", jax.nn.initializers.zeros, self.shape[-1:])
        return {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}


def box_logit(params: Mapping[str, Any], layers: DeepEMLayers, box: Image) -> Float[Array, ""]:
    """Return the logit of one box."""
    first = correlate(box[None], params["c1"]["kernel"])
    return _logits_of_first(params, layers, first, layers.stride)[0, 0, 0, 0]


def scan_logits(
    params: Mapping[str, Any],
    layers: DeepEMLayers,
    spectrum: Complex[Array, "1 fy fx"],
    shape: tuple[int, int],
    step: int,
) -> Float[Array, "window_y window_x"]:
    """Return the logits of all boxes of an image whose corners are multiples of a step.

    Args:
        params: of the network, turned or not.
        layers: of the network.
        spectrum: `spectrum_of` the image: several sets of parameters share it.
        shape: (y, x) of the image.
        step: of the windows.
    """
    first = correlate_spectrum(spectrum, params["c1"]["kernel"], shape)
    logits = _logits_of_first(params, layers, first, step)
    counts = [num_windows(side, layers.box_px, step) for side in shape]
    return gather_windows(logits, layers.stride, step, (counts[0], counts[1]))


def spectrum_of(image: Image) -> Complex[Array, "1 fy fx"]:
    """Return the transform of an image that `scan_logits` takes."""
    return image_spectrum(image[None])


def turn_params(params: Mapping[str, Any], quarter_turns: int) -> dict[str, Any]:
    """Return parameters that give a box the logit that `params` give the box turned by np.rot90.

    Poolings divide the maps, so turning every kernel back turns the whole network back, exactly.
    """
    return {
        name: {**layer, "kernel": jnp.rot90(layer["kernel"], -quarter_turns, (0, 1))}
        for name, layer in params.items()
    }


def _logits_of_first(
    params: Mapping[str, Any],
    layers: DeepEMLayers,
    first: Float[Array, "channel y x"],
    step: int,
) -> Float[Array, "remainder_y remainder_x place_y place_x"]:
    """Go on from the first correlation."""
    activate = jax.nn.sigmoid if layers.activation == "sigmoid" else jax.nn.relu
    maps, stride = as_fragment(first), 1
    for index, (name, pool) in enumerate(zip(NAMES, layers.pools, strict=True)):
        if index:
            maps = correlate(maps, params[name]["kernel"])
        bias = jnp.asarray(params[name]["bias"]).reshape(1, 1, -1, 1, 1)
        maps = activate(maps + bias)
        maps = pool_fragments(maps, stride, pool, step, "mean", y_axis=3)
        stride *= pool
    return correlate(maps, params["output"]["kernel"])[:, :, 0] + params["output"]["bias"][0]
