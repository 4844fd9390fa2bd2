"""Objectives as pure functions: elementwise in float32, weighted and reduced in one place.

Every elementwise function returns one value per element of its first argument; `weighted_mean`
reduces with a weight per element, so that what is to be ignored (dust, borders, contaminants) has
weight zero.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxpick.typing import Scalar

EPSILON = 1e-6


def sigmoid_cross_entropy(
    logits: Float[Array, "*shape"], targets: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the cross-entropy of Bernoulli targets (0 to 1) and logits, in nats."""
    z, t = _float32(logits), _float32(targets)
    return -t * jax.nn.log_sigmoid(z) - (1.0 - t) * jax.nn.log_sigmoid(-z)


def softmax_cross_entropy(
    logits: Float[Array, "*shape channel"], labels: Int[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the cross-entropy of class labels and logits, in nats."""
    log_probabilities = jax.nn.log_softmax(_float32(logits))
    return -jnp.take_along_axis(log_probabilities, labels[..., None], axis=-1)[..., 0]


def squared_error(
    predictions: Float[Array, "*shape"], targets: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the squared difference (without the factor of one half)."""
    return jnp.square(_float32(predictions) - _float32(targets))


def focal(
    logits: Float[Array, "*shape"],
    targets: Float[Array, "*shape"],
    gamma: float = 2.0,
    alpha: float | None = None,
) -> Float[Array, "*shape"]:
    """Return the focal loss of binary targets, which plays down what is already easy.

    Args:
        logits: scores before the sigmoid.
        targets: 0 or 1.
        gamma: focusing exponent; 0 is plain cross-entropy.
        alpha: weight of the positive class, 1 - alpha of the negative; no weighting if None.

    References:
        Lin et al. 2017, Focal Loss for Dense Object Detection, equation 5.
    """
    z, t = _float32(logits), _float32(targets)
    of_true = t * jax.nn.sigmoid(z) + (1.0 - t) * jax.nn.sigmoid(-z)
    weight = 1.0 if alpha is None else alpha * t + (1.0 - alpha) * (1.0 - t)
    return weight * (1.0 - of_true) ** gamma * sigmoid_cross_entropy(z, t)


def dice(
    probabilities: Float[Array, "*batch y x"],
    targets: Float[Array, "*batch y x"],
    weights: Float[Array, "*batch y x"] | None = None,
) -> Float[Array, "*batch"]:
    """Return one minus the soft Dice overlap of each image; an empty pair of images counts as a
    perfect overlap.

    References:
        Milletari et al. 2016, V-Net, section 3 (squared denominators).
    """
    p, t = _float32(probabilities), _float32(targets)
    w = jnp.ones_like(p) if weights is None else _float32(weights)
    overlap = jnp.sum(w * p * t, axis=(-2, -1))
    size = jnp.sum(w * (jnp.square(p) + jnp.square(t)), axis=(-2, -1))
    return 1.0 - (2.0 * overlap + EPSILON) / (size + EPSILON)


def weighted_mean(
    values: Float[Array, "batch *shape"], weights: Float[Array, "batch *shape"] | None = None
) -> Float[Array, " batch"]:
    """Average the elements of each example; zero where all its weights are zero."""
    values = _float32(values)
    axes = tuple(range(1, values.ndim))
    if weights is None:
        return jnp.mean(values, axis=axes)
    weights = _float32(weights)
    total = jnp.sum(weights, axis=axes)
    return jnp.sum(values * weights, axis=axes) / jnp.where(total > 0, total, 1.0)


def balancing_weights(
    targets: Float[Array, "batch *shape"], positive_share: float = 0.5
) -> Float[Array, "batch *shape"]:
    """Weigh elements so that positives make up `positive_share` of each example's total weight.

    An example with one class alone keeps that class at its share; the weights of a mixed example
    have mean one.
    """
    positive = _float32(targets > 0.5)
    axes = tuple(range(1, targets.ndim))
    fraction = jnp.mean(positive, axis=axes, keepdims=True)
    on = positive_share / jnp.where(fraction > 0, fraction, 1.0)
    off = (1.0 - positive_share) / jnp.where(fraction < 1, 1.0 - fraction, 1.0)
    return positive * on + (1.0 - positive) * off


def positive_negative(
    logits: Float[Array, " item"], labels: Float[Array, " item"], prior: Scalar
) -> Float[Array, ""]:
    """Return the cross-entropy of a minibatch whose unlabelled items count as negative.

    Args:
        logits: of the items.
        labels: 1 for labelled positives, 0 for the rest.
        prior: share of positives among all items that could be drawn.

    References:
        Bepler et al. 2019, Topaz; objective PN.
    """
    positive, negative = _class_risks(logits, labels)
    return prior * positive + (1.0 - prior) * negative


def positive_unlabelled(
    logits: Float[Array, " item"],
    labels: Float[Array, " item"],
    prior: Scalar,
    slack: float = 0.0,
) -> Float[Array, ""]:
    """Return the non-negative risk of positive and unlabelled items.

    Where the risk of the negatives falls below `-slack`, the value stays there and the gradient is that of
    its negative, which undoes what was learnt too well.

    References:
        Kiryo et al. 2017, Positive-Unlabeled Learning with Non-Negative Risk Estimator, algorithm 1.
    """
    positive, unlabelled = _class_risks(logits, labels)
    as_negative = _mean_where(sigmoid_cross_entropy(logits, jnp.zeros_like(labels)), labels)
    risk = unlabelled - prior * as_negative
    stepped = jnp.where(risk < -slack, -risk, prior * positive + risk)
    value = prior * positive + jnp.maximum(risk, -slack)
    return stepped + jax.lax.stop_gradient(value - stepped)


def expectation_divergence(
    logits: Float[Array, " item"],
    labels: Float[Array, " item"],
    prior: Scalar,
    slack: float = 10.0,
) -> Float[Array, ""]:
    """Return the cross-entropy of the positives, and how far the mean probability of the rest is from the prior.

    References:
        Mann and McCallum 2010, generalized expectation criteria; Topaz's objective GE-KL.
    """
    positive, _ = _class_risks(logits, labels)
    mean = _mean_where(jax.nn.sigmoid(_float32(logits)), 1.0 - _float32(labels))
    off = 1.0 - prior
    divergence = prior * jnp.log(prior / mean) + off * jnp.log(off / (1.0 - mean))
    return positive + slack * divergence


def expectation_binomial(
    logits: Float[Array, " item"],
    labels: Float[Array, " item"],
    prior: Scalar,
    slack: float = 1.0,
    entropy_penalty: float = 0.0,
) -> Float[Array, ""]:
    """Return the cross-entropy of the positives, and that of the number of positives among the rest.

    The distribution of that number is taken as normal, with the mean and variance of independent
    items, and is pulled to a binomial one.

    References:
        Bepler et al. 2019, Topaz; objective GE-binomial.
    """
    positive, _ = _class_risks(logits, labels)
    unlabelled = 1.0 - _float32(labels)
    probability = jax.nn.sigmoid(_float32(logits)) * unlabelled
    mean = jnp.sum(probability)
    variance = jnp.sum(probability * (unlabelled - probability))
    number = jnp.arange(labels.size + 1)
    total = jnp.sum(unlabelled).astype(jnp.int32)
    possible = number <= total
    closeness = -jnp.square(number - mean) / (2.0 * (variance + 1e-10))
    share = jax.nn.softmax(jnp.where(possible, closeness, -jnp.inf))
    log_choices = jnp.asarray(_log_binomials(labels.size))[total]
    log_prior = log_choices + number * jnp.log(prior) + (total - number) * jnp.log1p(-prior)
    expectation = -jnp.sum(jnp.where(possible, share * log_prior, 0.0))
    entropy = 0.5 * (jnp.log(variance + 1e-10) + math.log(2.0 * math.pi) + 1.0)
    return positive + slack * expectation + entropy_penalty * entropy


def _class_risks(
    logits: Float[Array, " item"], labels: Float[Array, " item"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return the mean cross-entropy of the labelled items as positives and of the others as negatives."""
    losses = sigmoid_cross_entropy(logits, labels)
    return _mean_where(losses, _float32(labels)), _mean_where(losses, 1.0 - _float32(labels))


def _mean_where(values: Float[Array, " item"], chosen: Float[Array, " item"]) -> Float[Array, ""]:
    """Return the mean of the chosen items, 0 where there are none."""
    return jnp.sum(values * chosen) / jnp.maximum(jnp.sum(chosen), 1.0)


@functools.cache
def _log_binomials(count: int) -> Float[np.ndarray, "total number"]:
    """Return log(n over k) for n and k up to `count`, 0 for k above n."""
    log_factorial = np.concatenate([np.zeros(1), np.cumsum(np.log(np.arange(1, count + 1)))])
    n, k = np.arange(count + 1)[:, None], np.arange(count + 1)[None, :]
    below = log_factorial[np.maximum(n - k, 0)]
    return np.where(k <= n, log_factorial[n] - log_factorial[k] - below, 0.0).astype(np.float32)


def _float32(values: Array) -> Array:
    return jnp.asarray(values, jnp.float32)
