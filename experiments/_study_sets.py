"""The micrographs of studies: learnt from and tested on, simulated once and kept, or the user's own."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments._data_sets import DataSet, SetSpec, named_sets, prepare_set
from experiments._members import over
from experiments._study import TrainedStudy
from jaxpick.spec import require

# Share of the labelled micrographs that only validate.
VALIDATED = 0.2


def of_one_molecule(
    study: TrainedStudy, molecule: Mapping[str, Any], count: int, tested: int = 10
) -> tuple[DataSet, list[DataSet]]:
    """Return micrographs of one molecule to learn from, and others of it to test on.

    Args:
        study: says what both are, where they are not simulated.
        molecule: how the particle is simulated.
        count: simulated micrographs that are learnt from.
        tested: simulated micrographs that are tested on.

    Raises:
        SpecError: when several sets are given to learn from.
    """
    usual = {"learnt": {**molecule, "count": count, "seed": 1}}
    learnt = sets_of(study.learn, usual, Path(study.out) / "learn")
    require(len(learnt) == 1, "learn", len(learnt), "one set of micrographs")
    others = {"tested": {**molecule, "count": tested, "seed": 2}}
    return learnt[0], sets_of(study.data, others, Path(study.out) / "data")


def sets_of(
    given: Mapping[str, Any], usual: Mapping[str, Mapping[str, Any]], folder: Path
) -> list[DataSet]:
    """Return sets of micrographs, simulated into `folder` where they are no files.

    Args:
        given: files as one set, several sets by name, changes to every usual set, or nothing.
        usual: simulated sets by name.
        folder: of the simulated ones.
    """
    known = {one.name for one in dataclasses.fields(SetSpec)}
    chosen = dict(given or usual)
    if known & set(given) and not are_files(given):
        chosen = {name: over(one, given) for name, one in usual.items()}
    sets = named_sets(chosen)
    return [prepare_set(name, spec, folder / name) for name, spec in sets.items()]


def are_files(given: Mapping[str, Any]) -> bool:
    """Return whether the settings of a set name files or a folder, and not what is to be simulated."""
    return given.get("micrographs") is not None or given.get("folder") is not None


def labels_of(data: DataSet) -> dict[str, Any]:
    """Return a set as `train` takes it: micrographs with coordinates."""
    spec = data.spec
    require(not spec.invert, "learn.invert", spec.invert, "dark particles: none are inverted")
    shared: dict[str, Any] = {
        "diameter": data.diameter,
        "pixel_size": spec.pixel_size,
        "flip_y": spec.flip_y,
        "scored": False,  # a truth's figure of merit says how visible a particle is
    }
    if spec.folder is not None:
        place = {name: getattr(spec, name) for name in ("layout", "folder", "job", "micrographs")}
        return {**shared, **place, "coordinates": spec.truth}
    simulated = Path(data.micrographs).parent.parent / "particles.star"
    coordinates = spec.truth or str(simulated)
    return {**shared, "micrographs": data.micrographs, "coordinates": coordinates}


def shares(particles: int, validated: float = VALIDATED) -> dict[str, Any]:
    """Return how `train` divides labels: so many are learnt from, those that validate come on top."""
    return {"most_labels": round(particles / (1 - validated)), "validation_fraction": validated}
