"""Seconds of cryojax for particle images: `cryojax_particles.py '{"box_px": 64, "particles": 200, "runs": 5}'`."""

import json
import sys
import time

import cryojax.simulator as cxs
import equinox as eqx
import jax
import jax.numpy as jnp


def main(box_px, particles, runs):
    """Time a jitted batch of Fourier slices with a contrast transfer, poses and defocus drawn before."""
    volume = cxs.FourierVoxelGridVolume.from_real_voxel_grid(
        jax.random.normal(jax.random.key(0), (box_px,) * 3)
    )
    angles = jax.random.uniform(jax.random.key(1), (particles, 3), maxval=360.0)

    @eqx.filter_jit
    def draw(volume, angles):
        def one(angle):
            # It keeps what it computes, so that each trace needs its own.
            config = cxs.BasicImageConfig((box_px,) * 2, pixel_size=4.0, voltage_in_kilovolts=300.0)
            model = cxs.make_image_model(
                volume,
                config,
                cxs.EulerAnglePose(phi_angle=angle[0], theta_angle=angle[1], psi_angle=angle[2]),
                cxs.ContrastTransferTheory(cxs.AstigmaticCTF(defocus_in_angstroms=15000.0)),
            )
            return model.simulate()

        return jax.lax.map(one, angles, batch_size=16)

    seconds = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        assert bool(jnp.all(jnp.isfinite(jax.block_until_ready(draw(volume, angles)))))
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
