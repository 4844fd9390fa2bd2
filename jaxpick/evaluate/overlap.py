"""What training and test data share, as far as the weights' card and the training's record say.

Nothing is proven here: a card that says nothing gives "unknown", and a comparison that was not
looked into must not read as a clean one.
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from jaxpick.io.names import base_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestData:
    """What a set shows.

    Attributes:
        molecules: PDB codes of the particle and its kin; empty if unknown.
        phantom_seed: of the procedural molecule; None if there is none.
        micrographs: names of the files.
    """

    __test__ = False  # no test of pytest's

    molecules: tuple[str, ...] = ()
    phantom_seed: int | None = None
    micrographs: tuple[str, ...] = ()


def training_overlap(card: Mapping[str, Any], record: Mapping[str, Any], test: TestData) -> str:
    """Return in a few words what weights have seen of a set.

    Args:
        card: of the weights; empty for methods that learn nothing.
        record: `train.json` of their training; empty where there is none.
        test: the set.
    """
    if not card:
        return "learns nothing"
    labelled = {base_name(name) for name in _labelled_names(record)}
    shared = [name for name in test.micrographs if base_name(name) in labelled]
    if shared:
        return f"shared: {len(shared)} of {len(test.micrographs)} micrographs"
    told = card.get("data", {})
    # A training on labels has settings of molecules too, which it did not use.
    specimens = {} if labelled else record.get("config", {}).get("specimens") or {}
    if not told and not record:
        return "unknown: the card does not say"
    if test.phantom_seed is not None:
        return _of_phantoms(test.phantom_seed, told, specimens)
    if not test.molecules:
        return "unknown: the molecule is not named"
    return _of_molecules(test.molecules, told, specimens, bool(labelled))


def _of_phantoms(seed: int, told: Mapping[str, Any], specimens: Mapping[str, Any]) -> str:
    seen = {int(text) for text in re.findall(r"seeds? (\d+)", json.dumps(told))}
    if specimens.get("num_phantoms"):
        seen.add(int(specimens.get("phantom_seed", 0)))
    if seed in seen:
        return f"shared: phantoms of seed {seed}"
    listed = ", ".join(map(str, sorted(seen)))
    return f"none: trained on phantoms of seeds {listed}" if seen else "none: no phantoms seen"


def _of_molecules(
    molecules: Iterable[str],
    told: Mapping[str, Any],
    specimens: Mapping[str, Any],
    is_labelled: bool,
) -> str:
    left_out = {name.upper() for name in (*told.get("left_out", ()), *specimens.get("exclude", ()))}
    has_structures = bool(specimens.get("structures") or specimens.get("maps"))
    has_structures |= str(told.get("structures", "none")) != "none"
    open_ones = [name for name in molecules if name.upper() not in left_out]
    if is_labelled:
        return "other micrographs; whether of this molecule is not said"
    if not has_structures:
        return "none: no structures in training"
    if open_ones:
        return f"unknown: {', '.join(open_ones)} not named among those left out"
    return f"none: {', '.join(molecules)} left out of training"


def _labelled_names(record: Mapping[str, Any]) -> list[str]:
    data = record.get("data") or {}
    return [name for part in ("training", "train", "validation") for name in data.get(part, ())]
