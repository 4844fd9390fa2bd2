"""Array aliases and the one axis vocabulary of the house.

Axes, wherever they occur: ``batch``, ``particle``, ``y`` before ``x``, ``channel`` last; ``fy fx`` is a
half-plane spectrum (fx from 0 to Nyquist, as `rfft2` gives it). A trailing 2 is (y, x). Pixel centres are at integers.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int, Key

Scalar: TypeAlias = Float[Array, ""] | float
Image: TypeAlias = Float[Array, "y x"]
Images: TypeAlias = Float[Array, "batch y x"]
FeatureMaps: TypeAlias = Float[Array, "batch y x channel"]
Mask: TypeAlias = Bool[Array, "y x"]
Labels: TypeAlias = Int[Array, "y x"]
Spectrum: TypeAlias = Complex[Array, "fy fx"]
RandomKey: TypeAlias = Key[Array, ""]
HostImage: TypeAlias = Float[np.ndarray, "y x"]
