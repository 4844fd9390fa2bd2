"""Every file in conf/ says what it is for, composes, and builds the spec of its command."""

from pathlib import Path

import pytest
import yaml

from experiments import _hydra, train
from jaxpick.spec import build

CONF = Path(__file__).resolve().parents[2] / "conf"
FILES = sorted(CONF.rglob("*.yaml"))
GROUPS = ("method", "optimizer", "hardware")


def composed(*overrides):
    return _hydra.compose(train.TrainExperiment, "train", ["out=D", *overrides], train.choices())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_file_is_a_mapping_with_a_purpose(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# "), "the first line says what the file is for"
    assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.parametrize(
    "override",
    [f"{p.parent.name}={p.stem}" for p in FILES if p.parent.name in GROUPS]
    + [f"experiment={p.stem}" for p in FILES if p.parent.match("experiment/train")]
    + ["method=parsed", "method=unet", "launcher=local"],
)
def test_choices_of_train_compose_and_build(override):
    spec = composed(override)
    method = {name: value for name, value in spec.method.items() if name != "name"}
    build(train.choices()["method"][spec.method["name"]], method, "method")


def test_optimizer_choice_sets_every_stage():
    spec = composed("optimizer=sgd", "optimizer.momentum=0.5", "method=parsed")
    settings = train._method_spec(train.choices()["method"]["parsed"], spec)
    for stage in (settings.classifier, settings.segmenter):
        assert (stage.optimizer.kind, stage.optimizer.momentum) == ("sgd", 0.5)


def test_command_line_wins_over_the_choice():
    spec = composed("hardware=pmap", "hardware.num_devices=2", "method.segmenter.steps=7")
    assert (spec.hardware.strategy, spec.hardware.num_devices) == ("pmap", 2)
    assert spec.method["segmenter"]["steps"] == 7
