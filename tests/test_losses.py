"""Objectives at known values, at extreme logits, and where weights ignore elements."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick import losses

RNG = np.random.default_rng(0)


def random(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def test_sigmoid_cross_entropy_is_the_negative_log_likelihood():
    logits, targets = random(3, 5), jnp.asarray(RNG.random((3, 5)), jnp.float32)
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    expected = -(targets * np.log(p) + (1 - targets) * np.log1p(-p))
    np.testing.assert_allclose(losses.sigmoid_cross_entropy(logits, targets), expected, rtol=1e-5)


def test_cross_entropies_of_two_classes_agree():
    """Softmax over (0, z) is the sigmoid of z."""
    logits = random(6)
    labels = jnp.asarray(RNG.integers(0, 2, 6))
    pairs = jnp.stack([jnp.zeros(6), logits], axis=-1)
    np.testing.assert_allclose(
        losses.softmax_cross_entropy(pairs, labels),
        losses.sigmoid_cross_entropy(logits, labels.astype(jnp.float32)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_cross_entropy_of_extreme_logits_is_finite():
    logits, targets = jnp.array([1e4, -1e4]), jnp.array([0.0, 1.0])
    np.testing.assert_allclose(losses.sigmoid_cross_entropy(logits, targets), 1e4)
    gradient = jax.grad(lambda z: losses.sigmoid_cross_entropy(z, targets).sum())(logits)
    np.testing.assert_allclose(gradient, [1.0, -1.0])


def test_focal_with_no_focus_is_cross_entropy_and_plays_down_the_easy():
    logits, targets = random(20), jnp.asarray(RNG.integers(0, 2, 20), jnp.float32)
    plain = losses.sigmoid_cross_entropy(logits, targets)
    np.testing.assert_allclose(losses.focal(logits, targets, gamma=0.0), plain, rtol=1e-5)
    right = jnp.where(targets > 0, jax.nn.sigmoid(logits), jax.nn.sigmoid(-logits))
    expected = plain * (1 - right) ** 2
    np.testing.assert_allclose(losses.focal(logits, targets), expected, rtol=1e-4, atol=1e-6)
    weighted = losses.focal(logits, targets, alpha=0.25)
    share = jnp.where(targets > 0, 0.25, 0.75)
    np.testing.assert_allclose(weighted, expected * share, rtol=1e-4, atol=1e-6)


def test_dice_of_known_overlaps():
    disc = jnp.zeros((4, 4)).at[:2].set(1.0)
    half = jnp.zeros((4, 4)).at[:1].set(1.0)
    other, empty = 1.0 - disc, jnp.zeros((4, 4))
    masks = jnp.stack([disc, half, other, empty])
    # 2 * 4 / (8 + 4) = 2/3 for the half disc.
    truth = jnp.stack([disc, disc, disc, empty])
    np.testing.assert_allclose(losses.dice(masks, truth), [0, 1 / 3, 1, 0], atol=1e-6)


def test_dice_ignores_what_has_no_weight():
    p, t = jnp.ones((2, 4, 4)), jnp.ones((2, 4, 4)).at[:, 0].set(0.0)
    weights = t
    np.testing.assert_allclose(losses.dice(p, t, weights), 0.0, atol=1e-6)


def test_squared_error():
    np.testing.assert_allclose(
        losses.squared_error(jnp.array([1.0, 3.0]), jnp.array([2.0, 0.0])), [1.0, 9.0]
    )


def test_weighted_mean_ignores_and_does_not_divide_by_zero():
    values = jnp.array([[1.0, 100.0, 3.0], [5.0, 6.0, 7.0]])
    weights = jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(losses.weighted_mean(values, weights), [2.0, 0.0])
    np.testing.assert_allclose(losses.weighted_mean(values), [104 / 3, 6.0], rtol=1e-6)
    gradient = jax.grad(lambda v: losses.weighted_mean(v, weights).sum())(values)
    np.testing.assert_allclose(gradient, [[0.5, 0, 0.5], [0, 0, 0]])


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_balancing_weights_give_positives_their_share(share):
    targets = jnp.asarray(RNG.random((3, 8, 8)) < 0.1, jnp.float32)
    weights = losses.balancing_weights(targets, share)
    np.testing.assert_allclose(weights.mean(axis=(1, 2)), 1.0, rtol=1e-5)
    positive = (weights * targets).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))
    np.testing.assert_allclose(positive, share, rtol=1e-5)


def test_balancing_weights_of_one_class_alone_are_finite():
    weights = losses.balancing_weights(jnp.stack([jnp.zeros((4, 4)), jnp.ones((4, 4))]))
    np.testing.assert_allclose(weights, 0.5)


def test_half_precision_is_computed_in_full():
    logits = random(4).astype(jnp.bfloat16)
    assert losses.sigmoid_cross_entropy(logits, jnp.ones(4, jnp.bfloat16)).dtype == jnp.float32
