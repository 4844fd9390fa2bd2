"""Many micrographs into one folder: what is finished is kept, what is broken is told and left out."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jaxpick.io.nouns import Picks
from jaxpick.io.pick_folder import PickFolder
from jaxpick.io.seen_files import SeenFile, see_file
from jaxpick.picking.picker import ChoosesThreshold, Job, Picker, pick_files
from jaxpick.preprocess.working import WorkingImage


class Picked(NamedTuple):
    """Candidates by micrograph, in the order of the jobs, and a sentence for each left out."""

    found: Mapping[str, Picks]
    problems: Sequence[str]


def pick_all(
    jobs: Sequence[Job],
    picker: Picker,
    folder: PickFolder,
    invert: bool = False,
    tell: Callable[[str], Any] = partial(print, flush=True),
) -> Picked:
    """Pick what is not finished yet; each micrograph is written before the next is scored.

    Args:
        jobs: micrographs; their names differ.
        picker: the method.
        folder: opened.
        invert: particles are bright in these micrographs.
        tell: is given a line for each micrograph.

    Raises:
        InputError: when the folder cannot be written or the disk is full.
    """
    seen = {job.name: _seen(job) for job in jobs}
    found = {n: old for n, file in seen.items() if (old := _finished(n, file, folder)) is not None}
    if found:
        tell(f"{len(found)} of {len(jobs)} micrographs were finished before")
    left = [job for job in jobs if job.name not in found]
    problems: list[str] = []
    start = time.monotonic()
    for done, outcome in enumerate(pick_files(left, picker, invert), start=1):
        if outcome.candidates is None or outcome.working is None:
            problems.append(outcome.problem)
            tell(f"{done}/{len(left)} left out: {outcome.problem}")
            continue
        working = outcome.working
        image, scale = np.asarray(working.image), working.coordinates.scale_x
        folder.save(outcome.candidates, seen[outcome.job.name], image, scale)
        if not found:
            tell(_sizes(picker, working))
        found[outcome.job.name] = outcome.candidates
        rate = done / (time.monotonic() - start)
        told = _count(outcome.candidates, folder)
        remaining = f"{rate:.2f}/s, {(len(left) - done) / rate:.0f} s left"
        tell(f"{done}/{len(left)} {outcome.job.name}: {told}; {remaining}")
    return Picked({job.name: found[job.name] for job in jobs if job.name in found}, problems)


def settle_threshold(folder: PickFolder, picker: Picker, found: Mapping[str, Picks]) -> PickFolder:
    """Return the folder with its threshold, found from all candidates where none was given.

    The STAR files that had to wait for it are written.
    """
    if folder.threshold is not None or not isinstance(picker, ChoosesThreshold):
        return folder
    scores = np.concatenate([np.zeros(0), *(picks.score for picks in found.values())])
    folder = dataclasses.replace(folder, threshold=picker.choose_threshold(scores))
    for candidates in found.values():
        folder.write_star(candidates)
    return folder


def _seen(job: Job) -> SeenFile:
    """Look at a micrograph; picking one that is gone will say so."""
    try:
        return see_file(job.path, job.pixel_size_angstrom)
    except OSError:
        return SeenFile(job.path, 0, 0)


def _finished(name: str, file: SeenFile, folder: PickFolder) -> Picks | None:
    try:
        candidates = folder.finished(name, file)
    except OSError:  # gone since
        return None
    is_settled = folder.threshold is None or folder.star(name).exists()
    if candidates is not None and not is_settled:
        folder.write_star(candidates)
    return candidates


def _sizes(picker: Picker, working: WorkingImage) -> str:
    pixel = working.micrograph_pixel_size_angstrom
    diameter = picker.diameter_angstrom
    return (
        f"diameter {diameter:g} angstrom = {diameter / pixel:.1f} pixels of {pixel:g} angstrom; "
        f"scored at {working.pixel_size_angstrom:.2f} angstrom a pixel"
    )


def _count(candidates: Picks, folder: PickFolder) -> str:
    if folder.threshold is None:
        return f"{len(candidates)} candidates"
    return f"{len(folder.above(candidates))} picks"
