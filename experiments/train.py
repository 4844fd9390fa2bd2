"""Train a picking method on simulated micrographs.

    python -m experiments.train method=unet out=runs/unet
    python -m experiments.train method=parsed out=runs/parsed seed=1 specimens.num_phantoms=200
    python -m experiments.train -m out='runs/rates/${hydra:job.num}' optimizer=adamw \\
        optimizer.learning_rate=0.001,0.003

Particles are procedural phantoms unless structures or a saved bank of views are given. Writes
checkpoints/ (best and last), weights/ (portable; give them to `pick weights=`), metrics.csv and
train.json. The same command goes on from the last checkpoint after an interruption.
"""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from experiments import _provenance
from jaxpick import methods, rngs
from jaxpick.io.banks import load_bank
from jaxpick.io.files import write_text
from jaxpick.io.structures import find_structures, specimens_from_structures
from jaxpick.parallel import HardwareSpec, parallelism, start_hosts
from jaxpick.simulate.bank import Bank, BankSpec, build_bank
from jaxpick.simulate.phantoms import PhantomSpec, phantom_library
from jaxpick.spec import as_plain, build, require
from jaxpick.train import OptimizerSpec, Stage, StageSpec, TrainSpec, cache_examples, train_stages
from jaxpick.weights.portable import save_weights


def setting(default: Any, text: str) -> Any:
    """Return a field with its help."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpecimensSpec:
    """Which molecules the simulator shows."""

    num_phantoms: int = setting(64, "procedural molecules; 0 for none")
    phantom_seed: int = setting(0, "of the procedural molecules")
    phantoms: PhantomSpec = PhantomSpec(num_broken=1)
    structures: str | None = setting(None, "PDB or mmCIF files to add: file, folder or glob")
    exclude: tuple[str, ...] = setting((), "names of structures to leave out, for tests on them")
    bank: str | None = setting(None, "saved bank of views (.npz) in place of all these")
    views: BankSpec = BankSpec(diameter_px=20.0, box_px=32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainExperiment:
    """Settings of one training run."""

    out: str = dataclasses.field(metadata={"help": "folder to write"})
    method: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: {"name": methods.DEFAULT}, metadata={"help": "and its settings"}
    )
    seed: int = setting(0, "of parameters and examples")
    optimizer: OptimizerSpec | None = setting(None, "for all stages; each has its own if null")
    cached_examples: int = setting(0, "simulate so many once and draw from them; 0: always new")
    specimens: SpecimensSpec = SpecimensSpec()
    training: TrainSpec = TrainSpec()
    hardware: HardwareSpec = HardwareSpec()
    overwrite: bool = setting(False, "start anew in a folder that holds a run")

    def __post_init__(self) -> None:
        """Refuse a run without a folder."""
        require(bool(self.out), "out", self.out, "a folder")
        counts = self.cached_examples >= 0
        require(counts, "cached_examples", self.cached_examples, "0 or more")


def run(spec: TrainExperiment) -> int:
    """Build the method and its examples, train its stages, export its weights."""
    start_hosts()
    out = Path(spec.out)
    if spec.overwrite:
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
        for name in ("metrics.csv", "config.json"):
            (out / name).unlink(missing_ok=True)
    method = methods.get(str(spec.method.get("name")))
    settings = _method_spec(method.Spec, spec)
    stages = method.training_stages(settings, _bank(spec.specimens))
    if spec.cached_examples:
        stages = [_cached(stage, spec) for stage in stages]
    if not (out / "config.json").exists():  # a refused resume must leave the run's own record
        _provenance.write(out, spec)
    config = {"method": as_plain(settings), "specimens": as_plain(spec.specimens)}
    results = train_stages(
        stages, spec.training, out, seed=spec.seed, hardware=spec.hardware, config=config
    )
    summary: list[dict[str, Any]] = [
        {"stage": r.name, "step": r.step, "validation": dict(r.figures)} for r in results
    ]
    card = {"name": out.name, "method": method.NAME, "config": as_plain(settings)}
    save_weights(out / "weights", jax.device_get(results[-1].params), card | {"stages": summary})
    speed = {r.name: r.examples_per_second for r in results}
    record = {"config": as_plain(spec), "stages": summary, "examples_per_second": speed}
    write_text(out / "train.json", json.dumps(record, indent=2) + "\n")
    for result in summary:
        figures = "  ".join(f"{name} {value:.4g}" for name, value in result["validation"].items())
        print(f"{result['stage']}: best at step {result['step']}  {figures}")
    print(f"weights in {out / 'weights'}")
    return 0


def _method_spec(spec_type: type, spec: TrainExperiment) -> Any:
    """Return the method's settings, with the run's optimizer in every stage if one is given."""
    values = {name: value for name, value in spec.method.items() if name != "name"}
    settings: Any = build(spec_type, values, "method")
    if spec.optimizer is None:
        return settings
    own = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    stages = {
        name: dataclasses.replace(value, optimizer=spec.optimizer)
        for name, value in own.items()
        if isinstance(value, StageSpec)
    }
    return dataclasses.replace(settings, **stages)


def _bank(spec: SpecimensSpec) -> Bank:
    if spec.bank is not None:
        return load_bank(spec.bank)
    specimens = phantom_library(spec.num_phantoms, spec.phantom_seed, spec.phantoms)
    if spec.structures is not None:
        paths = find_structures(spec.structures)
        specimens += specimens_from_structures(paths, exclude=spec.exclude, report=print)
    return build_bank(specimens, spec.views)


def _cached(stage: Stage, spec: TrainExperiment) -> Stage:
    """Return the stage on a fixed set of its examples; it is still validated on new ones."""
    key = rngs.stream(spec.seed, f"{stage.name}/cache")
    pool = cache_examples(
        stage.examples, key, spec.cached_examples, parallelism(spec.hardware), chunk_size=16
    )
    validation = stage.validation or stage.examples
    return dataclasses.replace(stage, examples=pool, validation=validation)


def choices() -> dict[str, dict[str, type]]:
    """Return the methods' settings by name, for `method=NAME`."""
    return {"method": {name: methods.get(name).Spec for name in methods.NAMES}}


if __name__ == "__main__":
    from experiments._hydra import main

    main(TrainExperiment, run, choices=choices())
