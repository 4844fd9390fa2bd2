"""Every study's debug variant runs on files and leaves its table, its record and its figures; the same command goes on.

Fast ones learn from and are tested on discs in noise; those that vary the simulator, and debug variants as they are
typed, are slow: the simulator is compiled for each of them.
"""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from labelled_set import DIAMETER, write_labelled_set
from studies import STUDIES, study_of

from experiments import _hydra
from experiments._deeppicker import recall_at
from experiments._members import Member, over, training_of
from experiments._study import Study, TrainedStudy
from experiments._study_sets import of_one_molecule, sets_of, shares
from experiments.domain_randomisation import CHANGES
from jaxpick import methods
from jaxpick.simulate.priors import Priors
from jaxpick.spec import SpecError, as_plain, build

# A study and its figures.
ON_FILES = {
    "deepem_activation": ("curves.png", "learning.png"),
    "deepem_f2": ("f2.png", "curves.png"),
    "deeppicker_cross_molecule": ("recall.png", "ratio.png", "deviation.png"),
    "deeppicker_semi_automated": ("recall.png", "ratio.png"),
    "deeppicker_defocus": ("defocus.png",),
    "deeppicker_noise": ("scores.png",),
    "deeppicker_iterations": ("rounds.png",),
    "parsed_masses": ("masses.png",),
    "parsed_time": ("time.png",),
    "topaz_labels": ("labels.png",),
    "topaz_prior": ("prior.png",),
    "sim_to_real": ("average_precision.png",),
}
# Networks that no fast one trains or picks with.
LONG = (
    "deepem_activation",
    "deeppicker_cross_molecule",
    "parsed_time",
    "topaz_prior",
    "sim_to_real",
)
SIMULATED = {
    "deepem_snr": ("curves.png",),
    "deeppicker_noise": ("scores.png",),
    "parsed_classifier": ("curves.png",),
    "domain_randomisation": ("average_precision.png",),
    "simulator_realism": ("average_precision.png",),
    "working_pixel": ("average_precision.png", "time.png"),
}


def test_every_study_is_run_here():
    assert {*ON_FILES, *SIMULATED, "deepem_training_size"} == set(STUDIES)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_labelled_set(folder)
    lines = [f"field_{n}.mrc,{1e4 * (1.5 + n)}" for n in range(2)]
    (folder / "ctf.csv").write_text("\n".join(["rlnMicrographName,rlnDefocusU", *lines]) + "\n")
    return folder


def debug(name, out, *overrides):
    module, spec_type = study_of(name)
    spec = _hydra.compose(spec_type, name, [f"out={out}", "experiment=debug", *overrides])
    return module, spec


def own_files(files):
    return {
        "micrographs": f"{files}/micrographs/*.mrc",
        "truth": f"{files}/labels/*.star",
        "diameter": DIAMETER,
    }


def on_files(name, out, files):
    """Return the debug variant with files in place of what it would simulate."""
    module, spec = debug(name, out)
    own, changes = own_files(files), {}
    if isinstance(spec, Study):
        changes["data"] = own
    if isinstance(spec, TrainedStudy):
        changes["learn"] = {"first": own, "second": own} if "cross" in name else own
    if name == "deeppicker_defocus":
        changes["defocus"] = f"{files}/ctf.csv"
    return module, dataclasses.replace(spec, **changes)


def check_outputs(out, figures):
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    record = json.loads((out / "study.json").read_text())
    assert rows and record["failures"] == []
    assert list(dict.fromkeys(row["condition"] for row in rows)) == record["conditions"]
    assert record["packages"]["jax"] and record["settings"]["out"] == str(out)
    for name in figures:
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert (out / "table.md").read_text().startswith("| condition")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in ON_FILES]
)
def test_debug_variant_on_files(name, files, tmp_path):
    module, spec = on_files(name, tmp_path / "out", files)
    assert module.run(spec) == 0
    check_outputs(tmp_path / "out", ON_FILES[name])


class AskedError(Exception):
    """What a study would have measured."""


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("deepem_snr", ()),
        ("domain_randomisation", (f"changes=[{','.join(CHANGES)}]",)),
        ("domain_randomisation", ("method=parsed",)),
        ("domain_randomisation", ("method=topaz",)),
        ("simulator_realism", ("maps=none/*.mrc",)),
        ("working_pixel", ()),
    ],
)
def test_every_training_can_be_built(name, overrides, tmp_path, monkeypatch, files):
    """At the real size, without a step of it; conditions differ, and in nothing but names otherwise."""
    module, spec_type = study_of(name)
    (tested,) = sets_of(own_files(files), {}, tmp_path)

    def asked(spec, conditions):
        raise AskedError(spec, conditions)

    monkeypatch.setattr(module, "measure", asked)
    monkeypatch.setattr(module, "sets_of", lambda *_: [tested])
    monkeypatch.setattr(module, "find_maps", lambda _: [], raising=False)
    with pytest.raises(AskedError) as caught:
        module.run(_hydra.compose(spec_type, name, [f"out={tmp_path}", *overrides]))
    spec, conditions = caught.value.args
    built = []
    for one in conditions:
        member = Member(label=one.name, method=one.method, training=over(one.training, spec.train))
        settings = training_of(member, tmp_path)
        method = {key: value for key, value in settings.method.items() if key != "name"}
        build(methods.get(one.method).Spec, method)
        built.append(json.dumps(as_plain(settings), sort_keys=True))
    differing = len(set(built)) == len(built) or name == "deepem_snr"  # whose micrographs differ
    assert built and differing


