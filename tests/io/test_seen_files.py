"""Whether a file is the one that was used: any other image, any cut, any change of time or size."""

import os

import numpy as np
import pytest

from jaxpick.io.seen_files import SAMPLES, see_file


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "m.mrc"
    path.write_bytes(np.random.default_rng(0).bytes(100_000))
    return see_file(path)


def test_a_file_that_stayed_is_the_same_wherever_it_was_moved(file):
    record = file.record()
    assert file.is_recorded(record)
    moved = file.path.rename(file.path.with_name("n.mrc"))
    assert see_file(moved).is_recorded(record)


def test_another_image_of_the_same_size_and_time_is_another_file(file):
    record = file.record()
    file.path.write_bytes(np.random.default_rng(1).bytes(100_000))
    os.utime(file.path, ns=(file.time_ns, file.time_ns))
    assert see_file(file.path) == file and not see_file(file.path).is_recorded(record)


@pytest.mark.parametrize("share", np.linspace(0, 1, SAMPLES))
def test_every_sampled_place_counts_the_first_and_the_last_byte_too(file, share):
    record, data = file.record(), bytearray(file.path.read_bytes())
    data[round(share * (len(data) - 1))] ^= 1
    file.path.write_bytes(data)
    os.utime(file.path, ns=(file.time_ns, file.time_ns))
    assert not see_file(file.path).is_recorded(record)


@pytest.mark.parametrize("record", [None, [], [1], [1, 2, None, "x"], {"size": 1}, "text"])
def test_a_damaged_record_is_of_no_file(file, record):
    assert not file.is_recorded(record)


def test_empty_files_have_a_record_too(tmp_path):
    (tmp_path / "empty").touch()
    file = see_file(tmp_path / "empty")
    assert file.is_recorded(file.record())
