"""The loop: resume that changes nothing, the same figures on any devices, honest stops."""

import contextlib
import os
import signal
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import draw, init, stages

from jaxpick.io.files import InputError
from jaxpick.parallel import HardwareSpec
from jaxpick.train import DivergedError, Interrupted, Loaded, TrainSpec, train_stages

SPEC = TrainSpec(log_every=5, validate_every=4, validation_batches=2)


def rows(folder):
    """The figures of a run as (stage, step, split) -> {name: value}."""
    lines = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    return {
        tuple(line[:3]): {
            name: float(value) for name, value in zip(lines[0][3:], line[3:], strict=True) if value
        }
        for line in lines[1:]
    }


def host_source(at_load):
    """The toy's examples loaded by the host; `at_load(number of loads so far)` may interrupt."""
    calls = []
    slopes = np.arange(1.0, 9.0, dtype=np.float32)

    def load(index):
        calls.append(index)
        at_load(len(calls))
        image = np.random.default_rng(index).normal(size=8).astype(np.float32)
        return {"image": image, "target": image @ slopes}

    return Loaded(load=load, count=50, num_threads=1)


def assert_same_run(first, second, folders):
    """Bit for bit: the metrics' text and the parameters of every stage."""
    texts = [(folder / "metrics.csv").read_text() for folder in folders]
    assert texts[0] == texts[1]
    for a, b in zip(first, second, strict=True):
        assert (a.step, a.figures) == (b.step, b.figures)
        np.testing.assert_array_equal(a.params["w"], b.params["w"])


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Two stages of twelve steps of eight examples, not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return train_stages(stages(examples=host_source(lambda n: None)), SPEC, folder), folder


@pytest.mark.parametrize("at", [90, 220])
def test_resume_after_a_crash_changes_nothing(tmp_path, whole_run, at):
    """A crash between checkpoints of the first stage, and one in the second."""

    def crash(count):
        if count == at:
            raise RuntimeError("power cut")

    whole, folder = whole_run
    with pytest.raises(RuntimeError, match="power cut"):
        train_stages(stages(examples=host_source(crash)), SPEC, tmp_path / "cut")
    resumed = train_stages(stages(examples=host_source(lambda n: None)), SPEC, tmp_path / "cut")
    assert_same_run(whole, resumed, (folder, tmp_path / "cut"))


