"""Cold start.

A fresh process that picks one 1024 x 1024 micrograph: ours with the programs that an earlier run left compiled, and
with none; Topaz's extraction alone (resnet8_u32) from the micrograph brought to its size before.
"""

import sys
from itertools import count
from pathlib import Path

from benchmarks import _peers
from benchmarks._micrographs import DIAMETER_ANGSTROM, temporary_folder, write_micrographs
from benchmarks._report import Row, main
from benchmarks._timing import Timing, in_turn, process

COARSE_PX, FACTOR = 1024, 5
FRESH = count()


def measure(runs: int) -> list[Row]:
    """Return the start with and without compiled programs."""
    with temporary_folder() as name:
        folder = Path(name)
        micrograph = write_micrographs(folder / "micrographs", 1, COARSE_PX) / "micrograph_0.mrc"
        topaz = _topaz(folder, micrograph)

        def warm() -> float:
            return _pick(folder, micrograph, {}).seconds[0]

        def cold() -> float:
            return _pick(folder, micrograph, {"JAX_ENABLE_COMPILATION_CACHE": "false"}).seconds[0]

        peak = _pick(folder, micrograph, {}).peak_bytes
        rows = []
        for figure, ours in (("compiled before", warm), ("nothing compiled", cold)):
            theirs = None
            if topaz is None:
                first = Timing(tuple(ours() for _ in range(runs)))
            else:
                first, theirs = in_turn(ours, topaz, runs)
            rows.append(
                Row(
                    figure=figure,
                    ours=Timing(first.seconds, peak),
                    peer=f"topaz extract {_peers.version('topaz', 'topaz-em')}",
                    theirs=theirs,
                    target="1",
                )
            )
        return rows


def _pick(folder: Path, micrograph: Path, environment: dict[str, str]) -> Timing:
    command = [sys.executable, "-m", "experiments.pick", f"micrographs={micrograph}"]
    settings = [f"diameter={DIAMETER_ANGSTROM:g}", f"out={folder}/picks_{next(FRESH)}"]
    return process(command + settings, environment)


def _topaz(folder: Path, micrograph: Path):
    programs = _peers.environment("topaz")
    if programs is None:
        return None
    topaz, small = str(programs / "topaz"), folder / "small"
    process([topaz, "preprocess", "-s", "2", "-o", f"{small}/", str(micrograph)])
    command = [topaz, "extract", "-m", "resnet8_u32", "-r", "8", "-o", str(folder / "topaz.txt")]

    def run() -> float:
        return process([*command, str(small / micrograph.name)]).seconds[0]

    return run


if __name__ == "__main__":
    main(measure, __doc__ or "", "start_up")
