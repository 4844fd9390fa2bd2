"""Compare picking methods: the same micrographs, the same matcher, one table.

    python -m experiments.compare out=comparison
    python -m experiments.compare out=own methods=[unet,log,parsed] weights.parsed=runs/parsed/weights \\
        data.micrographs='data/*.mrc' data.truth=labels/ data.diameter=180
    python -m experiments.compare out=own data=cryoppp data.folder=10017 data.diameter=190
    python -m experiments.compare out=proteins experiment=proteins pick.log.threshold=0.5

Each method picks with the weights that ship, with those given, or with some trained here
(`train.NAME`, `seeds` times); then it is timed and scored. `data` is `simulated` (three procedural
molecules that no weights have seen), one set of files, or several by name. Picks of other programs
join by `external.NAME=GLOB`, and `consensus=[A,B,C]` adds what those agree on. Writes table.csv,
table.md, table.tex, differences.csv (paired bootstrap over micrographs against `baseline`),
curves_SET.svg, report.html, and a folder for each method. Run again after an interruption, it goes
on where it stopped; results stay valid where the folder moves. A method that fails is listed and
does not stop the others; the exit status is then 1.

Particles are matched in descending score within half the diameter; F1 is that of each method's own
threshold, the best one of hindsight stands beside it. `experiment=proteins` is six sets of proteins
that the shipped weights have not seen, `experiment=debug` takes seconds once compiled.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from experiments import _provenance
from experiments._comparison import consensus_of, external_picks, write_comparison
from experiments._data_sets import named_sets, prepare_set
from experiments._failures import listed
from experiments._members import SMALL, members_of, trained_weights, training_of
from experiments._scoring import Result, score_member, score_picks
from jaxpick.evaluate.evaluation import EvaluateSpec, ProtocolName
from jaxpick.picking.consensus import THRESHOLD
from jaxpick.spec import as_plain, require

METHODS = ("unet", "parsed", "deepem", "deeppicker", "topaz", "cryolo", "log", "template")


def setting(default: Any, text: str) -> Any:
    """Return a field with its help."""
    return field(default=default, metadata={"help": text})


def by_name(text: str) -> Any:
    """Return a field that holds settings by name, with its help."""
    return field(default_factory=dict, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareSpec:
    """Settings of one comparison."""

    out: str = field(metadata={"help": "folder to write"})
    methods: tuple[str, ...] = setting(METHODS, "names, or those of weights")
    baseline: str | None = setting(None, "method of the differences; the first if null")
    data: Literal["simulated"] | Mapping[str, Any] = setting("simulated", "a set, or sets by name")
    weights: Mapping[str, Any] = by_name("folders of weights by method; a list for several seeds")
    train: Mapping[str, Any] = field(
        default_factory=lambda: SMALL,
        metadata={"help": "settings of train by method, for those trained here"},
    )
    retrain: tuple[str, ...] = setting((), "methods to train here although weights ship")
    seeds: int = setting(1, "trainings of each method that is trained here")
    pick: Mapping[str, Any] = by_name("settings of pick by method")
    external: Mapping[str, Any] = by_name("coordinate files of other programs by name")
    consensus: tuple[str, ...] = setting((), "methods whose agreement is one more")
    protocol: ProtocolName = setting("score_order", "how to score")
    radius: float | None = setting(None, "to match, share of the diameter; the protocol's own")
    bootstrap: int = setting(1000, "draws of micrographs for intervals and differences")
    confidence: float = setting(0.95, "of the intervals")
    seed: int = setting(0, "of the draws")
    pictures: int = setting(3, "of each set in the report at most")

    def __post_init__(self) -> None:
        require(bool(self.out), "out", self.out, "a folder")
        is_set = len(set(self.methods)) == len(self.methods) > 0
        require(is_set, "methods", self.methods, "one name or more, each once")
        require(self.seeds >= 1, "seeds", self.seeds, "1 or more")
        require(self.pictures >= 0, "pictures", self.pictures, "0 or more")
        require(len(self.consensus) != 1, "consensus", self.consensus, "two methods or more")
        names = (*self.methods, *self.external)
        taken = "consensus" in names or len(set(names)) < len(names)
        require(not taken, "external", list(self.external), "other names than those of methods")
        for where, given, known in (
            ("consensus", self.consensus, names),
            ("baseline", [self.baseline] if self.baseline else [], (*names, "consensus")),
            ("pick", self.pick, self.methods),
            ("train", self.train, (*self.methods, *SMALL)),
        ):
            for name in given:
                require(name in known, where, name, f"one of {', '.join(dict.fromkeys(known))}")
        self.scoring()

    def scoring(self) -> EvaluateSpec:
        """Return how picks are scored, without the sizes of a set."""
        shared = ("protocol", "bootstrap", "confidence", "seed")
        chosen: Any = {name: getattr(self, name) for name in shared}
        return EvaluateSpec(diameter_angstrom=1.0, radius_fraction=self.radius, **chosen)


def run(spec: CompareSpec) -> int:
    """Score every method on every set; return 1 if one failed, else 0."""
    out = Path(spec.out)
    given = (spec.methods, spec.weights, spec.train, spec.retrain, spec.seeds)
    members, named = members_of(*given), named_sets(spec.data)
    for member in (m for m in members if m.training):
        training_of(member, out)  # only to refuse a mistake before anything runs
    _provenance.write(out, spec)
    sets = [prepare_set(name, one, out / "data" / name) for name, one in named.items()]
    results: list[Result] = []
    failures: list[str] = []
    for member in members:
        with listed(failures, f"{member.path}, weights"):
            weights = trained_weights(member, out / member.path / "training")
            for data in sets:
                with listed(failures, f"{member.path} on {data.name}"):
                    print(f"{member.path} on {data.name}", flush=True)
                    scored = score_member(member, weights, data, out, spec.scoring(), spec.pick)
                    results.append(scored)
    for data in sets:
        for name, pattern in {**spec.external, **data.spec.external}.items():
            with listed(failures, f"{name} on {data.name}"):
                picks = external_picks(name, str(pattern), data)
                row = {"weights": "external", "training_overlap": "unknown: another program's"}
                results.append(score_picks(name, picks, None, data, out, spec.scoring(), row))
        with listed(failures, f"consensus on {data.name}"):
            if spec.consensus:
                picks = consensus_of(spec.consensus, results, data)
                row = {"weights": " + ".join(spec.consensus)}
                args = (picks, THRESHOLD, data, out, spec.scoring(), row)
                results.append(score_picks("consensus", *args))
    baseline = spec.baseline or spec.methods[0]
    chosen = (spec.scoring(), baseline, spec.pictures, as_plain(spec))
    print(write_comparison(out, results, sets, failures, *chosen))
    return 1 if failures else 0


if __name__ == "__main__":
    from experiments._hydra import main

    main(CompareSpec, run)
