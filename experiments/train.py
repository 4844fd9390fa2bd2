"""Train a picking method on simulated micrographs, or on labelled ones.

    python -m experiments.train method=unet out=runs/unet
    python -m experiments.train method=parsed out=runs/parsed seed=1 specimens.num_phantoms=200
    python -m experiments.train out=runs/own data.micrographs='job/*.mrc' \\
        data.coordinates='picked/*.star' data.diameter=180 experiment=finetune
    python -m experiments.train out=runs/own data=relion data.folder=project data.diameter=180
    python -m experiments.train -m out='runs/rates/${hydra:job.num}' optimizer=adamw \\
        optimizer.learning_rate=0.001,0.003

Simulated particles are procedural phantoms unless structures, maps or a saved bank of views are
given; what micrographs look like is under method.field.priors, as in
method.field.priors.microscope.dose_e_per_angstrom2=[20,40]. Labelled micrographs are matched with
their coordinates by name and split by micrograph. data=empiar, cryoppp, relion or simulated finds
both in data.folder. With weights=FOLDER (or weights=shipped) training
starts from those. Writes checkpoints/ (best and last), weights/ (portable; give them to `pick
weights=`), metrics.csv with its curves.png, and train.json, and keeps the bank of views or the
working images beside them. The same command goes on from the last checkpoint after an interruption, and
returns at once when train.json says that it was finished. Exit status 1 means that some micrographs
were left out; each is named with its reason.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from experiments import _plot, _provenance
from experiments._finished import finished_training
from jaxpick import methods
from jaxpick.evaluate.field_threshold import calibrate
from jaxpick.io.files import discard_folder, write_text
from jaxpick.io.locks import sole_writer
from jaxpick.io.specimens import SpecimensSpec, stored_bank
from jaxpick.methods.labelled_examples import Data
from jaxpick.methods.labelled_sets import keep_split, read_sets
from jaxpick.methods.labelled_spec import LabelledSpec
from jaxpick.methods.warm_start import adopt_settings, start_from
from jaxpick.parallel import HardwareSpec, is_first_host, parallelism, start_hosts, wait_for_hosts
from jaxpick.spec import as_plain, build, require
from jaxpick.train.log import MetricsTable
from jaxpick.train.loop import TrainSpec, train_stages
from jaxpick.train.optimizers import OptimizerSpec
from jaxpick.train.stage import with_cached_examples, with_optimizer
from jaxpick.weights.portable import save_weights
from jaxpick.weights.shipped import load_picker_weights


def setting(default: Any, text: str) -> Any:
    """Return a field with its help."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainExperiment:
    """Settings of one training run."""

    out: str = dataclasses.field(metadata={"help": "folder to write"})
    method: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: {"name": methods.DEFAULT}, metadata={"help": "and its settings"}
    )
    weights: str | None = setting(None, "folder of weights to start from, or shipped")
    seed: int = setting(0, "of parameters and examples")
    optimizer: OptimizerSpec | None = setting(None, "for all stages; each has its own if null")
    cached_examples: int = setting(0, "simulate so many once and draw from them; 0: always new")
    data: LabelledSpec = LabelledSpec()
    specimens: SpecimensSpec = SpecimensSpec()
    training: TrainSpec = TrainSpec()
    hardware: HardwareSpec = HardwareSpec()
    overwrite: bool = setting(False, "start anew in a folder that holds a run")

    def __post_init__(self) -> None:
        """Refuse a run without a folder, and a cache of examples that are files already."""
        require(bool(self.out), "out", self.out, "a folder")
        name = self.method.get("name")
        expected = "a method that learns; pick with this one as it is"
        require(name not in methods.UNTRAINED, "method", name, expected)
        number, is_simulated = self.cached_examples, self.data.is_simulated
        expected = "0 or more" if is_simulated else "0, as micrographs are given"
        require(number >= 0 and (is_simulated or number == 0), "cached_examples", number, expected)


