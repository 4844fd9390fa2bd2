"""One trial of a search: train, and where it is wanted pick and evaluate; then its figure."""

import fnmatch
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments import _hydra, evaluate, pick, train
from experiments._collect_runs import Row, find_runs
from jaxpick.io.files import InputError
from jaxpick.train.loop import DivergedError


def run_trial(folder: Path, overrides: Sequence[str], spec: Any) -> float | None:
    """Return the figure of a training with these settings; None where its loss was no number.

    What was finished in the folder is not done again.

    Args:
        folder: of the trial.
        overrides: settings of `train` that are tried, as on its command line.
        spec: of the search.

    Raises:
        InputError: when no figure has the name that is looked for.
    """
    training = trial_settings(folder, overrides, spec.train)
    try:
        train.run(training)
    except DivergedError as error:
        print(error)
        return None
    if spec.pick:
        _evaluate(folder, str(training.method["name"]), spec)
    return _figure(folder, spec.metric)


def trial_settings(folder: Path, overrides: Sequence[str], shared: str) -> train.TrainExperiment:
    """Return the settings of a trial's training: the shared ones, then those that are tried."""
    given = [*shlex.split(shared), *overrides, f"out={folder / 'training'}"]
    return _hydra.compose(train.TrainExperiment, "train", given, train.choices())


def _evaluate(folder: Path, method: str, spec: Any) -> None:
    own = (f"method={method}", f"weights={folder / 'training' / 'weights'}")
    given = [*shlex.split(spec.pick), *own, f"out={folder / 'picks'}", "pictures=0"]
    picking = _hydra.compose(pick.PickSpec, "pick", given)
    pick.run(picking)
    own = (f"picks={folder / 'picks' / 'picks.csv'}", f"diameter={picking.diameter}")
    given = [*own, *shlex.split(spec.evaluate), f"out={folder / 'evaluation'}"]
    evaluate.run(_hydra.compose(evaluate.EvaluateExperimentSpec, "evaluate", given))


def _figure(folder: Path, metric: str) -> float:
    """Return the last figure whose name matches, as `collect` names them."""
    figures: Row = {}
    for run in find_runs(str(folder)):
        figures |= run.rows[0]
    found = [value for name, value in figures.items() if fnmatch.fnmatchcase(name, metric)]
    if not found:
        known = ", ".join(name for name in figures if name.startswith(("best/", "metrics/")))
        raise InputError(f"metric={metric}: no figure of that name; there are {known}")
    if not isinstance(found[-1], int | float) or not math.isfinite(found[-1]):
        raise InputError(f"metric={metric}: expected a number, got {found[-1]!r}")
    return float(found[-1])
