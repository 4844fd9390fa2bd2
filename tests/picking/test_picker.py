"""Many files through one picker: order, names, pixel sizes, polarity, and files that are broken."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.micrographs import write_mrc
from jaxpick.io.nouns import make_picks
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.picking.picker import Job, Picker, find_jobs, pick_files
from jaxpick.preprocess.working import WorkingImage


@dataclasses.dataclass(frozen=True)
class Darkest:
    """Picks the darkest pixel; keeps count of what was prepared."""

    name: str = "darkest"
    threshold: float = 0.0
    diameter_angstrom: float = 10.0
    prepared: list = dataclasses.field(default_factory=list)

    def prepare(self, micrograph):
        self.prepared.append(micrograph.name)
        return WorkingImage(
            image=micrograph.image,
            coordinates=CoordinateMap(scale_y=1.0, scale_x=1.0),
            pixel_size_angstrom=micrograph.pixel_size_angstrom,
            micrograph=micrograph.name,
            micrograph_shape=micrograph.image.shape,
            micrograph_pixel_size_angstrom=micrograph.pixel_size_angstrom,
        )

    def candidates(self, working):
        y, x = np.unravel_index(np.argmin(working.image), working.image.shape)
        return make_picks(working.micrograph, np.array([x]), np.array([y]))


def write(path, dark, bright, pixel=2.0):
    image = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    image[dark], image[bright] = -9.0, 9.0
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mrc(path, image, pixel)
    return path


@pytest.fixture
def jobs(tmp_path):
    for i in range(5):
        write(tmp_path / f"m{i}.mrc", (i, 2 * i), (19, 29 - i))
    return find_jobs(tmp_path)


def test_outcomes_come_in_order(jobs):
    assert isinstance(Darkest(), Picker)
    outcomes = list(pick_files(jobs, Darkest()))
    assert [o.job for o in outcomes] == jobs and [o.problem for o in outcomes] == [""] * 5
    found = [(o.candidates.y[0], o.candidates.x[0]) for o in outcomes]
    assert found == [(i, 2 * i) for i in range(5)]


def test_bright_particles_are_found_if_asked(jobs):
    outcomes = list(pick_files(jobs, Darkest(), invert=True))
    assert [o.candidates.x[0] for o in outcomes] == [29 - i for i in range(5)]


def test_broken_files_do_not_stop_the_others(jobs):
    jobs[1].path.write_bytes(b"")
    jobs[2].path.unlink()
    image = np.full((9, 9), np.nan, np.float32)
    image[0] = 1.0
    write_mrc(jobs[4].path, image, 2.0)
    outcomes = list(pick_files(jobs, Darkest()))
    assert [o.candidates is None for o in outcomes] == [False, True, True, False, True]
    for outcome, said in zip(
        [outcomes[i] for i in (1, 2, 4)], ("is empty", "no such file", "72 of 81"), strict=True
    ):
        assert said in outcome.problem and outcome.job.name in outcome.problem


def test_a_mistake_in_the_method_is_no_broken_file(jobs):
    class Wrong(Darkest):
        def prepare(self, micrograph):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(pick_files(jobs, Wrong()))


def test_few_are_read_ahead(jobs):
    picker = Darkest()
    outcomes = pick_files(jobs, picker, ahead=1)
    next(outcomes)
    outcomes.close()  # waits for what is being read
    assert len(picker.prepared) <= 3


def test_a_listed_pixel_size_comes_before_the_header_and_a_given_one_before_both(tmp_path):
    write(tmp_path / "m.mrc", (0, 0), (1, 1), pixel=2.0)
    listed = tmp_path / "micrographs.star"
    listed.write_text(
        "data_\nloop_\n_rlnMicrographName #1\n_rlnMicrographPixelSize #2\nm.mrc 1.25\n"
    )
    found = []
    for pattern, given in ((tmp_path / "m.mrc", None), (listed, None), (listed, 3.0)):
        (outcome,) = pick_files(find_jobs(pattern, given), Darkest())
        found.append(outcome.working.micrograph_pixel_size_angstrom)
    assert found == [2.0, 1.25, 3.0]


def test_equal_names_in_two_folders_are_two_micrographs(tmp_path):
    for folder in ("a", "b"):
        write(tmp_path / folder / "m.mrc", (0, 0), (1, 1))
    outcomes = pick_files(find_jobs(f"{tmp_path}/*/m.mrc"), Darkest())
    assert [o.candidates.micrograph for o in outcomes] == ["a/m.mrc", "b/m.mrc"]


def test_nothing_to_pick_is_told(tmp_path):
    with pytest.raises(InputError, match="no such file, folder or glob"):
        find_jobs(tmp_path)
    assert list(pick_files([], Darkest())) == []
    assert Job(Path("m.mrc"), "m.mrc").pixel_size_angstrom is None


@dataclasses.dataclass(frozen=True)
class Unknowing(Darkest):
    """Knows nothing of one micrograph, which shows only once it is searched."""

    def candidates(self, working):
        if working.micrograph == "m1.mrc":
            raise InputError("m1.mrc: its defocus is not known")
        return super().candidates(working)


def test_a_micrograph_that_cannot_be_searched_does_not_stop_the_others(jobs):
    outcomes = list(pick_files(jobs, Unknowing()))
    problems = ["", "m1.mrc: its defocus is not known", "", "", ""]
    assert [o.problem for o in outcomes] == problems
