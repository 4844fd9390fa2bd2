"""The command line: values that arrive untouched, mistakes told in one sentence, nothing left behind."""

import dataclasses
import json
import signal
import sys
from collections.abc import Mapping
from typing import Any

import command
import pytest
import yaml
from command import Adam, Command, Inner, Sgd

from experiments import _hydra, _hydra_store
from experiments._commandline import closest, merged
from jaxpick.spec import as_plain


@pytest.fixture
def type_command(tmp_path, monkeypatch, capsys):
    """Type a command line in an empty folder; get its exit status, output and what `run` saw."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def typed(*arguments):
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        with pytest.raises(SystemExit) as end:
            _hydra.main(Command, command.run)
        seen = tmp_path / "D" / "seen.json"
        record = json.loads(seen.read_text()) if seen.is_file() else None
        return end.value.code, capsys.readouterr(), record

    return typed


def test_values_arrive_and_nothing_else_is_written(type_command, tmp_path):
    status, output, seen = type_command("out=D", "seed=4", "inner.sizes=[3,4]", "solver=sgd")
    assert (status, output.err) == (0, "")
    assert (seen["seed"], seen["inner"]["sizes"]) == (4, [3.0, 4.0])
    assert seen["solver"] == {"kind": "sgd", "momentum": 0.9}
    assert seen["folder"] == str(tmp_path), "the working folder is the user's"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["D", "seen.json"]


@pytest.mark.parametrize(
    "text",
    [
        "data/*.mrc",
        "data/run[12]/?.mrc",
        "a,b.mrc",
        "key=value/x.mrc",
        "with blank (1).mrc",
        "it's.mrc",
        "back\\slash\\",
        "{a,b}/*.mrc",
        "größe.mrc",
        "1e5",
        "true",
        "007",
        "~/x:y#z.mrc",
        "",
    ],
)
def test_text_arrives_as_typed(type_command, text):
    status, output, seen = type_command("out=D", f"micrographs={text}", f"inner.files={text}")
    assert (status, output.err) == (0, "")
    assert seen["micrographs"] == text
    assert seen["inner"]["files"] == [text]


def test_quoted_text_lists_and_null_keep_their_meaning(type_command):
    _, _, seen = type_command("out=D", "micrographs='a b'", "inner.files=[a,'b c']")
    assert (seen["micrographs"], seen["inner"]["files"]) == ("a b", ["a", "b c"])
    _, _, seen = type_command("out=D", "micrographs=null")
    assert seen["micrographs"] is None


def test_a_mapping_of_any_names_is_given_whole_or_by_its_parts(type_command):
    _, _, seen = type_command("out=D", "free={mass:{cutoff:10.3}}", "free.kind=peaks")
    assert seen["free"] == {"mass": {"cutoff": 10.3}, "kind": "peaks"}
    status, _, _ = type_command("-m", "out=D/${hydra:job.num}", "free.rate=1,2")
    assert status == 0


def test_a_plain_setting_is_never_a_group(type_command):
    """`conf/method/` exists for training; here `method` is a word."""
    status, _, seen = type_command("out=D", "method=topaz")
    assert (status, seen["method"]) == (0, "topaz")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "out: missing; give it as out=VALUE"),
        (("out=D", "sed=1"), "sed: unknown setting; did you mean seed?"),
        (("out=D", "inner.widht=3"), "inner.widht: unknown setting; did you mean inner.width?"),
        (("out=D", "width=3"), "width: unknown setting; did you mean inner.width?"),
        (
            ("out=D", "solver.kind=sgd", "solver.rate=3"),
            "solver.rate: unknown setting; another kind has it",
        ),
        (("out=D", "qqq=3"), "qqq: unknown setting; --help lists the settings"),
        (("out=D", "seed=many"), "seed: expected a whole number, got 'many'"),
        (("out=D", "seed=-1"), "seed: expected 0 or more, got -1"),
        (("out=D", "seed=1,2"), "seed: expected one value, got '1,2'; -m sweeps over several"),
        (("out=D", "inner.sizes=[1]"), "inner.sizes: expected 2 values, got 1"),
        (("out=D", "solver=lbfgs"), "solver=lbfgs: no such choice; expected one of adam, sgd"),
        (("out=D", "launcher=null"), "launcher=null: launchers are for sweeps"),
        (("-m", "out=D/${hydra:job.num}", "launcher=null"), "a group of choices cannot be null"),
        (("--out", "D"), "--out: no such option; settings are given as out=VALUE"),
        (("out=D", "--pixel-size=3"), "--pixel-size: no such option; settings are given as pixel_"),
        (("out=D", "seed"), "'seed' cannot be read as key=value; quote text as key=\"'VALUE'\""),
        (("out=D", "seed=[1"), "'seed=[1' cannot be read as key=value; quote text as"),
        (("out=D", "micrographs=${nope}"), "micrographs: Interpolation key 'nope' not found"),
        (("out=D", "+seeds=3"), "seeds: unknown setting; known here:"),
        (("out=D", "fail=input"), "a.mrc: pixel size 0; expected a positive one, or give"),
        (("out=D", "fail=absent"), "nothing/here.mrc: No such file or directory"),
        (("out=D", "fail=full"), "D/picks.star: No space left on device"),
        (("out=D", "launcher=slurm"), "launcher=slurm: launchers are for sweeps; give -m"),
        (
            ("-m", "out=D/${hydra:job.num}", "hydra/launcher=nope", "seed=1,2"),
            "launcher: nope is not installed; EXTRAS=sweeps sh setup.sh installs it",
        ),
        (("-m", "out=D", "seed=1,2"), "out: the jobs of a sweep would all write into 'D'; give"),
    ],
)
def test_mistakes_end_in_one_sentence_and_status_2(type_command, arguments, sentence):
    status, output, _ = type_command(*arguments)
    assert status == 2
    assert output.err.startswith(sentence)
    assert output.err.count("\n") == 1


def test_ctrl_c_ends_with_130(type_command):
    status, output, _ = type_command("out=D", "fail=stop")
    assert (status, output.err) == (130, "command: stopped by the user\n")


def test_sigterm_ends_as_ctrl_c_does_with_143(type_command):
    status, output, _ = type_command("out=D", "fail=terminated")
    assert (status, output.err) == (143, "command: stopped after D/a.mrc\n")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_own_mistakes_keep_their_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.setattr(sys, "argv", ["command", "out=D", "fail=bug"])
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        _hydra.main(Command, command.run)


def test_status_of_run_is_the_exit_status(type_command):
    assert type_command("out=D", "status=1")[0] == 1


def test_sweep_gives_each_job_its_folder_and_the_worst_status(type_command, tmp_path):
    status, _, _ = type_command("-m", "out=D/${hydra:job.num}", "seed=1,2", "status=0,1")
    assert status == 1
    seen = [json.loads((tmp_path / "D" / str(n) / "seen.json").read_text()) for n in range(4)]
    assert [(job["seed"], job["status"]) for job in seen] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    beside = sorted(path.name for path in (tmp_path / "D").iterdir() if not path.name.isdigit())
    assert beside == ["multirun.yaml"]
    assert [path.name for path in tmp_path.iterdir()] == ["D"]


def test_jobs_can_be_named_by_what_was_typed_so_that_a_sweep_can_grow(type_command, tmp_path):
    out = "out=D/${hydra:job.override_dirname}"
    for seeds in ("1,2", "1,2,3"):
        assert type_command("-m", out, "launcher=local", f"seed={seeds}", "inner.width=4")[0] == 0
    seen = {path.parent.name for path in (tmp_path / "D").glob("*/seen.json")}
    assert seen == {f"inner.width=4,seed={seed}" for seed in (1, 2, 3)}


def test_a_command_may_compose_another_within_its_jobs(type_command, tmp_path, monkeypatch):
    """As a search does with trainings; the next job of the sweep is not touched by it."""
    run = command.run

    def composing(spec):
        other = _hydra.compose(Command, "other", ["out=E", f"seed={10 + spec.seed}", "solver=sgd"])
        assert (other.seed, other.solver) == (10 + spec.seed, Sgd())
        return run(spec)

    composing.__module__ = command.__name__
    monkeypatch.setattr(command, "run", composing)
    assert type_command("-m", "out=D/${hydra:job.num}", "seed=1,2", "solver=adam")[0] == 0
    seen = [json.loads((tmp_path / "D" / str(n) / "seen.json").read_text()) for n in range(2)]
    assert [(job["seed"], job["solver"]["kind"]) for job in seen] == [(1, "adam"), (2, "adam")]


def test_a_failing_job_does_not_stop_a_sweep(type_command, tmp_path):
    status, output, _ = type_command("-m", "out=D/${hydra:job.num}", "fail=input,''", "seed=3")
    assert status == 2
    assert output.err.count("\n") == 1
    assert (tmp_path / "D" / "1" / "seen.json").is_file()


def test_help_shows_docstring_settings_and_choices(type_command, tmp_path):
    status, output, _ = type_command("--help")
    assert status == 0
    assert "A command to try the command line on" in output.out
    assert "out=???" in output.out and "folder to write" in output.out
    assert "solver: adam, sgd" in output.out
    assert not list(tmp_path.iterdir())


def test_cfg_shows_everything(type_command):
    status, output, _ = type_command("--cfg", "job", "solver=sgd")
    assert status == 0
    for line in ("out: ???", "seed: 0", "  momentum: 0.9", "  width: 3"):
        assert line in output.out


def test_conf_file_and_group_files_lie_over_the_defaults(type_command, tmp_path, monkeypatch):
    conf = tmp_path / "conf"
    (conf / "inner").mkdir(parents=True)
    (conf / "experiment" / "command").mkdir(parents=True)
    (conf / "command.yaml").write_text("defaults: [{solver: sgd}]\nseed: 5\n")
    (conf / "inner" / "wide.yaml").write_text("width: 9\n")
    (conf / "experiment" / "command" / "both.yaml").write_text(
        "defaults: [{override /inner: wide}]\nseed: 6\n"
    )
    monkeypatch.setattr(_hydra_store, "CONF", conf)
    assert type_command("out=D")[2]["seed"] == 5
    seen = type_command("out=D", "inner=wide", "solver.momentum=0.5")[2]
    assert (seen["inner"]["width"], seen["inner"]["sizes"]) == (9, [1.0, 2.0])
    assert seen["solver"]["momentum"] == 0.5
    seen = type_command("out=D", "experiment=both", "inner.sizes=[0,1]")[2]
    assert (seen["seed"], seen["inner"]) == (6, {"width": 9, "sizes": [0.0, 1.0], "files": []})


def test_unreadable_conf_file_is_named(type_command, tmp_path, monkeypatch):
    (tmp_path / "command.yaml").write_text("a: [1\n")
    monkeypatch.setattr(_hydra_store, "CONF", tmp_path)
    status, output, _ = type_command("out=D")
    assert status == 2
    assert "command.yaml: not readable as YAML" in output.err


def test_composed_spec_equals_the_direct_one():
    spec = _hydra.compose(Command, "command", ["out=D", "solver=sgd", "inner.width=7"])
    assert spec == Command(out="D", solver=Sgd(), inner=Inner(width=7))
    assert _hydra.compose(Command, "command", ["out=D"]) == Command(out="D", solver=Adam())


def test_choices_fill_a_mapping_with_defaults_and_their_name():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class First:
        method: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"name": "a"})

    choices = {"method": {"a": Inner, "b": Sgd}}
    defaults = _hydra.compose(First, "first", ["method.width=4"], choices).method
    assert defaults == {"name": "a", "width": 4, "sizes": [1.0, 2.0], "files": []}
    other = _hydra.compose(First, "first", ["method=b"], choices).method
    assert other == {"name": "b", "kind": "sgd", "momentum": 0.9}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Solved:
    """Settings of a method: its own defaults differ from those of the specs within."""

    solver: Adam | Sgd = Adam(rate=0.5)
    inner: Inner = Inner(width=8, sizes=(7.0, 7.0))
    other: Inner | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    method: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"name": "solved"})


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("inner: {width: 9}", Solved(inner=Inner(width=9, sizes=(7.0, 7.0)))),
        ("solver: {kind: adam}", Solved()),
        ("solver: {kind: sgd}", Solved(solver=Sgd())),
        ("other: {width: 9}", Solved(other=Inner(width=9))),
        (
            "inner: {files: [a]}\nother: null",
            Solved(inner=Inner(width=8, sizes=(7, 7), files=("a",))),
        ),
    ],
)
def test_a_file_that_names_a_choice_is_laid_over_its_defaults(
    tmp_path, monkeypatch, file, expected
):
    """At any depth: what a file leaves out is the method's own, not the default of a spec within."""
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text(f"name: solved\n{file}\n")
    monkeypatch.setattr(_hydra_store, "CONF", tmp_path)
    choices = {"method": {"solved": Solved, "other": Inner}}
    chosen = _hydra.compose(Outer, "outer", ["method=mine"], choices).method
    assert chosen == {"name": "solved", **as_plain(expected)}


