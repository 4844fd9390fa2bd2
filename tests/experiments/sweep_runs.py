"""A sweep of 2 x 2 tiny trainings as it is typed, and what it leaves."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from labelled_set import DIAMETER

ROOT = Path(__file__).resolve().parents[2]


def sweep(files, out, *overrides, steps=60):
    """The command line of 2 x 2 trainings whose programs are the same."""
    return [
        *(sys.executable, "-m", "experiments.train", "-m", f"out={out}/${{hydra:job.num}}"),
        *("seed=0,1", "training.keep=best,last", "method=unet", "method.widths=[4,4,4,4]"),
        f"data.micrographs={files}/micrographs/*.mrc",
        f"data.coordinates={files}/labels/*.star",
        *(f"data.diameter={DIAMETER}", "data.validation_fraction=0.5", "method.noise_fields=0"),
        *("method.working.diameter_px=10", "method.field.field_px=32"),
        *("method.segmenter.batch_size=4", f"training.max_steps={steps}"),
        *("training.log_every=1", "training.validate_every=5", "training.validation_batches=1"),
        *overrides,
    ]


def environment(files):
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(files / "compiled"), "JAX_PLATFORMS": "cpu"}
    quick = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **compiled, **quick}


def start(files, out, *overrides, **options):
    """Start a sweep with its children in a group of their own."""
    return subprocess.Popen(
        sweep(files, out, *overrides, **options),
        cwd=ROOT,
        env=environment(files),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(condition, process, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.01)


def results(out):
    """What four runs give: every row of figures and the weights."""
    return [
        (
            (out / str(number) / "metrics.csv").read_text(),
            json.loads((out / str(number) / "train.json").read_text())["stages"],
            dict(np.load(out / str(number) / "weights" / "weights.npz")),
        )
        for number in range(4)
    ]


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one[:2] == other[:2]
        np.testing.assert_equal(one[2], other[2])
