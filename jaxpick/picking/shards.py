"""One of several equal parts of a long list, for the members of a job array.

Every `shards`-th item belongs to one part, so that parts take about as long as each other and
together are the list. Which part a process has is said to it, or read from Slurm's variable for the
member of an array where it is told to (`--array=0-7` with `shards=8 shard=slurm`).
"""

import os
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, TypeVar

from jaxpick.spec import require

Item = TypeVar("Item")
Shard: TypeAlias = int | Literal["slurm"] | None
VARIABLE = "SLURM_ARRAY_TASK_ID"


def check_shard(shards: int, shard: Shard) -> None:
    """Refuse a part that is none.

    Raises:
        SpecError: naming the setting, its value and what was expected.
    """
    require(shards >= 1, "shards", shards, "1 or more")
    if shard is None:
        require(shards == 1, "shard", shard, f"0 to {shards - 1}, or slurm, beside shards={shards}")
    elif shard == "slurm":
        require(shards > 1, "shard", shard, "shards=N beside it, as many as the array has members")
    else:
        require(0 <= shard < shards, "shard", shard, f"0 to {shards - 1} of shards={shards}")


def shard_number(
    shards: int, shard: Shard, environment: Mapping[str, str] = os.environ
) -> int | None:
    """Return the number of this process's part, counted from 0; None if it has the whole list.

    Raises:
        SpecError: when Slurm's number is asked for and is not there or is too large.
    """
    check_shard(shards, shard)
    if shard != "slurm":
        return shard if shards > 1 else None
    text = environment.get(VARIABLE, "")
    expected = f"{VARIABLE} from 0 to {shards - 1}, as sbatch --array=0-{shards - 1} sets it"
    require(text.isdecimal() and int(text) < shards, "shard=slurm", text or None, expected)
    return int(text)


def part_of(items: Sequence[Item], shards: int, number: int | None) -> Sequence[Item]:
    """Return the part of that number; all of them if None."""
    return items if number is None else items[number::shards]
