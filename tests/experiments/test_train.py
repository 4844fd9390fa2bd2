"""`experiments.train` from settings to weights: simulated and labelled data, resume, warm start."""

import json
import shutil

import jax
import numpy as np
import pytest
from labelled_set import DIAMETER, tiny, write_labelled_set

from experiments import _hydra, train
from jaxpick import methods
from jaxpick.io.files import InputError
from jaxpick.io.locks import sole_writer
from jaxpick.methods import labelled_examples
from jaxpick.spec import SpecError, as_plain, build
from jaxpick.weights.portable import load_weights

SMALL = ("method.widths=[4,4,4,4]", "method.working.diameter_px=10", "method.noise_fields=1")


def composed(*arguments):
    return _hydra.compose(train.TrainExperiment, "train", [*arguments], train.choices())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_labelled_set(folder)
    return folder


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    """A run on labelled micrographs."""
    out = tmp_path_factory.mktemp("trained")
    assert train.run(tiny(files, out, *SMALL)) == 0
    return out


@pytest.mark.parametrize("name", ["deepem", "topaz"])
def test_a_debug_run_takes_labels_too(files, tmp_path, name):
    """Two steps and weights; on labels, as the simulator takes its time to compile."""
    given = (
        f"data.micrographs={files}/micrographs/*.mrc",
        f"data.coordinates={files}/labels/*.star",
        f"data.diameter={DIAMETER}",
        "data.validation_fraction=0.5",
    )
    assert train.run(composed(f"out={tmp_path}", "experiment=debug", f"method={name}", *given)) == 0
    assert json.loads((tmp_path / "train.json").read_text())["stages"][-1]["step"] == 2
    assert load_weights(tmp_path / "weights")[1]["method"] == name


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in methods.NAMES if n not in methods.UNTRAINED])
def test_debug_run_writes_what_the_contract_names_and_is_not_repeated(tmp_path, capsys, name):
    """The whole simulator is compiled: minutes on a busy machine."""
    spec = composed(f"out={tmp_path}", "experiment=debug", f"method={name}")
    assert train.run(spec) == 0
    names = {path.name for path in tmp_path.iterdir()}
    expected = {
        "checkpoints",
        "weights",
        "metrics.csv",
        "curves.png",
        "train.json",
        "config.json",
        "bank.npz",
    }
    assert expected | {"provenance.json"} <= names
    params, card = load_weights(tmp_path / "weights")
    assert params and card["method"] == spec.method["name"]
    build(methods.get(card["method"]).Spec, card["config"])
    written = (tmp_path / "metrics.csv").read_text()
    assert "bank of views read" not in capsys.readouterr().out
    assert train.run(spec) == 0
    assert "bank of views read" in capsys.readouterr().out
    assert (tmp_path / "metrics.csv").read_text() == written
    assert json.loads((tmp_path / "train.json").read_text())["stages"][-1]["step"] == 2


def test_saved_settings_build_the_same_run(tmp_path):
    spec = composed(f"out={tmp_path}", "experiment=debug", "optimizer=adamw", "seed=3")
    assert build(train.TrainExperiment, as_plain(spec)) == spec


def test_priors_of_the_simulator_are_settings_of_the_method():
    dose = "method.field.priors.microscope.dose_e_per_angstrom2"
    settings = train._method_spec(methods.get("unet").Spec, composed("out=D", f"{dose}=[20,40]"))
    assert settings.field.priors.microscope.dose_e_per_angstrom2 == (20.0, 40.0)


