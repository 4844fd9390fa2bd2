"""Seconds of ASPIRE's MicrographSimulation: `aspire_micrograph.py '{"size": 1024, "particles": 200, ...}'`."""

import json
import sys
import time

import numpy as np
from aspire.noise import WhiteNoiseAdder
from aspire.operators import RadialCTFFilter
from aspire.source import MicrographSimulation
from aspire.volume import LegacyVolume


def main(size, particles, particle_px, runs):
    """Time whole micrographs, of which none is kept."""
    volume = LegacyVolume(L=particle_px, C=1, pixel_size=4.0, dtype=np.float32).generate()
    seconds = []
    for seed in range(runs + 1):
        start = time.perf_counter()
        source = MicrographSimulation(
            volume,
            seed=seed,
            particles_per_micrograph=particles,
            micrograph_count=1,
            micrograph_size=size,
            interparticle_distance=1,
            ctf_filters=[RadialCTFFilter(voltage=300, defocus=15000)],
            noise_adder=WhiteNoiseAdder(1e-3),
        )
        assert source.images[0].asnumpy().shape[-1] == size
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