@pytest.fixture
def interruptible():
    """Ctrl-C as in a terminal: a test run in the background was told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, whole_run, interruptible, number):
    def press(count):
        if count == 60:
            os.kill(os.getpid(), number)

    whole, folder = whole_run
    said = r"stopped at step \d+ of 12 of one and saved; the same"
    with pytest.raises(Interrupted, match=said) as stopped:
        train_stages(stages(examples=host_source(press)), SPEC, tmp_path / "cut")
    assert stopped.value.signal_number == number
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    resumed = train_stages(stages(examples=host_source(lambda n: None)), SPEC, tmp_path / "cut")
    assert_same_run(whole, resumed, (folder, tmp_path / "cut"))


def test_a_job_in_the_background_ignores_ctrl_c(tmp_path, interruptible):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    press = host_source(lambda count: os.kill(os.getpid(), signal.SIGINT))
    assert train_stages(stages(("one",), steps=2, examples=press), SPEC, tmp_path)[0].step == 2


def test_finished_run_is_not_repeated(whole_run):
    def fail(count):
        raise AssertionError("a finished run needs no examples")

    whole, folder = whole_run
    written = (folder / "metrics.csv").read_text()
    again = train_stages(stages(examples=host_source(fail)), SPEC, folder)
    assert_same_run(whole, again, (folder, folder))
    assert (folder / "metrics.csv").read_text() == written


def test_same_figures_on_any_devices(tmp_path):
    """Keys belong to examples, so only the order of sums differs between devices."""
    figures = []
    for strategy, count in (("jit", 1), ("jit", 4), ("pmap", 4)):
        out = tmp_path / f"{strategy}{count}"
        hardware = HardwareSpec(strategy=strategy, num_devices=count)
        train_stages(stages(("one",)), SPEC, out, hardware=hardware)
        figures.append(rows(out))
    for other in figures[1:]:
        assert other.keys() == figures[0].keys()
        for place, values in figures[0].items():
            assert other[place] == pytest.approx(values, rel=1e-5)


def test_loaded_batches_are_shared_by_devices(tmp_path):
    figures = []
    for strategy in ("jit", "pmap"):
        source = host_source(lambda n: None)
        hardware = HardwareSpec(strategy=strategy, num_devices=4)
        out = tmp_path / strategy
        train_stages(stages(("one",), examples=source), SPEC, out, hardware=hardware)
        figures.append(rows(tmp_path / strategy))
    for place, values in figures[0].items():
        assert figures[1][place] == pytest.approx(values, rel=1e-5)


def test_rows_average_the_steps_between_them(tmp_path):
    """A row of five steps equals the mean of five rows of one step; the last row holds the rest."""
    train_stages(stages(("one",)), SPEC, tmp_path / "five")
    each = TrainSpec(log_every=1, validate_every=4, validation_batches=2)
    train_stages(stages(("one",)), each, tmp_path / "one")
    by_five, by_one = rows(tmp_path / "five"), rows(tmp_path / "one")
    single = [by_one["one", str(step), "train"]["loss"] for step in range(1, 13)]
    trained = {place: row for place, row in by_five.items() if place[2] == "train"}
    assert [place[1] for place in trained] == ["5", "10", "12"]
    expected = [np.mean(single[:5]), np.mean(single[5:10]), np.mean(single[10:])]
    assert [row["loss"] for row in trained.values()] == pytest.approx(expected)


def test_best_and_last_parameters(tmp_path):
    """A diverging rate: the first validation is the best; the last only when asked for."""
    wild = {"learning_rate": 0.6, "momentum": 0.0}
    best = train_stages(stages(("one",), **wild), SPEC, tmp_path / "a")[0]
    scores = {int(p[1]): r["loss"] for p, r in rows(tmp_path / "a").items() if p[2] == "validation"}
    assert best.step == min(scores, key=scores.get) < 12
    keep_last = TrainSpec(log_every=5, validate_every=4, validation_batches=2, keep="last")
    last = train_stages(stages(("one",), **wild), keep_last, tmp_path / "b")[0]
    assert last.step == 12
    assert best.figures["loss"] == pytest.approx(min(scores.values()))


def test_other_settings_are_refused_by_name(tmp_path):
    train_stages(stages(("one",)), SPEC, tmp_path)
    with pytest.raises(InputError, match=r"stages\.one\.optimizer\.learning_rate=0\.02, not 0\.03"):
        train_stages(stages(("one",), learning_rate=0.03), SPEC, tmp_path)
    with pytest.raises(InputError, match="seed=0, not 1"):
        train_stages(stages(("one",)), SPEC, tmp_path, seed=1)
    devices = HardwareSpec(num_devices=2)
    assert train_stages(stages(("one",)), SPEC, tmp_path, hardware=devices)[0].name == "one"


def test_a_loss_that_is_no_number_ends_the_run_in_one_sentence(tmp_path):
    with pytest.raises(DivergedError, match=r"one: the loss is not a number by step 5; lower"):
        train_stages(stages(("one",), learning_rate=1e30), SPEC, tmp_path)


def test_second_stage_starts_from_the_first(tmp_path):
    received = []
    first, second = stages()

    def receive(key, previous):
        received.append(previous)
        return init(key, previous)

    second = second.__class__(**{**vars(second), "init": receive})
    results = train_stages([first, second], SPEC, tmp_path)
    assert received[0] is not None
    assert [result.name for result in results] == ["one", "two"]
    assert results[1].figures["loss"] < results[0].figures["loss"]


def tensorboard_records(path):
    """The events of a TensorBoard file: length, checksum, bytes, checksum of each."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
        at += 16 + length


def test_tensorboard_shows_the_figures_of_the_table(tmp_path):
    spec = TrainSpec(log_every=2, validate_every=4, validation_batches=1, tensorboard=True)
    train_stages(stages(("one",), steps=4), spec, tmp_path)
    (path,) = (tmp_path / "tensorboard").glob("events.*")
    shown = {
        (value.tag, event.step): value.simple_value
        for event in tensorboard_records(path)
        for value in event.summary.value
    }
    expected = {
        (f"{stage}/{split}/{name}", int(step)): value
        for (stage, step, split), figures in rows(tmp_path).items()
        for name, value in figures.items()
    }
    assert ("one/validation/loss", 4) in shown and ("one/train/learning_rate", 2) in shown
    assert shown == pytest.approx(expected, rel=1e-6)


def test_a_resumed_run_shows_every_figure_once(tmp_path):
    """A crash leaves figures on the board that the checkpoint knows nothing of."""

    def crash(count):
        if count == 60:
            raise RuntimeError("power cut")

    spec = TrainSpec(log_every=1, validate_every=4, validation_batches=1, tensorboard=True)
    for at_load in (crash, lambda count: None):
        with contextlib.suppress(RuntimeError):
            train_stages(stages(("one",), examples=host_source(at_load)), spec, tmp_path)
    (path,) = (tmp_path / "tensorboard").glob("events.*")
    shown = [
        (value.tag, event.step)
        for event in tensorboard_records(path)
        for value in event.summary.value
    ]
    assert len(set(shown)) == len(shown)
    assert {step for tag, step in shown if tag == "one/train/loss"} == set(range(1, 13))


def test_cap_on_steps(tmp_path):
    capped = TrainSpec(log_every=5, validate_every=4, validation_batches=1, max_steps=3)
    assert train_stages(stages(("one",)), capped, tmp_path)[0].step == 3


def test_toy_example_is_what_it_says():
    example = draw(jax.random.key(0), jnp.ones(8))
    assert float(example["target"]) == pytest.approx(float(example["image"].sum()), rel=1e-5)
