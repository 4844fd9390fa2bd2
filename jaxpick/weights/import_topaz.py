"""Import of Topaz's detectors: the `.sav` files of topaz-em, or a state exported once to `.npz`.

`topaz train` saves a whole pickled module, the package's own detectors are dictionaries of tensors. Both are read
without torch or Topaz (`torch_files`). An `.npz` holds the arrays of `model.state_dict()` by their names, with or
without `state/` before them. The network is recognised by names and shapes; kernels are stored (out, in, y, x) there.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jaxpick.io.files import InputError
from jaxpick.models.topaz_layers import Layer, NetworkSpec
from jaxpick.weights.torch_files import read_state

PREFIX = "features.features."
NAMES = {"conv": "conv", "conv0": "conv0", "conv1": "conv1", "proj": "proj"}
NAMES |= {"bn": "norm", "bn0": "norm0", "bn1": "norm1"}
ARCHITECTURES = {
    (7, 0): {3: "conv31", 4: "conv63", 5: "conv127"},
    (7, 1): {5: "resnet8", 9: "resnet16"},
    (5, 1): {4: "resnet6"},
}
LEAVES = {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "var"}


def read_topaz(path: Path | str) -> tuple[NetworkSpec, dict[str, Any]]:
    """Read a detector as the specification and the variables of `TopazNetwork`.

    Raises:
        InputError: when the file is missing, damaged, or holds another network.
    """
    state, kinds = (_read_npz(path), {}) if Path(path).suffix == ".npz" else read_state(path)
    state = {name: array for name, array in state.items() if not name.endswith("batches_tracked")}
    try:
        return convert_state(state, kinds)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path}: expected the state of a Topaz detector ({error})") from error


def convert_state(
    state: Mapping[str, np.ndarray], kinds: Mapping[str, str]
) -> tuple[NetworkSpec, dict[str, Any]]:
    """Return the network and the variables that a state belongs to.

    Args:
        state: arrays by PyTorch's names.
        kinds: classes of the modules by their names, where known.

    Raises:
        ValueError: when it is no known network's.
    """
    blocks = _blocks(state)
    spec = _recognise(blocks, state, _pooling(kinds, state))
    variables: dict[str, Any] = {"params": {}, "batch_stats": {}}
    own = iter(blocks)
    for place, layer in enumerate(spec.layers):
        if layer.kind != "pool":
            _put(variables, f"layer{place}", next(own))
    classifier = {"weight": state["classifier.weight"], "bias": state["classifier.bias"]}
    variables["params"]["classifier"] = _convolution(classifier)
    if not variables["batch_stats"]:
        del variables["batch_stats"]
    _check(variables["params"], spec)
    return spec, variables


Block = dict[str, dict[str, np.ndarray]]


def _blocks(state: Mapping[str, np.ndarray]) -> list[Block]:
    """Return {part: {leaf: array}} of each layer that has parameters, in order."""
    layers: dict[int, Block] = {}
    for name, array in state.items():
        if match := re.fullmatch(re.escape(PREFIX) + r"(\d+)\.(?:(\w+)\.)?(\w+)", name):
            place, part, leaf = int(match[1]), match[2], match[3]
            layers.setdefault(place, {}).setdefault(NAMES[part] if part else "", {})[leaf] = array
    blocks: list[Block] = []
    for place in sorted(layers):
        plain = layers[place].pop("", None)
        if plain is None:
            blocks.append(layers[place])
        elif plain["weight"].ndim == 4:
            blocks.append({"conv": plain})
        else:
            blocks[-1]["norm" if "running_mean" in plain else "prelu"] = plain
    return blocks


def _recognise(
    blocks: list[Block],
    state: Mapping[str, np.ndarray],
    pooling: Literal["max", "average"] | None,
) -> NetworkSpec:
    kernel = blocks[0]["conv"]["weight"]
    is_residual = any("conv0" in block for block in blocks)
    counts = ARCHITECTURES.get((kernel.shape[-1], int(is_residual)), {})
    architecture: Any = counts.get(len(blocks))
    if architecture is None or "classifier.weight" not in state:
        raise ValueError(f"{len(blocks)} layers, the first {kernel.shape[-1]} pixels wide")
    scaling = None if is_residual else blocks[1]["conv"]["weight"].shape[0] // kernel.shape[0]
    norms = any("running_mean" in leaves for block in blocks for leaves in block.values())
    return NetworkSpec(
        architecture=architecture,
        units=kernel.shape[0],
        unit_scaling=scaling,
        batch_norm=norms,
        pooling=None if architecture == "resnet6" else pooling,
    )


def _pooling(
    kinds: Mapping[str, str], state: Mapping[str, np.ndarray]
) -> Literal["max", "average"] | None:
    """Return how a detector pools; its arrays do not say.

    Raises:
        ValueError: when it pads its pools, or may do so: no dense map is that of its training then.
    """
    pools = {kind for kind in kinds.values() if "Pool" in kind}
    is_plain = not any(".conv0." in name for name in state)
    if pools and is_plain:
        raise ValueError(f"{pools.pop()} pads each crop, which no whole image can repeat")
    places = sorted({int(name.split(".")[2]) for name in state if name.startswith(PREFIX)})
    has_gaps = places != list(range(len(places)))
    kernel = state.get(f"{PREFIX}0.conv.weight")
    is_resnet6 = kernel is not None and kernel.shape[-1] == 5
    if has_gaps and not kinds and not is_resnet6:
        raise ValueError("dropout or pools between its layers: give the .sav file itself")
    return "max" if pools else None


def _put(variables: dict[str, Any], name: str, block: Block) -> None:
    """Put the arrays of one layer where `TopazNetwork` has them."""
    params, statistics = variables["params"].setdefault(name, {}), {}
    for part, leaves in block.items():
        if part == "prelu":
            params[part] = {"negative_slope": leaves["weight"].reshape(())}
        elif part.startswith("norm"):
            named = {LEAVES[leaf]: array for leaf, array in leaves.items()}
            statistics[part] = {leaf: named.pop(leaf) for leaf in ("mean", "var")}
            params[part] = named
        else:
            params[part] = _convolution(leaves)
    if statistics:
        variables["batch_stats"][name] = statistics


def _convolution(leaves: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    arrays = {"kernel": np.transpose(leaves["weight"], (2, 3, 1, 0))}
    return arrays | ({"bias": leaves["bias"]} if "bias" in leaves else {})


def _check(params: Mapping[str, Any], spec: NetworkSpec) -> None:
    """Refuse layers of other shapes than the network's.

    Raises:
        ValueError: naming the first.
    """
    width = 1
    for place, layer in enumerate(spec.layers):
        if layer.kind != "pool":
            found = {
                n: a["kernel"].shape for n, a in params[f"layer{place}"].items() if "kernel" in a
            }
            wanted = _kernels(layer, width, layer.width * spec.units)
            if found != wanted:
                raise ValueError(f"layer {place} has kernels {found}, expected {wanted}")
            width = layer.width * spec.units


def _kernels(layer: Layer, width: int, out_width: int) -> dict[str, tuple[int, ...]]:
    if layer.kind == "convolution":
        return {"conv": (layer.kernel_px, layer.kernel_px, width, out_width)}
    shapes: dict[str, tuple[int, ...]] = {
        "conv0": (3, 3, width, width),
        "conv1": (3, 3, width, out_width),
    }
    return shapes | ({"proj": (1, 1, width, out_width)} if width != out_width else {})


def _read_npz(path: Path | str) -> dict[str, np.ndarray]:
    """Read an exported state; arrays of other kinds beside it are left alone."""
    try:
        with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = [name for name in file.files if name.startswith("state/")] or file.files
            return {name.removeprefix("state/"): file[name] for name in names}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: expected an exported state, got a damaged file") from error
