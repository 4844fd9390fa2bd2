"""Memory over many micrographs.

The default picker over 100 and over 1000 files of 4096 x 4096 (eight different ones under many names), in one process
each, report included: the largest resident memory is to stay flat and under 2 GB.
"""

import sys
from pathlib import Path

from benchmarks._micrographs import DIAMETER_ANGSTROM, temporary_folder, write_micrographs
from benchmarks._report import Row, main
from benchmarks._timing import process

COUNTS, DIFFERENT = (100, 1000), 8


def measure(runs: int) -> list[Row]:
    """Return a row for each number of files; each is picked once, however many runs are asked for."""
    with temporary_folder() as name:
        folder = Path(name)
        files = sorted(write_micrographs(folder / "micrographs", DIFFERENT).glob("*.mrc"))
        return [_row(folder, files, count) for count in COUNTS]


def _row(folder: Path, files: list[Path], count: int) -> Row:
    many = folder / f"many_{count}"
    many.mkdir()
    for index in range(count):
        (many / f"micrograph_{index:04d}.mrc").symlink_to(files[index % len(files)])
    command = [sys.executable, "-m", "experiments.pick", f"micrographs={many}/*.mrc"]
    timing = process([*command, f"diameter={DIAMETER_ANGSTROM:g}", f"out={folder}/picks_{count}"])
    return Row(figure=f"{count} micrographs, each", ours=timing.divided(count), target="2 GB, flat")


if __name__ == "__main__":
    main(measure, __doc__ or "", "memory")
