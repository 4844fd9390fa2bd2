"""Search the settings of a training for the best value of one of its figures, with Optuna.

    python -m experiments.tune out=tuned trials=30 train='method=unet optimizer=adamw training.max_steps=500' \\
        space.optimizer.learning_rate='log(1e-4,1e-2)' space.optimizer.kind='choice(adam,adamw)'
    python -m experiments.tune out=tuned metric=metrics/average_precision train='method=unet' \\
        space.method.segmenter.batch_size='int(4,32)' evaluate='truth=labels' \\
        pick="micrographs='data/*.mrc' diameter=180"

`space` holds settings of `train` by their dotted path, each with where to look: uniform(a,b),
log(a,b), int(a,b), logint(a,b) or choice(a,b,c). `train` is what all trials share, typed as for
`train` itself. The figure is named as `experiments.collect` names it; it is the last stage's best
validation loss if left out. With `pick` and `evaluate` each trial picks with its weights and is
scored. Writes trials.csv, trials.json with the best, and trial_0/ ... with what the commands write;
the search is kept in journal.log: the same command after an interruption keeps what is done and goes
on with the trial that was under way, and a larger `trials` adds to it. A trial whose loss is no
number counts as failed. Needs Optuna.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from experiments import _provenance
from experiments._tune_space import as_overrides, read_space
from experiments._tune_study import Search
from experiments._tune_trial import run_trial
from jaxpick.evaluate.text import as_csv
from jaxpick.io.files import write_text
from jaxpick.io.locks import sole_writer
from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneSpec:
    """Settings of one search."""

    out: str = field(metadata={"help": "folder to write"})
    space: Mapping[str, Any] = field(
        default_factory=dict, metadata={"help": "where to look, by the setting's dotted path"}
    )
    train: str = field(default="", metadata={"help": "settings of train that all trials share"})
    pick: str = field(
        default="", metadata={"help": "settings of pick; trials are not picked if empty"}
    )
    evaluate: str = field(default="", metadata={"help": "settings of evaluate, beside pick"})
    metric: str = field(
        default="best/*/validation/loss", metadata={"help": "figure; the last that matches"}
    )
    best: Literal["lowest", "highest"] | None = field(
        default=None, metadata={"help": "lowest of a loss or an error if left out, else highest"}
    )
    trials: int = field(default=20, metadata={"help": "in all, with those of earlier calls"})
    seed: int = field(default=0, metadata={"help": "of the search; trainings have their own"})

    def __post_init__(self) -> None:
        require(bool(self.out), "out", self.out, "a folder")
        require(self.trials >= 1, "trials", self.trials, "1 or more")
        expected = "space.SETTING='log(a,b)' for one setting of train or more"
        require(bool(self.space), "space", dict(self.space), expected)
        both = bool(self.pick) == bool(self.evaluate)
        require(
            both, "evaluate", self.evaluate, "settings where pick has some, and the other way round"
        )
        read_space(self.space)

    @property
    def is_lowest_best(self) -> bool:
        """Return whether the search goes down."""
        falls = any(word in self.metric.rpartition("/")[2] for word in ("loss", "error"))
        return falls if self.best is None else self.best == "lowest"


def run(spec: TuneSpec) -> int:
    """Ask, try and tell until there are enough trials."""
    out = Path(spec.out)
    space = read_space(spec.space)
    question = {
        "space": {name: str(one) for name, one in space.items()},
        "lowest": spec.is_lowest_best,
        **{name: getattr(spec, name) for name in ("train", "pick", "evaluate", "metric", "seed")},
    }
    with sole_writer(out):
        search = Search(out, space, spec.is_lowest_best, spec.seed, question)
        _provenance.write(out, spec)
        while search.num_done() < spec.trials:
            number, values = search.ask()
            told = ", ".join(as_overrides(values))
            print(f"trial {number}, {search.num_done() + 1} of {spec.trials}: {told}", flush=True)
            search.tell(number, run_trial(out / f"trial_{number}", as_overrides(values), spec))
            write_text(out / "trials.csv", as_csv(search.rows()))
        best = search.best()
    record = {"metric": spec.metric, "best": best, "trials": search.rows()}
    write_text(out / "trials.json", json.dumps(record, indent=1) + "\n")
    values = {name: value for name, value in best.items() if name in space}
    print(f"best of {search.num_done()}: trial {best['trial']}, {spec.metric} {best['value']:.6g}")
    print("  " + " ".join(as_overrides(values)))
    return 0


if __name__ == "__main__":
    from experiments._hydra import main

    main(TuneSpec, run)
