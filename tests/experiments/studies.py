"""The studies by name, each with its settings: files of `experiments/` whose settings are a study's."""

import importlib
from pathlib import Path

CONF = Path(__file__).resolve().parents[2] / "conf" / "experiment"
# Commands with settings of experiments that are no studies.
OTHERS = ("train", "compare", "deepem_initialisation", "parsed_accuracy")
STUDIES = tuple(sorted(path.name for path in CONF.iterdir() if path.name not in OTHERS))


def study_of(name):
    """Return the module of a study and its spec."""
    module = importlib.import_module(f"experiments.{name}")
    own = (v for v in vars(module).values() if getattr(v, "__module__", None) == module.__name__)
    return module, next(value for value in own if isinstance(value, type))
