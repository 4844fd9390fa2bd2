"""Banks on disk: what is written is what is read; broken files are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.banks import load_bank, save_bank
from jaxpick.io.files import InputError
from jaxpick.simulate.bank import Bank


def make_bank():
    return Bank(
        views=jnp.arange(2 * 3 * 8 * 8, dtype=jnp.float16).reshape(2, 3, 8, 8),
        euler_deg=jnp.arange(6, dtype=jnp.float32).reshape(3, 2),
        pixel_angstrom=jnp.array([4.0, 5.0]),
        diameter_angstrom=jnp.array([100.0, 120.0]),
        mass_kda=jnp.array([100.0, 300.0]),
        group=jnp.array([0, 0]),
        is_intact=jnp.array([True, False]),
    )


def test_round_trip(tmp_path):
    bank = make_bank()
    save_bank(tmp_path / "new" / "bank.npz", bank)
    again = load_bank(tmp_path / "new" / "bank.npz")
    for ours, theirs in zip(jax.tree.leaves(bank), jax.tree.leaves(again), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_bad_files_are_refused(tmp_path):
    np.savez(tmp_path / "half.npz", views=np.zeros(3))
    (tmp_path / "text.npz").write_text("nothing")
    for name in ("half.npz", "text.npz", "missing.npz"):
        with pytest.raises(InputError, match=name):
            load_bank(tmp_path / name)
    with pytest.raises(InputError, match=r"\.npz"):
        save_bank(tmp_path / "bank.bin", make_bank())
