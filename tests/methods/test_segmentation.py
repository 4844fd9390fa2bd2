"""The objective of all segmenters, and the picker they share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.io.nouns import Micrograph
from jaxpick.methods import unet
from jaxpick.methods.segmentation import segmentation_loss, segmentation_picker
from jaxpick.picking.dense import DecodeSpec
from jaxpick.preprocess.working import WorkingSpec


def fields(seed=0):
    random = np.random.default_rng(seed)
    target = (random.random((3, 8, 10)) < 0.3).astype(np.float32)
    weight = (random.random((3, 8, 10)) < 0.8).astype(np.float32)
    logits = random.normal(0, 2, (3, 8, 10)).astype(np.float32)
    return logits, target, weight


def test_loss_is_the_weighted_mean_of_the_textbook_formula():
    logits, target, weight = fields()
    losses, _ = segmentation_loss(*map(jnp.asarray, (logits, target, weight)))
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    pixels = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    expected = (pixels * weight).sum((1, 2)) / weight.sum((1, 2))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_ignored_pixels_count_nowhere():
    logits, target, weight = fields()
    other = np.where(weight == 0, 1 - target, target)
    for one, two in zip(
        jax.tree.leaves(segmentation_loss(*map(jnp.asarray, (logits, target, weight)))),
        jax.tree.leaves(segmentation_loss(*map(jnp.asarray, (logits, other, weight)))),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)


def test_figures_are_those_of_the_confusion_matrix():
    logits, target, weight = fields()
    _, figures = segmentation_loss(*map(jnp.asarray, (logits, target, weight)))
    drawn, used = logits > 0, weight > 0
    true = target > 0
    expected = {
        "accuracy": ((drawn == true) & used, used),
        "precision": (drawn & true & used, drawn & used),
        "recall": (drawn & true & used, true & used),
    }
    assert set(figures) == set(expected)
    for name, (hits, of) in expected.items():
        np.testing.assert_allclose(figures[name][0], hits.sum((1, 2)))
        np.testing.assert_allclose(figures[name][1], of.sum((1, 2)))


def test_the_picker_scores_by_the_probability_of_its_logits():
    picker = segmentation_picker(
        name="linear",
        logits=lambda params, images: params["slope"] * images,
        params={"slope": np.float32(-2.0)},
        reach_px=0,
        stride_multiple=8,
        working=WorkingSpec(diameter_px=10.0),
        decode=DecodeSpec(),
        diameter_angstrom=40.0,
        margin_angstrom=12.0,
    )
    image = np.random.default_rng(0).normal(size=(37, 41)).astype(np.float32)
    expected = 1 / (1 + np.exp(2 * image))
    np.testing.assert_allclose(picker.score_map(image), expected, rtol=1e-5)
    assert picker.threshold == DecodeSpec().threshold and picker.margin_angstrom == 12.0


@pytest.mark.parametrize("diameter", [40.0, 160.0])
def test_the_unet_scores_any_diameter_at_its_own(diameter, bank):
    spec = unet.Spec(widths=(2, 3))
    (stage,) = unet.training_stages(spec, bank)
    params = jax.jit(stage.init, static_argnums=1)(jax.random.key(0), None)
    picker = unet.make_picker(spec, params, diameter)
    image = np.random.default_rng(0).normal(size=(130, 170)).astype(np.float32)
    micrograph = Micrograph(image=image, pixel_size_angstrom=2.0, name="m.mrc")
    working = picker.prepare(micrograph)
    size = working.pixel_size_angstrom
    assert diameter / size == pytest.approx(spec.working.diameter_px, rel=0.05)
    scores = picker.score_map(np.asarray(working.image))
    assert scores.shape == working.image.shape and np.all((scores > 0) & (scores < 1))
