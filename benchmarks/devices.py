"""One step on several devices.

The default picker's training step, simulator included, with its batch of eight shared by 1, 2 and 4 devices: CPU
devices here, which share the same cores, GPUs where there are. The efficiency is the time on one over that on all, over
the devices or the cores, whichever are fewer. Collectives are those of the compiled program.
"""

import os
import re

import jax

from benchmarks._report import Row, main
from benchmarks._steps import compiled_steps
from benchmarks._timing import repeated

COLLECTIVE = re.compile(
    r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(?:-start)?\("
)
STEPS, DEVICES = 2, (1, 2, 4)


def measure(runs: int) -> list[Row]:
    """Return a row for each number of devices that there are."""
    rows: list[Row] = []
    usable = (os.cpu_count() or 1) if jax.default_backend() == "cpu" else jax.device_count()
    for count in DEVICES:
        if count > jax.device_count():
            continue
        steps = compiled_steps(count, False, STEPS)
        ours = repeated(steps.run, runs).divided(STEPS)
        kinds = COLLECTIVE.findall(steps.program)
        first = rows[0].ours.median if rows else ours.median
        share = first / ours.median / min(count, usable)
        rows.append(
            Row(
                figure=f"{count} device{'s' if count > 1 else ''}: efficiency {share:.2f}, "
                f"{len(kinds)} collectives"
                + (f" ({', '.join(sorted(set(kinds)))})" if kinds else ""),
                ours=ours,
            )
        )
    return rows


if __name__ == "__main__":
    if os.environ.get("JAX_PLATFORMS", "cpu") == "cpu":
        jax.config.update("jax_num_cpu_devices", max(DEVICES))
    main(measure, __doc__ or "", "devices")
