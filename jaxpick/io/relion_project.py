"""A RELION project: the micrographs of its last CtfFind, MotionCorr, Import or selection job, and the
picks of a ManualPick, AutoPick, Extract, Select or External job.

Jobs are folders `TYPE/jobNNN/`; later ones have higher numbers. RELION 4 and later list coordinate
files in `autopick.star` and `manualpick.star`; before, picks are files `*_autopick.star` or
`*_manualpick.star` below the job. Extract and Select write `particles.star`. Selected micrographs
(`Select/jobNNN/micrographs.star`) come before the list that they were chosen from, since their job
is later.
"""

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path

from jaxpick.io.files import InputError

# Files of micrographs and of particles, by type of job; the first that is there.
_MICROGRAPHS = {
    "Select": ("micrographs.star",),
    "CtfFind": ("micrographs_ctf.star",),
    "MotionCorr": ("corrected_micrographs.star",),
    "Import": ("micrographs.star",),
}
_PICKS = {
    "Select": ("particles.star",),
    "Extract": ("particles.star",),
    "AutoPick": ("autopick.star",),
    "ManualPick": ("manualpick.star",),
    "External": ("autopick.star",),
}
_OLD_ENDINGS = {"AutoPick": "_autopick.star", "ManualPick": "_manualpick.star"}


def find_relion(
    project: Path, micrographs: str | None, job: str | None, wants: bool
) -> tuple[str, str | None]:
    """Return the list of micrographs and the picks of a project.

    Args:
        project: its folder.
        micrographs: taken in place of those found.
        job: whose picks, as `AutoPick/job010`; the last one with any if None.
        wants: picks are looked for.

    Raises:
        InputError: saying what was looked for and not found.
    """
    picks = _picks(project, job) if wants else None
    if micrographs is not None:
        return micrographs, picks
    for folder in _jobs(project, _MICROGRAPHS):
        for name in _MICROGRAPHS[folder.parent.name]:
            if (folder / name).is_file():
                return str(folder / name), picks
    raise InputError(_sentence(project, _MICROGRAPHS))


def _picks(project: Path, job: str | None) -> str:
    for folder in [project / job] if job else _jobs(project, _PICKS):
        if (found := _picks_of(folder)) is not None:
            return found
    raise InputError(_sentence(project / job if job else project, _PICKS, is_job=job is not None))


def _picks_of(folder: Path) -> str | None:
    """Return the list, the table or the glob of a job's picks."""
    kind = folder.parent.name
    for name in _PICKS.get(kind, ("particles.star", "autopick.star")):
        if (folder / name).is_file():
            return str(folder / name)
    ending = _OLD_ENDINGS.get(kind)
    if ending and next(folder.rglob(f"*{ending}"), None) is not None:
        return f"{glob.escape(str(folder))}/**/*{ending}"
    return None


def _jobs(project: Path, kinds: Iterable[str]) -> list[Path]:
    """Return the job folders of some types, the last job first."""
    found = [path for kind in kinds for path in (project / kind).glob("job*") if path.is_dir()]
    return sorted(found, key=lambda path: (_number(path), path.parent.name), reverse=True)


def _number(job: Path) -> int:
    digits = job.name.removeprefix("job")
    return int(digits) if digits.isdigit() else -1


def _sentence(place: Path, kinds: Mapping[str, tuple[str, ...]], is_job: bool = False) -> str:
    names = [f"{kind}/job*/{name}" for kind, files in kinds.items() for name in files]
    if is_job:
        names = sorted({name.rsplit("/", 1)[1] for name in names})
    names += [f"*{ending}" for ending in _OLD_ENDINGS.values()] if kinds is _PICKS else []
    return f"{place}: looked for {', '.join(names)} and found none of them"
