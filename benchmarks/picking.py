"""From files to picks.

Whole processes on eight 4096 x 4096 micrographs of 64 MB each, start-up and the report's pictures included, a
micrograph's share told; our compiled programs are kept from the warm-up on. Picks in common lie within 6 micrograph
pixels of each other, each above its own program's threshold. The floor is one reading of the file.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from benchmarks import _machine, _peers
from benchmarks._micrographs import (
    DIAMETER_ANGSTROM,
    FINE_ANGSTROM,
    SIDE,
    temporary_folder,
    write_micrographs,
)
from benchmarks._report import Row, main
from benchmarks._timing import Timing, in_turn, process
from jaxpick.io.coordinates import read_picks

MICROGRAPHS, FILE_BYTES, NEAR_PX = 8, 4.0 * SIDE**2, 6.0
FRESH = count()
OPTICS = f"""data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
_rlnMicrographOriginalPixelSize #4
_rlnVoltage #5
_rlnSphericalAberration #6
_rlnAmplitudeContrast #7
all 1 {FINE_ANGSTROM} {FINE_ANGSTROM} 300 2.7 0.1

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
"""


def measure(runs: int) -> list[Row]:
    """Return the default picker against LoG and Topaz, and Topaz's networks run by both."""
    with temporary_folder() as name:
        folder = write_micrographs(Path(name) / "micrographs", MICROGRAPHS)
        rows = [
            _row("default picker", folder, runs, (), "RELION LoG", _relion(folder), "faster"),
            _row(
                *("default picker", folder, max(runs // 2, 1), (), "Topaz, its default"),
                *(_topaz(folder, "resnet16_u64", 8), "15"),
            ),
        ]
        for network in ("resnet8_u32", "resnet16_u32"):
            rows.append(_same_weights(network, folder, max(runs // 2, 1)))
        return rows


def jaxpick(folder: Path, options: Sequence[str], out: Path) -> Timing:
    """Pick all files in a fresh process."""
    command = [sys.executable, "-m", "experiments.pick", f"micrographs={folder}/*.mrc"]
    settings = [f"diameter={DIAMETER_ANGSTROM:g}", f"out={out}", *options]
    return process(command + settings).divided(MICROGRAPHS)


def _row(
    figure: str,
    folder: Path,
    runs: int,
    options: Sequence[str],
    peer: str,
    theirs: Callable[[], float] | None,
    target: str,
    note: Callable[[Path], str] = lambda out: "",
) -> Row:
    out = folder.parent / f"picks_{next(FRESH)}"
    peak = jaxpick(folder, options, out).peak_bytes

    def ours() -> float:
        return jaxpick(folder, options, folder.parent / f"picks_{next(FRESH)}").seconds[0]

    if theirs is None:
        first, second = Timing(tuple(ours() for _ in range(runs))), None
    else:
        theirs()
        first, second = in_turn(ours, theirs, runs)
    return Row(
        figure=figure + note(out),
        ours=Timing(first.seconds, peak),
        peer=peer,
        theirs=second,
        floor_seconds=FILE_BYTES / _machine.bytes_per_second(),
        target=target,
    )


def _relion(folder: Path) -> Callable[[], float] | None:
    program = _peers.program("relion_autopick")
    if program is None:
        return None
    star = folder.parent / "micrographs.star"
    names = "".join(f"{path} 1\n" for path in sorted(folder.glob("*.mrc")))
    star.write_text(OPTICS + names, encoding="utf-8")

    def run() -> float:
        out = folder.parent / f"relion_{next(FRESH)}"
        sizes = [f"{share * DIAMETER_ANGSTROM:g}" for share in (0.8, 1.0)]
        command = [program, "--i", str(star), "--odir", f"{out}/", "--pickname", "autopick"]
        command += ["--LoG", "--LoG_diam_min", sizes[0], "--LoG_diam_max", sizes[1]]
        command += ["--shrink", "0", "--lowpass", "20", "--angpix", f"{FINE_ANGSTROM:g}"]
        return process(command).seconds[0] / MICROGRAPHS

    return run


def _topaz(
    folder: Path, network: str, factor: int, out: Path | None = None
) -> Callable[[], float] | None:
    programs = _peers.environment("topaz")
    if programs is None:
        return None
    topaz, files = str(programs / "topaz"), sorted(map(str, folder.glob("*.mrc")))

    def run() -> float:
        work = folder.parent / f"topaz_{next(FRESH)}"
        small = [str(work / Path(file).name) for file in files]
        radius = f"{0.5 * DIAMETER_ANGSTROM / FINE_ANGSTROM / factor:.0f}"
        first = process([topaz, "preprocess", "-s", str(factor), "-o", f"{work}/", *files])
        extract = [topaz, "extract", "-m", network, "-r", radius, "-x", str(factor), "-t", "0"]
        second = process([*extract, "-o", str(out or work / "picks.txt"), *small])
        return (first.seconds[0] + second.seconds[0]) / MICROGRAPHS

    return run


def _same_weights(network: str, folder: Path, runs: int) -> Row:
    """Return Topaz's own network in both programs, at a fifth of the size: RELION's rule, and that of our import."""
    figure, factor = f"Topaz {network}, a fifth of the size", 5
    programs = _peers.environment("topaz")
    if programs is None:
        return Row(figure=figure, ours=Timing((np.nan,)), peer="Topaz, same weights", target="3")
    (source,) = programs.parent.glob(f"lib/*/site-packages/topaz/pretrained/detector/{network}.sav")
    weights, picks = folder.parent / network, folder.parent / f"{network}.txt"
    process(
        [
            *(sys.executable, "-m", "experiments.import_weights"),
            *("method=topaz", f"source={source}", f"out={weights}"),
        ]
    )
    options = ["method=topaz", f"weights={weights}"]
    theirs = _topaz(folder, network, factor, picks)
    note = partial(_in_common, picks, theirs)
    return _row(figure, folder, runs, options, "Topaz, same weights", theirs, "3", note)


def _in_common(text: Path, theirs: Callable[[], float], out: Path) -> str:
    if not text.exists():
        theirs()
    found = {Path(picks.micrograph).stem: picks for picks in read_picks(text)}
    ours = {Path(picks.micrograph).stem: picks for picks in read_picks(out / "picks.star")}
    common = total = 0
    for stem, picks in found.items():
        total += len(picks)
        if len(ours[stem]):
            tree = cKDTree(np.stack([ours[stem].x, ours[stem].y], 1))
            distance, _ = tree.query(np.stack([picks.x, picks.y], 1))
            common += int(np.sum(distance < NEAR_PX))
    return f" ({common} of its {total} picks in common, we pick {sum(map(len, ours.values()))})"


if __name__ == "__main__":
    main(measure, __doc__ or "", "picking")
