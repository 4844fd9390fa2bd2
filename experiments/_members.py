"""What is compared: methods with weights that ship, that are given or that are trained here."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import train
from jaxpick import methods
from jaxpick.io.files import InputError
from jaxpick.spec import SpecError, as_plain, build, require
from jaxpick.weights.portable import CARD_NAME, load_weights
from jaxpick.weights.shipped import FOLDER as SHIPPED

# For methods that have no weights: some minutes on two cores each, enough to find particles that are easy, and not
# what a method can do.
_MOLECULES = {"num_phantoms": 24, "views": {"num_views": 48}}
_SELDOM = {"log_every": 50, "validate_every": 200, "validation_batches": 4}
SMALL: Mapping[str, Any] = {
    "unet": {
        "specimens": _MOLECULES,
        "training": _SELDOM,
        "method": {"segmenter": {"steps": 400}, "noise_fields": 0},
    },
    "parsed": {
        "specimens": _MOLECULES,
        "training": _SELDOM,
        "method": {"classifier": {"steps": 200}, "segmenter": {"steps": 400}},
    },
    "deepem": {
        "specimens": _MOLECULES,
        "training": _SELDOM,
        "cached_examples": 256,
        "method": {
            "field": {"field_px": 128, "max_particles": 64, "max_distractors": 16},
            "patches_per_field": 32,
            "classifier": {"steps": 600, "batch_size": 8},
            "decode": {"border": "zeros"},
        },
    },
    "deeppicker": {
        "specimens": {**_MOLECULES, "views": {"num_views": 48, "diameter_px": 44.0, "box_px": 56}},
        "training": _SELDOM,
        "cached_examples": 192,
        "method": {
            "field": {"max_particles": 48, "max_distractors": 12},
            "patches_per_field": 20,
            "classifier": {"steps": 600},
            "decode": {"border": "zeros"},
        },
    },
    "topaz": {
        "specimens": _MOLECULES,
        "training": _SELDOM,
        "method": {"classifier": {"steps": 600}},
    },
    "cryolo": {
        "specimens": _MOLECULES,
        "training": _SELDOM,
        "method": {
            "width": 0.165,
            "working": {"kind": "scaled"},
            "field": {"field_px": 192, "max_particles": 160, "max_distractors": 48},
            "warm_up": {"steps": 50, "batch_size": 8},
            "detector": {"steps": 400, "batch_size": 8},
        },
    },
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One picker of a comparison.

    Attributes:
        label: its name in tables.
        method: which method it is.
        seed: of its training, or its number among weights given; None where there is one alone.
        weights: folder of weights; None where they ship, are trained here or are not needed.
        training: settings of its training here, None otherwise.
    """

    label: str
    method: str
    seed: int | None = None
    weights: str | None = None
    training: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        """Its folder within the comparison's."""
        return self.label if self.seed is None else f"{self.label}/seed_{self.seed}"

    @property
    def source(self) -> str:
        """Where its weights come from, in a word."""
        if self.method in methods.UNTRAINED:
            return "none"
        return "trained here" if self.training else "given" if self.weights else "shipped"


def members_of(
    labels: tuple[str, ...],
    weights: Mapping[str, Any],
    training: Mapping[str, Any],
    retrain: tuple[str, ...],
    seeds: int,
) -> list[Member]:
    """Return the members: weights given go first, then those that ship, then training.

    Args:
        labels: names of methods, or of weights given under another name.
        weights: label -> folder, or a list of folders, one for each seed.
        training: label -> settings of `train`.
        retrain: labels to train although weights ship.
        seeds: how many of each method that is trained.

    Raises:
        SpecError: on a label that is no method's and has no weights.
    """
    for where, names in (("weights", weights), ("retrain", retrain)):
        for name in names:
            require(name in labels, where, name, f"one of methods={','.join(labels)}")
    for name in retrain:
        is_free = name not in weights and name not in methods.UNTRAINED
        require(is_free, "retrain", name, "methods that learn and have no weights given")
    found: list[Member] = []
    for label in labels:
        given = weights.get(label)
        if given is not None:
            folders = [given] if isinstance(given, str) else list(given)
            numbers: list[int | None] = [*range(len(folders))] if len(folders) > 1 else [None]
            for number, folder in zip(numbers, folders, strict=True):
                found.append(_given(label, str(folder), number))
        elif label not in methods.NAMES:
            known = ", ".join(methods.NAMES)
            raise SpecError(f"methods: {label} is none of {known}; give weights.{label}=FOLDER")
        elif label in methods.UNTRAINED or (label not in retrain and (SHIPPED / label).is_dir()):
            found.append(Member(label=label, method=label))
        else:
            found += [
                Member(label=label, method=label, seed=seed, training=training.get(label, {}))
                for seed in range(seeds)
            ]
    return found


