"""Micrograph -> working image by whichever preprocessing a method's settings name.

Real micrographs and simulated fields go through the same functions: `prepare` for a micrograph,
`normalise_field` for a field that was simulated at the working pixel.
"""

from typing import TypeAlias

import jax.numpy as jnp

from jaxpick.io.nouns import Micrograph
from jaxpick.preprocess.cryolo import CryoloPreprocessSpec, make_cryolo_image, standardise
from jaxpick.preprocess.parsed import ParsedPreprocessSpec, make_parsed_image, normalise_parsed
from jaxpick.preprocess.shrunk import ShrunkSpec, make_shrunk_image
from jaxpick.preprocess.standardised import StandardisedSpec, make_standardised_image
from jaxpick.preprocess.topaz import TopazPreprocessSpec, make_topaz_image, normalise_topaz
from jaxpick.preprocess.working import WorkingImage, WorkingSpec, make_working_image, normalise
from jaxpick.typing import Image, Scalar

# Whose working pixel does not depend on the size of the micrograph.
KnownPixelSpec: TypeAlias = WorkingSpec | ParsedPreprocessSpec
PreprocessSpec: TypeAlias = KnownPixelSpec | CryoloPreprocessSpec | TopazPreprocessSpec
# With those of methods that nothing is simulated for.
AnyPreprocessSpec: TypeAlias = PreprocessSpec | ShrunkSpec | StandardisedSpec


def prepare(
    micrograph: Micrograph, diameter_angstrom: float, spec: AnyPreprocessSpec
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
    if isinstance(spec, CryoloPreprocessSpec):
        return make_cryolo_image(image, pixel, diameter_angstrom, name, spec)
    if isinstance(spec, TopazPreprocessSpec):
        return make_topaz_image(image, pixel, diameter_angstrom, name, spec)
    if isinstance(spec, ShrunkSpec):
        return make_shrunk_image(micrograph, diameter_angstrom, spec)
    if isinstance(spec, StandardisedSpec):
        return make_standardised_image(micrograph, diameter_angstrom, spec)
    return make_working_image(image, pixel, diameter_angstrom, name, spec)


def normalise_field(image: Image, pixel_size_angstrom: Scalar, spec: PreprocessSpec) -> Image:
    """Normalise a field that was simulated at the working pixel.

    crYOLO's low-pass depends on the micrograph that was resampled, and a field has none: what
    simulated micrographs are filtered by is drawn with the rest (`ProcessingPrior`).
    """
    if isinstance(spec, ParsedPreprocessSpec):
        return normalise_parsed(image, jnp.asarray(pixel_size_angstrom, jnp.float32), spec)
    if isinstance(spec, CryoloPreprocessSpec):
        return standardise(image)
    if isinstance(spec, TopazPreprocessSpec):
        return normalise_topaz(image, spec)
    return normalise(image, spec)


def nominal_pixel_angstrom(
    spec: KnownPixelSpec,
    diameter_angstrom: float,
    micrograph_pixel_angstrom: float,
) -> float:
    """Return the working pixel before the sides of the working image are rounded."""
    if isinstance(spec, ParsedPreprocessSpec):
        return max(spec.working_pixel_angstrom, micrograph_pixel_angstrom)
    return diameter_angstrom / spec.diameter_px
