"""Micrographs to pick: simulated at 4.2 angstrom, brought to 1.05 angstrom and given the noise of fine pixels."""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments.simulate import SimulatorSpec, choose_specimens, make_bank, with_room
from jaxpick.io.mrc import write_mrc
from jaxpick.numerics.fourier import fourier_pad
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.phantoms import PhantomSpec
from jaxpick.simulate.priors import PixelAngstrom, Priors, ScenePrior
from jaxpick.simulate.render import simulate_micrograph
from jaxpick.simulate.specimens import diameter_angstrom

SIDE = 4096
FINE_ANGSTROM, COARSE_ANGSTROM = 1.05, 4.2
DIAMETER_ANGSTROM = 180.0
FINE_NOISE = 3.0


def simulator(largest_angstrom: float, coverage: float) -> tuple[Bank, Priors]:
    """Return the views and the priors of fields at 4.2 angstrom a pixel, with every distractor."""
    phantoms = PhantomSpec(max_diameter_angstrom=largest_angstrom)
    scene = ScenePrior(empty_probability=0.0, layout_weights=(1.0, 0.0, 0.0, 0.0))
    scene = ScenePrior(**{**vars(scene), "coverage": (coverage, coverage), "contact": (0.8, 0.8)})
    priors = Priors(
        pixel=PixelAngstrom(pixel_angstrom=(COARSE_ANGSTROM, COARSE_ANGSTROM)), scene=scene
    )
    spec = SimulatorSpec(num_phantoms=4, phantoms=phantoms, priors=priors)
    specimens = choose_specimens(spec)
    largest = max(diameter_angstrom(specimen) for specimen in specimens)
    return make_bank(specimens, spec), with_room(priors, largest)


def write_micrographs(folder: Path, count: int, side: int = SIDE) -> Path:
    """Write square float32 MRC files of 1.05 angstrom a pixel; return the folder."""
    bank, priors = simulator(250.0, 0.25)

    @jax.jit
    def draw(key: jax.Array) -> jax.Array:
        scene, noise = jax.random.split(key)
        image = simulate_micrograph(scene, priors, bank, (side // 4, side // 4), 1000, 64).image
        fine = fourier_pad((image - jnp.mean(image)) / jnp.std(image), (side, side))
        return fine + FINE_NOISE * jax.random.normal(noise, (side, side))

    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image = np.asarray(draw(jax.random.key(index)))
        write_mrc(folder / f"micrograph_{index}.mrc", image, FINE_ANGSTROM)
    return folder


def temporary_folder() -> tempfile.TemporaryDirectory:
    """Return a folder that goes when the benchmark ends."""
    return tempfile.TemporaryDirectory(prefix="jaxpick-benchmark-")
