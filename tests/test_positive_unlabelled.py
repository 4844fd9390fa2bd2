"""Objectives of positive and unlabelled items: Topaz's values and gradients, and what they mean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxpick import losses

OBJECTIVES = {
    "PN": losses.positive_negative,
    "PU": losses.positive_unlabelled,
    "GEKL": losses.expectation_divergence,
    "GEB": losses.expectation_binomial,
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", OBJECTIVES)
def test_values_and_gradients_are_topaz(oracles, name):
    reference = np.load(oracles / "topaz_objectives.npz")
    step = jax.jit(jax.value_and_grad(OBJECTIVES[name]))
    for i in range(8):
        for j, prior in enumerate(reference["pi"].tolist()):
            logits, labels = (jnp.asarray(reference[key][i]) for key in ("logits", "labels"))
            value, gradient = step(logits, labels, jnp.float32(prior))
            expected = reference[f"{name}_grad_f64"][i, j]
            np.testing.assert_allclose(value, reference[f"{name}_loss_f64"][i, j], rtol=1e-5)
            scale = np.abs(expected).max()
            np.testing.assert_allclose(gradient / scale, expected / scale, atol=1e-5)


@pytest.mark.oracle
def test_some_batches_reverse_the_gradient(oracles):
    """Where the risk of negatives is below zero, and only there, it is pushed up again."""
    reference = np.load(oracles / "topaz_objectives.npz")
    assert reference["PU_clipped"].sum() == 2
    for i, j in np.argwhere(reference["PU_clipped"]):
        logits, labels = (jnp.asarray(reference[key][i]) for key in ("logits", "labels"))
        prior = jnp.float32(reference["pi"][j])
        gradient = jax.grad(losses.positive_unlabelled)(logits, labels, prior)
        assert jnp.all(jnp.where(labels == 0, gradient, 0.0) <= 0)
        relaxed = jax.grad(losses.positive_unlabelled)(logits, labels, prior, 10.0)
        assert jnp.all(jnp.where(labels == 0, relaxed, 0.0) >= 0)


def _items(probability, count=60, positives=4):
    logit = np.log(probability / (1 - probability))
    logits = np.full(count, logit, np.float32)
    labels = (np.arange(count) < positives).astype(np.float32)
    return jnp.asarray(logits), jnp.asarray(labels)


@pytest.mark.parametrize("name", ["GEKL", "GEB"])
def test_expectations_are_least_where_the_mean_is_the_prior(name):
    """With the positives' own term taken off, the best common probability is the prior."""
    objective = OBJECTIVES[name]

    def penalty(probability):
        logits, labels = _items(probability)
        whole = objective(logits, labels, jnp.float32(0.2))
        return float(whole + jnp.log(jnp.float32(probability)))

    grid = np.linspace(0.05, 0.5, 46)
    best = grid[np.argmin([penalty(p) for p in grid])]
    # The cross-entropy of the binomial prefers fewer spread: a little off for so few items.
    assert abs(best - 0.2) < (0.011 if name == "GEKL" else 0.05)


def test_binomial_expectation_is_a_cross_entropy():
    """By scipy: -sum q log Binomial(k; N, prior), q a normal on 0..N."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(-2, 2, 40), (np.arange(40) < 3).astype(np.float64)
    p = 1 / (1 + np.exp(-logits[labels == 0]))
    k = np.arange(38)
    q = stats.norm.pdf(k, p.sum(), np.sqrt(np.sum(p * (1 - p))))
    expected = -np.sum(q / q.sum() * stats.binom.logpmf(k, 37, 0.1))
    expected += np.mean(np.log1p(np.exp(-logits[labels == 1])))
    arrays = (jnp.asarray(a, jnp.float32) for a in (logits, labels))
    value = losses.expectation_binomial(*arrays, jnp.float32(0.1))
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_minibatches_without_positives_train_all_the_same(name):
    logits, labels = _items(0.3, positives=0)
    value, gradient = jax.value_and_grad(OBJECTIVES[name])(logits, labels, jnp.float32(0.1))
    assert np.isfinite(value) and np.all(np.isfinite(gradient)) and np.any(gradient != 0)


def test_negatives_of_known_share_are_the_cross_entropy_of_all():
    """With as many positives in the batch as the prior says, PN is the mean over all items."""
    rng = np.random.default_rng(1)
    logits = jnp.asarray(rng.normal(size=50), jnp.float32)
    labels = jnp.asarray(np.arange(50) < 10, jnp.float32)
    expected = jnp.mean(losses.sigmoid_cross_entropy(logits, labels))
    value = losses.positive_negative(logits, labels, jnp.float32(0.2))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
