"""Banks of views as one `.npz` file, no pickle."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxpick.io.files import InputError, replacing
from jaxpick.simulate.bank import Bank


def save_bank(path: Path | str, bank: Bank) -> None:
    """Write a bank whole or not at all; the suffix must be `.npz`."""
    if Path(path).suffix != ".npz":
        raise InputError(f"{path}: expected a file name that ends in .npz")
    arrays = {
        field.name: np.asarray(getattr(bank, field.name)) for field in dataclasses.fields(Bank)
    }
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def load_bank(path: Path | str) -> Bank:
    """Read what `save_bank` wrote.

    Raises:
        InputError: when the file is missing, is no archive, or lacks an array.
    """
    names = [field.name for field in dataclasses.fields(Bank)]
    try:
        with np.load(path, allow_pickle=False) as archive:
            return Bank(**{name: jnp.asarray(archive[name]) for name in names})
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: expected a bank of views ({', '.join(names)}): {error}"
        ) from error
