"""Peaks of noise: the rates of a picker whose scores are known, and that a discount by them clears noise."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxpick.io.nouns import Micrograph
from jaxpick.picking.dense import DecodeSpec, DensePicker
from jaxpick.picking.noise import SCORES, measure_noise
from jaxpick.preprocess.working import WorkingSpec


def noisy_picker(decode=None):
    """A picker whose score is a squashed blur: it finds blobs in any noise."""

    @jax.jit
    def score(images):
        blurred = sum(
            jnp.roll(images, (dy, dx), (1, 2)) for dy in range(-2, 3) for dx in range(-2, 3)
        )
        return jax.nn.sigmoid(blurred / 5 - 1.0)

    return DensePicker(
        name="noisy",
        score=score,
        reach_px=2,
        stride_multiple=1,
        working=WorkingSpec(diameter_px=10.0),
        decode=decode or DecodeSpec(),
        diameter_angstrom=100.0,
    )


def test_rates_fall_with_the_score_and_agree_with_other_noise():
    first = measure_noise(noisy_picker(), jax.random.key(0), num_fields=3, side_diameters=24)
    other = measure_noise(noisy_picker(), jax.random.key(1), num_fields=3, side_diameters=24)
    rates = np.array(first.per_square_diameter)
    assert first.score == SCORES
    assert np.all(np.diff(rates) <= 0)
    assert rates[0] > 0.5
    many = rates > 0.05
    np.testing.assert_allclose(rates[many], np.array(other.per_square_diameter)[many], rtol=0.2)


def test_discounted_scores_leave_no_pick_in_new_noise():
    bare = noisy_picker()
    noise = measure_noise(bare, jax.random.key(0), num_fields=3, side_diameters=24)
    picker = noisy_picker(dataclasses.replace(bare.decode, noise=noise))
    image = np.random.default_rng(7).normal(size=(300, 300)).astype(np.float32)
    micrograph = Micrograph(image=image, pixel_size_angstrom=10.0, name="noise")
    before = bare.candidates(bare.prepare(micrograph)).score
    after = picker.candidates(picker.prepare(micrograph)).score
    assert np.sum(before >= bare.threshold) > 50
    assert np.sum(after >= picker.threshold) == 0
