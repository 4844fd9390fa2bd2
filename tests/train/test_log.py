"""The metrics file, the recorder that never waits, and durations in words."""

import pytest

from jaxpick.io.files import InputError
from jaxpick.train import log
from jaxpick.train.log import MetricsTable, Progress, Recorder, duration


def test_table_is_read_back_cut_and_continued(tmp_path):
    path = tmp_path / "metrics.csv"
    table = MetricsTable(path)
    table.add("one", 5, "train", {"loss": 0.1})
    table.add("one", 10, "validation", {"loss": 0.2, "recall": 1 / 3})
    table.close()
    again = MetricsTable(path)
    again.keep(lambda stage, step: step <= 5)
    again.add("two", 1, "train", {"loss": 0.5, "recall": float("nan")})
    again.close()
    expected = "stage,step,split,loss,recall\none,5,train,0.1,\ntwo,1,train,0.5,nan\n"
    assert path.read_text() == expected


def test_foreign_file_is_refused(tmp_path):
    (tmp_path / "metrics.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"metrics\.csv: expected rows of figures"):
        MetricsTable(tmp_path / "metrics.csv")


def test_recorder_does_not_touch_the_newest_step():
    """The newest step may still be running; its figures are read when the next one is under way."""
    read = []

    class Running:
        def __init__(self, step):
            self.step = step

        def __float__(self):
            read.append(self.step)
            return float(self.step)

    emitted = {}
    recorder = Recorder(every=2, last_step=5, emit=emitted.__setitem__)
    for step in range(1, 6):
        recorder.add(step, {"loss": (Running(step), 1.0)})
        assert step not in read
    recorder.flush()
    assert emitted == {2: {"loss": 1.5}, 4: {"loss": 3.5}, 5: {"loss": 5.0}}


def test_progress_tells_rate_and_time_left_of_the_steps_after_the_first(monkeypatch, capsys):
    """The first step compiles for 100 s; the others take 2 s for 8 examples each."""
    clock = iter([100.0, 102.0, 104.0, 106.0, 108.0, 110.0])
    monkeypatch.setattr(log.time, "monotonic", lambda: next(clock))
    progress = Progress("one", 0, 6, 8)
    for step in range(1, 7):
        progress.step(step, None if step < 4 else 0.25)
    assert capsys.readouterr().err.splitlines() == [
        "one  4/6  loss 0.25  4 examples/s  4 s left",
        "one  6/6  loss 0.25  4 examples/s  0 s left",
    ]
    assert progress.examples_per_second == 4.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (75.0, "1 min 15 s"), (3600.0, "1 h 0 min"), (7384.0, "2 h 3 min")],
)
def test_duration(seconds, words):
    assert duration(seconds) == words
