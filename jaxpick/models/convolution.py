"""The convolutions of all networks: `nn.Conv`, the same parameters and values, with `jaxpick.numerics.layers` below."""

import functools

import flax.linen as nn

from jaxpick.numerics.layers import convolve

Conv = functools.partial(nn.Conv, conv_general_dilated=convolve)
