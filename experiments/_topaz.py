"""What Topaz's studies share: one training of an objective from so many labels, with so many particles expected."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments._data_sets import DataSet
from experiments._study import Condition
from experiments._study_sets import labels_of, shares

TRAIN: Mapping[str, Any] = {
    "method": {
        "network": {"architecture": "conv31", "units": 32, "unit_scaling": 2},
        "classifier": {"steps": 2000, "optimizer": {"learning_rate": 1.0e-3}},
    },
    "training": {"validate_every": 500, "log_every": 100},
}


def particles_per_micrograph(data: DataSet) -> float:
    """Return the true mean number: what a user would have to guess."""
    return sum(len(one) for one in data.truth) / len(data.shapes)


def condition(
    objective: str,
    labels: int,
    factor: float,
    learnt: DataSet,
    tested: Sequence[DataSet],
    told: Mapping[str, Any],
) -> Condition:
    """Return a condition: all micrographs are learnt from, of their particles so many are labelled.

    Args:
        objective: kind of Topaz's objective; PN expects no number.
        labels: particles known, of any micrographs.
        factor: of the true number of particles, which is what Topaz is told.
        learnt, tested: sets.
        told: columns of the table.
    """
    expected = factor * particles_per_micrograph(learnt)
    own = {} if objective == "pn" else {"expected_particles": expected}
    name = "_".join([objective, *(f"{n}_{v:g}" for n, v in told.items() if n != "objective")])
    return Condition(
        name=name,
        told=told,
        method="topaz",
        sets=tested,
        training={
            "data": {**labels_of(learnt), **shares(labels, validated=0.0)},
            "method": {**own, "objective": {"kind": objective}},
        },
    )
