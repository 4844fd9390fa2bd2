r"""Convert particle coordinates between programs.

    python -m experiments.convert input=picks.csv output=particles.star
    python -m experiments.convert input=particles.star output=boxes/ output_format=box box_size=200
    python -m experiments.convert input='labels/*.csv' output=labels.star micrographs='data/*.mrc'
    python -m experiments.convert input=job/particles.cs output=picks.star subpixel=true

Formats: star and star30 (RELION from 3.1, and before), box and json (EMAN2), cbox (crYOLO), topaz,
csv, cryoppp, cs (cryoSPARC); by suffix and heading where left out. An output ending in a slash is a
folder with one file for each micrograph, as box, json, cbox and cryoppp need for several. Whole
pixels are written where the program that reads them cuts fractions off; subpixel=true keeps them.
cryoSPARC and CryoPPP count y from the other end: flip_y and output_flip_y overrule that, or flip
any other format. Exit status 1: names without partner, or coordinates off their micrograph.
"""

import dataclasses
from dataclasses import field
from typing import Literal

from experiments._headers import read_headers, with_pixel_sizes
from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import InputError
from jaxpick.io.names import describe_mismatch, match_names, split_inside
from jaxpick.io.nouns import Picks
from jaxpick.spec import require

FormatName = Literal["star", "star30", "cbox", "box", "json", "topaz", "csv", "cryoppp", "cs"]
Shape = tuple[int, int]
FLIP = "mirror y on reading: true or false in place of the format's own convention"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertSpec:
    """Settings of one conversion."""

    input: str = field(metadata={"help": "file, folder or glob of coordinates"})
    output: str = field(metadata={"help": "file, or folder (ending in a slash) for one file each"})
    format: FormatName | None = field(default=None, metadata={"help": "of the input"})
    output_format: FormatName | None = field(default=None, metadata={"help": "of the output"})
    pixel_size: float | None = field(default=None, metadata={"help": "angstrom, if no file says"})
    box_size: int | None = field(default=None, metadata={"help": "pixels, for formats of boxes"})
    diameter: float | None = field(default=None, metadata={"help": "of the particle, angstrom"})
    shape: Shape | None = field(default=None, metadata={"help": "[height,width] in pixels"})
    micrographs: str | None = field(
        default=None, metadata={"help": "tell sizes, in place of shape"}
    )
    subpixel: bool = field(default=False, metadata={"help": "keep fractions of pixels"})
    flip_y: bool | None = field(default=None, metadata={"help": FLIP})
    output_flip_y: bool | None = field(default=None, metadata={"help": "the same on writing"})
    scale: float = field(default=1.0, metadata={"help": "micrograph pixels a unit of the input"})
    output_scale: float = field(default=1.0, metadata={"help": "the same for the output"})
    apply_origins: bool = field(default=False, metadata={"help": "subtract RELION's origins"})
    drop_outside: bool = field(default=False, metadata={"help": "leave out those off the image"})

    def __post_init__(self) -> None:
        for name in ("input", "output"):
            require(bool(getattr(self, name)), name, getattr(self, name), "a file or folder")
        for name in ("pixel_size", "box_size", "diameter", "scale", "output_scale"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "a number above 0")
        require(self.shape is None or min(self.shape) > 0, "shape", self.shape, "[height,width]")


def run(spec: ConvertSpec) -> int:
    """Convert, print what was written, and return 1 if something needs a look, else 0."""
    headers, num_problems = read_headers(spec.micrographs)
    shapes = {name: header.shape for name, header in headers.items()}
    read = read_picks(
        spec.input,
        spec.format,
        micrograph_shape=shapes or spec.shape,
        pixel_size_angstrom=spec.pixel_size,
        diameter_angstrom=spec.diameter,
        flip_y=spec.flip_y,
        apply_origins=spec.apply_origins,
        scale=spec.scale,
    )
    picks, messages = check(with_pixel_sizes(read, headers), shapes, spec)
    files = write_picks(
        picks,
        spec.output,
        spec.output_format,
        micrograph_shape=shapes or spec.shape,
        diameter_angstrom=spec.diameter,
        box_size_px=spec.box_size,
        subpixel=spec.subpixel,
        flip_y=spec.output_flip_y,
        scale=spec.output_scale,
    )
    where = files[0] if len(files) == 1 else f"{len(files)} files in {spec.output}"
    total = sum(len(part) for part in picks)
    print(*messages, f"{total} coordinates of {len(picks)} micrographs: {where}", sep="\n")
    return 1 if num_problems or messages else 0


def check(
    picks: list[Picks], shapes: dict[str, Shape], spec: ConvertSpec
) -> tuple[list[Picks], list[str]]:
    """Return what to write, and a sentence each on names that do not match and centres off it."""
    if not picks:
        raise InputError(f"{spec.input}: has no coordinates")
    names = [part.micrograph for part in picks]
    sizes: dict[str, Shape] = dict.fromkeys(names, spec.shape) if spec.shape else {}
    messages = []
    if shapes:
        matched = match_names(names, list(shapes))
        sizes = {name: shapes[found] for name, found in matched.pairs.items()}
        messages += [message] if (message := describe_mismatch(matched)) else []
    split = [
        split_inside(p, sizes[p.micrograph]) if p.micrograph in sizes else (p, 0) for p in picks
    ]
    num_outside = sum(count for _, count in split)
    if num_outside:
        done = "left out" if spec.drop_outside else "written too"
        messages.append(f"{num_outside} coordinates lie off their micrograph ({done})")
    return [part for part, _ in split] if spec.drop_outside else picks, messages


if __name__ == "__main__":
    from experiments._hydra import main

    main(ConvertSpec, run)
