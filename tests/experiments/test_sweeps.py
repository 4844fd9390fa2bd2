"""A sweep that was killed: started again it runs what is missing, and its figures are those of one that was not."""

import importlib.util
import os
import signal

import pytest
from labelled_set import write_labelled_set
from sweep_runs import assert_same, results, start, wait_for

NEEDED = {"joblib": "hydra_plugins.hydra_joblib_launcher", "local": "hydra"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Labelled micrographs, and where the sweeps keep what they compile."""
    folder = tmp_path_factory.mktemp("sweeps")
    write_labelled_set(folder)
    return folder


@pytest.fixture(scope="module")
def whole(files):
    """An uninterrupted sweep, one job after another."""
    process = start(files, files / "whole")
    assert process.wait(500) == 0, process.communicate()[0]
    process.communicate()
    return results(files / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["local", "joblib"])
def test_a_killed_sweep_goes_on(files, whole, tmp_path, launcher):
    """SIGKILL to the sweep and its workers while the second run trains; nothing twice, nothing lost."""
    if importlib.util.find_spec(NEEDED[launcher]) is None:
        pytest.skip(f"{NEEDED[launcher]} is not installed")
    choice = (f"launcher={launcher}", *["hydra.launcher.n_jobs=1"] * (launcher == "joblib"))
    process = start(files, tmp_path, *choice)
    wait_for(lambda: any((tmp_path / "1" / "checkpoints" / "segmenter").glob("[0-9]*")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    finished = [number for number in range(4) if (tmp_path / str(number) / "train.json").is_file()]
    assert finished == [0]
    record = (tmp_path / "0" / "train.json").stat().st_mtime_ns
    again = start(files, tmp_path, *choice)
    told, _ = again.communicate(timeout=500)
    assert again.returncode == 0, told
    assert told.count("finished before") == 1 and f"{tmp_path}/0: finished before" in told
    assert (tmp_path / "0" / "train.json").stat().st_mtime_ns == record, "not made again"
    assert_same(results(tmp_path), whole)
