"""Which micrographs methods are compared on: files with known particles, or simulated ones.

A set without `micrographs` and without a `folder` is simulated under its own name, of one procedural
molecule or of the structures given. Simulated sets are kept; one of other settings is made anew.
"""

import dataclasses
import functools
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import demo, simulate
from experiments._commandline import merged
from experiments._headers import read_headers, with_pixel_sizes
from experiments._set_spec import HELD_OUT_PHANTOMS as HELD_OUT_PHANTOMS
from experiments._set_spec import SetSpec as SetSpec
from experiments._set_spec import located_set
from jaxpick.io.array_cache import file_digest
from jaxpick.io.coordinates import read_picks
from jaxpick.io.files import InputError, discard_folder, write_text
from jaxpick.io.micrographs import find_micrographs
from jaxpick.io.names import match_names
from jaxpick.io.nouns import Picks
from jaxpick.io.simulated_folder import read_truth
from jaxpick.simulate.phantoms import PhantomSpec
from jaxpick.spec import as_plain, build, require

SIMULATED: Any = {"layout": "simulated"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSet:
    """A set that is at hand.

    Attributes:
        name: in tables.
        spec: its settings.
        micrographs: file, folder, glob or list.
        truth: particles of the micrographs that have any; files named as the micrographs.
        diameter: of the particle, angstrom.
        shapes: (height, width) by micrograph.
        pick: settings of `pick` for this set, by method.
        about: what is shown, in a few words.
    """

    name: str
    spec: SetSpec
    micrographs: str
    truth: tuple[Picks, ...]
    diameter: float
    shapes: Mapping[str, tuple[int, int]]
    pick: Mapping[str, Any]
    about: str

    def fingerprint(self) -> dict[str, Any]:
        """Return what results on this set depend on, as plain data."""
        files = [(p.name, _digest(p, p.stat())) for p in find_micrographs(self.micrographs)]
        truth = [[t.micrograph, float(t.x.sum()), float(t.y.sum()), len(t)] for t in self.truth]
        kept = ("invert", "pixel_size", "margin", "margin_px")
        settings = {name: getattr(self.spec, name) for name in kept}
        return settings | {"diameter": self.diameter, "files": files, "truth": truth}


def _digest(path: Path, status: os.stat_result) -> str:
    """Return the digest of a file's content, which this process computes once for a state."""
    return _digest_once(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@functools.cache
def _digest_once(path: Path, *_: int) -> str:
    return file_digest(path)


def named_sets(data: Any) -> dict[str, SetSpec]:
    """Return the sets by name: `simulated`, the settings of one set, or those of several by name.

    Raises:
        SpecError: on a setting that is unknown or impossible, with its dotted path.
    """
    if data in ("simulated", {}, SIMULATED):
        return {f"phantom_{seed}": SetSpec(phantom=seed, seed=seed) for seed in HELD_OUT_PHANTOMS}
    known = {f.name for f in dataclasses.fields(SetSpec)}
    if any(name in known for name in data):
        return {"data": build(SetSpec, data, "data")}
    for name in data:
        is_plain = not set("/\\\0") & set(str(name)) and bool(str(name).strip("."))
        require(is_plain, "data", name, "names that can be those of folders")
    return {name: build(SetSpec, settings, f"data.{name}") for name, settings in data.items()}


def prepare_set(name: str, spec: SetSpec, folder: Path) -> DataSet:
    """Return a set with its particles; simulate it into `folder` if it has no files.

    Raises:
        InputError: when files cannot be read or micrographs and particles share no name.
    """
    return _simulated(name, spec, folder) if spec.is_simulated else _files(name, located_set(spec))


def _files(name: str, spec: SetSpec) -> DataSet:
    headers, _ = read_headers(spec.micrographs)
    shapes = {micrograph: header.shape for micrograph, header in headers.items()}
    read = read_picks(str(spec.truth), micrograph_shape=shapes, flip_y=spec.flip_y)
    known = with_pixel_sizes(read, headers)
    pairs = match_names([p.micrograph for p in known], list(shapes)).pairs
    truth = [
        dataclasses.replace(p, micrograph=pairs[p.micrograph])
        for p in known
        if p.micrograph in pairs
    ]
    if not truth:
        raise InputError(
            f"data.{name}.truth: none of {len(known)} names fits one of {len(shapes)} micrographs"
        )
    return DataSet(
        name=name,
        spec=spec,
        micrographs=str(spec.micrographs),
        truth=tuple(truth),
        diameter=float(spec.diameter or 0.0),
        shapes=shapes,
        pick=spec.pick,
        about=", ".join(spec.molecules) or "as labelled",
    )


def _simulated(name: str, spec: SetSpec, folder: Path) -> DataSet:
    settings = _simulation(spec, folder)
    made_of = {name: value for name, value in as_plain(settings).items() if name != "out"}
    record = json.dumps(made_of, indent=1) + "\n"
    stored = folder / "settings.json"
    if stored.is_file() and stored.read_text(encoding="utf-8") != record:
        (folder / "simulate.json").unlink(missing_ok=True)  # first what says that it is finished
        discard_folder(folder / "truth")
        shutil.rmtree(folder)
    write_text(stored, record)
    if not (folder / "simulate.json").is_file():  # written last
        simulate.run(settings)
    summary = json.loads((folder / "simulate.json").read_text(encoding="utf-8"))["species"]
    truth = {Path(p.micrograph).name: p for p in read_truth(folder)}
    shapes = {path.name: spec.size for path in find_micrographs(folder / "micrographs")}
    known = {} if spec.structures or spec.simulator else {"phantom_seed": spec.phantom}
    told = {"structure": spec.structures} if spec.structures else known
    return DataSet(
        name=name,
        spec=spec,
        micrographs=str(folder / "micrographs" / "*.mrc"),
        truth=tuple(dataclasses.replace(p, micrograph=n) for n, p in truth.items()),
        diameter=spec.diameter or float(round(max(s["diameter_angstrom"] for s in summary))),
        shapes=shapes,
        pick=merged({"template": {"template": told}} if told else {}, spec.pick),
        about="simulated: " + ", ".join(s["name"] for s in summary),
    )


def _simulation(spec: SetSpec, folder: Path) -> simulate.SimulateSpec:
    ordinary = dataclasses.replace(
        demo.simulation(demo.DemoSpec()).simulator,
        phantom_seed=spec.phantom,
        phantoms=PhantomSpec(),
        num_phantoms=int(spec.structures is None),
        structures=spec.structures,
    )
    changed = merged(as_plain(ordinary), spec.simulator)
    return simulate.SimulateSpec(
        out=str(folder),
        count=spec.count,
        seed=spec.seed,
        size=spec.size,
        simulator=build(simulate.SimulatorSpec, changed, "simulator"),
    )
