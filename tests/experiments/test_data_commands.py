"""One word changes the source: `data=LAYOUT` in train, pick, evaluate and compare."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
from labelled_set import DIAMETER, PIXEL, SHAPE, tiny, write_labelled_set

from experiments import _hydra, compare, evaluate, pick, train
from experiments._data_sets import SetSpec, prepare_set
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError
from jaxpick.spec import SpecError

SMALL = ("method.widths=[4,4,4,4]", "method.working.diameter_px=10", "method.noise_fields=1")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The same four micrographs as files and as one of CryoPPP's sets."""
    folder = tmp_path_factory.mktemp("project")
    write_labelled_set(folder, 4)
    tables = folder / "ground_truth" / "particle_coordinates"
    tables.mkdir(parents=True)
    for one in read_picks(folder / "labels" / "*.star"):
        rows = [f"{x:g},{SHAPE[0] - y:g},25" for x, y in zip(one.x, one.y, strict=True)]
        text = "\n".join(["X-Coordinate,Y-Coordinate,Diameter", *rows, ""])
        (tables / f"{one.micrograph.removesuffix('.star')}.csv").write_text(text)
    return folder


def composed(spec_type, name, *overrides, choices=None):
    return _hydra.compose(spec_type, name, [*overrides], choices)


def place(project):
    return "data=cryoppp", f"data.folder={project}"


def settings(out):
    return json.loads((out / "metrics.json").read_text())


def test_evaluate_reads_the_truth_of_a_folder(project, tmp_path):
    """Truth against itself, once as files and once through the layout and its flip."""
    given = (f"diameter={DIAMETER}", f"picks={project}/labels")
    for name, source in (
        ("files", (f"truth={project}/labels", f"micrographs={project}/micrographs")),
        ("folder", place(project)),
    ):
        spec = composed(
            evaluate.EvaluateExperimentSpec, "evaluate", *given, *source, f"out={tmp_path / name}"
        )
        assert evaluate.run(spec) == 0
    one, other = settings(tmp_path / "files"), settings(tmp_path / "folder")
    assert one["f1"] == other["f1"] == 1.0 and other["true"] == 20
    assert other["mean_center_error_angstrom"] < 0.01 * PIXEL


def test_pick_and_compare_take_a_folder(project, tmp_path):
    spec = composed(
        pick.PickSpec,
        "pick",
        *place(project),
        f"diameter={DIAMETER}",
        f"out={tmp_path / 'picks'}",
        "method=log",
    )
    assert pick.run(spec) == 0
    picked = json.loads((tmp_path / "picks" / "pick.json").read_text())["picks"]
    assert list(picked) == [f"field_{n}.mrc" for n in range(4)]
    spec = composed(
        compare.CompareSpec,
        "compare",
        f"out={tmp_path / 'compared'}",
        *place(project),
        f"data.diameter={DIAMETER}",
        "methods=[log]",
        "bootstrap=10",
        "pictures=0",
    )
    assert compare.run(spec) == 0
    row = (tmp_path / "compared" / "table.csv").read_text().splitlines()
    told = dict(zip(row[0].split(","), row[1].split(","), strict=True))
    assert float(told["average_precision"]) > 0.8, "dark discs, found where the flip puts them"


class StartedError(Exception):
    """Training would begin now."""


def test_training_on_a_folder_keeps_its_parts(project, tmp_path, monkeypatch):
    def start(*overrides):
        given = [*SMALL, "data.test_fraction=0.25", "data.validation_fraction=0.25", *overrides]
        plain = tiny(project, tmp_path, *given)
        source = {"layout": "cryoppp", "folder": str(project)}
        data = dataclasses.replace(plain.data, micrographs=None, coordinates=None, **source)
        train.run(dataclasses.replace(plain, data=data))

    def train_stages(stages, *arguments, **settings):
        seen.append(settings["config"]["data"]["found"])
        raise StartedError

    seen = []
    monkeypatch.setattr(train, "train_stages", train_stages)
    for _ in range(2):
        with pytest.raises(StartedError):
            start()
    record, again = seen
    assert record == again
    assert [len(record[part]) for part in ("train", "validation", "test")] == [2, 1, 1]
    assert record["labels"] == 15
    listed = (tmp_path / "split" / "test.star").read_text()
    assert record["test"][0] in listed and record["train"][0] not in listed
    with pytest.raises(InputError, match=r"settings\.seed=0, not 5"):
        start("seed=5")
    with pytest.raises(StartedError):
        start("seed=5", "overwrite=true")
    micrograph = project / "micrographs" / record["test"][0]
    whole = micrograph.read_bytes()
    try:
        micrograph.write_bytes(whole[:-4] + np.float32(7.5).tobytes())
        with pytest.raises(InputError, match=f"{micrograph.name}, as its content changed"):
            start("seed=5")
    finally:
        micrograph.write_bytes(whole)


