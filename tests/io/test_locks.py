"""One writer at a time: a second is refused, the next may go on, and a file is no folder."""

import pytest

from jaxpick.io import locks
from jaxpick.io.files import InputError
from jaxpick.io.locks import joint_writer, sole_writer


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path):
    folder = tmp_path / "run"
    for _ in range(2):
        with sole_writer(folder):
            with (
                pytest.raises(InputError, match="run: another process is writing here"),
                sole_writer(folder),
            ):
                pass
            with sole_writer(tmp_path / "other"):
                pass


def test_a_writer_that_fails_lets_go(tmp_path):
    with pytest.raises(RuntimeError), sole_writer(tmp_path):
        raise RuntimeError
    with sole_writer(tmp_path):
        pass


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "run").write_text("")
    with (
        pytest.raises(InputError, match="run: expected a folder to write into, not a file"),
        sole_writer(tmp_path / "run"),
    ):
        pass


def test_those_who_agree_write_together(tmp_path):
    told = []

    def refuse(is_alone):
        if not is_alone:
            raise InputError("other settings")

    with joint_writer(tmp_path, told.append):
        with joint_writer(tmp_path, told.append):
            pass
        assert told == [True, False, False], "the second is never alone"
        with pytest.raises(InputError, match="other settings"), joint_writer(tmp_path, refuse):
            pass


def test_those_who_write_together_wait_for_no_sole_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "SECONDS_TO_PREPARE", 0.05)
    together = joint_writer(tmp_path, lambda is_alone: None)
    refused = pytest.raises(InputError, match="another process is writing here")
    with sole_writer(tmp_path), refused, together:
        pass
    together = joint_writer(tmp_path, lambda is_alone: None)
    with together, refused, sole_writer(tmp_path):
        pass