def test_what_a_file_leaves_out_can_be_set_beside_it(tmp_path, monkeypatch):
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text("name: solved\nsolver: {kind: sgd}\n")
    monkeypatch.setattr(_hydra_store, "CONF", tmp_path)
    typed = ["method=mine", "method.solver.momentum=0.1", "method.inner.width=1"]
    chosen = _hydra.compose(Outer, "outer", typed, {"method": {"solved": Solved}}).method
    assert chosen["solver"] == {"kind": "sgd", "momentum": 0.1}
    assert chosen["inner"] == {"width": 1, "sizes": [7.0, 7.0], "files": []}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nested:
    """A command whose choice of a solver stands deeper than a group."""

    out: str = ""
    method: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"name": "solved"})
    whole: Solved = Solved()


@pytest.mark.parametrize("place", ["method", "whole"])
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["{}.solver.kind=sgd"], Sgd()),
        (["{}.solver.kind='sgd'"], Sgd()),
        (["{}.solver.momentum=0.1", "{}.solver.kind=sgd"], Sgd(momentum=0.1)),
        (["{}.solver.kind=adam"], Adam(rate=0.5)),
        (["{}.solver.kind=adam", "{}.solver.rate=0.2"], Adam(rate=0.2)),
    ],
)
def test_another_kind_starts_from_its_own_defaults(place, typed, expected):
    """The same kind typed again keeps what the method has of it."""
    choices = {"method": {"solved": Solved, "inner": Inner}}
    spec = _hydra.compose(Nested, "nested", [t.format(place) for t in typed], choices)
    solved = {name: value for name, value in spec.method.items() if name != "name"}
    given = {"method": solved, "whole": as_plain(spec.whole)}
    assert given.pop(place) == as_plain(Solved(solver=expected))
    assert list(given.values()) == [as_plain(Solved())], "the other place is left alone"


