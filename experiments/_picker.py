"""From the settings of `pick` to a picker: method, weights, decoder."""

import glob
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from experiments._commandline import merged
from jaxpick import methods
from jaxpick.io.array_cache import file_digest
from jaxpick.picking.picker import Picker
from jaxpick.spec import as_plain, build
from jaxpick.weights.portable import fingerprint
from jaxpick.weights.shipped import load_picker_weights


class Loaded(NamedTuple):
    """A picker, its parameters with their card, its decoder, and what its scores depend on."""

    picker: Picker
    params: Mapping[str, Any]
    card: Mapping[str, Any]
    decode: Any
    source: Any


def load_picker(spec: Any) -> Loaded:
    """Return the picker of the settings of a `pick`, with its weights."""
    params, card = load_picker_weights(spec.method, spec.weights)
    method = methods.get(spec.method)
    untrained = getattr(spec, spec.method) if spec.method in methods.UNTRAINED else None
    if hasattr(method, "with_optics_of"):
        untrained = method.with_optics_of(untrained, spec.data.micrographs(spec.micrographs))
    trained = untrained or build(method.Spec, card.get("config", {}), "weights.config")
    decode = _decoder(trained.decode, spec)
    placed = jax.device_put(params)  # jnp.asarray would compile a copy for each shape
    picker = method.make_picker(trained, placed, spec.diameter, decode, spec.margin)
    source = _with_digests(as_plain(untrained)) if untrained else fingerprint(params)
    return Loaded(picker, params, card, decode, source)


def _with_digests(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the content of the files that they name: another template is another picker."""
    files = {n: sorted(glob.glob(v)) for n, v in settings.items() if isinstance(v, str)}
    return {**settings, "files": {n: [file_digest(p) for p in found] for n, found in files.items()}}


def _decoder(trained: Any, spec: Any) -> Any:
    """Return the method's decoder with the changes that were asked for."""
    plain = as_plain(trained)
    changes: dict[str, Any] = {}
    if spec.distance is not None:
        changes["distance_diameters"] = spec.distance / spec.diameter
    if spec.threshold is not None and "candidate_threshold" in plain:
        changes["candidate_threshold"] = min(spec.threshold, plain["candidate_threshold"])
    return build(type(trained), merged(plain | changes, dict(spec.decode)), "decode")
