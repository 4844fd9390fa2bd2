"""The methods by name; each is one file in the order of its paper's method section.

Every method's module has `Spec` (a frozen spec with the paper's numbers as defaults), `training_stages(spec, data)` (a
bank of views to simulate with, or labelled micrographs) and `make_picker(spec, params, diameter_angstrom, decode,
margin_angstrom)`. It may have `calibrate(spec, params, stage, seed) -> spec`, called once the last stage is trained:
what picking needs to know of the trained parameters, such as the peaks that noise gives. One with a `THRESHOLD_BETA`
gets the threshold of the best F score with that beta on whole fields (`jaxpick.evaluate.field_threshold`).
Those in `UNTRAINED` learn nothing: they have no `training_stages`, and `make_picker` looks at no parameters.
"""

import importlib
from types import ModuleType

from jaxpick.spec import SpecError
from jaxpick.weights.shipped import WITHOUT_WEIGHTS

NAMES = (
    "apple",
    "cryolo",
    "deepem",
    "deeppicker",
    "log",
    "parsed",
    "parsed_released",
    "template",
    "topaz",
    "unet",
)
DEFAULT = "unet"
UNTRAINED = WITHOUT_WEIGHTS


def get(name: str) -> ModuleType:
    """Return the module of a method.

    Raises:
        SpecError: for an unknown name; the message lists the known ones.
    """
    if name not in NAMES:
        raise SpecError(f"method: expected one of {', '.join(NAMES)}, got {name!r}")
    return importlib.import_module(f"jaxpick.methods.{name}")
