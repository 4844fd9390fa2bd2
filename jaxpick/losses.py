"""Objectives as pure functions: elementwise in float32, weighted and reduced in one place.

Every elementwise function returns one value per element of its first argument; `weighted_mean`
reduces with a weight per element, so that what is to be ignored (dust, borders, contaminants) has
weight zero.
"""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

EPSILON = 1e-6


def sigmoid_cross_entropy(
    logits: Float[Array, "*shape"], targets: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the cross-entropy of Bernoulli targets (0 to 1) and logits, in nats."""
    return optax.sigmoid_binary_cross_entropy(_float32(logits), _float32(targets))


def softmax_cross_entropy(
    logits: Float[Array, "*shape channel"], labels: Int[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the cross-entropy of class labels and logits, in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(_float32(logits), labels)


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
    return optax.sigmoid_focal_loss(_float32(logits), _float32(targets), alpha=alpha, gamma=gamma)


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


def _float32(values: Array) -> Array:
    return jnp.asarray(values, jnp.float32)
