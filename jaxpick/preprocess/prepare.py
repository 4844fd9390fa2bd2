"""Micrograph -> working image by whichever preprocessing a method's settings name.

Real micrographs and simulated fields go through the same functions: `prepare` for a micrograph,
`normalise_field` for a field that was simulated at the working pixel.
"""

from typing import TypeAlias

import jax.numpy as jnp

from jaxpick.io.nouns import Micrograph
from jaxpick.preprocess.parsed import ParsedPreprocessSpec, make_parsed_image, normalise_parsed
from jaxpick.preprocess.working import WorkingImage, WorkingSpec, make_working_image, normalise
from jaxpick.typing import Image, Scalar

PreprocessSpec: TypeAlias = WorkingSpec | ParsedPreprocessSpec


def prepare(
    micrograph: Micrograph, diameter_angstrom: float, spec: WorkingSpec | ParsedPreprocessSpec
) -> WorkingImage:
    """Make the working image of a micrograph.

    Args:
        micrograph: as read.
        diameter_angstrom: particle diameter that the user gives.
        spec: how working images are made.
    """
    image, pixel, name = micrograph.image, micrograph.pixel_size_angstrom, micrograph.name
    if isinstance(spec, ParsedPreprocessSpec):
        return make_parsed_image(image, pixel, name, spec)
    return make_working_image(image, pixel, diameter_angstrom, name, spec)


def normalise_field(
    image: Image, pixel_size_angstrom: Scalar, spec: WorkingSpec | ParsedPreprocessSpec
) -> Image:
    """Normalise a field that was simulated at the working pixel."""
    if isinstance(spec, ParsedPreprocessSpec):
        return normalise_parsed(image, jnp.asarray(pixel_size_angstrom, jnp.float32), spec)
    return normalise(image, spec)


def nominal_pixel_angstrom(
    spec: WorkingSpec | ParsedPreprocessSpec,
    diameter_angstrom: float,
    micrograph_pixel_angstrom: float,
) -> float:
    """Return the working pixel before the sides of the working image are rounded."""
    if isinstance(spec, ParsedPreprocessSpec):
        return max(spec.working_pixel_angstrom, micrograph_pixel_angstrom)
    return diameter_angstrom / spec.diameter_px
