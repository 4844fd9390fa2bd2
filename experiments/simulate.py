"""Simulate micrographs with exact truth.

    python -m experiments.simulate out=simulated count=10 seed=1
    python -m experiments.simulate out=simulated simulator.structures='pdb/*.cif.gz' simulator.num_phantoms=0
    python -m experiments.simulate out=noisy simulator.priors.microscope.dose_e_per_angstrom2=[10,15]

Particles are procedural phantoms unless structures (PDB, mmCIF) or density maps are given. Writes micrographs/*.mrc,
masks/*.mrc (0 background, 1 particle, 2 particle that a picker is not judged on, 10 + class contaminant), truth/*.json,
particles.star (RELION 3.1: sub-pixel centres, Euler angles, defocus; d' as figure of merit) and simulate.json. The same
seed gives the same files; run again after an interruption, it goes on where it stopped.

Molecules are shown by the nearest of num_views views, whose angles the STAR file holds; for evaluation sets,
simulator.exact_poses=true slices each at the direction that was drawn, at a few milliseconds a particle.

Particles can be put on particle-free micrographs of your own, or into noise that is like that of your micrographs:
simulator.background.micrographs='empty/*.mrc' or simulator.background.spectrum='data/*.mrc'.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax

from experiments import _provenance
from jaxpick import rngs
from jaxpick.io import simulated_folder as folder
from jaxpick.io.backgrounds import BackgroundSpec, read_surroundings
from jaxpick.io.specimens import SpecimensSpec, read_specimens
from jaxpick.simulate.bank import MAX_BOX_SHARE, Bank, BankSpec, build_bank
from jaxpick.simulate.distractors import require_slots
from jaxpick.simulate.phantoms import PhantomSpec
from jaxpick.simulate.poses import bank_volumes
from jaxpick.simulate.priors import PixelAngstrom, Priors
from jaxpick.simulate.render import simulate_micrograph
from jaxpick.simulate.specimens import Specimen, diameter_angstrom
from jaxpick.spec import as_plain, require


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulatorSpec:
    """Which molecules, and what micrographs may look like."""

    num_phantoms: int = 6
    phantom_seed: int = 0
    phantoms: PhantomSpec = PhantomSpec(max_diameter_angstrom=350.0)
    structures: str | None = None
    maps: str | None = None
    exclude: tuple[str, ...] = ()
    num_views: int = 256
    exact_poses: bool = False
    background: BackgroundSpec = BackgroundSpec()
    priors: Priors = Priors(pixel=PixelAngstrom(pixel_angstrom=(4.0, 4.0)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulateSpec:
    """Settings of one set of micrographs."""

    out: str = dataclasses.field(metadata={"help": "folder to write"})
    count: int = dataclasses.field(default=10, metadata={"help": "number of micrographs"})
    seed: int = dataclasses.field(default=0, metadata={"help": "of everything drawn"})
    size: tuple[int, int] = dataclasses.field(
        default=(1024, 1024), metadata={"help": "pixels, [y,x]"}
    )
    max_particles: int = dataclasses.field(
        default=1000, metadata={"help": "in the field and its margin"}
    )
    max_distractors: int = dataclasses.field(
        default=128, metadata={"help": "aggregated and small molecules"}
    )
    simulator: SimulatorSpec = SimulatorSpec()

    def __post_init__(self) -> None:
        require(self.count >= 1, "count", self.count, "1 or more")
        require(min(self.size) >= 64, "size", self.size, "64 pixels or more along each axis")
        require(self.max_particles >= 1, "max_particles", self.max_particles, "1 or more")
        require_slots(self.simulator.priors.contaminants, self.max_distractors)


def run(spec: SimulateSpec) -> int:
    """Simulate what is not there yet, then gather the truth."""
    out = Path(spec.out)
    real = read_surroundings(spec.simulator.background, spec.simulator.priors, spec.size)
    specimens = choose_specimens(spec.simulator)
    bank = make_bank(specimens, spec.simulator)
    settings = {name: value for name, value in as_plain(spec).items() if name != "out"}
    with folder.held_for(out, settings):
        _provenance.write(out, spec)
        largest = float(max(diameter_angstrom(specimen) for specimen in specimens))
        priors = with_room(spec.simulator.priors, largest)
        volumes = bank_volumes(specimens, bank) if spec.simulator.exact_poses else None
        limits = (spec.size, spec.max_particles, spec.max_distractors)
        simulate = jax.jit(
            lambda key, bank, *given: simulate_micrograph(key, priors, bank, *limits, *given)
        )
        stream, start = rngs.stream(spec.seed, "simulate"), time.monotonic()
        left = [index for index in range(spec.count) if not folder.is_finished(out, index)]
        for done, index in enumerate(left, start=1):
            around = real.at(spec.seed, index, spec.size) if real else None
            drawn = simulate(rngs.at_step(stream, index), bank, volumes, around)
            folder.save_simulated(out, index, drawn)
            rate = done / (time.monotonic() - start)
            told = f"{rate:.2f}/s, {(len(left) - done) / rate:.0f} s left"
            print(f"{index + 1}/{spec.count}: {told}", flush=True)
        truth = folder.gather_truth(out, spec.count)
        folder.write_summary(out, [species(specimen) for specimen in specimens], truth)
    print(f"{sum(map(len, truth))} particles in {spec.count} micrographs -> {out}/particles.star")
    return 0


def species(specimen: Specimen) -> dict[str, Any]:
    """Return what simulate.json says of a molecule."""
    diameter = float(diameter_angstrom(specimen))
    return {"name": specimen.name, "mass_kda": specimen.mass_kda, "diameter_angstrom": diameter}


def choose_specimens(spec: SimulatorSpec) -> list[Specimen]:
    """Return phantoms, structures and maps, in this order."""
    chosen = SpecimensSpec(
        num_phantoms=spec.num_phantoms,
        phantom_seed=spec.phantom_seed,
        phantoms=spec.phantoms,
        structures=spec.structures,
        maps=spec.maps,
        exclude=spec.exclude,
    )
    specimens = read_specimens(chosen, report=print)
    require(len(specimens) > 0, "simulator", len(specimens), "phantoms, structures or maps")
    return specimens


def make_bank(specimens: list[Specimen], spec: SimulatorSpec) -> Bank:
    """Return views at the finest pixel that will be drawn, in the smallest box that holds every molecule."""
    if not isinstance(spec.priors.pixel, PixelAngstrom):
        views = BankSpec(
            num_views=spec.num_views, diameter_px=spec.priors.pixel.diameter_px[1] * 1.2, box_px=64
        )
        return build_bank(specimens, views)
    pixel = spec.priors.pixel.pixel_angstrom[0]
    largest = max(diameter_angstrom(specimen) for specimen in specimens)
    box_px = 2 * (int(largest / pixel / MAX_BOX_SHARE / 2) + 2)
    return build_bank(
        specimens, BankSpec(num_views=spec.num_views, pixel_angstrom=pixel, box_px=box_px)
    )


def with_room(priors: Priors, largest_angstrom: float) -> Priors:
    """Return the priors with patches that hold the largest molecule, and no larger."""
    if not isinstance(priors.pixel, PixelAngstrom):
        return priors
    pixel = dataclasses.replace(priors.pixel, largest_particle_angstrom=1.05 * largest_angstrom)
    return dataclasses.replace(priors, pixel=pixel)


if __name__ == "__main__":
    from experiments._hydra import main

    main(SimulateSpec, run)
