"""Synthetic micrographs.

1024 x 1024 pixels of 4 angstrom, about 1000 particles of 110 angstrom, every contaminant as often as the priors say,
exact truth with each particle's SNR, masks and visible shares; one after another, each with a key of its own. The peers
draw fewer things: ASPIRE's MicrographSimulation 1000 particles, a transfer function and white noise; cryojax single
particle images of 64 pixels, a Fourier slice and a transfer function each, beside a particle's share of our micrograph.
The floor is the reading or writing of twenty planes of the field: two of potential and absorption, two spectra and
back, noise of ice and shot, the image, and eight of labels.
"""

import math
from itertools import count

import jax

from benchmarks import _machine, _peers
from benchmarks._micrographs import simulator
from benchmarks._report import Row, main
from benchmarks._timing import Timing, repeated
from jaxpick.simulate.render import field_shape, simulate_micrograph

SIDE, SLOTS, DIAMETER_ANGSTROM = 1024, 1300, 120.0
PARTICLES, PARTICLE_PX, FLOOR_PLANES = 1000, 34, 20


def measure(runs: int) -> list[Row]:
    """Return a micrograph's time against ASPIRE's, and a particle's against cryojax's."""
    bank, priors = simulator(DIAMETER_ANGSTROM, 0.53)
    draw = jax.jit(lambda key: simulate_micrograph(key, priors, bank, (SIDE, SIDE), SLOTS, 128))
    seeds = count()
    ours = repeated(lambda: draw(jax.random.key(next(seeds))), 4 * runs)
    particles = float(
        sum(int(draw(jax.random.key(seed)).truth.valid.sum()) for seed in range(8)) / 8
    )
    plane_bytes = 4.0 * math.prod(field_shape((SIDE, SIDE), priors.patch_px))
    aspire = _peers.ask(
        *("aspire", "aspire_micrograph.py"),
        **{"size": SIDE, "particles": PARTICLES, "particle_px": PARTICLE_PX, "runs": runs},
    )
    cryojax = _peers.ask(
        "cryojax", "cryojax_particles.py", box_px=64, particles=PARTICLES, runs=runs
    )
    few = Timing(ours.seconds[::4])
    return [
        Row(
            figure=f"a micrograph, {particles:.0f} particles on average",
            ours=few,
            peer=f"ASPIRE {_peers.version('aspire', 'aspire')}",
            theirs=None if aspire is None else Timing(tuple(aspire)),
            floor_seconds=FLOOR_PLANES * plane_bytes / _machine.bytes_per_second(),
            target="30; 0.1 s",
        ),
        Row(
            figure="a particle's share of it",
            ours=few.divided(particles),
            peer=f"cryojax {_peers.version('cryojax', 'cryojax')}, a particle image",
            theirs=None if cryojax is None else Timing(tuple(cryojax)).divided(PARTICLES),
        ),
    ]


if __name__ == "__main__":
    main(measure, __doc__ or "", "simulator")
