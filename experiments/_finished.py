"""Runs that have ended: what they left is their result, and nothing of it is done again.

A sweep that was killed and is started again passes over its finished members. A training has ended
when `train.json`, which it writes last of all, is there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxpick.spec import as_plain
from jaxpick.train.loop import FREE_SETTINGS


def finished_training(out: Path, spec: Any, about_data: Mapping[str, Any]) -> bool:
    """Return whether a training of these settings and data has ended in the folder, and say so.

    Args:
        out: folder of the run.
        spec: settings of the run; those that change no figure may differ.
        about_data: what is told of labelled micrographs; other files under the same names differ.
    """
    try:
        record = json.loads((out / "train.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    ours, theirs = _plain(as_plain(spec)), record.get("config", {})
    is_same = _counting(ours) == _counting(theirs) and record.get("data") == _plain(about_data)
    if not is_same or spec.overwrite or not (out / "weights").is_dir():
        return False
    print(f"{out}: finished before; overwrite=true trains anew")
    return True


def _plain(values: Any) -> Any:
    """Return what JSON gives back."""
    return json.loads(json.dumps(values))


def _counting(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those that may differ, at any depth."""
    return {
        name: _counting(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if name not in FREE_SETTINGS
    }
