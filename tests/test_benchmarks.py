"""What every benchmark stands on: ratios run by run, sections that replace themselves, processes that are measured."""

import importlib
import sys
from pathlib import Path

import pytest

from benchmarks import _machine, _report
from benchmarks._timing import Timing, in_turn, process, ratios

FOLDER = Path(_report.__file__).parent


def test_ratios_are_of_pairs_that_ran_together():
    """A machine that slows down threefold in the middle changes no ratio."""
    ours, theirs = iter([1.0, 3.0, 3.0]), iter([2.0, 6.0, 6.0])
    first, second = in_turn(lambda: next(ours), lambda: next(theirs), 3)
    assert ratios(first, second).seconds == (2.0, 2.0, 2.0)
    assert first.divided(3.0).median == 1.0


def test_a_process_has_its_time_and_its_own_memory():
    small = process([sys.executable, "-c", "pass"])
    large = process([sys.executable, "-c", "import time; x = b'1' * (300 << 20); time.sleep(0.3)"])
    assert large.median > 0.3 and large.peak_bytes - small.peak_bytes > 250e6
    with pytest.raises(RuntimeError, match="no such thing"):
        process([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_a_row_tells_the_ratio_the_floor_and_what_is_missing():
    row = _report.Row(
        figure="f", ours=Timing((0.2,)), peer="p", theirs=Timing((0.6,)), floor_seconds=0.05
    )
    text = _report.table([row, _report.Row(figure="g", ours=Timing((2.0,)), peer="q")])
    lines = text.splitlines()
    assert "memory" not in lines[0] and "**3**" in lines[2] and "50 ms (4.0 x)" in lines[2]
    assert "missing" in lines[3] and "2 s" in lines[3]


def test_a_section_takes_the_place_of_its_last_figures(tmp_path):
    report = tmp_path / "BENCHMARKS.md"
    for name, text in (("a", "first figures\n"), ("b", "two\n"), ("a", "three \\1\n")):
        _report.keep(name, text, report)
    text = report.read_text()
    assert text.startswith("# Benchmarks") and "first figures" not in text
    assert text.index("three \\1") < text.index("two") and text.count("<!-- a -->") == 1


def test_floors_are_the_slower_of_arithmetic_and_memory(monkeypatch):
    monkeypatch.setattr(_machine, "flops_per_second", lambda: 1e9)
    monkeypatch.setattr(_machine, "bytes_per_second", lambda: 1e8)
    assert _machine.floor_seconds(2e9, 1e8) == 2.0 and _machine.floor_seconds(0.0, 3e8) == 3.0


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("[a-z]*.py")))
def test_every_benchmark_measures_and_says_what(name):
    module = importlib.import_module(f"benchmarks.{name}")
    title, _, text = (module.__doc__ or "").partition("\n\n")
    assert callable(module.measure) and title.endswith(".") and len(text) > 80
