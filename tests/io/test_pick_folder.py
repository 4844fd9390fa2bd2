"""The folder of picks: what counts as finished, what other settings remove, names that collide."""

import dataclasses
import errno
import json
import os
import tempfile
from pathlib import Path

import gemmi
import numpy as np
import pytest

from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError
from jaxpick.io.nouns import make_picks
from jaxpick.io.output_names import output_names, stem
from jaxpick.io.pick_folder import PickFolder
from jaxpick.io.seen_files import see_file

IMAGE = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
SCORING = {"diameter": 180.0, "decode": {"sizes": (1, 2)}}


def picks(name="m1.mrc", count=5):
    random = np.random.default_rng(count)
    x, y, score = random.random((3, count))
    score = np.sort(score)[::-1]
    return make_picks(name, 400 * x, 300 * y, score, 180.0, pixel_size_angstrom=1.3, method="dark")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "m1.mrc"
    path.write_bytes(b"pixels")
    return see_file(path)


@pytest.fixture
def folder(tmp_path):
    made = PickFolder(path=tmp_path / "out", threshold=0.5, diameter_angstrom=180.0)
    made.open(SCORING, overwrite=False)
    return made


@pytest.mark.parametrize("count", [0, 5])
def test_finished_candidates_come_back_as_they_were(folder, source, count):
    saved = picks(count=count)
    assert folder.finished("m1.mrc", source) is None
    folder.save(saved, source, IMAGE, 8.0)
    read = folder.finished("m1.mrc", source)
    for field in ("micrograph", "pixel_size_angstrom", "method"):
        assert getattr(read, field) == getattr(saved, field)
    for field in ("x", "y", "score", "diameter_angstrom"):
        np.testing.assert_array_equal(getattr(read, field), getattr(saved, field))


def test_the_star_file_holds_what_reaches_the_threshold(folder, source):
    saved = picks(count=20)
    folder.save(saved, source, IMAGE, 8.0)
    (read,) = read_picks(folder.star("m1.mrc"))
    kept = saved.select(saved.score >= 0.5)
    assert 0 < len(kept) < 20
    np.testing.assert_allclose(read.x, kept.x, atol=0.51)
    np.testing.assert_allclose(read.score, kept.score, rtol=1e-8)


def test_a_changed_micrograph_is_not_finished(folder, source):
    folder.save(picks(), source, IMAGE, 8.0)
    source.path.write_bytes(b"other pixels")
    assert folder.finished("m1.mrc", see_file(source.path)) is None


def test_a_copy_of_the_same_size_and_time_is_not_finished(folder, source):
    """`cp -p` over a micrograph: what a size and a time cannot tell."""
    folder.save(picks(), source, IMAGE, 8.0)
    source.path.write_bytes(b"pixelS")
    os.utime(source.path, ns=(source.time_ns, source.time_ns))
    other = see_file(source.path)
    assert other == source and folder.finished("m1.mrc", other) is None


def test_another_pixel_size_of_the_list_is_not_finished(folder, source):
    folder.save(picks(), source._replace(pixel_size_angstrom=1.3), IMAGE, 8.0)
    assert folder.finished("m1.mrc", source._replace(pixel_size_angstrom=1.3)) is not None
    assert folder.finished("m1.mrc", source._replace(pixel_size_angstrom=1.4)) is None


def test_a_micrograph_that_changes_while_it_is_read_is_not_finished(folder, source):
    """Its record is of the file as it was before it was read."""
    os.utime(source.path, ns=(1, 1))
    folder.save(picks(), source, IMAGE, 8.0)
    assert folder.finished("m1.mrc", see_file(source.path)) is None


@pytest.mark.parametrize("damaged", ["candidates/m1.csv", "candidates/m1.json"])
@pytest.mark.parametrize("text", [None, "", "{", "x,y\n1\n"])
def test_damaged_records_are_not_finished(folder, source, damaged, text):
    folder.save(picks(), source, IMAGE, 8.0)
    path = folder.path / damaged
    path.unlink() if text is None else path.write_text(text)
    assert folder.finished("m1.mrc", source) is None


def test_other_scores_are_refused_and_replaced_if_asked(folder, source):
    folder.save(picks(), source, IMAGE, 8.0)
    foreign = folder.path / "particles.star"
    foreign.write_text("mine")
    folder.open(SCORING, overwrite=False)
    other = SCORING | {"diameter": 190.0}
    with pytest.raises(InputError, match="another diameter; give another out="):
        folder.open(other, overwrite=False)
    assert folder.finished("m1.mrc", source) is not None
    folder.open(other, overwrite=True)
    assert folder.finished("m1.mrc", source) is None and not folder.star("m1.mrc").exists()
    assert foreign.read_text() == "mine"


def test_another_threshold_keeps_the_scores_and_drops_the_star_files(folder, source):
    folder.save(picks(), source, IMAGE, 8.0)
    stricter = dataclasses.replace(folder, threshold=0.7)
    stricter.open(SCORING, overwrite=False)
    assert stricter.finished("m1.mrc", source) is not None
    assert not stricter.star("m1.mrc").exists()


def test_without_a_threshold_star_files_wait(folder, source):
    waiting = dataclasses.replace(folder, threshold=None)
    waiting.open(SCORING, overwrite=False)
    waiting.save(picks(), source, IMAGE, 8.0)
    assert waiting.finished("m1.mrc", source) is not None
    assert not waiting.star("m1.mrc").exists() and len(waiting.above(picks())) == 5


