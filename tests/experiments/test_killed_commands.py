"""`kill -9` at any moment of a command: the same command goes on, and nothing is lost, doubled or left behind."""

import json

import pytest
from killing import Runs, leftovers
from labelled_set import DIAMETER, write_labelled_set

KEPT = (".star", ".csv", ".mrc", ".jpg")


def contents(out):
    """What a command found; its own records of versions and times are left out."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.name.endswith(KEPT):
            found[str(path.relative_to(out))] = path.read_bytes()
    return found


def finished(out, pattern):
    """When each of the records that say that something is finished was written."""
    return {path: path.lstat().st_mtime_ns for path in out.glob(pattern)}


def check(runs, folder, records, kills, longest, arguments):
    """Kill so often, now at a random moment, now while a file is written; nothing finished is made again."""
    whole, cut = folder / "whole", folder / "cut"
    status, told = runs.finish(f"out={whole}", *arguments)
    assert status == 0, told
    cut.mkdir()
    hits = 0
    for number in range(kills):
        before = finished(cut, records)
        is_hit, _ = runs.kill(cut, longest, f"out={cut}", *arguments, in_a_write=number % 2 == 0)
        hits += is_hit
        assert before.items() <= finished(cut, records).items()
    assert hits >= kills // 2
    before = finished(cut, records)
    status, told = runs.finish(f"out={cut}", *arguments)
    assert status == 0, told
    assert before.items() <= finished(cut, records).items()
    assert contents(cut) == contents(whole)
    assert not leftovers(cut)
    return told


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_labelled_set(folder, count=16)
    return folder


@pytest.mark.parametrize("kills", [4, pytest.param(25, marks=pytest.mark.slow)])
def test_pick(files, tmp_path, kills):
    settings = (f"micrographs={files}/micrographs/*.mrc", f"diameter={DIAMETER}", "method=log")
    with Runs("experiments.pick", tmp_path / "compiled", seed=kills) as runs:
        told = check(runs, tmp_path, "candidates/[!.]*.json", kills, 0.3, settings)
    assert "of 16 micrographs were finished before" in told
    assert json.loads((tmp_path / "cut" / "pick.json").read_text())["micrographs"] == 16
