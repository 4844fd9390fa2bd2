"""Checkpoints: what is kept, what comes back, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.train.checkpoint import Checkpoints, check_same_settings


def state(value):
    return {"a": jnp.full((3,), value), "n": (jnp.int32(value), {"b": jnp.zeros((2, 2))})}


def abstract(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), tree)


def steps_kept(folder):
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def test_best_and_last_are_kept(tmp_path):
    with Checkpoints(tmp_path / "c") as checkpoints:
        for step, score in enumerate([0.1, 0.9, float("nan"), 0.3, 0.2]):
            checkpoints.save(step, state(step), score, {"note": step})
        assert checkpoints.best_step() == 1
    assert steps_kept(tmp_path / "c") == [1, 4]
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert (checkpoints.last_step, checkpoints.best_step()) == (4, 1)
        best = checkpoints.restore(abstract(state(0)), 1)
        assert (best.score, best.notes) == (pytest.approx(0.9), {"note": 1})
        jax.tree.map(np.testing.assert_array_equal, best.state, state(1))
        assert jax.tree.structure(best.state) == jax.tree.structure(state(1))


def test_a_full_disk_is_one_sentence_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    def full(*arguments, **settings):
        raise ValueError(
            'RESOURCE_EXHAUSTED: Failed writing: "/out/2/d/3b0e": Failed to write 333259 bytes to '
            "file 14: No space left on device [os_error_code='28']"
        )

    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), 0.5, {})
        checkpoints.best_step()
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints._manager, "save_async", full)
            with pytest.raises(
                InputError, match=r"cannot be written \(No space left on device\); "
            ):
                checkpoints.save(2, state(2), 0.6, {})
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.last_step == 1


def test_unvalidated_save_is_last_but_never_best(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), 0.5, {})
        checkpoints.save(2, state(2), None, {})
        assert (checkpoints.last_step, checkpoints.best_step()) == (2, 1)
        checkpoints.save(3, state(3), 0.4, {})
        assert checkpoints.best_step() == 1
    assert steps_kept(tmp_path) == [1, 3]


def test_relative_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Checkpoints("run/checkpoints") as checkpoints:
        checkpoints.save(5, state(5), None, {})
    assert steps_kept(tmp_path / "run" / "checkpoints") == [5]


def test_half_written_checkpoint_is_invisible(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), 0.5, {})
    (tmp_path / "2.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.last_step == 1
        checkpoints.save(2, state(2), 0.6, {})
        assert checkpoints.restore(abstract(state(0))).step == 2


def test_settings_that_differ_are_named_with_both_values():
    saved = {"train": {"rate": 0.1, "sizes": [1, 2]}, "hardware": {"strategy": "jit"}}
    check_same_settings(saved, {**saved, "hardware": {"strategy": "pmap"}}, "D", ("hardware",))
    other = {**saved, "train": {"rate": 0.2, "sizes": [1, 2]}}
    with pytest.raises(InputError, match=r"D: .* made with train\.rate=0\.1, not 0\.2"):
        check_same_settings(saved, other, "D", ("hardware",))
    with pytest.raises(InputError, match=r"train\.new=None, not 3"):
        check_same_settings(saved, {**saved, "train": {**saved["train"], "new": 3}}, "D", ())
