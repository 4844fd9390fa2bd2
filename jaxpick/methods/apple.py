"""APPLE: particles found by windows of the micrograph itself (Heimowitz, Anden and Singer 2018, J Struct Biol 204:215).

No weights and no templates: the particle's size is all it is told. In its order: the micrograph
shrunk and blurred, references from containers, responses of windows, a classifier taught by the
best and the worst of them, morphology, centres. The released program picks the square inside a
border of 99 pixels, which `decode.crop=released` does too; by default the whole micrograph is
picked. It gives no scores: here a pick's score is the share of references that its window answers.
"""

import dataclasses
from typing import Any

from jaxpick.picking.apple_picker import AppleDecodeSpec, ApplePicker
from jaxpick.picking.window_classifier import load_machine
from jaxpick.preprocess.shrunk import ShrunkSpec

NAME = "apple"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """Settings of the APPLE picker.

    Attributes:
        working: shrinking and blur.
        decode: windows, references, classes, objects.
    """

    working: ShrunkSpec = ShrunkSpec()
    decode: AppleDecodeSpec = AppleDecodeSpec()


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: AppleDecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> ApplePicker:
    """Return the picker; `params` is not looked at.

    Raises:
        InputError: when scikit-learn is missing.
    """
    load_machine()
    return ApplePicker(
        name=NAME,
        working=spec.working,
        decode=decode or spec.decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )
