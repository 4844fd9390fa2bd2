"""The weights that ship with jaxpick: a folder beside this file for each method that has some."""

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
    params, card = load_weights(shipped if folder is None else folder)
    if card.get("method") != method:
        raise InputError(
            f"{folder or shipped}: expected weights of method {method}, got those of {card.get('method')}"
        )
    return params, card
