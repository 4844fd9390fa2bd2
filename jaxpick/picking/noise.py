"""How many peaks pure noise gives with a picker's weights: what `discount` needs, measured once after training.

Fields of white and of slightly correlated noise are prepared and scored as micrographs are.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxpick import rngs
from jaxpick.io.nouns import Micrograph
from jaxpick.picking.dense import DensePicker
from jaxpick.picking.discount import NoiseSpec
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.spec import SpecError
from jaxpick.typing import RandomKey

# Scores at which the number of peaks is tabulated.
SCORES = (0.01, 0.02, *(round(0.05 * step, 2) for step in range(1, 21)))
# Share of each pixel that its neighbours along y and x get: detectors and resampling leave noise
# a little correlated.
NEIGHBOUR_SHARES = (0.0, 0.2, 0.4)


def measure_noise(
    picker: DensePicker, key: RandomKey, num_fields: int = 24, side_diameters: int = 50
) -> NoiseSpec:
    """Return the mean number of peaks at least as high as each score, per square diameter.

    One peak is added to every count, so that rates stay upper bounds where none was seen.

    Args:
        picker: with the weights; its own discount is left out.
        key: of the noise.
        num_fields: fields of noise, in turn of each correlation.
        side_diameters: side of a field.

    Raises:
        SpecError: when working images do not follow the diameter.
    """
    if not isinstance(picker.working, WorkingSpec):
        raise SpecError("working.kind: expected scaled, as noise is counted per diameter")
    bare = dataclasses.replace(
        picker, decode=dataclasses.replace(picker.decode, noise=NoiseSpec()), margin_angstrom=0.0
    )
    working_px = picker.working.diameter_px / min(picker.decode.scales)
    side_px = side_diameters * round(working_px)
    counts = np.zeros(len(SCORES))
    for index in range(num_fields):
        image = _noise(jax.random.fold_in(key, index), side_px, NEIGHBOUR_SHARES[index % 3])
        pixel_angstrom = picker.diameter_angstrom / working_px
        working = bare.prepare(
            Micrograph(image=image, pixel_size_angstrom=pixel_angstrom, name=f"noise {index}")
        )
        score = bare.candidates(working).score
        counts += np.sum(score[:, None] >= np.asarray(SCORES), axis=0)
    area = num_fields * (side_px / working_px) ** 2
    return NoiseSpec(score=SCORES, per_square_diameter=tuple((counts + 1) / area))


def with_noise(spec: Any, picker: DensePicker, seed: int) -> Any:
    """Return a method's settings with the peaks that `spec.noise_fields` fields of noise give its picker."""
    noise = measure_noise(picker, rngs.stream(seed, "noise"), spec.noise_fields)
    return dataclasses.replace(spec, decode=dataclasses.replace(spec.decode, noise=noise))


def _noise(key: RandomKey, side_px: int, share: float) -> Float[np.ndarray, "y x"]:
    field = jax.random.normal(key, (side_px, side_px), jnp.float32)
    for axis in (0, 1):
        field = field + share * (jnp.roll(field, 1, axis) + jnp.roll(field, -1, axis))
    return np.asarray(field)
