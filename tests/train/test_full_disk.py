"""A disk that fills while a run trains: one sentence, nothing half-written, and the same end once there is room."""

import numpy as np
import pytest
from toy import stages

from jaxpick.io.files import OutputError
from jaxpick.train import TrainSpec, train_stages

# Threads of orbax's that still write when the first has failed find their loop closed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SPEC = TrainSpec(log_every=3, validate_every=4, validation_batches=1)


def train(folder):
    return train_stages(stages(), SPEC, folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return train(folder), (folder / "metrics.csv").read_text()


@pytest.mark.parametrize("kib", [20, 110])
def test_a_run_goes_on_when_there_is_room_again(small_disk, whole, kib):
    """Not even one checkpoint fits, and none beside those of the first stage."""
    out = small_disk.path / "out"
    small_disk.leave(kib)
    with pytest.raises(OutputError, match=r"out.*cannot be written \(No space left on device\)"):
        train(out)
    written = [path.name for path in out.rglob("*")]
    assert not [name for name in written if "tmp" in name or name.startswith(".writing")]
    small_disk.give_back()
    results, metrics = whole
    for ours, theirs in zip(train(out), results, strict=True):
        assert ours.step == theirs.step
        np.testing.assert_array_equal(ours.params["w"], theirs.params["w"])
    assert (out / "metrics.csv").read_text() == metrics
