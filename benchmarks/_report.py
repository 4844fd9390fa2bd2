"""Rows of figures as a Markdown table, printed and kept as a section of BENCHMARKS.md."""

import argparse
import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import _machine
from benchmarks._timing import Timing, ratios
from experiments._memory import keep_freed_memory

REPORT = Path(__file__).resolve().parents[1] / "BENCHMARKS.md"
HEAD = """# Benchmarks

Written by `python -m benchmarks` (one section a file in `benchmarks/`). Median of the runs (least to greatest). A peer
was measured in the same run, in turn with ours; the ratio is the peer's time over ours, run by run. The floor is the
time that this machine needs for the operations and bytes of the task at the rates it reaches for a large product and a
large copy.
"""
COLUMNS = ("figure", "jaxpick", "memory", "peer", "its time", "ratio", "floor", "target")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        figure: what was done.
        ours: our time.
        peer: whose time is beside it, and how that was got.
        theirs: in the same order as ours where they were measured in turn; None where the peer is missing.
        floor_seconds: None where a floor makes no sense.
        target: what the project asks for.
    """

    figure: str
    ours: Timing
    peer: str = "none"
    theirs: Timing | None = None
    floor_seconds: float | None = None
    target: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the row's text, column by column."""
        floor = ""
        if self.floor_seconds is not None:
            floor = f"{told(self.floor_seconds)} ({self.ours.median / self.floor_seconds:.1f} x)"
        memory = f"{self.ours.peak_bytes / 1e9:.2f} GB" if self.ours.peak_bytes else ""
        theirs = _spread(self.theirs) if self.theirs else "missing" if self.peer != "none" else ""
        ratio = ""
        if self.theirs:
            pairs = ratios(self.ours, self.theirs)
            ratio = f"**{pairs.median:.3g}** ({min(pairs.seconds):.3g} to {max(pairs.seconds):.3g})"
        peer = "" if self.peer == "none" else self.peer
        return (
            *(self.figure, _spread(self.ours), memory),
            *(peer, theirs, ratio, floor, self.target),
        )


def told(seconds: float) -> str:
    """Return a time with three digits and its unit."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table without the columns that hold nothing."""
    cells = [row.cells() for row in rows]
    used = [i for i in range(len(COLUMNS)) if any(row[i] for row in cells)]
    lines = [[COLUMNS[i] for i in used], ["---"] * len(used)]
    lines += [[row[i] for i in used] for row in cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main(measure: Callable[[int], Sequence[Row]], docstring: str, name: str) -> None:
    """Run one benchmark from the command line.

    Args:
        measure: number of runs -> rows.
        docstring: its first paragraph is the section's title, the rest its text.
        name: of the section.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=docstring)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each figure")
    parser.add_argument("--only-print", action="store_true", help="leave BENCHMARKS.md as it is")
    options = parser.parse_args()
    keep_freed_memory()  # as the commands do
    title, _, text = docstring.strip().partition("\n\n")
    machine = _machine.described()
    section = (
        f"## {title.rstrip('.')}\n\n{text.strip()}\n\n{table(measure(options.runs))}\n{machine}\n"
    )
    print(section)
    if not options.only_print:
        keep(name, section)


def keep(name: str, section: str, report: Path = REPORT) -> None:
    """Put a section in the place of its last figures, or at the end."""
    text = report.read_text(encoding="utf-8") if report.exists() else HEAD
    marked = f"<!-- {name} -->\n{section}<!-- end of {name} -->\n"
    place = re.compile(f"<!-- {name} -->\n.*?<!-- end of {name} -->\n", re.DOTALL)
    text = place.sub(lambda match: marked, text) if place.search(text) else f"{text}\n{marked}"
    new = report.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(report)


def _spread(timing: Timing) -> str:
    low, high = min(timing.seconds), max(timing.seconds)
    return f"{told(timing.median)} ({told(low)} to {told(high)})"
