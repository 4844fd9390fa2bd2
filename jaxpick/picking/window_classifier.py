"""A support vector machine on the mean and standard deviation of windows, applied to every pixel.

scikit-learn fits it (C 1, radial basis functions with gamma 0.5, classes balanced, features
standardised); the decision function of a whole micrograph runs on the device.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxpick.io.files import InputError

COST, GAMMA = 1.0, 0.5
# Machines are padded to multiples of this many vectors, pixels to batches: few compiled programs.
_VECTOR_STEP, _BATCH = 64, 65536


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupportVectors:
    """A fitted machine.

    Attributes:
        centre, scale: standardise each feature.
        vectors: standardised support vectors.
        weights: of the vectors, signed.
        intercept: added to the sum; the decision is its sign.
    """

    centre: Float[np.ndarray, " feature"]
    scale: Float[np.ndarray, " feature"]
    vectors: Float[np.ndarray, "vector feature"]
    weights: Float[np.ndarray, " vector"]
    intercept: float


def load_machine() -> Callable[..., Any]:
    """Return scikit-learn's support vector classifier.

    Raises:
        InputError: when it is not installed.
    """
    try:
        from sklearn.svm import SVC
    except ImportError as error:
        raise InputError(
            "method: apple needs scikit-learn; install the extra `classical` (EXTRAS=classical sh setup.sh)"
        ) from error
    return SVC  # type: ignore[no-any-return]


def fit(
    features: Float[np.ndarray, "window feature"], is_particle: Bool[np.ndarray, " window"]
) -> SupportVectors:
    """Fit the machine to labelled windows of both classes."""
    centre, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
    machine = load_machine()(C=COST, kernel="rbf", gamma=GAMMA, class_weight="balanced")
    machine.fit((features - centre) / scale, is_particle)
    return SupportVectors(
        centre=centre,
        scale=scale,
        vectors=np.asarray(machine.support_vectors_),
        weights=np.asarray(machine.dual_coef_[0]),
        intercept=float(machine.intercept_[0]),
    )


def decide(
    machine: SupportVectors, features: Float[np.ndarray, "window feature"]
) -> Float[np.ndarray, " window"]:
    """Return the decision function of windows: above 0 for particles."""
    missing = -len(machine.weights) % _VECTOR_STEP
    vectors = jnp.asarray(np.pad(machine.vectors, ((0, missing), (0, 0))), jnp.float32)
    weights = jnp.asarray(np.pad(machine.weights, (0, missing)), jnp.float32)
    standard = ((features - machine.centre) / machine.scale).astype(np.float32)
    padded = np.pad(standard, ((0, -len(standard) % _BATCH), (0, 0)))
    parts = [
        _decision(jnp.asarray(padded[start : start + _BATCH]), vectors, weights)
        for start in range(0, len(padded), _BATCH)
    ]
    total = np.concatenate([np.asarray(part) for part in parts])[: len(features)]
    return total + np.float32(machine.intercept)


@jax.jit
def _decision(
    features: Float[Array, "window feature"],
    vectors: Float[Array, "vector feature"],
    weights: Float[Array, " vector"],
) -> Float[Array, " window"]:
    """Sum weight exp(-gamma |x - v|^2), the square written out as a product of matrices."""
    across = features @ vectors.T
    own = jnp.sum(features**2, axis=1)[:, None] + jnp.sum(vectors**2, axis=1)[None, :]
    return jnp.exp(GAMMA * (2.0 * across - own)) @ weights
