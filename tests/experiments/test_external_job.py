"""`pick` as an External job of RELION: its call, its files, its endings; read by RELION's own extraction."""

import os
import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from experiments import external_job, pick
from jaxpick.io import relion_job
from jaxpick.io.coordinates import read_picks
from jaxpick.io.data_sets import find_data
from jaxpick.io.files import InputError
from jaxpick.io.micrographs import write_mrc
from jaxpick.io.star import StarBlock, read_star, write_star

PIXEL, SHAPE, DIAMETER, JOB = 4.0, (200, 320), 100.0, "External/job012/"
MICS = "MotionCorr/job002/corrected_micrographs.star"
ENDINGS = ("SUCCESS", "FAILURE", "ABORTED")
# (x, y) of dark discs; the second micrograph has none.
DISCS = {"a": [(40, 50), (130, 150), (260, 60)], "b": [], "c": [(60, 30), (290, 170)]}


def write_project(project):
    """A RELION project with motion-corrected micrographs of discs."""
    rng, (ny, nx) = np.random.default_rng(0), SHAPE
    y, x = np.mgrid[:ny, :nx]
    names = []
    for name, centres in DISCS.items():
        image = rng.normal(0.0, 0.3, SHAPE)
        for cx, cy in centres:
            image -= 3.0 * (np.hypot(x - cx, y - cy) < 0.5 * DIAMETER / PIXEL)
        names.append(f"MotionCorr/job002/Movies/{name}.mrc")
        write_mrc(project / names[-1], image.astype(np.float32), PIXEL)
    optics = {
        "rlnOpticsGroupName": ["opticsGroup1"],
        "rlnOpticsGroup": ["1"],
        "rlnMicrographPixelSize": [f"{PIXEL}"],
        "rlnMicrographOriginalPixelSize": [f"{PIXEL}"],
        "rlnVoltage": ["300"],
        "rlnSphericalAberration": ["2.7"],
        "rlnAmplitudeContrast": ["0.1"],
    }
    table = {"rlnMicrographName": names, "rlnOpticsGroup": ["1"] * len(names)}
    blocks = [
        StarBlock(name="optics", columns=optics),
        StarBlock(name="micrographs", columns=table),
    ]
    write_star(project / MICS, blocks)


def call(*more):
    """The arguments of RELION, with the scheduler's, and of a quick method."""
    given = ["--o", JOB, "--in_mics", MICS, "--diameter", f"{DIAMETER}", "--method", "log"]
    return [*given, *more, "--j", f"{os.cpu_count()}", "--pipeline_control", JOB]


