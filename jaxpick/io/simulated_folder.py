"""The folder that `simulate` writes: micrographs, masks, and the truth as RELION's particle table."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import InputError, write_text
from jaxpick.io.locks import joint_writer
from jaxpick.io.mrc import write_mrc
from jaxpick.io.nouns import Picks, make_picks
from jaxpick.simulate.planes import CLASSES
from jaxpick.simulate.simulated import Simulated
from jaxpick.simulate.targets import RECORDED, judge

# Labels of the masks: background 0, particles 1, particles that a picker is not judged on 2,
# contaminants CONTAMINANT + their class.
PARTICLE, IGNORED, CONTAMINANT = 1, 2, 10


def micrograph_name(index: int) -> str:
    """Return the file name of a simulated micrograph."""
    return f"simulated_{index:05d}.mrc"


@contextlib.contextmanager
def held_for(folder: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """Keep micrographs of other settings out of a folder as long as it is used, and ever after.

    Args:
        folder: made if missing.
        settings: plain data that decide each micrograph, and their `count`, which may change; kept
            in `settings.json`.

    Raises:
        InputError: when micrographs of other settings are there, or are being made by another
            process.
    """
    path = folder / "settings.json"
    new = json.loads(json.dumps(settings))

    def prepare(is_alone: bool) -> None:
        old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else new
        named = [name for name in {**old, **new} if name != "count"]
        differing = [name for name in named if old.get(name) != new.get(name)]
        is_begun = any((folder / "truth").glob("[!.]*.json"))
        if differing and (is_begun or not is_alone):
            raise InputError(
                f"{folder}: holds micrographs simulated with another {', '.join(differing)}; give "
                "another out="
            )
        if is_alone:
            write_text(path, json.dumps(new, indent=1) + "\n")

    with joint_writer(folder, prepare):
        yield


def is_finished(folder: Path, index: int) -> bool:
    """Return whether a micrograph stands there whole, with its mask; its truth is written last."""
    name = micrograph_name(index)
    images = (folder / "micrographs" / name, folder / "masks" / name)
    return all(path.is_file() for path in (_truth_file(folder, index), *images))


def save_simulated(folder: Path, index: int, simulated: Simulated) -> None:
    """Write one micrograph (float32 MRC), its mask (labels as above) and its truth."""
    name, pixel = micrograph_name(index), float(simulated.pixel_size_angstrom)
    write_mrc(folder / "micrographs" / name, np.asarray(simulated.image), pixel)
    write_mrc(folder / "masks" / name, label_mask(simulated), pixel)
    write_text(_truth_file(folder, index), json.dumps(truth_columns(simulated)))


def label_mask(simulated: Simulated) -> Int[np.ndarray, "y x"]:
    """Return the label of each pixel (see above); an ignored particle's disc reaches to what surrounds it."""
    classes, is_ignored = np.asarray(simulated.contaminant_mask), np.asarray(simulated.ignore_mask)
    around = np.where(is_ignored, IGNORED, 0)
    around = np.where(classes > 0, CONTAMINANT + classes, around)
    overlap = np.append(0.0, simulated.truth.overlap_fraction)[np.asarray(simulated.instance)]
    is_ignored = is_ignored | (overlap > RECORDED.drop_overlap)
    particle = np.where(is_ignored, IGNORED, PARTICLE)
    return np.where(np.asarray(simulated.mask_mass), particle, around).astype(np.int16)


