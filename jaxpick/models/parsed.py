"""PARSED: a particle classifier whose convolutions become a particle segmenter; the released one.

Yao, Qian and Huang (2020), Bioinformatics 36:1252, supplement Table S2 and Fig. S2. The two
networks of the paper share `ParsedTrunk` under one parameter name, so that the classifier's
convolutions initialise the segmenter (`initialise_segmenter`, Fig. S1). `ParsedReleased` is the
different network inside the authors' `pre_train_model.h5`.

Channel last throughout. Convolutions are ReLU and zero-padded to keep the size; a residual sum adds
a ReLU output to a non-negative map, so no activation follows it.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.models.convolution import Conv
from jaxpick.numerics.convolution import correlate_doubling
from jaxpick.numerics.pooling import max_pool
from jaxpick.spec import SpecError

STRIDE_MULTIPLE = (
    4  # two poolings: tiles must start at multiples of this to reproduce the untiled map
)
_glorot = nn.initializers.glorot_uniform()  # recorded in the released file


class ParsedTrunk(nn.Module):
    """The layers that classifier and segmenter share: 28,064 parameters at width 32.

    Attributes:
        width: number of filters of every layer (32 in the paper).
        dtype: of the computation; parameters stay float32.
    """

    width: int = 32
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch y x 1"]
    ) -> tuple[Float[Array, "batch y2 x2 channel"], Float[Array, "batch y4 x4 channel"]]:
        """Return the maps at half (pool1) and quarter (pool2) resolution; y and x must be
        multiples of 4.
        """
        conv1 = self._convolve("conv1", images.astype(self.dtype))
        conv2 = conv1 + self._convolve("conv2_1", conv1)
        pool1 = max_pool(conv2)
        conv3 = pool1 + self._convolve("conv3_1", pool1)
        conv4 = conv3 + self._convolve("conv4_1", conv3)
        return pool1, max_pool(conv4)

    def _convolve(
        self, name: str, maps: Float[Array, "batch y x c"]
    ) -> Float[Array, "batch y x channel"]:
        layer = Conv(self.width, (3, 3), dtype=self.dtype, kernel_init=_glorot, name=name)
        return nn.relu(layer(maps))


class ParsedClassifier(nn.Module):
    """Particle or non-particle for a whole patch of one fixed size (Table S2, left; Fig. S2).

    Attributes:
        width: number of filters of the trunk.
        hidden: nodes of the two inner-product layers.
    """

    width: int = 32
    hidden: int = 128
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, patches: Float[Array, "batch y x 1"]) -> Float[Array, "batch 2"]:
        """Return logits (non-particle, particle)."""
        trunk = ParsedTrunk(width=self.width, dtype=self.dtype, name="trunk")
        _, pool2 = trunk(_pad_to_multiple(patches))
        flat = pool2.reshape(pool2.shape[0], -1)
        for name in ("ip1", "ip2"):
            layer = nn.Dense(self.hidden, dtype=self.dtype, kernel_init=_glorot, name=name)
            flat = nn.relu(layer(flat))
        logits = nn.Dense(2, dtype=self.dtype, kernel_init=_glorot, name="prediction")(flat)
        return logits.astype(jnp.float32)


class ParsedSegmenter(nn.Module):
    """Particle or background for every pixel (Table S2, right), at the full size of the input.

    The table gives the last layer as "2, (32,32)". Every other row reads "filters, (kernel)", but a
    32 x 32 kernel would hold 65,538 of 112,098 parameters and span 480 angstrom, far more than the
    trunk sees; its name conv2d_ip2 says "inner product", so the default is one over the 32 channels
    of each pixel (a 1 x 1 kernel). `head_kernel_px` = 3 gives the other likely reading.

    Attributes:
        width: number of filters of the trunk and of the deconvolutions.
        head_kernel_px: side of the last kernel.
    """

    width: int = 32
    head_kernel_px: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: Float[Array, "batch y x 1"]) -> Float[Array, "batch y x 2"]:
        """Return logits (background, particle); a size that is no multiple of 4 is zero-padded
        and cropped back.
        """
        height, width = images.shape[1:3]
        trunk = ParsedTrunk(width=self.width, dtype=self.dtype, name="trunk")
        pool1, pool2 = trunk(_pad_to_multiple(images))
        pool2_re = pool1 + self._double("deconv2d_1", pool2)
        full = self._double("deconv2d_2", pool2_re)
        side = (self.head_kernel_px, self.head_kernel_px)
        logits = Conv(2, side, dtype=self.dtype, kernel_init=_glorot, name="conv2d_ip2")(full)
        return logits[:, :height, :width].astype(jnp.float32)

    def _double(
        self, name: str, maps: Float[Array, "batch y x channel"]
    ) -> Float[Array, "batch y2 x2 channel"]:
        return nn.relu(Doubling(self.width, dtype=self.dtype, name=name)(maps))


class Doubling(nn.Module):
    """`nn.ConvTranspose` with 3 x 3 kernels and stride 2, by the same parameters.

    Attributes:
        features: maps that it makes.
    """

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, maps: Float[Array, "batch y x channel"]
    ) -> Float[Array, "batch y2 x2 features"]:
        """Return maps of twice the sides."""
        shape = (3, 3, maps.shape[-1], self.features)
        kernel = jnp.asarray(self.param("kernel", _glorot, shape), self.dtype)
        bias = jnp.asarray(self.param("bias", nn.initializers.zeros, (self.features,)), self.dtype)
        return correlate_doubling(maps.astype(self.dtype), kernel) + bias[None, None, None, :]


class ParsedReleased(nn.Module):
    """The network of the released weights: 9 x 9 kernels, no pooling, one ReLU output; 353,313
    parameters.

    Fudan-HQLab/PARSED `parsed_main.py` and the layer graph in its h5. Transposed kernels are stored
    as Keras stores them, (y, x, out, in), and flipped by the layer.
    """

    width: int = 32
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch y x 1"], mask: Float[Array, "batch y x 1"]
    ) -> Float[Array, "batch y x 1"]:
        """Return the segmentation strength, >= 0, times the mask (0 where nothing may be
        picked).
        """
        conv1 = nn.relu(self._convolve("conv1", images.astype(self.dtype)))
        conv2 = nn.relu(conv1 + self._pair("conv2", conv1))
        conv3 = nn.relu(conv2 + self._pair("conv3", conv2))
        # The deconvolved map is added to conv2, not to conv3: so it is in the released graph.
        deconv1 = nn.relu(conv2 + self._deconvolve("deconv1_1", conv3, self.width))
        deconv2 = self._deconvolve("deconv2", deconv1, self.width)
        return (self._deconvolve("deconv3", deconv2, 1) * mask).astype(jnp.float32)

    def _pair(
        self, name: str, maps: Float[Array, "batch y x c"]
    ) -> Float[Array, "batch y x channel"]:
        return self._convolve(f"{name}_2", nn.relu(self._convolve(f"{name}_1", maps)))

    def _convolve(
        self, name: str, maps: Float[Array, "batch y x c"]
    ) -> Float[Array, "batch y x channel"]:
        layer = Conv(self.width, (9, 9), dtype=self.dtype, kernel_init=_glorot, name=name)
        return layer(maps)

    def _deconvolve(
        self, name: str, maps: Float[Array, "batch y x c"], features: int
    ) -> Float[Array, "batch y x channel"]:
        layer = nn.ConvTranspose(
            features,
            (3, 3),
            dtype=self.dtype,
            kernel_init=_glorot,
            transpose_kernel=True,
            name=name,
        )
        return nn.relu(layer(maps))


def initialise_segmenter(
    classifier_params: Mapping[str, Any], segmenter_params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the segmenter's parameters with the trained trunk of the classifier (Fig. S1).

    Raises:
        SpecError: when the two trunks have different layers or widths.
    """
    shapes = [
        jax.tree.map(jnp.shape, dict(p["trunk"])) for p in (classifier_params, segmenter_params)
    ]
    if shapes[0] != shapes[1]:
        raise SpecError(f"trunk: expected the segmenter's shapes {shapes[1]}, got {shapes[0]}")
    return {**segmenter_params, "trunk": classifier_params["trunk"]}


