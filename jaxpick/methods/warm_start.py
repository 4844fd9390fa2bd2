"""Starting from trained weights instead of random ones: the settings and the parameters they bring.

Fine-tuning on a few labelled micrographs, or going on with other priors. The network, its
preprocessing and its targets are those of the weights; how long and with what rate they are trained
is the run's own.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxpick.io.files import InputError
from jaxpick.spec import as_plain, build
from jaxpick.train.stage import Params, Stage, StageSpec


def adopt_settings(settings: Any, card: Mapping[str, Any]) -> Any:
    """Return a method's settings, what was left at its default taken from the weights' card.

    Args:
        settings: spec of the method, as the run has it.
        card: the settings that the weights were trained with, as plain data. Those of its stages
            (steps, batch, optimizer) are not taken.
    """
    kind = type(settings)
    own, default, trained = as_plain(settings), as_plain(kind()), dict(card)
    for field in dataclasses.fields(kind):
        if isinstance(getattr(settings, field.name), StageSpec):
            trained.pop(field.name, None)
    return build(kind, _adopted(own, default, trained), "method")


def start_from(stages: Sequence[Stage], params: Params, source: str) -> tuple[Stage, ...]:
    """Return the last stage alone, which begins with the parameters; those before prepare nothing.

    Args:
        stages: of the method, in order.
        params: trained parameters.
        source: what messages call them.

    Raises:
        InputError: when they do not fit the network.
    """
    last = stages[-1]
    wanted = jax.eval_shape(lambda key: last.init(key, None), jax.random.key(0))
    _check_fit(_shapes(wanted), _shapes(params), source)

    def init(key: Any, previous: Any) -> Params:
        return jax.tree.map(jax.numpy.asarray, params)

    return (dataclasses.replace(last, init=init),)


def _adopted(own: Any, default: Any, trained: Any) -> Any:
    """Lay the run's changes of the defaults over the trained settings."""
    if own == default:
        return trained
    if not (isinstance(own, Mapping) and isinstance(default, Mapping)):
        return own
    if not isinstance(trained, Mapping) or own.get("kind") != trained.get("kind"):
        return own
    return {
        name: _adopted(value, default.get(name), trained[name]) if name in trained else value
        for name, value in own.items()
    }


def _shapes(params: Params) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {jax.tree_util.keystr(path): tuple(np.shape(leaf)) for path, leaf in leaves}


def _check_fit(
    wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]], source: str
) -> None:
    for name in sorted(wanted.keys() | given.keys()):
        if wanted.get(name) != given.get(name):
            raise InputError(
                f"{source}: expected the parameters of the method's network, "
                f"{name} has shape {given.get(name)} and not {wanted.get(name)}"
            )
