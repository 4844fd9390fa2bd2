"""Where the time goes.

The compiled programs of the hot paths: the operations and bytes that the compiler counts, and what share of this
machine's rates they reach. Then how many programs are compiled for micrographs of twelve sizes, one after another. The
simulator's counts hold every branch of its contaminants, of which few are taken: its shares are upper bounds.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _machine
from benchmarks._micrographs import DIAMETER_ANGSTROM, FINE_ANGSTROM, SIDE, simulator
from benchmarks._report import Row, main
from benchmarks._timing import Timing, repeated, timed
from jaxpick import methods
from jaxpick.io.nouns import Micrograph
from jaxpick.models.topaz import TopazNetwork
from jaxpick.models.topaz_layers import NetworkSpec
from jaxpick.models.unet import UNet
from jaxpick.numerics.fourier import fourier_crop
from jaxpick.preprocess.working import WorkingSpec, normalise
from jaxpick.simulate.render import simulate_micrograph
from jaxpick.spec import build
from jaxpick.weights.shipped import load_picker_weights

COMPILED = "/jax/core/compile/backend_compile_duration"
SHAPES = [(4096 - 96 * i, 4096 - 32 * i) for i in range(12)]


def measure(runs: int) -> list[Row]:
    """Return a row a program, and one of the compilations."""
    return [
        *(_program(name, call, given, runs) for name, (call, given) in _programs().items()),
        _compilations(),
    ]


def _programs() -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    large, small = jnp.ones((SIDE, SIDE)), jnp.ones((1, 512, 512, 1))
    bank, priors = simulator(120.0, 0.53)
    unet, topaz = UNet((32, 48, 64, 64)), TopazNetwork(NetworkSpec())
    unet_params = jax.jit(unet.init)(jax.random.key(0), small)
    topaz_params = jax.jit(topaz.init)(jax.random.key(0), small[:, :71, :71])
    spec = WorkingSpec()

    def dense(params: Any, images: Any) -> Any:
        return topaz.apply(params, images, True)

    return {
        "Fourier cropping of 4096 x 4096 to 512 x 512": (
            lambda i: fourier_crop(i, (512, 512)),
            (large,),
        ),
        "normalisation of 512 x 512": (lambda i: normalise(i, spec), (small[0, ..., 0],)),
        "U-Net over 512 x 512": (unet.apply, (unet_params, small)),
        "Topaz resnet8, dense, over 512 x 512": (dense, (topaz_params, small)),
        "a simulated micrograph, 1024 x 1024": (
            lambda key: simulate_micrograph(key, priors, bank, (1024, 1024), 1300, 128),
            (jax.random.key(0),),
        ),
    }


def _program(name: str, call: Callable[..., Any], given: tuple[Any, ...], runs: int) -> Row:
    compiled = jax.jit(call)
    cost = compiled.lower(*given).compile().cost_analysis()
    ours = repeated(lambda: compiled(*given), 2 * runs)
    flops, moved = float(cost["flops"]), float(cost["bytes accessed"])
    shares = [
        100 * flops / ours.median / _machine.flops_per_second(),
        100 * moved / ours.median / _machine.bytes_per_second(),
    ]
    counted = (
        f"{flops / 1e9:.3g} GFLOP at {shares[0]:.0f} %, {moved / 1e9:.3g} GB at {shares[1]:.0f} %"
    )
    return Row(figure=f"{name}: {counted}", ours=ours)


def _compilations() -> Row:
    """Pick noise of twelve sizes and count what is compiled."""
    counts: list[int] = [0]

    def listen(event: str, seconds: float, **kwargs: Any) -> None:
        counts[-1] += event == COMPILED

    jax.monitoring.register_event_duration_secs_listener(listen)
    params, card = load_picker_weights("unet", None)
    module = methods.get("unet")
    picker = module.make_picker(
        build(module.Spec, card["config"], "weights"), params, DIAMETER_ANGSTROM
    )
    random, seconds = np.random.default_rng(0), []
    for shape in SHAPES:
        image = random.normal(size=shape).astype(np.float32)
        micrograph = Micrograph(image=image, pixel_size_angstrom=FINE_ANGSTROM, name="noise.mrc")
        seconds.append(timed(lambda m=micrograph: len(picker.candidates(picker.prepare(m)))))
        counts.append(0)
    later = ", ".join(map(str, counts[1:-1]))
    figure = f"micrographs of twelve sizes: {counts[0]} programs for the first, then {later}"
    return Row(figure=figure, ours=Timing(tuple(seconds)))


if __name__ == "__main__":
    main(measure, __doc__ or "", "programs")