def receptive_field_px(head_kernel_px: int = 1) -> int:
    """Return the largest distance, along an axis, from a segmenter pixel to an input that moves it.

    A tile cut with this margin (rounded up to a multiple of 4) gives the untiled output in its
    core. The interval that an output interval depends on is followed from the head to the input,
    for each of the four pixel phases.
    """
    reaches = []
    for phase in range(STRIDE_MULTIPLE):
        low, high = _depends(phase, head_kernel_px)
        reaches += [phase - low, high - phase]
    return max(reaches)


def released_receptive_field_px() -> int:
    """Return the reach of a pixel of `ParsedReleased`: five 9 x 9 and three 3 x 3 kernels."""
    return 5 * 4 + 3 * 1


def _depends(pixel: int, head_kernel_px: int) -> tuple[int, int]:
    low, high = pixel - head_kernel_px // 2, pixel + head_kernel_px // 2
    low, high = _deconvolution_depends(low, high)  # half resolution: pool2_re
    low, high = _deconvolution_depends(low, high)  # quarter resolution: pool2; wider than the skip
    low, high = 2 * low - 2, 2 * high + 1 + 2  # pooling, then conv4_1 and conv3_1
    return 2 * low - 2, 2 * high + 1 + 2  # pooling, then conv2_1 and conv1


def _deconvolution_depends(low: int, high: int) -> tuple[int, int]:
    """Return the inputs behind outputs low..high of a 3 x 3, stride 2, SAME transposed convolution.

    Output o takes taps o - 2, o - 1, o of the input spread to the even positions (padding 2 before,
    1 after).
    """
    return -((2 - low) // 2), high // 2


def _pad_to_multiple(images: Float[Array, "batch y x 1"]) -> Float[Array, "batch y4 x4 1"]:
    rows, columns = ((-size) % STRIDE_MULTIPLE for size in images.shape[1:3])
    return jnp.pad(images, ((0, 0), (0, rows), (0, columns), (0, 0)))
