"""How long does picking take? The question of PARSED's Table S6 (Yao, Qian and Huang 2020), for every method.

    python -m experiments.parsed_time out=studies/time
    python -m experiments.parsed_time out=studies/time methods=[parsed,unet] micrographs='job/*.mrc' diameter=180

The paper times PARSED on two GTX 1080 Ti; DeepEM's paper has 7300 s for 2048 x 2048, DeepPicker's 90 s for 3710 x
3838. Each method picks with the weights that ship; the first micrograph, with which programs are compiled, does not
count, and of the others the least time does, since what else a machine does only adds to it. Reading, preparing
(filters, resampling) and picking (network, peaks) are told apart. Without `micrographs` they are noise of the sizes
given; picks are then few, which shortens the last part a little. Expected: time grows as the number of pixels, and
preparing costs as much as a small network. Writes table.csv, table.md and time.png.

Two cores: an estimated ten minutes for all methods and sizes, on a machine that does nothing else. One GPU: an
estimated five.
"""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments import _provenance, pick
from experiments import _study_plots as plots
from experiments._picker import load_picker
from experiments._study import finish, setting
from jaxpick.io.micrographs import find_micrographs, read_micrograph, write_mrc
from jaxpick.spec import require

METHODS = ("parsed", "unet", "deepem", "deeppicker", "topaz", "cryolo", "log")
SHOWN = {
    "megapixels": ("Mpx", 1),
    "seconds": ("seconds", 2),
    "read_seconds": ("reading", 2),
    "prepare_seconds": ("preparing", 2),
    "pick_seconds": ("picking", 2),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimeStudy:
    """Settings of the study."""

    out: str = dataclasses.field(metadata={"help": "folder to write"})
    methods: tuple[str, ...] = setting(METHODS, "names; those that learn with weights that ship")
    sizes: tuple[int, ...] = setting((1024, 2048, 4096), "sides of micrographs of noise, pixels")
    micrographs: str | None = setting(None, "files in place of noise: folder or glob")
    pixel_size: float | None = setting(1.5, "angstrom; null for that of the files")
    diameter: float = setting(180.0, "of the particle, angstrom")
    repeats: int = setting(3, "micrographs that count, of each size")

    def __post_init__(self) -> None:
        require(bool(self.methods), "methods", self.methods, "one name or more")
        require(self.repeats > 0, "repeats", self.repeats, "a positive number")
        known = bool(self.sizes) and min(self.sizes) >= 64
        require(known, "sizes", self.sizes, "64 pixels or more")
        require(self.diameter > 0, "diameter", self.diameter, "angstrom above 0")
        given = self.pixel_size is not None or self.micrographs is not None
        require(given, "pixel_size", None, "angstrom, as micrographs are drawn")


def run(spec: TimeStudy) -> int:
    """Pick each micrograph with each method and time it."""
    out = Path(spec.out)
    _provenance.write(out, spec)
    files = find_micrographs(spec.micrographs) if spec.micrographs else _noise(spec, out)
    rows = []
    for name in spec.methods:
        settings = pick.PickSpec(
            micrographs=str(files[0]), diameter=spec.diameter, out=str(out / name), method=name
        )
        picker = load_picker(settings).picker
        for size in dict.fromkeys(_shape(path, spec) for path in files):
            chosen = [path for path in files if _shape(path, spec) == size]
            timed = [_timed(picker, path, spec) for path in (chosen[0], *chosen[: spec.repeats])]
            best = min(timed[1:], key=lambda one: one["seconds"])
            about = {"condition": name, "set": f"{size[0]} x {size[1]}"}
            rows.append({**about, "megapixels": size[0] * size[1] / 1e6, **best})
            print(f"{name}, {about['set']}: {best['seconds']:.3g} s", flush=True)
    x, y = ("megapixels", "Megapixels"), {"seconds": "Seconds per micrograph"}
    plots.against(out / "time.png", rows, x, y, by="condition", top=None)
    return finish(spec, rows, shown=SHOWN)


def _timed(picker: Any, path: Path, spec: TimeStudy) -> dict[str, float]:
    """Return the seconds of one micrograph by part."""
    parts: dict[str, float] = {}

    def part(name: str, work: Callable[[], Any]) -> Any:
        start = time.monotonic()
        done = work()
        parts[f"{name}_seconds"] = time.monotonic() - start
        return done

    read = part("read", lambda: read_micrograph(path, spec.pixel_size))
    working = part("prepare", lambda: picker.prepare(read))
    part("pick", lambda: picker.candidates(working))
    return {"seconds": sum(parts.values()), **parts}


def _shape(path: Path, spec: TimeStudy) -> tuple[int, ...]:
    return read_micrograph(path, spec.pixel_size).image.shape


def _noise(spec: TimeStudy, out: Path) -> list[Path]:
    """Write micrographs of white noise, as many of each size as are timed."""
    paths = []
    for side in spec.sizes:
        for number in range(spec.repeats):
            path = out / "noise" / f"noise_{side}_{number}.mrc"
            field = np.random.default_rng([side, number]).normal(size=(side, side))
            if not path.exists():
                write_mrc(path, field.astype(np.float32), float(spec.pixel_size or 1.0))
            paths.append(path)
    return paths


if __name__ == "__main__":
    from experiments._hydra import main

    main(TimeStudy, run)
