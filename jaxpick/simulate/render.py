"""A micrograph from its priors: scene, phase and absorption planes, one lens, one detector, and its
exact truth.

Everything that scatters is added into one plane of phase and one of absorption over a field larger
than the micrograph, which passes one transfer function: fringes are never cut off by a box,
overlaps and gold come out right, and the cost hardly depends on the number of particles. All shapes are static; call
`simulate_batch` inside one jit.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxpick.numerics.fourier import smooth_next_size
from jaxpick.physics.constants import interaction_constant_rad_per_volt_angstrom
from jaxpick.physics.ice import relative_phase_density
from jaxpick.simulate.backgrounds import (
    Surroundings,
    background_of,
    blend,
    still_exposure,
    still_priors,
)
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.camera import expose
from jaxpick.simulate.contaminants import draw_contaminants, label_contaminants
from jaxpick.simulate.draws import uniform, units
from jaxpick.simulate.formation import form_image
from jaxpick.simulate.imaging import Exposure, draw_exposure
from jaxpick.simulate.planes import Planes, Site, size_of
from jaxpick.simulate.poses import Volumes, slice_poses
from jaxpick.simulate.priors import Priors
from jaxpick.simulate.processing import process
from jaxpick.simulate.roles import AGGREGATE, TARGET
from jaxpick.simulate.scene import Scene, draw_scene
from jaxpick.simulate.signal import particle_signal
from jaxpick.simulate.simulated import Simulated
from jaxpick.simulate.soluble_contaminants import Clumps
from jaxpick.simulate.splat import Splat, splat
from jaxpick.simulate.targets import RECORDED, ignored_pixels, of_pixel
from jaxpick.simulate.truth import make_truth
from jaxpick.typing import RandomKey

# Beyond half a patch, room for the fringes of what lies outside the micrograph.
FRINGE_PX = 12


def field_shape(shape: tuple[int, int], patch_px: int) -> tuple[int, int]:
    """Return the field for a micrograph: half a patch and fringes on each side, fast lengths."""
    margin = patch_px + 2 * FRINGE_PX
    return (smooth_next_size(shape[0] + margin), smooth_next_size(shape[1] + margin))


def simulate_micrograph(
    key: RandomKey,
    priors: Priors,
    bank: Bank,
    shape: tuple[int, int],
    max_particles: int,
    max_distractors: int,
    volumes: Volumes | None = None,
    surroundings: Surroundings | None = None,
) -> Simulated:
    """Draw one micrograph.

    Args:
        key: of this micrograph alone; the same key gives the same image on any number of devices.
        priors: static; its `patch_px` must hold every particle.
        bank: species and views; sampled about as finely as the micrograph will be.
        shape: (y, x) in pixels.
        max_particles: slots for particles in the micrograph and its margin.
        max_distractors: slots for members of aggregates and small proteins.
        volumes: of the bank's species; every molecule is then sliced at its true pose, for
            evaluation sets, instead of shown by its nearest view.
        surroundings: a real background, or measured noise, in place of the ice and the camera that
            the priors describe; sampled as the micrograph is, so that the priors' pixel is fixed.
    """
    scene_key, exposure_key, contrast_key, junk_key, field_key, camera_key, process_key = (
        jax.random.split(key, 7)
    )
    field = field_shape(shape, priors.patch_px)
    is_exact = volumes is not None
    scene = draw_scene(scene_key, priors, bank, field, max_particles, max_distractors, is_exact)
    exposure = draw_exposure(exposure_key, priors.microscope, priors.ice)
    pixel, background = scene.species_drawn.pixel_angstrom, None
    if surroundings is not None:
        background, priors = background_of(camera_key, surroundings, shape), still_priors(priors)
        exposure = still_exposure(exposure, background, pixel)
    shown, views = (scene, bank.views) if volumes is None else slice_poses(scene, volumes)
    molecules = splat(shown, views, field, priors.patch_px, max_particles)
    junk = _draw_junk(junk_key, priors, scene, field, max_particles)
    contrast = uniform(units(contrast_key, 1)[0], priors.scene.contrast_scale)
    exposure, signal = _set_exposure(priors, scene, exposure, molecules, contrast, max_particles)
    potential = contrast * molecules.potential + junk.potential
    intensity = form_image(field_key, potential, junk.absorption, exposure, pixel, priors)
    intensity = _middle(intensity, shape)
    if background is None:
        dose = exposure.dose_e_per_angstrom2
        image = expose(camera_key, intensity, dose, pixel, priors.detector)
    else:
        image = blend(background, intensity, exposure)
    diameter_px = scene.species_drawn.nominal_diameter_angstrom / pixel
    image = process(process_key, image, priors.processing, diameter_px)
    return _collect(image, scene, exposure, molecules, junk, contrast, signal, max_particles)


def _draw_junk(
    key: RandomKey, priors: Priors, scene: Scene, field: tuple[int, int], max_particles: int
) -> Planes:
    """Draw the contaminants that are painted, and what surrounds aggregates."""
    drawn = scene.species_drawn
    site = Site(
        pixel_angstrom=drawn.pixel_angstrom,
        diameter_angstrom=drawn.nominal_diameter_angstrom,
        field_angstrom=min(field) * drawn.pixel_angstrom,
    )
    middle = 0.5 * (jnp.asarray(field, jnp.float32) - 1.0)
    # Slots beyond the particles hold the members.
    members = slice(max_particles, max_particles + (scene.valid.shape[0] - max_particles) // 2)
    clumps = Clumps(
        places_angstrom=(scene.centre_yx_px[members] - middle[None, :]) * drawn.pixel_angstrom,
        radius_angstrom=0.5 * scene.diameter_px[members] * drawn.pixel_angstrom,
        valid=(scene.valid & (scene.role == AGGREGATE))[members],
    )
    return draw_contaminants(key, priors.contaminants, field, site, scene.is_dirty, clumps)


def simulate_batch(
    keys: Key[Array, " batch"],
    priors: Priors,
    bank: Bank,
    shape: tuple[int, int],
    max_particles: int,
    max_distractors: int,
) -> Simulated:
    """Draw one micrograph for each key; every leaf gains a leading batch axis.

    On a CPU one after another, so that rare contaminants cost nothing where they are absent;
    elsewhere side by side.
    """

    def one(key: RandomKey) -> Simulated:
        return simulate_micrograph(key, priors, bank, shape, max_particles, max_distractors)

    if jax.default_backend() == "cpu":
        return jax.lax.map(one, keys)
    return jax.vmap(one)(keys)


def _set_exposure(
    priors: Priors,
    scene: Scene,
    exposure: Exposure,
    molecules: Splat,
    contrast: Float[Array, ""],
    max_particles: int,
) -> tuple[Exposure, tuple[Float[Array, " particle"], Float[Array, " particle"]]]:
    """Return the exposure, of the dose that `target_snr` needs, and each particle's SNR and d'."""
    pixel, dose = scene.species_drawn.pixel_angstrom, exposure.dose_e_per_angstrom2
    voltage = exposure.optics.voltage_kv
    phase_per_volt = contrast * interaction_constant_rad_per_volt_angstrom(voltage)
    structure = relative_phase_density(dose, exposure.structure_to_shot) / pixel**2
    snr, dprime = particle_signal(
        molecules.patches * phase_per_volt,
        scene.diameter_px[:max_particles],
        exposure.optics,
        exposure.damping,
        pixel,
        1.0 / (dose * pixel**2),
        structure,
    )
    if priors.target_snr is None:
        return exposure, (snr, dprime)
    # All noise falls as 1 / dose, since structural noise is relative to shot noise.
    valid = scene.valid[:max_particles]
    mean = jnp.sum(snr * valid) / jnp.maximum(jnp.sum(valid), 1)
    factor = jnp.where(mean > 0, priors.target_snr / jnp.maximum(mean, 1e-9), 1.0)
    exposure = dataclasses.replace(exposure, dose_e_per_angstrom2=dose * factor)
    return exposure, (snr * factor, dprime * jnp.sqrt(factor))


def _collect(
    image: Float[Array, "y x"],
    scene: Scene,
    exposure: Exposure,
    molecules: Splat,
    junk: Planes,
    contrast: Float[Array, ""],
    signal: tuple[Float[Array, " particle"], Float[Array, " particle"]],
    max_particles: int,
) -> Simulated:
    """Cut the label planes to the micrograph and gather the truth."""
    shape, field = size_of(image), size_of(molecules.owner)
    owner = _middle(molecules.owner, shape)
    labels = label_contaminants(jax.tree.map(lambda p: _middle(p, shape), junk), owner, scene.role)
    contaminant_mask = labels.classes
    is_whole = of_pixel(scene.role == TARGET, owner)
    distance = _middle(molecules.distance, shape)
    margin = ((field[0] - shape[0]) // 2, (field[1] - shape[1]) // 2)
    optics, drawn = exposure.optics, scene.species_drawn
    truth = make_truth(
        scene, exposure, shape, margin, max_particles, contrast, signal, contaminant_mask
    )
    nearest = _middle(molecules.nearest, shape)
    return Simulated(
        image=image,
        truth=truth,
        instance=jnp.where(owner <= max_particles, owner, 0),
        mask_mass=is_whole,
        mask_disc=distance <= 1.0,
        distance=distance,
        nearest=nearest,
        contaminant_mask=contaminant_mask,
        contaminant_instance=labels.instances,
        ignore_mask=ignored_pixels(truth, distance, nearest, contaminant_mask, RECORDED),
        pixel_size_angstrom=drawn.pixel_angstrom,
        optics=optics,
        dose_e_per_angstrom2=exposure.dose_e_per_angstrom2,
        nominal_diameter_px=drawn.nominal_diameter_angstrom / drawn.pixel_angstrom,
        nominal_diameter_angstrom=drawn.nominal_diameter_angstrom,
    )


def _middle(plane: Array, shape: tuple[int, int]) -> Array:
    """Cut the micrograph out of its field."""
    top, left = (plane.shape[0] - shape[0]) // 2, (plane.shape[1] - shape[1]) // 2
    return plane[top : top + shape[0], left : left + shape[1]]
