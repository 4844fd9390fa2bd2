"""Topaz's objectives of a minibatch, with what is added to them: L2 and the reconstruction of crops.

Bepler et al. (2019), Nature Methods 16:1153; topaz-em 0.3 (`topaz/methods.py`). Norms see one minibatch at a time,
on any number of devices.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick import losses
from jaxpick.models.topaz import TopazNetwork
from jaxpick.models.topaz_decoder import TopazDecoder, reconstruction_error
from jaxpick.models.topaz_layers import NetworkSpec
from jaxpick.spec import require
from jaxpick.train.stage import STATISTICS, Loss
from jaxpick.typing import RandomKey

Kind: TypeAlias = Literal["pn", "pu", "ge_kl", "ge_binomial"]
DECODER = "decoder"
SLACK = {"ge_kl": 10.0, "ge_binomial": 1.0}
LEAST_PRIOR = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveSpec:
    """What is minimised.

    Attributes:
        kind: PN, non-negative PU, or a generalised expectation criterion.
        slack: weight of the expectation; 10 for `ge_kl` and 1 for `ge_binomial` if None.
        entropy_penalty: of `ge_binomial`.
        l2: half of it times the sum of squared parameters is added.
        autoencoder: weight of the reconstruction of crops from their features.
    """

    kind: Kind = "ge_binomial"
    slack: float | None = None
    entropy_penalty: float = 0.0
    l2: float = 0.0
    autoencoder: float = 0.0

    def __post_init__(self) -> None:
        has_slack = self.slack is None or (self.kind.startswith("ge_") and self.slack >= 0)
        require(has_slack, "slack", self.slack, "null, or 0 or more for ge_kl and ge_binomial")
        known = self.entropy_penalty == 0 or self.kind == "ge_binomial"
        require(known, "entropy_penalty", self.entropy_penalty, "0, or kind=ge_binomial")
        for name in ("l2", "autoencoder"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")

    def of_kind(self, kind: Kind) -> "ObjectiveSpec":
        """Return the objective of another kind, without the settings that only this one has."""
        if kind == self.kind:
            return self
        return dataclasses.replace(self, kind=kind, slack=None, entropy_penalty=0.0)


def initial_params(network: NetworkSpec, objective: ObjectiveSpec, key: RandomKey) -> Any:
    """Return the network's variables, the decoder's among them where crops are reconstructed."""
    network_key, decoder_key = jax.random.split(key)
    side = network.receptive_field_px
    crop = jnp.zeros((1, side, side, 1))
    variables = dict(TopazNetwork(network).init(network_key, crop))
    if objective.autoencoder == 0:
        return variables
    width = network.layers[-1].width * network.units
    decoder = TopazDecoder(side).init(decoder_key, jnp.zeros((1, 1, 1, width)))
    return {
        name: {**variables.get(name, {}), DECODER: decoder[name]} for name in ("params", STATISTICS)
    }


def minibatch_loss(network: NetworkSpec, objective: ObjectiveSpec, train: bool) -> Loss:
    """Return the loss of batches of minibatches for the trainer.

    Args:
        network: which network.
        objective: what is minimised.
        train: dropout, and norms by the minibatch, whose running statistics are returned.
    """
    one = partial(_one_minibatch, network, objective, train)

    def loss(params: Any, batch: Mapping[str, Array], keys: Any) -> tuple[Any, ...]:
        values, figures, statistics = jax.vmap(one, in_axes=(None, 0, 0))(params, batch, keys)
        if not train or STATISTICS not in params:
            return values, figures
        return values, figures, jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), statistics)

    return loss


def _one_minibatch(
    network: NetworkSpec,
    objective: ObjectiveSpec,
    train: bool,
    params: Any,
    example: Mapping[str, Array],
    key: RandomKey,
) -> tuple[Float[Array, ""], dict[str, Any], Any]:
    crops, label = example["image"][..., None], example["label"]
    own = {name: _without_decoder(tree) for name, tree in params.items()}
    run = partial(TopazNetwork(network).apply, method="with_features", mutable=[STATISTICS])
    (logits, features), moved = run(own, crops, False, train, rngs={"dropout": key})
    logits = logits[:, 0, 0, 0].astype(jnp.float32)
    value = objective_value(objective, logits, label, example["prior"], example["observed"])
    statistics = dict(moved).get(STATISTICS, {})
    if objective.l2:
        squares = sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(own["params"]))
        value = value + 0.5 * objective.l2 * squares
    if objective.autoencoder:
        decoder = {name: tree[DECODER] for name, tree in params.items()}
        decode = partial(TopazDecoder(network.receptive_field_px).apply, mutable=[STATISTICS])
        images, decoder_moved = decode(decoder, features, train)
        error = reconstruction_error(images.astype(jnp.float32), crops)
        value = value + objective.autoencoder * error
        statistics = {**statistics, DECODER: dict(decoder_moved)[STATISTICS]}
    return value, _figures(logits, label), statistics


def objective_value(
    objective: ObjectiveSpec,
    logits: Float[Array, " item"],
    label: Float[Array, " item"],
    prior: Float[Array, ""],
    observed: Float[Array, ""],
) -> Float[Array, ""]:
    """Return the objective of the scores of a minibatch.

    Args:
        objective: which.
        logits: of the items.
        label: 1 for labelled positives.
        prior: share of the pixels that belong to particles.
        observed: share of the pixels that are labelled; what the expectations look at excludes them.
    """
    prior = jnp.maximum(jnp.asarray(prior, jnp.float32), LEAST_PRIOR)
    if objective.kind == "pn":
        return losses.positive_negative(logits, label, prior)
    if objective.kind == "pu":
        return losses.positive_unlabelled(logits, label, prior)
    left = jnp.maximum(prior - jnp.asarray(observed, jnp.float32), LEAST_PRIOR)
    slack = SLACK[objective.kind] if objective.slack is None else objective.slack
    if objective.kind == "ge_kl":
        return losses.expectation_divergence(logits, label, left, slack)
    penalty = objective.entropy_penalty
    return losses.expectation_binomial(logits, label, left, slack, penalty)


def _figures(logits: Float[Array, " item"], label: Float[Array, " item"]) -> dict[str, Any]:
    """Return the share of labelled items with even odds or better, and the mean probability of the others."""
    found = jnp.sum(label * (logits > 0))
    others = jnp.sum((1.0 - label) * jax.nn.sigmoid(logits))
    return {
        "recall": (found, jnp.sum(label)),
        "unlabelled_share": (others, jnp.sum(1.0 - label)),
    }


def _without_decoder(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {name: leaf for name, leaf in tree.items() if name != DECODER}
