"""Picking without weights from the command: planted particles, refusals, changed settings."""

import dataclasses
import json

import mrcfile
import numpy as np
import pytest

from experiments import _picker, pick
from experiments.pick import PickSpec
from experiments.train import TrainExperiment
from jaxpick import methods
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError
from jaxpick.methods.apple import Spec as AppleSpec
from jaxpick.methods.log import Spec as LogSpec
from jaxpick.methods.template import Spec as TemplateSpec
from jaxpick.preprocess.standardised import StandardisedSpec
from jaxpick.spec import SpecError

CENTRES = [(40, 50), (100, 30), (90, 120), (30, 130), (120, 80)]
LOG = LogSpec(working=StandardisedSpec(resolution_angstrom=17.0))
TEMPLATE = TemplateSpec(phantom_seed=3, num_views=4, angular_step_deg=90.0)
SETTINGS = {"log": {"log": LOG}, "apple": {}, "template": {"template": TEMPLATE}}


@pytest.fixture
def data(tmp_path):
    y, x = np.mgrid[:160, :160]
    for number in range(2):
        image = np.random.default_rng(number).normal(10, 0.3, y.shape)
        for cy, cx in CENTRES:
            image -= np.sqrt(np.maximum(1 - np.hypot(y - cy, x - cx) ** 2 / 100, 0))
        path = tmp_path / "data" / f"m{number}.mrc"
        path.parent.mkdir(exist_ok=True)
        with mrcfile.new(path) as file:
            file.set_data(image.astype(np.float32))
            file.voxel_size = 4.25
    return tmp_path / "data"


def settings(data, tmp_path, method, **changes):
    common = {"micrographs": str(data), "diameter": 85.0, "out": str(tmp_path / "out")}
    return PickSpec(**common, method=method, pictures=1, **SETTINGS[method], **changes)


@pytest.mark.parametrize("method", methods.UNTRAINED)
def test_methods_without_weights_go_through_the_same_command(data, tmp_path, method):
    if method == "apple":
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert pick.run(settings(data, tmp_path, method)) == 0
    out = tmp_path / "out"
    for name in ("picks.star", "picks.csv", "pick.json", "report.html", "m0.star", "m1.star"):
        assert (out / name).is_file()
    assert json.loads((out / "pick.json").read_text())["micrographs"] == 2
    found = read_picks(out / "picks.csv")[0]
    assert found.method == method
    apart = np.hypot(
        found.x[:, None] - [x for _, x in CENTRES], found.y[:, None] - [y for y, _ in CENTRES]
    )
    assert np.sum(apart.min(axis=0) < 5) >= 4


def test_other_settings_of_the_method_need_overwrite(data, tmp_path):
    pick.run(settings(data, tmp_path, "log"))
    changed = PickSpec(
        micrographs=str(data),
        diameter=85.0,
        out=str(tmp_path / "out"),
        method="log",
        log=LogSpec(range_share=(0.5, 1.0)),
    )
    with pytest.raises(InputError, match="holds picks made with another weights"):
        pick.run(changed)


def test_what_would_change_nothing_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="weights: method=log has none"):
        pick.run(settings(data, tmp_path, "log", weights="somewhere"))
    for method in ("unet", "template"):
        with pytest.raises(
            SpecError, match=f"log: these settings change nothing with method={method}"
        ):
            PickSpec(micrographs="m", diameter=1.0, out="o", method=method, log=LOG)
    with pytest.raises(SpecError, match="diameter: expected at least half"):
        pick.run(dataclasses.replace(settings(data, tmp_path, "template"), diameter=40.0))
    with pytest.raises(SpecError, match="distance_diameters: unknown setting"):
        pick.run(settings(data, tmp_path, "apple", distance=60.0))


@pytest.mark.parametrize("method", methods.UNTRAINED)
def test_training_them_is_refused_in_a_sentence(method):
    with pytest.raises(SpecError, match="method: expected a method that learns"):
        TrainExperiment(out="o", method={"name": method})


def test_defaults_build_for_every_method_without_weights():
    assert {"log": LogSpec, "apple": AppleSpec, "template": TemplateSpec} == {
        name: methods.get(name).Spec for name in methods.UNTRAINED
    }


def test_another_template_under_the_same_name_is_another_picker(tmp_path):
    settings = {"structure": str(tmp_path / "*.pdb"), "num_views": 32, "map": None}
    seen = []
    for text in ("first", "second"):
        (tmp_path / "a.pdb").write_text(text)
        seen.append(_picker._with_digests(settings))
    assert seen[0] != seen[1] and _picker._with_digests(settings) == seen[1]
    assert settings.items() <= seen[0].items()
