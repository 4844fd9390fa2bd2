"""From files to picks: the protocol every method follows and the one pipeline that runs it over many micrographs.

Reading and preparing the next micrographs overlaps with scoring the present one, so that the slower of disk and
computation sets the pace; at most `ahead` micrographs are in memory, whatever their number.
"""

import concurrent.futures
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from jaxpick.io.files import InputError
from jaxpick.io.micrographs import read_micrograph
from jaxpick.io.nouns import Micrograph, Picks
from jaxpick.preprocess.working import WorkingImage


@runtime_checkable
class Picker(Protocol):
    """What a method gives to be run over micrographs.

    Attributes:
        name: the method's name, written into the picks.
        threshold: the score from which a candidate counts as a pick unless the user says otherwise; None where
            `choose_threshold` finds it once all micrographs are scored.
        diameter_angstrom: of the particle.
    """

    name: str
    threshold: float | None
    diameter_angstrom: float

    def prepare(self, micrograph: Micrograph) -> WorkingImage:
        """Turn a micrograph into the method's working image."""
        ...

    def choose_threshold(self, scores: Float[np.ndarray, " pick"]) -> float:
        """Return the score of a pick, given those of all candidates of a whole data set."""
        ...

    def candidates(self, working: WorkingImage) -> Picks:
        """Return all candidates, in micrograph pixels, best first, far below the threshold too."""
        ...


class Outcome(NamedTuple):
    """What became of one micrograph: its working image and candidates, or the sentence that says why not."""

    path: Path
    working: WorkingImage | None
    candidates: Picks | None
    problem: str


def pick_files(
    paths: Iterable[Path], picker: Picker, pixel_size_angstrom: float | None = None, ahead: int = 2
) -> Iterator[Outcome]:
    """Run a picker over micrograph files in their order; a file that cannot be used does not stop the others.

    Args:
        paths: micrograph files.
        picker: the method.
        pixel_size_angstrom: overrides the headers.
        ahead: how many micrographs are read and prepared in advance.
    """

    def load(path: Path) -> WorkingImage:
        return picker.prepare(read_micrograph(path, pixel_size_angstrom))

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as reader:
        waiting: list[tuple[Path, concurrent.futures.Future[WorkingImage]]] = []
        for path in paths:
            waiting.append((path, reader.submit(load, path)))
            if len(waiting) > ahead:
                yield _finish(*waiting.pop(0), picker)
        for path, future in waiting:
            yield _finish(path, future, picker)


def _finish(
    path: Path, future: "concurrent.futures.Future[WorkingImage]", picker: Picker
) -> Outcome:
    try:
        working = future.result()
    except (InputError, OSError) as error:
        return Outcome(path, None, None, str(error))
    return Outcome(path, working, picker.candidates(working), "")
