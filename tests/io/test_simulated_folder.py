"""The folder that `simulate` writes: micrographs of one set of settings, however often it is interrupted."""

import json

import pytest

from jaxpick.io.files import InputError, write_text
from jaxpick.io.simulated_folder import held_for, is_finished

SETTINGS = {"count": 2, "seed": 1, "size": (64, 64)}


def test_settings_stay_once_there_is_a_micrograph(tmp_path):
    with held_for(tmp_path, {**SETTINGS, "seed": 2}):
        pass
    with held_for(tmp_path, SETTINGS):
        write_text(tmp_path / "truth" / "simulated_00000.json", "{}")
    for other in ({"seed": 2}, {"size": (64, 96)}):
        named = next(iter(other))
        with (
            pytest.raises(InputError, match=f"holds micrographs simulated with another {named};"),
            held_for(tmp_path, SETTINGS | other),
        ):
            pass
    with held_for(tmp_path, {**SETTINGS, "count": 5}):
        pass
    assert json.loads((tmp_path / "settings.json").read_text())["count"] == 5


def test_two_at_once_agree_or_the_second_is_refused(tmp_path):
    same, other = held_for(tmp_path, SETTINGS), held_for(tmp_path, SETTINGS | {"seed": 2})
    refused = pytest.raises(InputError, match="simulated with another seed")
    with held_for(tmp_path, SETTINGS), same, refused, other:
        pass


def test_a_half_written_truth_is_none(tmp_path):
    with held_for(tmp_path, SETTINGS):
        (tmp_path / "truth").mkdir()
        (tmp_path / "truth" / ".writing-simulated_00000-abcdefgh.json").touch()
    with held_for(tmp_path, SETTINGS | {"seed": 2}):
        assert not is_finished(tmp_path, 0)


@pytest.mark.parametrize("missing", ["micrographs", "masks", "truth"])
def test_a_micrograph_is_finished_when_all_of_it_is_there(tmp_path, missing):
    for part, suffix in (("micrographs", "mrc"), ("masks", "mrc"), ("truth", "json")):
        write_text(tmp_path / part / f"simulated_00000.{suffix}", "")
    assert is_finished(tmp_path, 0) and not is_finished(tmp_path, 1)
    next((tmp_path / missing).iterdir()).unlink()
    assert not is_finished(tmp_path, 0)