def test_labelled_micrographs_are_split_and_the_split_is_recorded(trained):
    card = load_weights(trained / "weights")[1]
    assert len(card["config"]["decode"]["noise"]["score"]) > 10  # tried on noise
    assert (trained / "curves.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((trained / "train.json").read_text())["data"]
    assert sorted(record["train"] + record["validation"]) == ["field_0.mrc", "field_1.mrc"]
    assert len(record["validation"]) == 1 and record["labels"] == 10
    assert record["labels_off_the_image"] == 0 and not record["left_out"]
    params, card = load_weights(trained / "weights")
    settings = build(methods.get("unet").Spec, card["config"])
    assert settings.widths == (4, 4, 4, 4) and params
    assert len(list((trained / "cache").glob("*.npy"))) == 2


def test_a_run_on_files_that_was_cut_short_ends_the_same(files, trained, tmp_path, monkeypatch):
    spec, crop = tiny(files, tmp_path, *SMALL), labelled_examples.labelled_crop
    calls = []

    def failing(*arguments):
        calls.append(0)
        if len(calls) > 14:  # within the fourth step: the second has been saved
            raise RuntimeError("stopped")
        return crop(*arguments)

    monkeypatch.setattr(labelled_examples, "labelled_crop", failing)
    with pytest.raises(RuntimeError, match="stopped"):
        train.run(spec)
    monkeypatch.setattr(labelled_examples, "labelled_crop", crop)
    assert train.run(spec) == 0
    assert (tmp_path / "metrics.csv").read_text() == (trained / "metrics.csv").read_text()
    ours, theirs = (load_weights(out / "weights")[0] for out in (tmp_path, trained))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_other_labels_in_the_same_folder_are_refused(files, trained):
    with pytest.raises(InputError, match=r"data\.settings\.validation_fraction"):
        train.run(tiny(files, trained, *SMALL, "data.validation_fraction=0.4"))


def test_overwriting_waits_until_the_settings_hold(files, trained):
    """A typo beside overwrite=true costs nothing."""
    spec = tiny(files, trained, *SMALL, "overwrite=true", "weights=/nowhere")
    with pytest.raises(InputError, match="/nowhere"):
        train.run(spec)
    for name in ("metrics.csv", "config.json", "checkpoints"):
        assert (trained / name).exists()


def test_what_another_process_trains_is_not_overwritten(files, trained):
    with sole_writer(trained), pytest.raises(InputError, match="another process is writing here"):
        train.run(tiny(files, trained, *SMALL, "overwrite=true"))
    for name in ("metrics.csv", "config.json", "checkpoints", "train.json"):
        assert (trained / name).exists()


def test_training_starts_from_given_weights(files, trained, tmp_path):
    """With next to no rate the weights come back; network and preprocessing are theirs."""
    still = ("method.segmenter.optimizer.learning_rate=1e-12", f"weights={trained}/weights")
    assert train.run(tiny(files, tmp_path, *still)) == 0
    (ours, card), (theirs, _) = (load_weights(out / "weights") for out in (tmp_path, trained))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), ours, theirs)
    assert card["config"]["widths"] == [4, 4, 4, 4]
    assert card["config"]["working"]["diameter_px"] == 10.0


def test_weights_that_do_not_fit_are_refused(files, trained, tmp_path):
    spec = tiny(files, tmp_path, f"weights={trained}/weights", "method.widths=[8,8,8,8]")
    with pytest.raises(InputError, match="has shape"):
        train.run(spec)


def test_a_cache_of_examples_is_for_simulations(files, tmp_path):
    with pytest.raises(SpecError, match="cached_examples: expected 0"):
        tiny(files, tmp_path, "cached_examples=8")


def test_a_finished_run_returns_at_once(files, trained, tmp_path, monkeypatch, capsys):
    """Wherever its folder is; unless a setting that counts differs, or it is to be overwritten."""

    def fail(*arguments, **named):
        raise RuntimeError("trained again")

    monkeypatch.setattr(train, "train_stages", fail)
    out = tmp_path / "moved"
    shutil.copytree(trained, out)
    assert train.run(tiny(files, out, *SMALL, "hardware.num_devices=1")) == 0
    assert f"{out}: finished before" in capsys.readouterr().out
    for other in ("training.keep=last", "overwrite=true"):
        with pytest.raises(RuntimeError, match="trained again"):
            train.run(tiny(files, out, *SMALL, other))
    assert not (out / "train.json").exists(), "what is made anew is not finished"
