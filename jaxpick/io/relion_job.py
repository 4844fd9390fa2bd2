"""The folder of a RELION External job: picks as RELION's own autopicking leaves them, and its marks.

RELION runs the job in the project's folder and waits for one of `RELION_JOB_EXIT_SUCCESS`,
`_FAILURE` and `_ABORTED` in the job's folder; `RELION_JOB_ABORT_NOW` there asks it to stop. Output
nodes are told by `RELION_OUTPUT_NODES.star` with the type labels of RELION 4 and 5 (pipeliner.cpp,
pipeline_jobs.h). Coordinates are in `autopick.star` (micrograph, file) and in a file
`JOB/<path of the micrograph below its own job>_autopick.star` for each (autopicker.cpp,
`getOutputRootName`); before RELION 4, folder and suffix were given instead of the list.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import InputError, write_text
from jaxpick.io.micrographs import read_header, resolve
from jaxpick.io.names import split_inside
from jaxpick.io.relion import write_coordinate_list
from jaxpick.io.star import StarBlock, read_star, write_star

SUFFIX = "_autopick"
NODE_TYPE = "MicrographCoordsGroup.star.relion.autopick"
Ending = Literal["SUCCESS", "FAILURE", "ABORTED"]
_ENDINGS: tuple[Ending, ...] = ("SUCCESS", "FAILURE", "ABORTED")
_OWN_JOB = re.compile(r"^.*?(?:^|/)job\d{3,}/")


def begin(job: Path) -> None:
    """Make the folder, and remove what an earlier start of the job marked.

    Raises:
        InputError: when it cannot be written.
    """
    write_text(job / "RELION_OUTPUT_NODES.star", "\ndata_output_nodes\n\n")
    for name in [*(f"RELION_JOB_EXIT_{ending}" for ending in _ENDINGS), "RELION_JOB_ABORT_NOW"]:
        (job / name).unlink(missing_ok=True)


def end(job: Path, ending: Ending) -> None:
    """Mark how the job ended, which RELION waits for."""
    write_text(job / f"RELION_JOB_EXIT_{ending}", "")


def is_to_stop(job: Path) -> bool:
    """Return whether RELION asks the job to stop."""
    return (job / "RELION_JOB_ABORT_NOW").exists()


def listed_names(micrographs: Path) -> dict[Path, str]:
    """Return the names of a list of micrographs, as RELION knows them, by file.

    Raises:
        InputError: when the file is no list of micrographs.
    """
    for block in read_star(micrographs):
        if "rlnMicrographName" in block.columns:
            names = dict.fromkeys(block.columns["rlnMicrographName"])
            return {resolve(name, micrographs): name for name in names}
    raise InputError(f"{micrographs}: lists no micrographs; expected a column _rlnMicrographName")


def coordinate_file(job: Path, micrograph: str) -> Path:
    """Return the coordinate file of a micrograph.

    Args:
        job: folder of the job.
        micrograph: its name in the project; `MotionCorr/job002/` goes, `Movies/a.mrc` stays.
    """
    below = Path(_OWN_JOB.sub("", micrograph.lstrip("/")))
    return job / below.with_name(f"{below.stem}{SUFFIX}.star")


def write_job_picks(
    job: Path, files: Mapping[Path, Path], names: Mapping[Path, str], subpixel: bool = False
) -> int:
    """Write the picks of a job where RELION expects them, and its output node.

    Args:
        job: folder of the job, as RELION gave it, relative to the project.
        files: the STAR file of each micrograph's picks, by micrograph.
        names: of the micrographs in the project.
        subpixel: keep fractions, which RELION's extraction truncates; else they are rounded.

    Returns:
        The number of picks. Those whose centre is off the image, which extraction refuses, are
        left out.

    Raises:
        InputError: when two micrographs would have the same file.
    """
    written = check_names(files, names, job)
    total = 0
    for micrograph, star in files.items():
        path = written[micrograph]
        inside, _ = split_inside(read_picks(star)[0], read_header(micrograph).shape)
        write_picks([dataclasses.replace(inside, micrograph=path.name)], path, subpixel=subpixel)
        total += len(inside)
    pairs = [(names[micrograph], _relative(path)) for micrograph, path in written.items()]
    write_coordinate_list(job / "autopick.star", pairs)
    _write_nodes(job, [(_relative(job / "autopick.star"), NODE_TYPE)])
    return total


def check_names(files: Iterable[Path], names: Mapping[Path, str], job: Path) -> dict[Path, Path]:
    """Return the coordinate file of each micrograph.

    Raises:
        InputError: when two micrographs would have the same one.
    """
    written: dict[Path, Path] = {}
    for micrograph in files:
        path = coordinate_file(job, names[micrograph])
        other = next((names[m] for m, taken in written.items() if taken == path), None)
        if other is not None:
            raise InputError(
                f"{path}: would hold the picks of both {other} and {names[micrograph]}; "
                "expected micrographs whose paths below their jobs differ"
            )
        written[micrograph] = path
    return written


def _relative(path: Path) -> str:
    """Return a path as RELION writes it: from the project's folder, the working one."""
    return str(path.relative_to(Path.cwd()) if path.is_absolute() else path)


def _write_nodes(job: Path, nodes: Sequence[tuple[str, str]]) -> None:
    columns = {
        "rlnPipeLineNodeName": [name for name, _ in nodes],
        "rlnPipeLineNodeTypeLabel": [kind for _, kind in nodes],
    }
    write_star(job / "RELION_OUTPUT_NODES.star", [StarBlock(name="output_nodes", columns=columns)])
