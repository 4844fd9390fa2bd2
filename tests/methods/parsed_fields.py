"""Simulated fields at PARSED's scale, small enough to compile and train on in seconds."""

import dataclasses

import jax
import numpy as np

from jaxpick.methods.parsed import PAPER_PRIORS
from jaxpick.methods.simulated_examples import FieldSpec
from jaxpick.simulate.bank import BankSpec, build_bank
from jaxpick.simulate.phantoms import PhantomSpec, phantom_library
from jaxpick.simulate.priors import ContaminantsPrior, MicroscopePrior, ProcessingPrior, ScenePrior

# Sparse clean fields of strong particles: what a picker cannot miss.
CLEAR_PRIORS = dataclasses.replace(
    PAPER_PRIORS,
    microscope=MicroscopePrior(dose_e_per_angstrom2=(60.0, 80.0), defocus_um=(2.0, 3.0)),
    scene=ScenePrior(
        empty_probability=0.0,
        coverage=(0.15, 0.2),
        layout_weights=(1.0, 0.0, 0.0, 0.0),
        contact=(1.4, 1.4),
        two_layer_probability=0.0,
        species_weights=(1.0, 0.0),
        contrast_scale=(1.0, 1.0),
    ),
    contaminants=ContaminantsPrior(amount=0.0),
    processing=ProcessingPrior(
        low_pass_probability=0.0, tone_probability=0.0, eight_bit_probability=0.0
    ),
)
CLEAR_FIELD = FieldSpec(priors=CLEAR_PRIORS, field_px=96, max_particles=40, max_distractors=4)


def small_bank(pixel_angstrom=15.0):
    """Views of two globular molecules near 200 angstrom."""
    library = phantom_library(2, 5, PhantomSpec(mass_kda=(900.0, 1200.0), appendage_share=0.0))
    return build_bank(library, BankSpec(num_views=8, box_px=36, pixel_angstrom=pixel_angstrom))


def clear_truths(simulated):
    """Return (y, x) of whole particles inside the frame that no other touches."""
    truth = simulated.truth
    keep = truth.valid & truth.is_inside & ~truth.is_broken & (truth.overlap_fraction == 0)
    return np.asarray(truth.centre_yx_px)[np.asarray(keep)]


def field_of(simulated, index):
    """Return one field of a batch."""
    return jax.tree.map(lambda leaf: leaf[index], simulated)


def random_params(init):
    """Return parameters of the shapes that `init(key, None)` gives, without running it."""
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: init(key, None), jax.random.key(0))

    def draw(leaf):
        scale = np.sqrt(2.0 / (np.prod(leaf.shape[:-1]) + 1))
        return random.normal(0, scale, leaf.shape).astype(np.float32)

    return jax.tree.map(draw, shapes)
