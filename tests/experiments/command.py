"""A command to try the command line on: one setting of every sort, and a way to fail in each manner."""

import dataclasses
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from jaxpick.io.files import InputError
from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adam:
    kind: Literal["adam"] = "adam"
    rate: float = 0.001


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sgd:
    kind: Literal["sgd"] = "sgd"
    momentum: float = 0.9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    width: int = 3
    sizes: tuple[float, float] = (1.0, 2.0)
    files: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    out: str = dataclasses.field(metadata={"help": "folder to write"})
    micrographs: str | None = None
    method: str = "parsed"
    seed: int = 0
    status: int = 0
    fail: str = ""
    solver: Adam | Sgd = Adam()
    inner: Inner = Inner()
    free: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        require(self.seed >= 0, "seed", self.seed, "0 or more")


def run(spec):
    """Write what was received, then end as asked."""
    if spec.fail == "input":
        raise InputError("a.mrc: pixel size 0; expected a positive one, or give pixel_size=")
    if spec.fail == "absent":
        Path("nothing/here.mrc").read_bytes()
    if spec.fail == "full":
        raise OSError(28, "No space left on device", "D/picks.star")
    if spec.fail == "stop":
        raise KeyboardInterrupt
    if spec.fail == "terminated":
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("command: stopped after D/a.mrc") from None
    if spec.fail == "bug":
        raise RuntimeError("a mistake of ours")
    Path(spec.out).mkdir(parents=True, exist_ok=True)
    record = {**dataclasses.asdict(spec), "folder": os.getcwd()}
    (Path(spec.out) / "seen.json").write_text(json.dumps(record))
    return spec.status
