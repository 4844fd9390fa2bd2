"""A disk that fills up: one sentence, nothing half-written, what is finished stays, the same end once there is room."""

import dataclasses
import json
import shutil
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from labelled_set import DIAMETER, PIXEL, tiny, write_labelled_set

from experiments import convert, evaluate, pick, simulate, train
from experiments._failures import listed
from experiments.convert import ConvertSpec
from experiments.evaluate import EvaluateExperimentSpec
from experiments.pick import PickSpec
from experiments.simulate import SimulateSpec, SimulatorSpec
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError, OutputError
from jaxpick.simulate.render import simulate_micrograph

FULL = pytest.raises(OutputError, match=r": cannot be written \(No space left on device\)")


def whole_files(folder):
    """All that a command found, by name; its own records of versions and times are left out."""
    kept = (".star", ".csv", ".mrc", ".box", ".jpg", ".npz", "metrics.json")
    paths = [path for path in folder.rglob("*") if path.is_file()]
    half = [path.name for path in paths if path.name.startswith(".") and path.name != ".lock"]
    assert not half
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(paths) if p.name.endswith(kept)
    }


def check(small_disk, run, roomy, kib):
    """Run with so much space, then with enough; all that is ever there is what a roomy disk has."""
    out = small_disk.path / "out"
    expected = whole_files(roomy)
    for space in kib:
        small_disk.leave(space)
        with FULL:
            run(out)
        there = whole_files(out)
        assert there.items() <= expected.items()
    small_disk.give_back()
    assert run(out) == 0
    assert whole_files(out) == expected
    return there


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_labelled_set(folder, count=4)
    return folder


def test_pick(small_disk, files, tmp_path):
    spec = PickSpec(micrographs=f"{files}/micrographs", diameter=DIAMETER, out="-", method="log")

    def run(out):
        return pick.run(dataclasses.replace(spec, out=str(out)))

    assert run(tmp_path) == 0
    there = check(small_disk, run, tmp_path, [2, 60])
    assert "candidates/field_0.csv" in there and "candidates/field_3.csv" not in there


def test_evaluate(small_disk, files, tmp_path):
    labels = f"{files}/labels/*.star"
    common = {"picks": labels, "truth": labels, "diameter": DIAMETER, "pixel_size": PIXEL}

    def run(out):
        return evaluate.run(EvaluateExperimentSpec(out=str(out), **common))

    run(tmp_path)
    check(small_disk, run, tmp_path, [0, 12])
    assert json.loads((small_disk.path / "out" / "metrics.json").read_text())["f1"] == 1.0


def test_convert(small_disk, files, tmp_path):
    def run(out):
        return convert.run(ConvertSpec(input=f"{files}/labels/*.star", output=str(out / "all.csv")))

    assert not run(tmp_path)
    small_disk.leave(0)
    with FULL:
        run(small_disk.path)
    assert not (small_disk.path / "all.csv").exists()
    small_disk.give_back()
    assert not run(small_disk.path)
    assert len(read_picks(small_disk.path / "all.csv")) == 4


@pytest.fixture
def quick_simulator(monkeypatch):
    """Noise, with particles that have every property of simulated ones: the simulator takes long to compile."""

    shapes = []

    def draw(key, *rest):
        if not shapes:
            shapes.append(jax.eval_shape(lambda key: simulate_micrograph(key, *rest[:5]), key))
        blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes[0])
        every = jnp.ones_like(blank.truth.valid)
        truth = dataclasses.replace(blank.truth, valid=every, is_inside=every)
        image = jax.random.normal(key, blank.image.shape)
        return dataclasses.replace(blank, image=image, truth=truth)

    monkeypatch.setattr(simulate, "simulate_micrograph", draw)


def test_simulate(small_disk, tmp_path, quick_simulator):
    simulator = SimulatorSpec(num_phantoms=1, num_views=4)

    def run(out):
        return simulate.run(
            SimulateSpec(
                out=str(out), count=4, size=(96, 128), max_particles=20, simulator=simulator
            )
        )

    assert run(tmp_path) == 0
    there = check(small_disk, run, tmp_path, [40, 190])
    assert "micrographs/simulated_00000.mrc" in there and "particles.star" not in there


SMALL = ("method.widths=[4,4,4,4]", "method.working.diameter_px=10", "method.noise_fields=0")


def commands(files, out):
    """Each command that writes a folder, as a function, with its `out`."""
    labels = f"{files}/labels/*.star"
    scoring = {"picks": labels, "truth": labels, "diameter": DIAMETER, "pixel_size": PIXEL}
    images = f"{files}/micrographs"
    picking = PickSpec(micrographs=images, diameter=DIAMETER, out=str(out), method="log")
    simulator = SimulatorSpec(num_phantoms=1, num_views=4)
    return {
        "pick": lambda: pick.run(picking),
        "evaluate": lambda: evaluate.run(EvaluateExperimentSpec(out=str(out), **scoring)),
        "simulate": lambda: simulate.run(SimulateSpec(out=str(out), simulator=simulator)),
        "train": lambda: train.run(tiny(files, out, *SMALL)),
        "convert": lambda: convert.run(ConvertSpec(input=labels, output=str(out / "all.csv"))),
    }


@pytest.mark.parametrize("name", ["pick", "evaluate", "simulate", "train", "convert"])
def test_a_place_that_cannot_be_written_is_one_sentence(small_disk, files, tmp_path, name):
    """A file in the place of the folder, and a disk that is mounted to be read."""
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^\S+file\S*: .*a file") as told:
        commands(files, tmp_path / "file")[name]()
    assert "\n" not in str(told.value)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk.path)], check=True)
    with pytest.raises(InputError, match=r"^\S+: cannot be written \(Read-only file system\)$"):
        commands(files, small_disk.path / "out")[name]()


def test_a_comparison_ends_with_the_disk_and_lists_other_failures():
    failures = []
    with listed(failures, "one"):
        raise ValueError("its weights are gone")
    with FULL, listed(failures, "two"):
        raise OutputError("D/x.csv: cannot be written (No space left on device)")
    assert failures == ["one: its weights are gone"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_train(small_disk, files, tmp_path):
    """Wherever the disk is full: the cache of working images, checkpoints, weights, curves."""
    assert train.run(tiny(files, tmp_path, *SMALL)) == 0
    expected = (tmp_path / "metrics.csv").read_text()
    out, failures = small_disk.path / "out", 0
    for kib in np.random.default_rng(0).uniform(0, 500, 8):
        small_disk.leave(kib)
        try:
            train.run(tiny(files, out, *SMALL))
        except OutputError as error:
            failures += 1
            assert "No space left on device" in str(error)
            assert not list(out.rglob("*tmp*"))
            assert not (out / "train.json").exists()
        small_disk.give_back()
        assert train.run(tiny(files, out, *SMALL)) == 0
        assert (out / "metrics.csv").read_text() == expected
        ours, theirs = (dict(np.load(o / "weights" / "weights.npz")) for o in (out, tmp_path))
        np.testing.assert_equal(ours, theirs)
        shutil.rmtree(out)
    assert failures >= 5