@pytest.mark.parametrize(
    ("spec_type", "name", "given"),
    [
        (pick.PickSpec, "pick", ("diameter=9",)),
        (evaluate.EvaluateExperimentSpec, "evaluate", ("picks=p", "diameter=9")),
    ],
)
def test_a_command_without_files_says_both_ways(spec_type, name, given):
    with pytest.raises(SpecError, match=r"expected a file or folder, or data=LAYOUT data\.folder="):
        composed(spec_type, name, "out=D", *given)
    with pytest.raises(SpecError, match=r"data\.folder: expected the folder"):
        composed(spec_type, name, "out=D", "data=empiar", *given)


def test_the_same_word_is_a_choice_in_every_command():
    choice = ("data=empiar", "data.folder=F", "out=D")
    labelled = composed(
        train.TrainExperiment, "train", *choice, "data.diameter=9", choices=train.choices()
    )
    assert (labelled.data.layout, labelled.data.folder) == ("empiar", "F")
    assert composed(pick.PickSpec, "pick", *choice, "diameter=9").data.layout == "empiar"
    compared = composed(compare.CompareSpec, "compare", *choice, "data.diameter=9").data
    assert compared == {"layout": "empiar", "folder": "F", "diameter": 9}


def test_kept_results_of_a_comparison_depend_on_the_bytes_of_its_files(project, tmp_path):
    """A micrograph of the same size and time with other pixels is another one."""
    folder = tmp_path / "copy"
    shutil.copytree(project, folder)
    spec = SetSpec(layout="cryoppp", folder=str(folder), diameter=DIAMETER)
    before = prepare_set("one", spec, tmp_path).fingerprint()
    path = folder / "micrographs" / "field_1.mrc"
    status, raw = path.stat(), path.read_bytes()
    path.write_bytes(raw[:-4] + np.float32(7.5).tobytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert prepare_set("one", spec, tmp_path).fingerprint() != before
    path.write_bytes(raw)
    assert prepare_set("one", spec, tmp_path).fingerprint() == before


@pytest.mark.real_data
def test_published_picks_are_scored_through_cryoppps_layout(data, tmp_path):
    """crYOLO on beta-galactosidase: F1 0.85 to 0.90 against CryoPPP's labels (0.90 over all 20)."""
    folder = tmp_path / "10017"
    tables = folder / "ground_truth" / "particle_coordinates"
    tables.mkdir(parents=True)
    (folder / "micrographs").symlink_to(data / "micrographs" / "empiar_10017")
    for path in (data / "coordinates" / "empiar_10017").glob("*.csv"):
        rows = [f"{row},107" for row in path.read_text().split()[1:]]
        text = "\n".join(["X-Coordinate,Y-Coordinate,Diameter", *rows, ""])
        (tables / path.name).write_text(text)
    picks = data / "coordinates" / "empiar_10017" / "other" / "peer_REPIC_crYOLO"
    given = (f"picks={picks}", "data=cryoppp", f"data.folder={folder}", "diameter=190")
    more = ("pixel_size=1.77", "margin_px=131", "missing_picks=leave_out", f"out={tmp_path / 'o'}")
    evaluate.run(composed(evaluate.EvaluateExperimentSpec, "evaluate", *given, *more))
    assert 0.85 < settings(tmp_path / "o")["f1"] < 0.95
