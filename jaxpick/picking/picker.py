"""From files to picks: the protocol every method follows and the one pipeline that runs it over many micrographs.

Reading and preparing the next micrographs overlaps with scoring the present one, so that the slower of disk and
computation sets the pace; at most `ahead` micrographs are in memory, whatever their number.
"""

import concurrent.futures
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from jaxpick.io.files import InputError
from jaxpick.io.micrographs import find_micrographs, list_pixel_sizes, read_micrograph
from jaxpick.io.nouns import Micrograph, Picks
from jaxpick.io.output_names import output_names
from jaxpick.preprocess.working import WorkingImage


@runtime_checkable
class Picker(Protocol):
    """What a method gives to be run over micrographs.

    Attributes:
        name: the method's name, written into the picks.
        threshold: the score from which a candidate counts as a pick unless the user says otherwise; None for one that
            is found once all micrographs are scored (`ChoosesThreshold`).
        diameter_angstrom: of the particle.
    """

    @property
    def name(self) -> str: ...

    @property
    def threshold(self) -> float | None: ...

    @property
    def diameter_angstrom(self) -> float: ...

    def prepare(self, micrograph: Micrograph) -> WorkingImage:
        """Turn a micrograph into the method's working image."""
        ...

    def candidates(self, working: WorkingImage) -> Picks:
        """Return all candidates, in micrograph pixels, best first, far below the threshold too."""
        ...


@runtime_checkable
class ChoosesThreshold(Protocol):
    """A picker whose threshold depends on the whole data set."""

    def choose_threshold(self, scores: Float[np.ndarray, " pick"]) -> float:
        """Return the score of a pick, given those of all candidates of a whole data set."""
        ...


class Job(NamedTuple):
    """One micrograph to pick: its file, its name within the run, and what overrides its header."""

    path: Path
    name: str
    pixel_size_angstrom: float | None = None


def find_jobs(pattern: str | Path, pixel_size_angstrom: float | None = None) -> list[Job]:
    """Return a job for each micrograph that a file, folder, glob or RELION list names.

    The pixel size given comes first, then the list's; the header's is left to the reader.

    Raises:
        InputError: when there are none, or two would write the same file.
    """
    names, listed = output_names(find_micrographs(pattern)), list_pixel_sizes(pattern)
    return [
        Job(path, name, pixel_size_angstrom or listed.get(path)) for path, name in names.items()
    ]


class Outcome(NamedTuple):
    """What became of one micrograph: its working image and candidates, or the sentence that says why not."""

    job: Job
    working: WorkingImage | None
    candidates: Picks | None
    problem: str


def pick_files(
    jobs: Iterable[Job], picker: Picker, invert: bool = False, ahead: int = 2
) -> Iterator[Outcome]:
    """Run a picker over micrograph files in their order; a file that cannot be used does not stop the others.

    Args:
        jobs: micrographs.
        picker: the method.
        invert: particles are bright in these micrographs.
        ahead: how many micrographs are read and prepared in advance.
    """

    def load(job: Job) -> WorkingImage:
        micrograph = read_micrograph(job.path, job.pixel_size_angstrom)
        image = -micrograph.image if invert else micrograph.image
        return picker.prepare(dataclasses.replace(micrograph, name=job.name, image=image))

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as reader:
        waiting: list[tuple[Job, concurrent.futures.Future[WorkingImage]]] = []
        try:
            for job in jobs:
                waiting.append((job, reader.submit(load, job)))
                if len(waiting) > ahead:
                    yield _finish(*waiting.pop(0), picker)
            while waiting:
                yield _finish(*waiting.pop(0), picker)
        finally:
            for _, future in waiting:
                future.cancel()


def _finish(job: Job, future: "concurrent.futures.Future[WorkingImage]", picker: Picker) -> Outcome:
    try:
        working = future.result()
        return Outcome(job, working, picker.candidates(working), "")
    except (InputError, OSError) as error:
        return Outcome(job, None, None, str(error))
