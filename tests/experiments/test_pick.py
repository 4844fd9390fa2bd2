"""The pick command, with a scorer that needs no training: resuming, leaving out, refusing."""

import json
import os
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import mrcfile
import numpy as np
import pytest
from PIL import Image

from experiments import pick
from experiments.pick import PickSpec
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError
from jaxpick.methods import unet
from jaxpick.picking import pick_all
from jaxpick.picking.dense import DecodeSpec, DensePicker
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.spec import SpecError, as_plain
from jaxpick.weights.portable import save_weights

CENTRES = [(40, 50), (110, 30.5), (90, 160), (30, 120)]


@jax.jit
def darkness(images):
    return jnp.clip(0.4 - 0.08 * images, 0.0, 1.0)


@pytest.fixture(autouse=True)
def dark_picker(monkeypatch):
    """Replace the network by a score that needs no weights."""

    def make_picker(spec, params, diameter_angstrom, decode=None, margin_angstrom=0.0):
        return DensePicker(
            name="dark",
            score=darkness,
            reach_px=0,
            stride_multiple=1,
            working=WorkingSpec(diameter_px=10.0, clip=20.0, local_share=0.0),
            decode=decode,
            diameter_angstrom=diameter_angstrom,
            margin_angstrom=margin_angstrom,
        )

    monkeypatch.setattr(unet, "make_picker", make_picker)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    decode = DecodeSpec(threshold=0.5, candidate_threshold=0.42)
    config = as_plain(unet.Spec(decode=decode))
    save_weights(folder, {"w": np.ones(3, np.float32)}, {"method": "unet", "config": config})
    return folder


def draw(shape=(150, 200), centres=CENTRES, seed=0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = 100 + np.random.default_rng(seed).normal(0, 0.5, shape)
    for cy, cx in centres:
        image -= 6 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 50)
    return image.astype(np.float32)


def write(path, image, pixel=2.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(image)
        file.voxel_size = pixel


@pytest.fixture
def data(tmp_path):
    for i in range(4):
        write(tmp_path / "data" / f"m{i}.mrc", draw(seed=i))
    return tmp_path / "data"


@pytest.fixture
def run(tmp_path, weights):
    """Run the command on `data`, with any setting replaced; returns its exit status."""

    def call(out="out", **settings):
        chosen = {"micrographs": str(tmp_path / "data" / "*"), "diameter": 40.0} | settings
        chosen = {"weights": str(weights), "out": str(tmp_path / out)} | chosen
        return pick.run(PickSpec(**chosen))

    return call


def contents(folder):
    """What a run found: every STAR file, the table of candidates and the pictures."""
    kept = [p for p in sorted(folder.rglob("*")) if p.suffix in (".star", ".csv", ".jpg")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in kept}


def test_all_that_the_contract_names_is_written(data, run, tmp_path):
    assert run() == 0
    out = tmp_path / "out"
    for name in ("m0.star", "picks.star", "picks.csv", "pick.json", "report.html"):
        assert (out / name).is_file()
    summary = json.loads((out / "pick.json").read_text())
    assert summary["picks"] == {f"m{i}.mrc": 4 for i in range(4)} and summary["total"] == 16
    assert summary["settings"]["threshold"] == summary["threshold"] == 0.5
    assert not {"log", "apple", "template"} & {*summary["settings"]}, "settings of other methods"
    assert json.loads((out / "config.json").read_text())["diameter"] == 40.0
    assert {"git", "packages", "seed"} <= set(json.loads((out / "provenance.json").read_text()))
    header = (out / "picks.csv").read_text().split("\n")[0]
    assert header.startswith("micrograph,x,y,score")
    for picks in read_picks(out / "picks.star"):
        gaps = np.hypot(*(np.stack([picks.y, picks.x])[:, None] - np.array(CENTRES).T[:, :, None]))
        assert gaps.min(axis=1).max() < 2.0 and picks.pixel_size_angstrom == 2.0


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


@pytest.mark.parametrize("writes", [1, 3, 5, 6, 7, 9, 14, 17, 19, 20])
def test_a_run_that_was_killed_at_any_write_goes_on(data, run, tmp_path, monkeypatch, writes):
    assert run(out="whole") == 0
    replace, left = Path.replace, iter(range(writes))

    def dying(path, target):
        if next(left, None) is None:
            raise Killed
        return replace(path, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "replace", dying)
        run()
    assert run(threshold=0.5) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_finished_micrographs_are_not_scored_again(data, run, tmp_path, monkeypatch, capsys):
    assert run() == 0
    before = contents(tmp_path / "out")
    scored = []
    monkeypatch.setattr(pick_all, "pick_files", lambda jobs, *rest: scored.extend(jobs) or iter(()))
    assert run() == 0 and not scored and contents(tmp_path / "out") == before
    assert "4 of 4 micrographs were finished before" in capsys.readouterr().out
    # Another threshold gives other STAR files from the same scores.
    assert run(threshold=0.99) == 0 and not scored
    assert json.loads((tmp_path / "out" / "pick.json").read_text())["total"] == 0
    assert all(len(p) == 0 for p in read_picks(tmp_path / "out" / "m0.star"))
    assert run() == 0 and not scored and contents(tmp_path / "out") == before


def test_new_and_changed_micrographs_are_picked(data, run, tmp_path):
    assert run() == 0
    write(data / "m1.mrc", draw(centres=CENTRES[:2], seed=9))
    write(data / "n.mrc", draw(centres=CENTRES[:1], seed=10))
    assert run() == 0
    counts = json.loads((tmp_path / "out" / "pick.json").read_text())["picks"]
    assert counts == {"m0.mrc": 4, "m1.mrc": 2, "m2.mrc": 4, "m3.mrc": 4, "n.mrc": 1}


def test_a_lower_threshold_than_was_kept_scores_anew(data, run, tmp_path):
    assert run() == 0
    with pytest.raises(InputError, match="another decode"):
        run(threshold=0.41)
    assert run(threshold=0.41, overwrite=True) == 0
    (candidates, *_) = read_picks(tmp_path / "out" / "picks.csv")
    assert 0.41 <= candidates.score.min() < 0.42


def test_one_broken_file_is_left_out_and_told(data, run, tmp_path, capsys):
    (data / "m1.mrc").write_bytes((data / "m1.mrc").read_bytes()[:5000])
    assert run() == 1
    (problem,) = json.loads((tmp_path / "out" / "pick.json").read_text())["left_out"]
    assert "m1.mrc: cut short" in problem and "m1.mrc: cut short" in capsys.readouterr().err
    assert "m1.mrc: cut short" in (tmp_path / "out" / "report.html").read_text()
    assert not (tmp_path / "out" / "m1.star").exists()
    write(data / "m1.mrc", draw())
    assert run() == 0 and (tmp_path / "out" / "m1.star").exists()


def test_a_run_without_a_usable_file_is_an_error(data, run, tmp_path):
    for path in data.iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"none of 4 micrographs could be picked; .*m0\.mrc"):
        run()
    assert len(json.loads((tmp_path / "out" / "pick.json").read_text())["left_out"]) == 4


