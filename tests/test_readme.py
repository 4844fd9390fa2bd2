"""README's page on adding a method: its very lines train on simulated fields and pick a micrograph."""

import re
import sys
import types
from pathlib import Path

import jax
import numpy as np
import pytest
import yaml

from jaxpick import rngs
from jaxpick.io.nouns import Micrograph
from jaxpick.methods.simulated_examples import FieldSpec
from jaxpick.simulate.bank import BankSpec, build_bank
from jaxpick.simulate.phantoms import PhantomSpec, phantom_library
from jaxpick.spec import build
from jaxpick.train import TrainSpec, train_stages

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^`((?:jaxpick|conf)/\S+)`[^\n]*\n\n```\w+\n(.*?)```", re.MULTILINE | re.DOTALL)
FILES = dict(BLOCK.findall(README))


@pytest.fixture
def method(monkeypatch):
    """The page's two modules, under the names that their files would give them."""
    for path in ("jaxpick/models/small_unet.py", "jaxpick/methods/small_unet.py"):
        name = path.removesuffix(".py").replace("/", ".")
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(FILES[path], path, "exec"), vars(module))
    return module


def test_the_preset_is_one_of_the_method(method):
    preset = yaml.safe_load(FILES["conf/method/small_unet_wide.yaml"])
    assert preset.pop("name") == method.NAME
    assert build(method.Spec, preset) != method.Spec()


@pytest.fixture(scope="module")
def bank():
    return build_bank(phantom_library(1, 5, PhantomSpec()), BankSpec(num_views=4, diameter_px=20.0))


def picks_of_noise(method, spec, params):
    picker = method.make_picker(spec, params, diameter_angstrom=100.0)
    image = np.random.default_rng(0).normal(size=(150, 170)).astype(np.float32)
    micrograph = Micrograph(image=image, pixel_size_angstrom=5.0, name="noise")
    return picker.candidates(picker.prepare(micrograph))


def test_the_page_picks(method, bank):
    """With first weights."""
    spec = method.Spec()
    (stage,) = method.training_stages(spec, bank)
    picks = picks_of_noise(method, spec, stage.init(rngs.stream(0, "weights"), None))
    assert picks.method == method.NAME and len(picks) > 0
    assert np.all(picks.y < 150) and np.all(picks.x < 170)


@pytest.mark.slow
def test_the_page_trains(method, bank, tmp_path):
    settings = {"field": FieldSpec(field_px=64, max_particles=8, max_distractors=4)}
    spec = method.Spec(**settings, segmenter=method.StageSpec(steps=2, batch_size=4))
    training = TrainSpec(log_every=1, validate_every=2, validation_batches=1)
    (result,) = train_stages(method.training_stages(spec, bank), training, tmp_path, seed=0)
    first = method.training_stages(spec, bank)[0].init(rngs.stream(0, "other"), None)
    assert jax.tree.structure(first) == jax.tree.structure(jax.device_get(result.params))
    assert picks_of_noise(method, spec, result.params).method == method.NAME
