"""Pick particles in micrographs.

    python -m experiments.pick micrographs='data/*.mrc' diameter=180 out=picks
    python -m experiments.pick micrographs=job/micrographs.star diameter=125 out=picks threshold=0.4
    python -m experiments.pick micrographs='data/*.mrc' diameter=180 out=picks method=log
    python -m experiments.pick data=relion data.folder=project diameter=180 out=picks
    python -m experiments.pick micrographs=job/micrographs.star diameter=180 out=picks \\
        method=template template.structure=6cvm.cif.gz

Needs a diameter in angstrom (the longest dimension of the particle) and a pixel size (from the
header or the list unless given). Writes one STAR file a micrograph, picks.star, picks.csv (all
candidates with their scores), pick.json and report.html with pictures and a threshold to try. Run
again after an interruption, it goes on where it stopped; with another threshold it scores nothing
anew. With shards=8 shard=0 ... 7 (or shard=slurm in an array of jobs) each process picks a part;
the same command without them then joins the parts, and picks what is missing. The methods log,
apple and template need no weights; their settings stand under their names. Exit status 1 means that
some micrographs were left out; each is named with its reason.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from experiments import _provenance
from experiments._picker import Loaded, load_picker
from jaxpick import methods
from jaxpick.io.data_sets import PlaceSpec
from jaxpick.io.files import InputError
from jaxpick.io.nouns import Picks
from jaxpick.io.pick_folder import PickFolder
from jaxpick.methods.apple import Spec as AppleSpec
from jaxpick.methods.log import Spec as LogSpec
from jaxpick.methods.template import Spec as TemplateSpec
from jaxpick.picking.pick_all import pick_all, settle_threshold
from jaxpick.picking.picker import Job, find_jobs
from jaxpick.picking.shards import Shard, check_shard, part_of, shard_number
from jaxpick.spec import SpecError, as_plain, require


@dataclasses.dataclass(frozen=True, kw_only=True)
class PickSpec:
    """Settings of one picking run; sizes in angstrom."""

    micrographs: str = field(default="", metadata={"help": "file, folder, glob or RELION list"})
    data: PlaceSpec = PlaceSpec()
    diameter: float = field(metadata={"help": "longest dimension of the particle, angstrom"})
    out: str = field(metadata={"help": "folder to write"})
    method: str = field(default=methods.DEFAULT, metadata={"help": "which picker"})
    weights: str | None = field(default=None, metadata={"help": "folder; the shipped ones if null"})
    pixel_size: float | None = field(default=None, metadata={"help": "angstrom; overrides headers"})
    invert: bool = field(default=False, metadata={"help": "particles are bright"})
    threshold: float | None = field(default=None, metadata={"help": "least score; the method's"})
    distance: float | None = field(
        default=None, metadata={"help": "least distance of two picks, angstrom; the method's own"}
    )
    decode: Mapping[str, Any] = field(
        default_factory=dict,
        metadata={"help": "changes to the method's decoder, as {mass:{cutoff:10.3}}"},
    )
    margin: float = field(default=0.0, metadata={"help": "border without picks, angstrom"})
    subpixel: bool = field(default=False, metadata={"help": "fractions of pixels in STAR files"})
    pictures: int = field(default=24, metadata={"help": "in the report at most, evenly chosen"})
    shards: int = field(default=1, metadata={"help": "parts to share the micrographs out in"})
    shard: Shard = field(default=None, metadata={"help": "part to pick, 0 to shards - 1, or slurm"})
    overwrite: bool = field(default=False, metadata={"help": "replace picks of other settings"})
    log: LogSpec = LogSpec()
    apple: AppleSpec = AppleSpec()
    template: TemplateSpec = TemplateSpec()

    def __post_init__(self) -> None:
        require(bool(self.out), "out", self.out, "a file or folder")
        self.data.require_if_none("micrographs", self.micrographs)
        for name in ("diameter", "pixel_size", "distance"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "angstrom above 0")
        require(self.margin >= 0, "margin", self.margin, "angstrom, 0 or above")
        require(self.pictures >= 0, "pictures", self.pictures, "0 or more")
        check_shard(self.shards, self.shard)
        alone = self.shards == 1 or not self.overwrite
        require(alone, "overwrite", self.overwrite, "false where each part would drop the others'")
        known = f"one of {', '.join(methods.NAMES)}"
        require(self.method in methods.NAMES, "method", self.method, known)
        for name in methods.UNTRAINED:
            own = getattr(self, name)
            if name != self.method and own != type(own)():
                raise SpecError(f"{name}: these settings change nothing with method={self.method}")


def run(spec: PickSpec, truth: Sequence[Picks] = ()) -> int:
    """Pick every micrograph; return 1 if any was left out, else 0. `truth` is only drawn."""
    number = shard_number(spec.shards, spec.shard)
    picker = (loaded := load_picker(spec)).picker
    folder = PickFolder(
        path=Path(spec.out),
        threshold=picker.threshold if spec.threshold is None else spec.threshold,
        diameter_angstrom=spec.diameter,
        subpixel=spec.subpixel,
    )
    jobs = find_jobs(spec.data.micrographs(spec.micrographs), spec.pixel_size)
    shared = ("method", "diameter", "pixel_size", "invert", "margin")
    scoring = {name: getattr(spec, name) for name in shared} | {"decode": as_plain(loaded.decode)}
    with folder.held({"weights": loaded.source, **scoring}, spec.overwrite):
        _provenance.write(folder.path, spec)
        return _pick_into(folder, spec, loaded, jobs, number, truth)


def _pick_into(
    folder: PickFolder,
    spec: PickSpec,
    loaded: Loaded,
    jobs: Sequence[Job],
    number: int | None,
    truth: Sequence[Picks],
) -> int:
    picker = loaded.picker
    try:
        part = part_of(jobs, spec.shards, number)
        found, problems = pick_all(part, picker, folder, spec.invert)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("pick: stopped; the same command goes on from here") from None
    if number is not None:
        return _tell_part(spec, number, len(found), problems)
    folder = settle_threshold(folder, picker, found)
    others = {*methods.UNTRAINED} - {spec.method}
    settings = {name: value for name, value in as_plain(spec).items() if name not in others}
    settings |= {"threshold": folder.threshold, "weights_card": loaded.card.get("name")}
    counts = folder.write_totals(found, problems, settings)
    if not found:
        raise InputError(f"none of {len(jobs)} micrographs could be picked; {problems[0]}")
    folder.write_report(found, problems, settings, spec.pictures, truth)
    _tell_problems(problems)
    left_out = f" ({len(problems)} left out)" if problems else ""
    print(f"{sum(counts.values())} picks in {len(counts)} micrographs{left_out} -> {folder.path}")
    return 1 if problems else 0


def _tell_part(spec: PickSpec, number: int, count: int, problems: Sequence[str]) -> int:
    _tell_problems(problems)
    print(
        f"part {number} of {spec.shards}: {count} micrographs -> {spec.out}; after all parts, the same "
        "command without shards= and shard= writes picks.star, picks.csv, pick.json and the report"
    )
    return 1 if problems else 0


def _tell_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)


if __name__ == "__main__":
    from experiments._hydra import main

    main(PickSpec, run)