def test_a_margin_that_leaves_nothing_is_told(data, run):
    """The micrographs are 300 angstrom high: half of that leaves no row."""
    with pytest.raises(
        InputError, match=r"none of 4 .*m0\.mrc: a margin of 1e\+09 angstrom leaves"
    ):
        run(margin=1e9)
    assert run(margin=140.0) == 0


def test_kinds_and_sizes_may_be_mixed(data, run, tmp_path):
    for path in data.iterdir():
        path.unlink()
    write(data / "half.mrc", draw().astype(np.float16))
    write(data / "wide.mrc", draw((150, 301)))
    Image.fromarray(draw((170, 200))).save(data / "real.tif")
    grey = np.clip(draw() * 2, 0, 255).astype(np.uint8)
    Image.fromarray(grey).save(data / "grey.png")
    assert run(pixel_size=2.0) == 0
    counts = json.loads((tmp_path / "out" / "pick.json").read_text())["picks"]
    assert counts == {"grey.png": 4, "half.mrc": 4, "real.tif": 4, "wide.mrc": 4}


def test_bright_particles(data, run, tmp_path):
    for path in data.iterdir():
        write(path, -draw())
    assert run(invert=True) == 0 and run(out="dark") == 0
    totals = [
        json.loads((tmp_path / o / "pick.json").read_text())["total"] for o in ("out", "dark")
    ]
    assert totals == [16, 0]


def test_equal_names_keep_their_own_picks(data, run, tmp_path):
    write(data / "a" / "m.mrc", draw(centres=CENTRES[:1]))
    write(data / "b" / "m.mrc", draw(centres=CENTRES[:3]))
    assert run(micrographs=str(data / "*" / "*.mrc")) == 0
    counts = json.loads((tmp_path / "out" / "pick.json").read_text())["picks"]
    assert counts == {"a/m.mrc": 1, "b/m.mrc": 3}
    assert len(read_picks(tmp_path / "out" / "b__m.star")[0]) == 3
    names = [picks.micrograph for picks in read_picks(tmp_path / "out" / "picks.star")]
    assert names == ["a/m.mrc", "b/m.mrc"]


