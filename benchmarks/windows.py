"""Sliding windows, all at once.

DeepEM's KLH network over a 2048 x 2048 micrograph in four rotations, a window each 20 px; DeepPicker's over a 1024 x
1024 image, a window each 4 px. The peer cuts out windows and scores them in batches in PyTorch: a sample of batches is
timed and scaled to all windows. A dense score is checked against that of its window first.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _machine, _peers
from benchmarks._report import Row, main
from benchmarks._timing import Timing, repeated
from jaxpick.models import deepem, deeppicker
from jaxpick.numerics.fragments import num_windows

BATCH, BATCHES = {"deepem": 8, "deeppicker": 256}, 4
WINDOW = {"deepem": 272, "deeppicker": deeppicker.WINDOW_PX}


def measure(runs: int) -> list[Row]:
    """Return a row for each network."""
    return [_deepem(runs), _deeppicker(runs)]


def _deepem(runs: int) -> Row:
    layers, shape, step = deepem.TABLE_1["klh"], (2048, 2048), 20
    network = deepem.DeepEM(layers)
    image = jax.random.normal(jax.random.key(0), shape)
    params = network.init(jax.random.key(1), image[None, :272, :272])["params"]

    @jax.jit
    def scan(image: jax.Array) -> jax.Array:
        spectrum = deepem.spectrum_of(image)
        turned = [deepem.turn_params(params, turns) for turns in range(4)]
        return sum(deepem.scan_logits(p, layers, spectrum, shape, step) for p in turned) / 4

    _check(scan(image)[3, 5], _turned(network, params, image[60:332, 100:372]))
    return _row("DeepEM, KLH, four rotations", "deepem", scan, image, (shape, step, 4), runs, "100")


def _turned(network: deepem.DeepEM, params: dict, box: jax.Array) -> jax.Array:
    boxes = jnp.stack([jnp.rot90(box, turns) for turns in range(4)])
    return jnp.mean(network.apply({"params": params}, boxes))


def _deeppicker(runs: int) -> Row:
    shape, step = (1024, 1024), 4
    network = deeppicker.DeepPicker()
    image = jax.random.normal(jax.random.key(0), shape)
    params = network.init(jax.random.key(1), image[None, :64, :64])["params"]
    scan = jax.jit(lambda image: deeppicker.scan_logits(params, image, step))
    _check(scan(image)[3, 5], network.apply({"params": params}, image[None, 12:76, 20:84])[0])
    name = "DeepPicker, 1024 x 1024, step 4"
    return _row(name, "deeppicker", scan, image, (shape, step, 1), runs, "20")


def _check(dense: jax.Array, window: jax.Array) -> None:
    np.testing.assert_allclose(dense, window, rtol=1e-3, atol=1e-3)


def _row(name, network, scan, image, places, runs, target) -> Row:
    (shape, step, turns), side = places, WINDOW[network]
    windows = turns * num_windows(shape[0], side, step) * num_windows(shape[1], side, step)
    ours = repeated(lambda: scan(image), runs)
    settings = {"shape": (BATCH[network], 1, side, side), "steps": BATCHES, "runs": runs}
    found = _peers.ask("topaz", "torch_networks.py", network=network, what="score", **settings)
    cost = scan.lower(image).compile().cost_analysis()
    scale = windows / BATCH[network]
    return Row(
        figure=f"{name}: {windows:,} windows",
        ours=ours,
        peer=f"PyTorch {_peers.version('topaz', 'torch')}, window by window (scaled)",
        theirs=None if found is None else Timing(tuple(scale * s for s in found["seconds"])),
        floor_seconds=_machine.floor_seconds(float(cost["flops"]), 4.0 * image.size),
        target=f"{target}; {'3 s' if network == 'deepem' else '1 s'}",
    )


if __name__ == "__main__":
    main(measure, __doc__ or "", "windows")
