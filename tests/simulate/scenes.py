"""A bank of Gaussian blobs whose projections are known in closed form, and small priors, for tests of scenes."""

import jax.numpy as jnp
import numpy as np

from jaxpick.simulate.bank import Bank
from jaxpick.simulate.priors import (
    ContaminantsPrior,
    DetectorPrior,
    IcePrior,
    MicroscopePrior,
    PixelAngstrom,
    Priors,
    ProcessingPrior,
    ScenePrior,
)
from jaxpick.simulate.rotations import fibonacci_views_deg

CLEAN = ContaminantsPrior(amount=0.0)
UNPROCESSED = ProcessingPrior(
    low_pass_probability=0.0,
    high_pass_probability=0.0,
    local_contrast_probability=0.0,
    tone_probability=0.0,
    eight_bit_probability=0.0,
)
PERFECT_CAMERA = DetectorPrior(
    gain_probability=0.0,
    hot_pixel_fraction=(1e-9, 1e-9),
    vignetting=(0.0, 0.0),
    noise_dip_probability=0.0,
    read_noise_probability=0.0,
    beam_edge_probability=0.0,
    dead_pixel_fraction=(1e-9, 1e-9),
    scratch_probability=0.0,
    local_blur_probability=0.0,
)
FLAT_ICE = IcePrior(
    gradient=(0.0, 0.0), mottling=(0.0, 0.0), structure=(1e-6, 1e-6), texture_probability=0.0
)


def blob_bank(
    sigma_angstrom: tuple[float, ...] = (15.0,),
    offset_angstrom: tuple[float, float] = (0.0, 0.0),
    height: float = 400.0,
    box: int = 32,
    pixel: float = 4.0,
    num_views: int = 4,
) -> Bank:
    """Return a bank of round Gaussians (volt angstrom) at an offset (y, x) from the centre."""
    y, x = np.mgrid[:box, :box] - box // 2
    square = (y * pixel - offset_angstrom[0]) ** 2 + (x * pixel - offset_angstrom[1]) ** 2
    views = [height * np.exp(-square / (2 * sigma**2)) for sigma in sigma_angstrom]
    num = len(sigma_angstrom)
    sigma = np.asarray(sigma_angstrom)
    return Bank(
        views=jnp.asarray(np.repeat(np.stack(views)[:, None], num_views, axis=1), jnp.float32),
        euler_deg=jnp.asarray(fibonacci_views_deg(num_views), jnp.float32),
        pixel_angstrom=jnp.full((num,), pixel, jnp.float32),
        diameter_angstrom=jnp.asarray(4 * sigma, jnp.float32),
        mass_kda=jnp.asarray(1e-3 * 0.81 * 33.5 * sigma**3, jnp.float32),
        group=jnp.arange(num, dtype=jnp.int32),
        is_intact=jnp.ones((num,), bool),
    )


def plain_priors(**parts: object) -> Priors:
    """Return priors without contaminants, processing, camera faults and ice structure, but for `parts`."""
    chosen: dict[str, object] = {
        "pixel": PixelAngstrom(pixel_angstrom=(5.0, 5.0), largest_particle_angstrom=70.0),
        "microscope": MicroscopePrior(
            phase_plate_probability=0.0, voltage_weights=(1.0, 0.0, 0.0, 0.0)
        ),
        "ice": FLAT_ICE,
        "detector": PERFECT_CAMERA,
        "scene": ScenePrior(
            empty_probability=0.0, coverage=(0.2, 0.2), target_mass_kda=(1e-3, 1e6)
        ),
        "contaminants": CLEAN,
        "processing": UNPROCESSED,
    }
    return Priors(**(chosen | parts))  # type: ignore[arg-type]
