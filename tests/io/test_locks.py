"""One writer at a time: a second is refused, the next may go on, and a file is no folder."""

import pytest

from jaxpick.io.files import InputError
from jaxpick.io.locks import sole_writer


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
        pytest.raises(InputError, match="run: cannot be written"),
        sole_writer(tmp_path / "run"),
    ):
        pass
