"""The weights that ship with jaxpick: a folder beside this file for each method that has some, and `parsed_paper`."""

from pathlib import Path
from typing import Any

from jaxpick.io.files import InputError
from jaxpick.weights.portable import load_weights

FOLDER = Path(__file__).resolve().parent
# Methods that learn nothing; their card is empty.
WITHOUT_WEIGHTS = ("apple", "log", "template")


def load_picker_weights(
    method: str, folder: str | Path | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the card of a method's weights; the shipped ones if no folder is given.

    Args:
        method: name of the method.
        folder: with weights, or the name of some that ship, such as `parsed_paper`.

    Raises:
        InputError: when none ship for the method, or the folder holds another method's, or the method has none.
    """
    if method in WITHOUT_WEIGHTS:
        if folder is not None:
            raise InputError(f"weights: method={method} has none; leave weights={folder} out")
        return {}, {}
    shipped = FOLDER / method
    if folder is None and not shipped.is_dir():
        raise InputError(
            f"weights: none ship for method={method}; train some and give weights=FOLDER"
        )
    chosen = shipped if folder is None else _named(folder)
    params, card = load_weights(chosen)
    if card.get("method") != method:
        raise InputError(
            f"{chosen}: expected weights of method {method}, got those of {card.get('method')}"
        )
    return params, card


def _named(folder: str | Path) -> Path:
    """Return the folder, or the shipped one of that name where there is no such folder."""
    ships = FOLDER / folder
    return ships if not Path(folder).exists() and ships.is_dir() else Path(folder)