def run(spec: TrainExperiment) -> int:
    """Build the method and its examples, train its stages, export its weights; return 1 if a
    micrograph was left out, else 0.
    """
    start_hosts(spec.hardware.multihost)
    out = Path(spec.out)
    method = methods.get(str(spec.method.get("name")))
    settings = _method_spec(method.Spec, spec)
    params = None
    if spec.weights is not None:
        source = None if spec.weights == "shipped" else spec.weights
        params, card = load_picker_weights(method.NAME, source)
        settings = adopt_settings(settings, card.get("config", {}))
    data, about_data = _data(settings, spec)
    status = 1 if about_data.get("left_out") else 0
    if finished_training(out, spec, about_data):
        return status
    stages = method.training_stages(settings, data)
    if spec.cached_examples:
        pool = (spec.seed, spec.cached_examples, parallelism(spec.hardware, is_local=True))
        stages = tuple(with_cached_examples(stage, *pool) for stage in stages)
    if params is not None:
        stages = start_from(stages, params, str(spec.weights))
    is_writing = is_first_host()
    if spec.overwrite and is_writing:  # only now: a mistake among the settings must cost nothing
        with sole_writer(out):  # nor what another process is at
            discard_folder(out / "checkpoints")
            for name in ("metrics.csv", "config.json", "train.json"):
                (out / name).unlink(missing_ok=True)
    wait_for_hosts("overwritten")
    # A refused resume must leave the run's own record.
    if is_writing and not (out / "config.json").exists():
        _provenance.write(out, spec)
    keep_split(out, data)
    config = {"method": as_plain(settings), "weights": spec.weights}
    is_simulated = spec.data.is_simulated
    config["specimens" if is_simulated else "data"] = as_plain(
        spec.specimens if is_simulated else {"settings": spec.data, "found": about_data}
    )
    results = train_stages(
        stages, spec.training, out, seed=spec.seed, hardware=spec.hardware, config=config
    )
    summary: list[dict[str, Any]] = [
        {"stage": r.name, "step": r.step, "validation": dict(r.figures)} for r in results
    ]
    trained = jax.device_get(results[-1].params)
    settings = calibrate(method, settings, trained, stages[-1], data, spec.seed)
    card = {"name": out.name, "method": method.NAME, "config": as_plain(settings)}
    if is_writing:
        save_weights(out / "weights", trained, card | {"stages": summary})
        _plot.training_curves(out / "curves.png", MetricsTable(out / "metrics.csv").rows)
        speed = {r.name: r.examples_per_second for r in results}
        record = {"config": as_plain(spec), "stages": summary, "examples_per_second": speed}
        write_text(out / "train.json", json.dumps(record | {"data": about_data}, indent=2) + "\n")
    for result in summary:
        figures = "  ".join(f"{name} {value:.4g}" for name, value in result["validation"].items())
        print(f"{result['stage']}: best at step {result['step']}  {figures}")
    print(f"weights in {out / 'weights'}")
    return status


def _method_spec(spec_type: type, spec: TrainExperiment) -> Any:
    """Return the method's settings, with the run's optimizer in every stage if one is given."""
    values = {name: value for name, value in spec.method.items() if name != "name"}
    settings: Any = build(spec_type, values, "method")
    return with_optimizer(settings, spec.optimizer) if spec.optimizer else settings


def _data(settings: Any, spec: TrainExperiment) -> tuple[Data, dict[str, Any]]:
    """Return a bank to simulate with, or labelled micrographs and what is to be told of them."""
    if not spec.data.is_simulated:
        out, kept = Path(spec.out), None if spec.overwrite else Path(spec.out)
        data = read_sets(spec.data, settings.working, out / "cache", spec.seed, kept=kept)
        return data, dict(data.summary)
    return stored_bank(spec.specimens, Path(spec.out) / "bank.npz", report=print), {}


def choices() -> dict[str, dict[str, type]]:
    """Return the methods' settings by name, for `method=NAME`."""
    return {"method": {name: methods.get(name).Spec for name in methods.NAMES}}


if __name__ == "__main__":
    from experiments._hydra import main

    main(TrainExperiment, run, choices=choices())
