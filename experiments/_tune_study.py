"""The search itself: an Optuna study in a journal beside the trials, asked and told.

What a trial is asked to try depends on the seed, its number and the trials before it alone, so that
a search that was killed and started again tries what it would have tried.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments._tune_space import Distribution, Value
from jaxpick.io.files import InputError

NAME = "tune"
JOURNAL = "journal.log"
QUESTION = "question"


class Search:
    """A study in a folder; those who ask are told what to try, the trial under way first."""

    def __init__(
        self,
        folder: Path,
        space: Mapping[str, Distribution],
        is_lowest_best: bool,
        seed: int,
        question: Mapping[str, Any],
    ) -> None:
        """Open or make the study.

        Raises:
            InputError: when Optuna is missing, or the folder holds a search of another question.
        """
        self._optuna, self._seed = _optuna(), seed
        self._distributions = {name: self._of(one) for name, one in space.items()}
        folder.mkdir(parents=True, exist_ok=True)
        journal = self._optuna.storages.journal
        storage = journal.JournalStorage(journal.JournalFileBackend(str(folder / JOURNAL)))
        direction = "minimize" if is_lowest_best else "maximize"
        self.study = self._optuna.create_study(
            storage=storage, study_name=NAME, direction=direction, load_if_exists=True
        )
        text = json.dumps(question, sort_keys=True, default=str)
        kept = self.study.user_attrs.get(QUESTION)
        if kept is None:
            self.study.set_user_attr(QUESTION, text)
        elif kept != text:
            old, new = json.loads(kept), json.loads(text)
            differing = ", ".join(name for name in new if new[name] != old.get(name))
            raise InputError(
                f"{folder}: holds a search with another {differing}; give another out="
            )

    def ask(self) -> tuple[int, dict[str, Value]]:
        """Return the number of a trial and the values to try."""
        running = self._optuna.trial.TrialState.RUNNING
        left = [trial for trial in self.study.trials if trial.state == running]
        if left:
            return left[0].number, dict(left[0].params)
        count = len(self.study.trials)
        sampler = self._optuna.samplers.TPESampler(seed=self._seed * 100_003 + count)
        self.study.sampler = sampler
        trial = self.study.ask(self._distributions)
        return trial.number, dict(trial.params)

    def tell(self, number: int, value: float | None) -> None:
        """Record the value of a trial; None if it failed."""
        failed = self._optuna.trial.TrialState.FAIL
        state = failed if value is None else None
        self.study.tell(number, values=value, state=state)

    def num_done(self) -> int:
        """Return how many trials have ended, well or not."""
        return sum(trial.state.is_finished() for trial in self.study.trials)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each trial: number, state, value, and what was tried."""
        return [
            {"trial": t.number, "state": t.state.name.lower(), "value": t.value, **t.params}
            for t in self.study.trials
        ]

    def best(self) -> dict[str, Any]:
        """Return the row of the best trial.

        Raises:
            InputError: when none has ended well.
        """
        complete = self._optuna.trial.TrialState.COMPLETE
        if not self.study.get_trials(deepcopy=False, states=(complete,)):
            raise InputError("none of the trials ended well; see trials.csv")
        return self.rows()[self.study.best_trial.number]

    def _of(self, one: Distribution) -> Any:
        distributions = self._optuna.distributions
        if one.kind == "choice":
            return distributions.CategoricalDistribution(one.values)
        low, high = one.ends()
        if "int" in one.kind:
            return distributions.IntDistribution(int(low), int(high), log="log" in one.kind)
        return distributions.FloatDistribution(low, high, log=one.kind == "log")


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError("tune: Optuna is not installed; pip install optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
