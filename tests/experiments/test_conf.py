"""Every file in conf/ says what it is for, composes, and builds the spec of its command."""

import functools
import os
from pathlib import Path

import pytest
import yaml
from studies import STUDIES, study_of

from experiments import (
    _hydra,
    compare,
    deepem_initialisation,
    parsed_accuracy,
    simulate,
    train,
)
from jaxpick import methods
from jaxpick.spec import as_plain, build
from jaxpick.train import StageSpec

CONF = Path(__file__).resolve().parents[2] / "conf"
FILES = sorted(CONF.rglob("*.yaml"))
# A command: its spec, its choices of settings, and what must be given.
COMMANDS = {
    "train": (train.TrainExperiment, train.choices(), ["out=D"]),
    "deepem_initialisation": (
        deepem_initialisation.InitialisationStudy,
        deepem_initialisation.choices(),
        ["out=D"],
    ),
    "simulate": (simulate.SimulateSpec, None, ["out=D"]),
    "parsed_accuracy": (parsed_accuracy.AccuracySpec, None, ["out=D", "weights=W"]),
    "compare": (compare.CompareSpec, None, ["out=D"]),
    **{name: (study_of(name)[1], None, ["out=D"]) for name in STUDIES},
}
GROUPS = {
    "method": "train",
    "optimizer": "train",
    "hardware": "train",
    "data": "train",
    "simulator": "simulate",
}
# What a layout of data needs beside its name.
PLACES = {
    "files": ("data.micrographs=M", "data.coordinates=C", "data.diameter=9"),
    **{name: ("data.folder=F", "data.diameter=9") for name in ("empiar", "cryoppp", "relion")},
}
DEFAULTS = ("hardware=jit",)


@functools.cache
def composed(*overrides, command="train"):
    spec_type, choices, given = COMMANDS[command]
    return _hydra.compose(spec_type, command, [*given, *overrides], choices)


def choice_of(path):
    """Return the command, the overrides that choose a file, and where its settings go."""
    folder = path.relative_to(CONF).parent
    if folder.parts[0] == "experiment":
        command, *of_method = folder.parts[1:]
        chosen = (f"experiment={(*of_method, path.stem)[0]}",)
        return command, (*chosen, *(f"method={path.stem}" for _ in of_method)), ()
    needed = PLACES.get(path.stem, ()) if folder.name == "data" else ()
    return GROUPS[folder.name], (f"{folder.name}={path.stem}", *needed), (folder.name,)


def leaves(values, path=()):
    """Yield (path, value) of nested settings; a list is one value."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def set_by(path):
    """Yield what a file sets, with the files that it builds on, as (path of the setting, value)."""
    text = path.read_text(encoding="utf-8")
    folder = os.environ.get("JAXPICK_DATA", "../shared/data")
    values = yaml.safe_load(text.replace("${oc.env:JAXPICK_DATA,../shared/data}", folder))
    own = dict(leaves({name: value for name, value in values.items() if name != "defaults"}))
    for entry in values.get("defaults", []):
        if isinstance(entry, str):
            # There is no file for _self_ and for a method's own defaults.
            base = path.with_name(f"{entry}.yaml")
            built_on = set_by(base) if base.exists() else ()
            yield from ((at, v) for at, v in built_on if at not in own)
        else:
            ((group, name),) = entry.items()
            group = group.removeprefix("override /")
            preset = CONF / group / f"{name}.yaml"
            chosen = set_by(preset) if preset.exists() else ((("name",), name),)
            yield from (((group, *at), v) for at, v in chosen if (group, *at) not in own)
    yield from own.items()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_file_is_a_mapping_with_a_purpose(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# "), "the first line says what the file is for"
    assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.parent.name not in ("launcher", "sweeper")],
    ids=lambda path: str(path.relative_to(CONF)),
)
def test_every_value_of_a_file_reaches_the_settings(path):
    command, overrides, prefix = choice_of(path)
    plain = as_plain(composed(*overrides, command=command))
    for at, value in set_by(path):
        found = plain
        for name in (*prefix, *at):
            found = found[name]
        assert found == value, f"{overrides}: {'.'.join(at)} is {found!r}"
    changes = plain != as_plain(composed(command=command))
    assert changes == (overrides[0] not in DEFAULTS), "a file is there because it changes something"
    if command == "train":
        settings = {name: value for name, value in plain["method"].items() if name != "name"}
        build(methods.get(plain["method"]["name"]).Spec, settings, "method")


LEARNING = [name for name in methods.NAMES if name not in methods.UNTRAINED]


@pytest.mark.parametrize("name", LEARNING)
def test_every_method_is_a_choice_with_its_own_defaults(name):
    spec = composed(f"method={name}")
    assert spec.method["name"] == name
    settings = {key: value for key, value in spec.method.items() if key != "name"}
    assert build(methods.get(name).Spec, settings) == methods.get(name).Spec()


@pytest.mark.parametrize("name", LEARNING)
def test_a_debug_run_of_every_method_is_tiny(name):
    """Small fields, batches and networks: seconds once compiled."""
    spec = composed("experiment=debug", f"method={name}")
    settings = train._method_spec(methods.get(name).Spec, spec)
    assert spec.training.max_steps == 2 and settings.field.field_px <= 128
    of_stage = [value for value in vars(settings).values() if isinstance(value, StageSpec)]
    assert of_stage and all(stage.batch_size <= 4 for stage in of_stage)
    assert (CONF / "experiment" / "train" / "debug" / f"{name}.yaml").is_file()


def test_jobs_run_one_after_another_unless_another_launcher_is_chosen():
    assert composed("launcher=local", "sweeper=grid") == composed()


def test_optimizer_choice_sets_every_stage():
    spec = composed("optimizer=sgd", "optimizer.momentum=0.5", "method=parsed")
    settings = train._method_spec(train.choices()["method"]["parsed"], spec)
    for stage in (settings.classifier, settings.segmenter):
        assert (stage.optimizer.kind, stage.optimizer.momentum) == ("sgd", 0.5)


def test_command_line_wins_over_the_choice():
    spec = composed("hardware=pmap", "hardware.num_devices=2", "method.segmenter.steps=7")
    assert (spec.hardware.strategy, spec.hardware.num_devices) == ("pmap", 2)
    assert spec.method["segmenter"]["steps"] == 7