@pytest.mark.slow
@pytest.mark.parametrize("name", SIMULATED)
def test_debug_variant_as_typed(name, tmp_path, request):
    if name == "simulator_realism":
        request.getfixturevalue("data")
    module, spec = debug(name, tmp_path / "out")
    assert module.run(spec) == 0
    check_outputs(tmp_path / "out", SIMULATED[name])


def figures(table):
    """Return a table's figures but for how long things took."""
    timed = ("training_seconds", "seconds_per_micrograph")
    rows = csv.DictReader(table.splitlines())
    return [{name: v for name, v in row.items() if name not in timed} for row in rows]


def test_a_finished_condition_is_not_done_again(files, tmp_path):
    """Weights stay as they are; a condition that was lost comes back the same."""
    out = tmp_path / "out"
    module, spec = on_files("deepem_training_size", out, files)
    assert module.run(spec) == 0
    check_outputs(out, ("curves.png",))
    first, other = (out / name / "seed_0" for name in ("4_particles", "8_particles"))
    stamp = (first / "training" / "train.json").stat().st_mtime_ns
    table = (out / "table.csv").read_text()
    shutil.rmtree(other)
    assert module.run(spec) == 0
    assert (first / "training" / "train.json").stat().st_mtime_ns == stamp
    assert figures((out / "table.csv").read_text()) == figures(table)


def test_a_condition_that_fails_is_told_and_the_others_go_on(files, tmp_path):
    module, spec = on_files("deepem_f2", tmp_path / "out", files)
    lost = {**spec.data, "diameter": 1.0e6}
    spec = dataclasses.replace(spec, data={"lost": lost, "good": spec.data})
    assert module.run(spec) == 1
    record = json.loads((tmp_path / "out" / "study.json").read_text())
    assert record["conditions"] == ["good"] and record["failures"][0].startswith("lost")


@pytest.mark.parametrize(
    ("name", "override", "path"),
    [
        ("deepem_training_size", "particles=[]", "particles"),
        ("deepem_training_size", "seeds=0", "seeds"),
        ("deepem_snr", "data.micrographs=a.mrc", "data"),
        ("deeppicker_defocus", "defocus=a.csv", "defocus"),
        ("deeppicker_noise", "method=topaz", "method"),
        ("domain_randomisation", "changes=[ice,snow]", "changes"),
        ("topaz_prior", "objectives=[pn]", "objectives"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(name, override, path, tmp_path):
    with pytest.raises(SpecError, match=f"^{path}"):
        debug(name, tmp_path, override)


def test_one_molecule_is_learnt_from_and_others_of_it_are_tested_on(files, tmp_path):
    own = own_files(files)
    spec = TrainedStudy(out=str(tmp_path), learn=own, data={"a": own, "b": own})
    learnt, tested = of_one_molecule(spec, {}, 1)
    assert learnt.diameter == DIAMETER and [one.name for one in tested] == ["a", "b"]
    with pytest.raises(SpecError, match="learn: expected one set of micrographs, got 2"):
        of_one_molecule(dataclasses.replace(spec, learn={"a": own, "b": own}), {}, 1)


@pytest.mark.parametrize(("particles", "validated"), [(400, 0.2), (100, 0.0), (1000, 0.5)])
def test_so_many_particles_are_learnt_from_beside_those_that_validate(particles, validated):
    found = shares(particles, validated)
    assert found["most_labels"] * (1 - found["validation_fraction"]) == pytest.approx(particles)


def test_every_change_of_the_randomisation_changes_the_training():
    for name, change in CHANGES.items():
        changed = build(Priors, over(as_plain(Priors()), change), name)
        assert (changed == Priors()) == (name == "nothing")


def test_recall_above_a_score():
    curve = [{"threshold": t, "recall": r} for t, r in ((0.9, 0.1), (0.5, 0.4), (0.4, 0.8))]
    assert recall_at(curve, 0.5) == 0.4
    assert recall_at(curve, 0.95) == 0.0
    assert np.isclose(recall_at(curve, 0.0), 0.8)
