"""The same working image at a coarser scale, and score maps brought back from there."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.preprocess.prepare import PreprocessSpec
from jaxpick.preprocess.working import WorkingImage, WorkingSpec, make_working_image
from jaxpick.spec import SpecError
from jaxpick.typing import Image

# Maps are padded to multiples of this, so that mixed sizes share few compiled programs.
STEP_PX = 64


def make_coarser(working: WorkingImage, factor: float, spec: PreprocessSpec) -> WorkingImage:
    """Return a working image seen at `factor` times the diameter; its coordinates lead to the finer one.

    It is made from the finer one, which is small, as that was made from the micrograph.

    Raises:
        SpecError: when working images do not follow the diameter.
    """
    if not isinstance(spec, WorkingSpec):
        raise SpecError("decode.scales: expected (1.0,), as working.kind is not scaled")
    pixel_angstrom = working.pixel_size_angstrom
    diameter_angstrom = spec.diameter_px * pixel_angstrom * factor
    image = np.asarray(working.image)
    return make_working_image(image, pixel_angstrom, diameter_angstrom, working.micrograph, spec)


def resize_map(
    score_map: Float[np.ndarray, "coarse_y coarse_x"],
    coordinates: CoordinateMap,
    shape: tuple[int, ...],
) -> Float[np.ndarray, "fine_y fine_x"]:
    """Interpolate a score map linearly at the pixels of the image that it was made from."""
    scale = jnp.array([coordinates.scale_y, coordinates.scale_x], jnp.float32)
    padded = np.pad(score_map, [(0, -size % STEP_PX) for size in score_map.shape], mode="edge")
    target = (shape[0] + -shape[0] % STEP_PX, shape[1] + -shape[1] % STEP_PX)
    return np.asarray(_resize(jnp.asarray(padded), scale, target))[: shape[0], : shape[1]]


@partial(jax.jit, static_argnames="shape")
def _resize(
    score_map: Image, scale: Float[Array, "2"], shape: tuple[int, int]
) -> Float[Array, "fine_y fine_x"]:
    """Pixel x of the coarse map lies at pixel scale * x of the fine one (centres at integers)."""
    shift = 0.5 - 0.5 * scale
    return jax.image.scale_and_translate(
        score_map, shape, (0, 1), scale, shift, method="linear", antialias=False
    )
