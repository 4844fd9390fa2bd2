"""`kill -9` at any moment of a command: the same command goes on, and nothing is lost, doubled or left behind."""

import csv
import json

import numpy as np
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


TINY = (
    *("experiment=debug", "method=unet", "method.widths=[4,4,4,4]", "training.max_steps=40"),
    *("training.validate_every=4", "training.log_every=3", "method.noise_fields=0"),
    # A simulator that is compiled quickly.
    *("method.field.priors.contaminants.amount=0", "method.field.priors.scene.empty_probability=0"),
    *("method.field.priors.processing.tone_probability=0", "method.field.field_px=64"),
)


@pytest.mark.slow
@pytest.mark.parametrize("cached_examples", [0, 32])
def test_train_on_simulated_micrographs(tmp_path, cached_examples):
    """Fourier transforms of XLA's are not exact to the last bit on CPUs, so that figures agree to rounding."""
    settings = (*TINY, f"cached_examples={cached_examples}")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    with Runs("experiments.train", tmp_path / "compiled", seed=1) as runs:
        status, told = runs.finish(f"out={whole}", *settings)
        assert status == 0, told
        cut.mkdir()
        hits = [
            runs.kill(cut, 8.0, f"out={cut}", *settings, in_a_write=number % 2 == 0)
            for number in range(6)
        ]
        assert sum(was_alive for was_alive, _ in hits) >= 4
        status, told = runs.finish(f"out={cut}", *settings)
        assert status == 0, told
        assert "finished before" in runs.finish(f"out={cut}", *settings)[1]
    ours, theirs = (rows(out / "metrics.csv") for out in (cut, whole))
    assert [row[:3] for row in ours] == [row[:3] for row in theirs]
    np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=1e-3, atol=1e-5)
    ours, theirs = (dict(np.load(out / "weights" / "weights.npz")) for out in (cut, whole))
    for name in ours.keys() | theirs.keys():
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-4)
    assert not leftovers(cut)


def rows(path):
    return [line.split(",") for line in path.read_text().splitlines()[1:]]


def numbers(rows):
    return [[float(value or "nan") for value in row[3:]] for row in rows]


@pytest.mark.slow
def test_simulate(tmp_path):
    settings = (
        *("count=6", "seed=3", "size=[96,128]", "max_particles=48", "simulator.num_phantoms=1"),
        *("simulator.num_views=12", "simulator.priors.pixel.pixel_angstrom=[8,8]"),
    )
    with Runs("experiments.simulate", tmp_path / "compiled") as runs:
        check(runs, tmp_path, "truth/[!.]*.json", 8, 3.0, settings)


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.slow
def test_compare(files, tmp_path):
    settings = (
        *("methods=[log,parsed]", f"data.micrographs={files}/micrographs/*.mrc", "bootstrap=20"),
        *(f"data.truth={files}/labels/*.star", f"data.diameter={DIAMETER}", "pictures=1"),
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    with Runs("experiments.compare", tmp_path / "compiled") as runs:
        status, told = runs.finish(f"out={whole}", *settings)
        assert status == 0, told
        cut.mkdir()
        for number in range(10):
            before = finished(cut, "*/*/result.json")
            runs.kill(cut, 4.0, f"out={cut}", *settings, in_a_write=number % 2 == 0)
            assert before.items() <= finished(cut, "*/*/result.json").items()
        status, told = runs.finish(f"out={cut}", *settings)
        assert status == 0, told
    for name in ("log/data/picks/picks.star", "parsed/data/picks/picks.csv", "differences.csv"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    ours, theirs = (table(out / "table.csv") for out in (cut, whole))
    for row in (*ours, *theirs):
        row.pop("seconds_per_micrograph")
    assert ours == theirs and not leftovers(cut)
