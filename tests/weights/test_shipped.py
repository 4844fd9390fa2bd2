"""Weights that ship are found by their method's name or by their own."""

import pytest

from jaxpick.io.files import InputError
from jaxpick.weights.shipped import FOLDER, load_picker_weights


def test_weights_that_ship_have_names():
    _, own = load_picker_weights("parsed", None)
    _, paper = load_picker_weights("parsed", "parsed_paper")
    _, by_path = load_picker_weights("parsed", FOLDER / "parsed_paper")
    assert own["config"]["working"]["kind"] == "scaled"
    assert paper == by_path
    assert paper["config"]["working"]["working_pixel_angstrom"] == 15.0


def test_a_folder_of_that_name_goes_first(tmp_path, monkeypatch):
    (tmp_path / "parsed_paper").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        load_picker_weights("parsed", "parsed_paper")


def test_weights_of_another_method_are_refused():
    with pytest.raises(InputError, match="expected weights of method unet, got those of parsed"):
        load_picker_weights("unet", "parsed_paper")
