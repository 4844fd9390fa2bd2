"""Where a search looks: for each setting an interval, on an even or a logarithmic scale, or a choice."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from experiments._collect_runs import flatten
from jaxpick.spec import SpecError, require

KINDS = ("uniform", "log", "int", "logint", "choice")
EXPECTED = "uniform(a,b), log(a,b), int(a,b), logint(a,b) or choice(a,b,...)"
Value = float | int | str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distribution:
    """Where one setting is looked for: two ends, or the values of a choice as they are typed."""

    kind: str
    values: tuple[str, ...]

    def ends(self) -> tuple[float, float]:
        """Return the two ends of an interval."""
        return float(self.values[0]), float(self.values[1])

    def __str__(self) -> str:
        """Return it as it is typed."""
        return f"{self.kind}({','.join(self.values)})"


def read_space(space: Mapping[str, Any]) -> dict[str, Distribution]:
    """Return the distribution of each setting by its dotted path.

    Raises:
        SpecError: naming the first that cannot be read.
    """
    return {name: _read(f"space.{name}", text) for name, text in flatten(space, ".").items()}


def as_overrides(values: Mapping[str, Value]) -> list[str]:
    """Return values as they are typed on a command line."""
    return [f"{name}={value}" for name, value in values.items()]


def _read(path: str, text: Any) -> Distribution:
    found = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", str(text), re.DOTALL)
    if not found or found[1] not in KINDS:
        raise SpecError(f"{path}: expected {EXPECTED}, got {text!r}")
    values = tuple(part.strip() for part in found[2].split(","))
    distribution = Distribution(kind=found[1], values=values)
    if distribution.kind == "choice":
        require(all(values) and len(set(values)) > 1, path, text, "two values or more")
        return distribution
    try:
        low, high = distribution.ends()
    except (ValueError, IndexError):
        raise SpecError(f"{path}: expected two numbers, got {text!r}") from None
    is_log, is_whole = "log" in distribution.kind, "int" in distribution.kind
    require(len(values) == 2 and low < high, path, text, "two numbers, the lower one first")
    require(not is_log or low > 0, path, text, "numbers above 0 on a logarithmic scale")
    require(not is_whole or low % 1 == high % 1 == 0, path, text, "whole numbers")
    return distribution
