"""Import of the weights that PARSED released: a Keras 2.0.8 `.h5` with the network's graph beside
them.

Layers are found by name, arrays by the names Keras gives (kernel, bias). `Conv2D` kernels are
cross-correlations, as here. `Conv2DTranspose` kernels are stored (y, x, out, in) and are flipped by
the layer of `models.parsed.ParsedReleased` that takes them, so every array is copied as it stands.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxpick.io.files import InputError

PARSED_LAYERS = {
    "conv1": (9, 9, 1, 32),
    "conv2_1": (9, 9, 32, 32),
    "conv2_2": (9, 9, 32, 32),
    "conv3_1": (9, 9, 32, 32),
    "conv3_2": (9, 9, 32, 32),
    "deconv1_1": (3, 3, 32, 32),
    "deconv2": (3, 3, 32, 32),
    "deconv3": (3, 3, 1, 32),
}
_BIAS_AXIS = {"conv": 3, "deconv": 2}


def read_parsed_released(path: Path | str) -> dict[str, dict[str, Float[np.ndarray, "..."]]]:
    """Read the released `pre_train_model.h5` as the parameters of `ParsedReleased`.

    Raises:
        InputError: when h5py is not installed, or the file is missing, damaged or of another
        network.
    """
    h5py = _import_h5py()
    try:
        with h5py.File(path, "r") as file:
            found = _arrays_by_layer(file.get("model_weights", file), h5py.Dataset)
    except OSError as error:
        raise InputError(
            f"{path}: expected a Keras .h5 file, got a missing or damaged one"
        ) from error
    return {name: _checked(path, name, found.get(name, {})) for name in PARSED_LAYERS}


def _import_h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "h5py, which reads .h5 files, is not installed; EXTRAS=import sh setup.sh installs it"
        ) from error
    return h5py


def _arrays_by_layer(group: Any, dataset_type: type) -> dict[str, dict[str, np.ndarray]]:
    """Return {layer: {kernel, bias}} of a Keras weights group: layer / any scope / kernel:0."""
    found: dict[str, dict[str, np.ndarray]] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, dataset_type):
            parts = name.split("/")
            found.setdefault(parts[0], {})[parts[-1].split(":")[0]] = np.asarray(item, np.float32)

    group.visititems(collect)
    return found


def _checked(path: Path | str, layer: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    kernel_shape = PARSED_LAYERS[layer]
    out_axis = _BIAS_AXIS["deconv" if layer.startswith("deconv") else "conv"]
    expected = {"kernel": kernel_shape, "bias": (kernel_shape[out_axis],)}
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != expected:
        wanted, got = _listed(expected.items()), _listed(shapes.items())
        raise InputError(f"{path}: layer {layer}: expected arrays {wanted}, got {got}")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError(f"{path}: layer {layer}: expected finite numbers")
    return arrays


def _listed(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in sorted(shapes)) or "none"
