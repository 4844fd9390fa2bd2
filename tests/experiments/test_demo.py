"""The README's first command, at a small count."""

import json

import pytest

from experiments import demo


@pytest.mark.slow
def test_demonstration_finds_its_particles(tmp_path):
    assert demo.run(demo.DemoSpec(out=str(tmp_path / "demo"), count=1)) == 0
    metrics = json.loads((tmp_path / "demo" / "evaluation" / "metrics.json").read_text())
    assert metrics["average_precision"] > 0.7
    assert (tmp_path / "demo" / "picks" / "report.html").stat().st_size > 10_000
