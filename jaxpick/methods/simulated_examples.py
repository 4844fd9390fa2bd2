"""Training examples drawn from the simulator, the same for every method that learns from it.

Fields are simulated at the working pixel and normalised as a micrograph is when it is picked, so that training and
picking see the same thing. Particles that nothing could find are neither wanted nor punished.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.preprocess.prepare import PreprocessSpec, normalise_field
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.distractors import require_slots
from jaxpick.simulate.priors import (
    ContaminantsPrior,
    DetectorPrior,
    DiameterPixels,
    IcePrior,
    MicroscopePrior,
    Priors,
    ProcessingPrior,
    ScenePrior,
)
from jaxpick.simulate.render import simulate_micrograph
from jaxpick.simulate.simulated import Simulated
from jaxpick.simulate.targets import TargetSpec, judge, make_target
from jaxpick.spec import require
from jaxpick.typing import Image, RandomKey

TRAINING_PRIORS = Priors(
    pixel=DiameterPixels(diameter_px=(18.4, 19.0), diameter_error=0.15),
    microscope=MicroscopePrior(dose_e_per_angstrom2=(0.7, 80.0), defocus_um=(0.5, 4.5)),
    ice=IcePrior(structure=(0.05, 10.0)),
    scene=ScenePrior(empty_probability=0.1),
    contaminants=ContaminantsPrior(broken=0.5, small_proteins=0.5),
    detector=DetectorPrior(gain_residue=(0.001, 0.006), gain_probability=0.15),
    processing=ProcessingPrior(
        low_pass_probability=0.5,
        low_pass_diameters=(0.1, 0.55),
        high_pass_probability=0.3,
        local_contrast_probability=0.15,
        tone_probability=0.2,
        eight_bit_probability=0.3,
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """The simulated fields that a method is trained on.

    Attributes:
        priors: what a field may look like; wider than the physics where shared files are
            (denoised, 8-bit, few electrons).
        field_px: side of a field in working pixels.
        max_particles: slots for particles.
        max_distractors: slots for aggregates and small proteins, half each.
    """

    priors: Priors = TRAINING_PRIORS
    field_px: int = 192
    max_particles: int = 160
    max_distractors: int = 48

    def __post_init__(self) -> None:
        require(
            self.field_px >= 32 and self.field_px % 4 == 0,
            "field_px",
            self.field_px,
            "a multiple of 4 from 32",
        )
        require(self.max_particles > 0, "max_particles", self.max_particles, "a positive number")
        require_slots(self.priors.contaminants, self.max_distractors)


def draw_field(key: RandomKey, bank: Bank, spec: FieldSpec) -> Simulated:
    """Simulate one field.

    On a CPU a batch is simulated one after another, so that rare contaminants cost nothing where they are absent.
    """

    def simulate(key: RandomKey, bank: Bank) -> Simulated:
        shape = (spec.field_px, spec.field_px)
        return simulate_micrograph(
            key, spec.priors, bank, shape, spec.max_particles, spec.max_distractors
        )

    if jax.default_backend() == "cpu":
        simulate = jax.custom_batching.sequential_vmap(simulate)
    return simulate(key, bank)


def segmentation_example(
    simulated: Simulated, target: TargetSpec, working: PreprocessSpec
) -> dict[str, Array]:
    """Return the map to be drawn for a field: `image`, `target` (0 to 1), `weight` (0 where ignored), all (y, x)."""
    drawn = make_target(simulated, target)
    return {
        "image": normalise_field(simulated.image, simulated.pixel_size_angstrom, working),
        "target": drawn.value,
        "weight": drawn.weight,
    }


def patch_example(
    key: RandomKey,
    bank: Bank,
    field: FieldSpec,
    target: TargetSpec,
    working: PreprocessSpec,
    patch_px: int,
    num_patches: int,
    least_distance: float = 1.2,
) -> dict[str, Array]:
    """Return particle and non-particle patches of one field, half each.

    Args:
        patch_px: side of a patch.
        num_patches: patches of the field, even.
        least_distance: of a non-particle's centre to any particle's, in radii of the particle (1.2 radii are 0.6 of the
            box, as in DeepPicker).

    Returns:
        `image` (patch, y, x), `label` (patch,), `weight` (patch,): 0 where the field has no such place.
    """
    field_key, particle_key, other_key = jax.random.split(key, 3)
    simulated = draw_field(field_key, bank, field)
    half = num_patches // 2
    truth = simulated.truth
    usable = truth.is_inside & judge(truth, target)[0]
    slot = jax.random.categorical(particle_key, jnp.where(usable, 0.0, -1e9), shape=(half,))
    far = (simulated.distance >= least_distance).ravel()
    place = jax.random.categorical(other_key, jnp.where(far, 0.0, -1e9), shape=(half,))
    elsewhere = jnp.stack([place // field.field_px, place % field.field_px], axis=1)
    centres = jnp.concatenate(
        [jnp.round(truth.centre_yx_px[slot]).astype(jnp.int32), elsewhere.astype(jnp.int32)]
    )
    image = normalise_field(simulated.image, simulated.pixel_size_angstrom, working)
    patches = jax.vmap(lambda centre: cut_patch(image, centre, patch_px))(centres)
    label = jnp.repeat(jnp.array([1, 0]), half, total_repeat_length=num_patches)
    exists = jnp.where(label == 1, jnp.any(usable), jnp.any(far))
    return {"image": patches, "label": label, "weight": exists.astype(jnp.float32)}


def cut_patch(image: Image, centre_yx: Array, patch_px: int) -> Float[Array, "patch_y patch_x"]:
    """Cut a square around a whole-pixel centre, zero (the mean) beyond the border."""
    padded = jnp.pad(image, patch_px // 2)
    return jax.lax.dynamic_slice(padded, (centre_yx[0], centre_yx[1]), (patch_px, patch_px))
