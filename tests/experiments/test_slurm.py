"""A sweep on a real Slurm: jobs whose time is up and jobs that are requeued end as if nothing had been.

Any cluster of one node or more will do, as long as `sbatch` finds it (SLURM_CONF) and it shares the
temporary folder. SLURM_TEST_PARTITION names the partition if it has no default one.
"""

import importlib.util
import os
import shutil
import subprocess
import time

import pytest
from labelled_set import write_labelled_set
from sweep_runs import assert_same, results, start, wait_for

STEPS, EVERY = 2000, 200
QUICK = (f"training.validate_every={EVERY}", "training.log_every=20")


def slurm(*command):
    """Return what a command of Slurm's says; it may refuse while a job changes."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


def why_not():
    if shutil.which("sbatch") is None:
        return "sbatch is not installed"
    if not slurm("sinfo", "-h"):
        return "sinfo finds no cluster (SLURM_CONF)"
    if importlib.util.find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        return "hydra-submitit-launcher is not installed"
    return None


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm")
    write_labelled_set(folder)
    return folder


def steps_saved(out, number):
    folder = out / str(number) / "checkpoints" / "segmenter"
    return {int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()}


def log_of(out, number):
    return "".join(path.read_text() for path in out.glob(f".submitit/*_{number}/*_log.*"))


def start_now(out, number):
    """Spare a job that was sent back the minutes that Slurm lets it wait."""
    (folder,) = out.glob(f".submitit/*_{number}")
    slurm("scontrol", "update", f"JobId={folder.name}", "StartTime=now")


@pytest.mark.slow
def test_jobs_that_are_stopped_and_requeued_end_as_if_they_had_not_been(files, tmp_path):
    """One job gets SIGUSR2, as before its time limit, one is requeued by Slurm; both go on from where they were."""
    local = start(files, tmp_path / "whole", *QUICK, steps=STEPS)
    told, _ = local.communicate(timeout=600)
    assert local.returncode == 0, told
    out = tmp_path / "slurm"
    partition = os.environ.get("SLURM_TEST_PARTITION")
    choice = ("launcher=slurm", *[f"hydra.launcher.partition={partition}"] * bool(partition))
    sweep = start(files, out, *choice, *QUICK, steps=STEPS)
    wait_for(lambda: steps_saved(out, 0) and steps_saved(out, 1), sweep)
    job = next(iter(out.glob(".submitit/*_0"))).name.removesuffix("_0")
    usr2 = subprocess.Popen(["scancel", "--signal=USR2", f"{job}_0"], stderr=subprocess.DEVNULL)
    slurm("scontrol", "requeue", f"{job}_1")
    wait_for(lambda: "Requeued job" in log_of(out, 0), sweep)
    usr2.kill()  # it asks again and again whether the job is gone
    usr2.wait()
    stopped = [steps_saved(out, number) for number in (0, 1)]
    assert any(step % EVERY for step in stopped[0]), f"saved at the step it was in, {stopped[0]}"
    end = time.monotonic() + 600
    while sweep.poll() is None and time.monotonic() < end:
        for number in (0, 1):
            start_now(out, number)
        time.sleep(2)
    told, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 0, told
    assert_same(results(out), results(tmp_path / "whole"))