def truth_columns(simulated: Simulated) -> dict[str, Any]:
    """Return the whole particles whose centre is inside, column by column, as plain numbers.

    Particles that another covers over more than 0.6 of their disc are left out (`targets.RECORDED`).

    `z_angstrom` is the height in the ice (layer 0 lies on top, 1 below, 2 in between); RELION takes a table with a
    column for z for a tomogram's, so the STAR file has none. `contrast` is the factor on the projected potential, in
    the STAR file rlnCtfScalefactor. `is_judged` is False where the mask says ignored; `contaminant` is what lies at
    the centre; `view` is that of the bank. `rln...` columns go into the STAR file; Euler angles are RELION's (rot,
    tilt, psi), defocus is in angstrom, rlnClassNumber is the species counted from 1.
    """
    truth = {f.name: np.asarray(getattr(simulated.truth, f.name)) for f in fields(simulated.truth)}
    keep = truth["valid"] & truth["is_inside"] & ~truth["is_broken"]
    keep &= truth["overlap_fraction"] <= RECORDED.drop_overlap
    angles = {
        f"rlnAngle{n}": truth["euler_deg"][keep, i] for i, n in enumerate(("Rot", "Tilt", "Psi"))
    }
    optics = {
        "rlnVoltage": simulated.optics.voltage_kv,
        "rlnSphericalAberration": simulated.optics.spherical_aberration_mm,
        "rlnAmplitudeContrast": simulated.optics.amplitude_contrast,
        "rlnPhaseShift": simulated.optics.phase_shift_deg,
        "rlnDefocusAngle": simulated.optics.astigmatism_deg,
    }
    columns = {
        "x": truth["centre_yx_px"][keep, 1],
        "y": truth["centre_yx_px"][keep, 0],
        "diameter_angstrom": truth["diameter_angstrom"][keep],
        **angles,
        "rlnDefocusU": truth["defocus_angstrom"][keep, 0],
        "rlnDefocusV": truth["defocus_angstrom"][keep, 1],
        **{name: np.full(keep.sum(), float(value)) for name, value in optics.items()},
        "rlnCtfScalefactor": truth["contrast"][keep],
        "rlnClassNumber": truth["species"][keep] + 1,
        "z_angstrom": truth["z_angstrom"][keep],
        "contrast": truth["contrast"][keep],
        "overlap_fraction": truth["overlap_fraction"][keep],
        "visible_fraction": truth["visible_fraction"][keep],
        "snr": truth["snr"][keep],
        "dprime": truth["dprime"][keep],
        "is_judged": np.asarray(judge(simulated.truth, RECORDED)[0])[keep],
        "contaminant": np.array(CLASSES)[truth["contaminant"][keep]],
        "layer": truth["layer"][keep],
        "view": truth["view"][keep],
    }
    return {
        "pixel_size_angstrom": float(simulated.pixel_size_angstrom),
        "dose_e_per_angstrom2": float(simulated.dose_e_per_angstrom2),
        "columns": {name: np.asarray(values).tolist() for name, values in columns.items()},
    }


def gather_truth(folder: Path, count: int) -> list[Picks]:
    """Write `particles.star` from the truth of all micrographs, with d' as the figure of merit, and return it."""
    truth = [_read_truth(folder, index) for index in range(count)]
    write_picks(truth, folder / "particles.star", subpixel=True)
    return truth


def read_truth(folder: Path) -> list[Picks]:
    """Read `particles.star` back."""
    return read_picks(folder / "particles.star")


def write_summary(folder: Path, species: Sequence[dict[str, Any]], truth: Sequence[Picks]) -> None:
    """Write `simulate.json`: the species with mass and diameter, and the number of particles of each micrograph."""
    counts = {picks.micrograph: len(picks) for picks in truth}
    summary = {"species": list(species), "particles": counts, "total": sum(counts.values())}
    write_text(folder / "simulate.json", json.dumps(summary, indent=1))


def _truth_file(folder: Path, index: int) -> Path:
    return folder / "truth" / f"{Path(micrograph_name(index)).stem}.json"


def _read_truth(folder: Path, index: int) -> Picks:
    record = json.loads(_truth_file(folder, index).read_text(encoding="utf-8"))
    columns = {name: np.asarray(values) for name, values in record["columns"].items()}
    return make_picks(
        f"micrographs/{micrograph_name(index)}",
        columns["x"],
        columns["y"],
        columns["dprime"],
        columns["diameter_angstrom"],
        pixel_size_angstrom=record["pixel_size_angstrom"],
        extra={name: values for name, values in columns.items() if name.startswith("rln")},
    )