def trained_weights(member: Member, folder: Path) -> str | None:
    """Return the member's folder of weights; train them into `folder` if that is its way.

    A finished training of the same settings is not done again; another one is done anew.

    Raises:
        InputError: when there are neither weights nor settings to train any.
    """
    if not member.training:
        if member.training is not None:
            raise InputError(
                f"{member.label}: no weights ship; give weights.{member.label}=FOLDER or "
                f"train.{member.label}=SETTINGS"
            )
        return member.weights
    settings = training_of(member, folder)
    wanted = _told(json.loads(json.dumps(as_plain(settings))))
    if _told(_read(folder / "train.json").get("config", {})) != wanted:
        begun = _told(_read(folder / "config.json"))
        differs = bool(begun) and begun != wanted
        train.run(dataclasses.replace(settings, overwrite=differs))
    return str(folder / "weights")


def training_of(member: Member, folder: Path) -> train.TrainExperiment:
    """Return the settings of a member's training; a mistake among them is told by its path."""
    path = f"train.{member.label}"
    settings = dict(member.training or {})
    spec_type = methods.get(member.method).Spec
    given = over(as_plain(spec_type()), settings.pop("method", {}))
    method = {"name": member.method, **as_plain(build(spec_type, given, f"{path}.method"))}
    fixed = {"out": str(folder), "seed": member.seed or 0, "method": method}
    defaults = as_plain(train.TrainExperiment(out=str(folder)))
    return build(train.TrainExperiment, {**over(defaults, settings), **fixed}, path)


def over(defaults: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with changes laid over them; those of another kind replace them."""
    result = dict(defaults)
    for name, value in changes.items():
        old = result.get(name)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        is_other = both and "kind" in value and value["kind"] != old.get("kind")  # type: ignore[union-attr]
        result[name] = over(old, value) if both and not is_other else value  # type: ignore[arg-type]
    return result


def training_record(member: Member, folder: Path) -> dict[str, Any]:
    """Return `train.json` of the member's weights, empty where there is none."""
    if member.training:
        return _read(folder / "train.json")
    if member.weights is None:
        return {}
    beside = Path(member.weights)
    return _read(beside / "train.json") or _read(beside.parent / "train.json")


def training_seconds(record: Mapping[str, Any]) -> float | None:
    """Return how long a training took: as it says, or all its steps at the speed it had."""
    if record.get("seconds"):
        return float(record["seconds"])
    method = record.get("config", {}).get("method", {})
    total = 0.0
    for name, speed in record.get("examples_per_second", {}).items():
        stage = method.get(name, {})
        if not speed or "steps" not in stage or "batch_size" not in stage:
            return None
        total += stage["steps"] * stage["batch_size"] / speed
    return total or None


def _given(label: str, folder: str, number: int | None) -> Member:
    inner = Path(folder) / "weights"
    folder = str(inner) if (inner / CARD_NAME).is_file() else folder
    method = label
    if label not in methods.NAMES:
        method = str(load_weights(folder)[1].get("method"))
    return Member(label=label, method=method, seed=number, weights=folder)


def _told(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a training but for what says nothing about its weights."""
    return {name: value for name, value in config.items() if name not in ("out", "overwrite")}


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InputError(f"{path}: expected JSON ({error})") from error
