"""PARSED's released file: read whole, and anything else refused by name."""

import sys

import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.weights.import_keras import PARSED_LAYERS, read_parsed_released

h5py = pytest.importorskip("h5py")


def _write(path, change=None):
    with h5py.File(path, "w") as file:
        for layer, shape in PARSED_LAYERS.items():
            shape = (change or {}).get(layer, shape)
            if shape is None:
                continue
            group = file.create_group(f"model_weights/{layer}/{layer}_3")
            group["kernel:0"] = np.zeros(shape, np.float32)
            group["bias:0"] = np.zeros(shape[2 if layer.startswith("deconv") else 3], np.float32)


@pytest.mark.oracle
def test_released_file_holds_the_arrays_of_the_oracle(oracles):
    params = read_parsed_released(oracles / "parsed_pre_train_model.h5")
    reference = np.load(oracles / "parsed_released.npz")
    assert sum(array.size for layer in params.values() for array in layer.values()) == 353_313
    for layer, arrays in params.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, reference[f"weights/{layer}/{name}"])


def test_layers_are_found_under_any_scope(tmp_path):
    _write(tmp_path / "a.h5")
    assert read_parsed_released(tmp_path / "a.h5").keys() == PARSED_LAYERS.keys()


@pytest.mark.parametrize("change", [{"deconv2": None}, {"deconv2": (5, 5, 32, 32)}])
def test_another_network_is_refused_by_layer(tmp_path, change):
    _write(tmp_path / "a.h5", change)
    with pytest.raises(InputError, match="deconv2"):
        read_parsed_released(tmp_path / "a.h5")


def test_missing_and_foreign_files_are_named(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no hdf5")
    for name in ("a.h5", "b.h5"):
        with pytest.raises(InputError, match=name):
            read_parsed_released(tmp_path / name)


def test_without_h5py_a_sentence_says_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"h5py.*not installed; EXTRAS=import sh setup\.sh"):
        read_parsed_released(tmp_path / "weights.h5")