def test_an_empty_micrograph_is_a_table_without_rows(folder, source):
    empty = picks(count=0)
    folder.save(empty, source, IMAGE, 8.0)
    counts = folder.write_totals({"m1.mrc": empty}, [], {})
    assert counts == {"m1.mrc": 0}
    for path in (folder.star("m1.mrc"), folder.path / "picks.star"):
        blocks = gemmi.cif.read(str(path))
        columns = [block.find_loop("_rlnCoordinateX") for block in blocks]
        assert [len(column) for column in columns if column.get_loop()] == [0]
    assert (folder.path / "picks.csv").read_text().startswith("micrograph,x,y,score")
    folder.write_report({"m1.mrc": empty}, [], {}, 4)
    assert "0 picks in 1 micrograph" in (folder.path / "report.html").read_text()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_full_disk_is_one_sentence_and_keeps_what_is_finished(folder, source, monkeypatch, count):
    folder.save(picks(), source, IMAGE, 8.0)
    second = see_file(source.path.rename(source.path.with_name("m2.mrc")))
    source.path.write_bytes(b"pixels")
    os.utime(source.path, ns=(source.time_ns, source.time_ns))
    left, make = iter(range(count)), tempfile.mkstemp

    def full(**where):
        if next(left, None) is None or count == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(**where)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    if count < 4:
        with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
            folder.save(picks("m2.mrc"), second, IMAGE, 8.0)
        assert not folder.star("m2.mrc").exists()
    assert folder.finished("m1.mrc", source) is not None
    assert not list(folder.path.rglob(".*"))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="is a file; expected a folder"):
        PickFolder(path=tmp_path / "out", threshold=0.5, diameter_angstrom=1.0).open({}, False)


def test_equal_names_are_told_apart_by_their_folders():
    paths = [Path("/a/x/m.mrc"), Path("/b/x/m.mrc"), Path("/a/x/n.mrc")]
    names = output_names(paths)
    assert list(names.values()) == ["a/x/m.mrc", "b/x/m.mrc", "n.mrc"]
    assert stem("a/x/m.mrc") == "a__x__m"
    assert output_names(paths[2:]) == {paths[2]: "n.mrc"} and output_names([]) == {}


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["/a/m.mrc", "/a/m.tif"], r"/a/m.mrc: its picks .* the same file as those of m\.tif"),
        (["/a/m\n.mrc"], r"'/a/m\\n.mrc': control characters"),
        (["/a/picks.mrc"], r"/a/picks.mrc: its picks would be written to picks\.star"),
    ],
)
def test_names_that_would_overwrite_each_other_are_refused(paths, said):
    with pytest.raises(InputError, match=said):
        output_names([Path(path) for path in paths])


def test_settings_of_a_run_that_found_nothing_may_be_corrected(tmp_path):
    """Who is told to give pixel_size= gives it, in the same folder."""
    folder = PickFolder(path=tmp_path, threshold=0.5, diameter_angstrom=1.0)
    folder.open({"pixel_size": None}, False)
    folder.open({"pixel_size": 1.5}, False)
    (tmp_path / "candidates").mkdir()
    (tmp_path / "candidates" / "m.json").write_text("{}")
    with pytest.raises(InputError, match="made with another pixel_size"):
        folder.open({"pixel_size": 1.6}, False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("m.mrc", "m"), ("m.mrc.gz", "m"), ("m.v2.TIFF", "m.v2"), ("m", "m"), ("g/m.png", "g__m")],
)
def test_stems(name, expected):
    assert stem(name) == expected


def test_totals_do_not_outlive_what_they_sum_up(folder, source):
    folder.save(picks(), source, IMAGE, 8.0)
    folder.write_totals({"m1.mrc": picks()}, [], {})
    dataclasses.replace(folder, threshold=0.7).open(SCORING, overwrite=False)
    assert not list(folder.path.glob("picks.*")) and not (folder.path / "pick.json").exists()


def test_picks_of_unknown_settings_are_refused(folder, source):
    folder.save(picks(), source, IMAGE, 8.0)
    (folder.path / "settings.json").unlink()
    with pytest.raises(InputError, match="holds picks made with another diameter, decode"):
        folder.open(SCORING, overwrite=False)


def test_processes_with_the_same_settings_share_a_folder_and_others_wait(folder, source):
    """Whether something was finished already or not."""
    other = dataclasses.replace(folder, threshold=0.7)
    for _ in range(2):
        with folder.held(SCORING, False), folder.held(SCORING, False):
            for one, scoring in ((other, SCORING), (folder, SCORING | {"diameter": 190.0})):
                with (
                    pytest.raises(InputError, match="out: another process is picking here with"),
                    one.held(scoring, True),
                ):
                    pass
            folder.save(picks(), source, IMAGE, 8.0)
        assert folder.finished("m1.mrc", source) is not None
    with other.held(SCORING, False):
        assert not folder.star("m1.mrc").exists()


def test_a_half_written_record_is_none(folder):
    (folder.path / "candidates").mkdir()
    (folder.path / "candidates" / ".writing-m1-abcdefgh.json").touch()
    folder.open(SCORING | {"diameter": 190.0}, overwrite=False)
    settings = json.loads((folder.path / "settings.json").read_text())
    assert settings["scoring"]["diameter"] == 190.0