def test_stopping_says_how_to_go_on(data, run, tmp_path, monkeypatch):
    prepare = DensePicker.prepare

    def stopped(self, micrograph):
        if micrograph.name == "m2.mrc":
            raise KeyboardInterrupt
        return prepare(self, micrograph)

    monkeypatch.setattr(DensePicker, "prepare", stopped)
    with pytest.raises(KeyboardInterrupt, match="goes on"):
        run()
    monkeypatch.setattr(DensePicker, "prepare", prepare)
    assert sorted(p.name for p in (tmp_path / "out").glob("m*.star")) == ["m0.star", "m1.star"]
    assert run() == 0


def test_two_runs_at_once_agree(data, run, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        statuses = [pool.submit(run) for _ in range(2)]
    assert [status.result() for status in statuses] == [0, 0]
    assert run(out="alone") == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_the_folder_that_cannot_be_written_is_named(data, run, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="out: is a file; expected a folder"):
        run()


def test_a_setting_that_was_asked_for_is_given_in_the_same_folder(data, run):
    for path in data.iterdir():
        write(path, draw(), pixel=0.0)
    with pytest.raises(InputError, match="give it as pixel_size=ANGSTROM"):
        run()
    assert run(pixel_size=2.0) == 0


@pytest.mark.parametrize("name", ["micrographs", "out"])
def test_nothing_is_not_the_working_folder(name):
    with pytest.raises(SpecError, match=f"{name}: expected a file or folder.*, got ''"):
        PickSpec(**{"micrographs": "m", "diameter": 1.0, "out": "o"} | {name: ""})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"diameter": -1.0}, "diameter: expected angstrom above 0, got -1.0"),
        ({"pixel_size": 0.0}, "pixel_size: expected angstrom above 0"),
        ({"margin": -3.0}, "margin: expected angstrom, 0 or above"),
        ({"method": "nope"}, "method: expected one of .*unet"),
        ({"decode": {"cutoff": 3}}, "decode.cutoff: unknown setting"),
        ({"threshold": 0.0}, "candidate_threshold: expected above 0"),
        ({"distance": 400.0}, "decode.distance_diameters: expected above 0, at most 2, got 10"),
        ({"weights": "/nowhere"}, "/nowhere/weights.json: expected the card"),
        ({"method": "parsed"}, "expected weights of method parsed, got those of unet"),
        ({"micrographs": "/nowhere/*.mrc"}, "no such file, folder or glob"),
        ({"diameter": 9.0}, "9 angstrom spans 4.5 pixels of 2 angstrom; expected 6 or more"),
        ({"diameter": 900.0}, "spans 450 pixels of 2 angstrom; expected at most the 150"),
    ],
)
def test_mistakes_are_told_in_a_sentence(data, run, settings, said):
    with pytest.raises((InputError, SpecError), match=said):
        run(**settings)


def test_a_full_disk_keeps_what_is_finished(data, run, tmp_path, monkeypatch):
    make, left = tempfile.mkstemp, iter(range(11))

    def full(**where):
        if next(left, None) is None:
            raise OSError(28, os.strerror(28))
        return make(**where)

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", full)
        with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
            run()
    finished = sorted(p.name for p in (tmp_path / "out").glob("m*.star"))
    assert finished and run() == 0


def test_a_picture_that_was_removed_is_made_again(data, run, tmp_path):
    assert run() == 0
    (tmp_path / "out" / "pictures" / "m1.jpg").unlink()
    assert run() == 0
    assert (tmp_path / "out" / "pictures" / "m1.jpg").is_file()


def test_parts_of_a_list_join_to_what_one_run_gives(data, tmp_path, weights, monkeypatch, capsys):
    """Whatever their order, one of them by Slurm's number, and with one that never ran."""
    shared = {"micrographs": f"{data}/*.mrc", "diameter": 40.0, "weights": str(weights)}
    assert pick.run(PickSpec(out=str(tmp_path / "whole"), **shared)) == 0
    parts = {**shared, "out": str(tmp_path / "parts")}
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    for shard in (2, "slurm"):
        assert pick.run(PickSpec(shards=3, shard=shard, **parts)) == 0
        assert not list((tmp_path / "parts").glob("picks.*"))
    done = sorted(path.stem for path in (tmp_path / "parts").glob("*.star"))
    assert done == ["m1", "m2"], "part 0 of three, m0 and m3, did not run"
    capsys.readouterr()
    assert pick.run(PickSpec(**parts)) == 0
    assert "2 of 4 micrographs were finished before" in capsys.readouterr().out
    for name in ("picks.star", "picks.csv", *(f"m{i}.star" for i in range(4))):
        joined, whole = (tmp_path / folder / name for folder in ("parts", "whole"))
        assert joined.read_bytes() == whole.read_bytes(), name


def test_a_part_cannot_overwrite_what_others_pick():
    with pytest.raises(SpecError, match="overwrite: expected false where each part would drop"):
        PickSpec(micrographs="m", diameter=1.0, out="D", shards=2, shard=0, overwrite=True)