@pytest.mark.parametrize("place", ["whole", "experiment"])
@pytest.mark.parametrize("solver", ["", "solver: {rate: 0.3}"])
@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_another_kind_goes_with_a_file_that_changes_the_rest(
    tmp_path, monkeypatch, place, solver, kind
):
    folder = tmp_path / ("whole" if place == "whole" else "experiment/nested")
    folder.mkdir(parents=True)
    settings = {"inner": {"width": 2}} | (yaml.safe_load(solver) or {})
    file = settings if place == "whole" else {"whole": settings}
    (folder / "narrow.yaml").write_text(yaml.safe_dump(file))
    monkeypatch.setattr(_hydra_store, "CONF", tmp_path)
    typed = [f"{place}=narrow", f"whole.solver.kind={kind}"]
    spec = _hydra.compose(Nested, "nested", typed, {"method": {"solved": Solved}})
    expected = Sgd() if kind == "sgd" else Adam(rate=0.3 if solver else 0.5)
    assert spec.whole == Solved(inner=Inner(width=2, sizes=(7.0, 7.0)), solver=expected)


@pytest.mark.parametrize("named", [{}, {"name": "solved"}])
def test_another_kind_goes_with_an_experiment_that_changes_the_method(tmp_path, monkeypatch, named):
    (tmp_path / "experiment" / "nested").mkdir(parents=True)
    method = {**named, "inner": {"width": 2}, "solver": {"rate": 0.3}}
    file = tmp_path / "experiment" / "nested" / "narrow.yaml"
    file.write_text(yaml.safe_dump({"method": method}))
    monkeypatch.setattr(_hydra_store, "CONF", tmp_path)
    choices = {"method": {"solved": Solved, "inner": Inner}}
    typed = ["experiment=narrow", "method.solver.kind=sgd"]
    found = _hydra.compose(Nested, "nested", typed, choices).method
    expected = Solved(inner=Inner(width=2, sizes=(7.0, 7.0)), solver=Sgd())
    assert found == {"name": "solved", **as_plain(expected)}


def test_another_kind_of_a_group_may_be_typed_as_its_kind(type_command):
    _, _, seen = type_command("out=D", "solver.kind=sgd", "solver.momentum=0.3")
    assert seen["solver"] == {"kind": "sgd", "momentum": 0.3}


def test_kinds_with_settings_of_their_own_do_not_sweep(type_command):
    status, output, _ = type_command("-m", "out=D/${hydra:job.num}", "solver.kind=adam,sgd")
    assert status == 2
    assert "solver.kind: each has settings of its own, so kinds do not sweep" in output.err


def test_merged_lays_deltas_over_defaults():
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "e": 4}) == {
        "a": {"b": 9, "c": 2},
        "d": 3,
        "e": 4,
    }


def test_closest_names_what_is_like_it():
    assert closest("widht", ["inner.width", "out"]) == "did you mean inner.width?"
