"""Portable weights: what is read is what was written, and bad files are named in one sentence."""

import io
import json

import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.weights.portable import (
    ARRAYS_NAME,
    CARD_NAME,
    flatten,
    load_weights,
    save_weights,
    unflatten,
)

CARD = {"method": "parsed", "config": {"width": 32, "sides": [1, 3]}, "note": "å"}


def _npy():
    with io.BytesIO() as buffer:
        np.save(buffer, np.zeros(3))
        return buffer.getvalue()


def _params():
    random = np.random.default_rng(0)
    return {
        "trunk": {"conv1": {"kernel": random.normal(size=(3, 3, 1, 4)).astype(np.float32)}},
        "bias": np.zeros(4, np.float32),
        "steps": np.array(7),
    }


def _assert_equal(left, right):
    left, right = flatten(left), flatten(right)
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)
        assert array.dtype == right[name].dtype


@pytest.mark.parametrize("name", [".", ARRAYS_NAME, CARD_NAME])
def test_round_trip_is_exact_by_folder_or_file(tmp_path, name):
    save_weights(tmp_path, _params(), CARD)
    params, card = load_weights(tmp_path / name)
    _assert_equal(params, _params())
    assert card == CARD


def test_half_precision_halves_the_file_and_keeps_three_digits(tmp_path):
    params = {"kernel": np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)}
    save_weights(tmp_path / "full", params, {})
    save_weights(tmp_path / "half", params, {}, dtype="float16")
    sizes = [(tmp_path / name / ARRAYS_NAME).stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    kernel = load_weights(tmp_path / "half")[0]["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel, params["kernel"], rtol=2**-11)


def test_device_arrays_and_bfloat16_are_stored_as_floats(tmp_path):
    save_weights(tmp_path, {"a": jnp.ones(3), "b": jnp.full(2, 0.5, jnp.bfloat16)}, {})
    params = load_weights(tmp_path)[0]
    assert params["a"].dtype == params["b"].dtype == np.float32
    np.testing.assert_array_equal(params["b"], [0.5, 0.5])


def test_unflatten_inverts_flatten():
    _assert_equal(unflatten(flatten(_params())), _params())


def test_no_pickle_is_needed_and_none_is_read(tmp_path):
    save_weights(tmp_path, _params(), CARD)
    with np.load(tmp_path / ARRAYS_NAME, allow_pickle=False) as file:
        assert "trunk/conv1/kernel" in file.files
    np.savez(tmp_path / ARRAYS_NAME, bias=np.array([object()]))
    with pytest.raises(InputError, match=ARRAYS_NAME):
        load_weights(tmp_path)


@pytest.mark.parametrize("name", [ARRAYS_NAME, CARD_NAME])
def test_missing_truncated_and_foreign_files_are_named(tmp_path, name):
    save_weights(tmp_path, _params(), CARD)
    whole = (tmp_path / name).read_bytes()
    for content in (
        whole[: len(whole) // 2],
        b"",
        b"something else",
        b"\x80\x04N.",
        b"[1]",
        _npy(),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            load_weights(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name):
        load_weights(tmp_path)
    with pytest.raises(InputError, match=CARD_NAME):
        load_weights(tmp_path / "nowhere")


def test_arrays_of_another_card_are_refused(tmp_path):
    save_weights(tmp_path / "a", _params(), CARD)
    save_weights(tmp_path / "b", {**_params(), "bias": np.ones(4, np.float32)}, CARD)
    (tmp_path / "a" / ARRAYS_NAME).write_bytes((tmp_path / "b" / ARRAYS_NAME).read_bytes())
    with pytest.raises(InputError, match="bias"):
        load_weights(tmp_path / "a")


@pytest.mark.parametrize(
    "change",
    [{"version": 99}, {"version": None}, {"format": "other"}, {"arrays": 3}, {"arrays": {"a": 1}}],
)
def test_other_versions_and_formats_are_refused(tmp_path, change):
    save_weights(tmp_path, _params(), CARD)
    card = json.loads((tmp_path / CARD_NAME).read_text(encoding="utf-8"))
    (tmp_path / CARD_NAME).write_text(json.dumps({**card, **change}))
    with pytest.raises(InputError, match=CARD_NAME):
        load_weights(tmp_path)


def test_what_cannot_be_stored_leaves_the_old_weights(tmp_path):
    save_weights(tmp_path, _params(), CARD)
    for params, dtype in (
        ({"a": np.array([1e6], np.float32)}, "float16"),
        ({"a": np.array([np.nan], np.float32)}, "float32"),
        ({"a/b": np.zeros(1, np.float32)}, "float32"),
    ):
        with pytest.raises(ValueError, match="expected"):
            save_weights(tmp_path, params, {}, dtype=dtype)
    with pytest.raises(TypeError):
        save_weights(tmp_path, _params(), {"card": object()})
    _assert_equal(load_weights(tmp_path)[0], _params())