def endings(project):
    return {end for end in ENDINGS if (project / JOB / f"RELION_JOB_EXIT_{end}").exists()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project with a finished job."""
    project = tmp_path_factory.mktemp("project")
    write_project(project)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(project)
        assert external_job.main(call("--threshold", "5")) == 0
    return project


@pytest.fixture
def project(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p")
    return tmp_path / "p"


def test_files_are_those_of_autopicking(finished):
    job = finished / JOB
    assert endings(finished) == {"SUCCESS"}
    (nodes,) = read_star(job / "RELION_OUTPUT_NODES.star")
    assert nodes.name == "output_nodes"
    assert nodes.columns == {
        "rlnPipeLineNodeName": [f"{JOB}autopick.star"],
        "rlnPipeLineNodeTypeLabel": ["MicrographCoordsGroup.star.relion.autopick"],
    }
    (listed,) = read_star(job / "autopick.star")
    assert listed.name == "coordinate_files"
    assert listed.columns == {
        "rlnMicrographName": [f"MotionCorr/job002/Movies/{name}.mrc" for name in DISCS],
        "rlnMicrographCoordinates": [f"{JOB}Movies/{name}_autopick.star" for name in DISCS],
    }
    (block,) = read_star(job / "Movies" / "a_autopick.star")
    needed = ("rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit")
    assert list(block.columns)[:5] == [*needed, "rlnClassNumber", "rlnAnglePsi"]
    assert all(float(x).is_integer() for label in needed[:2] for x in block.columns[label])
    assert (job / "picks" / "report.html").is_file()


def test_picks_lie_on_the_particles(finished):
    found = {p.micrograph: p for p in read_picks(finished / JOB / "autopick.star")}
    for name, centres in DISCS.items():
        one = found[f"MotionCorr/job002/Movies/{name}.mrc"]
        assert len(one) == len(centres)
        for x, y in centres:
            assert np.hypot(one.x - x, one.y - y).min() <= 2.0


def test_the_job_is_a_source_of_data(finished):
    """What one job picked, another command trains on or compares with."""
    found = find_data("relion", str(finished))
    assert found.coordinates.endswith(f"{JOB}autopick.star") and found.micrographs.endswith(MICS)


def test_a_broken_micrograph_is_left_out_of_the_list(project, capsys):
    (project / "MotionCorr/job002/Movies/c.mrc").write_bytes(b"nothing")
    assert external_job.main(call("--threshold", "5")) == 0
    (listed,) = read_star(project / JOB / "autopick.star")
    assert [Path(n).stem for n in listed.columns["rlnMicrographName"]] == ["a", "b"]
    assert "c.mrc" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--diametre", "9"], "diametre: unknown setting; did you mean diameter?"),
        (["--threshold", "high"], "threshold: expected a number"),
        (["--in_parts", "particles.star"], "--in_parts: expected --in_mics alone"),
        (["--in_mics", "nothing.star"], "nothing.star: cannot be read"),
        (["stray", "word"], "stray: expected --label value"),
        (["--j", "many"], "--j: expected a number of cores, got 'many'"),
    ],
)
def test_mistakes_end_in_failure_and_one_sentence(project, capsys, arguments, says):
    assert external_job.main([*call()[:-4], *arguments]) == 1
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1
    assert endings(project) == {"FAILURE"}


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert external_job.main(["--in_mics", MICS]) == 1
    assert "--o is missing" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_bug_of_ours_is_a_failure_and_cores_are_as_many_as_relion_says(project, monkeypatch):
    def broken(spec):
        raise RuntimeError("ours")

    seen = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda who, cores: seen.append(cores))
    monkeypatch.setattr(os, "sched_getaffinity", lambda who: {3, 1, 7})
    monkeypatch.setattr(pick, "run", broken)
    with pytest.raises(RuntimeError, match="ours"):
        external_job.main([*call()[:-4], "--j", "2"])
    assert seen == [[1, 3]]
    assert endings(project) == {"FAILURE"}


def test_a_job_stops_when_relion_asks_and_goes_on_later(project, monkeypatch, capsys):
    """The file that asks is seen while picking; the mark of the old end is gone by then."""

    def picking(spec):
        assert not endings(project)
        (project / JOB / "RELION_JOB_ABORT_NOW").touch()
        for _ in range(10_000):
            os.sched_yield()
            external_job.threading.Event().wait(0.01)

    monkeypatch.setattr(external_job, "SECONDS_BETWEEN_LOOKS", 0.05)
    with monkeypatch.context() as patched:
        patched.setattr(pick, "run", picking)
        assert external_job.main(call("--threshold", "5")) == 2
    assert endings(project) == {"ABORTED"}
    assert external_job.main(call("--threshold", "5")) == 0
    assert endings(project) == {"SUCCESS"}
    assert not (project / JOB / "RELION_JOB_ABORT_NOW").exists()
    assert "3 of 3 micrographs were finished before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("MotionCorr/job002/Movies/a.mrc", "Movies/a_autopick.star"),
        ("Import/job001/b.b.mrc", "b.b_autopick.star"),
        ("data/day 1/a.tif", "data/day 1/a_autopick.star"),
        ("Polish/job1234/x/job5/a.mrc", "x/job5/a_autopick.star"),
        ("/elsewhere/a.mrc", "elsewhere/a_autopick.star"),
    ],
)
def test_coordinate_files_are_named_as_by_relion(name, path):
    assert relion_job.coordinate_file(Path(JOB), name) == Path(JOB) / path


def test_two_micrographs_never_share_a_coordinate_file(tmp_path):
    files = {Path("one.mrc"): tmp_path / "one.star", Path("two.mrc"): tmp_path / "two.star"}
    names = {Path("one.mrc"): "Import/job001/a.mrc", Path("two.mrc"): "Import/job002/a.mrc"}
    with pytest.raises(InputError, match=r"Import/job001/a\.mrc and Import/job002/a\.mrc"):
        relion_job.check_names(files, names, Path(JOB))


RELION = shutil.which("relion_preprocess")


@pytest.mark.skipif(RELION is None, reason="relion_preprocess is not installed (Debian: relion)")
def test_relion_extracts_the_particles(project):
    """RELION cuts boxes about our picks: each holds its disc in the middle, dark on bright."""
    box = 40
    ours = read_picks(JOB + "autopick.star")
    done = subprocess.run(
        [
            *(RELION, "--i", MICS, "--coord_dir", JOB, "--coord_suffix", "_autopick.star"),
            *("--part_star", "Extract/job013/particles.star", "--part_dir", "Extract/job013/"),
            *("--extract", "--extract_size", f"{box}"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    blocks = {block.name: block for block in read_star("Extract/job013/particles.star")}
    table = blocks["particles"].columns
    expected = [(p.micrograph, x, y) for p in ours for x, y in zip(p.x, p.y, strict=True)]
    xy = [map(float, table[label]) for label in ("rlnCoordinateX", "rlnCoordinateY")]
    got = list(zip(table["rlnMicrographName"], *xy, strict=True))
    assert sorted(got) == sorted(expected) and len(got) == 5
    y, x = np.mgrid[:box, :box] - box // 2
    disc = np.hypot(x, y) < 0.5 * DIAMETER / PIXEL - 3
    ring = np.hypot(x, y) > 0.5 * DIAMETER / PIXEL + 3
    for image in table["rlnImageName"]:
        number, stack = image.split("@")
        with mrcfile.open(stack, permissive=True) as file:
            particle = np.atleast_3d(file.data).reshape(-1, box, box)[int(number) - 1]
        assert particle[disc].mean() < particle[ring].mean() - 2.0
