"""One process of a run on several: `python hosts.py FOLDER` trains the toy with the others."""

import os
import sys

import numpy as np

from jaxpick.parallel import HardwareSpec, parallelism, start_hosts
from jaxpick.train import Loaded, Simulated, TrainSpec, train_stages
from jaxpick.train.stage import with_cached_examples


def load(index):
    image = np.random.default_rng(index).normal(size=8).astype(np.float32)
    return {"image": image, "target": image @ np.arange(1.0, 9.0, dtype=np.float32)}


if __name__ == "__main__":
    hardware = HardwareSpec(multihost="JAX_COORDINATOR_ADDRESS" in os.environ)
    start_hosts(hardware.multihost)
    from toy import SLOPES, draw, stages  # makes arrays, which must wait for the other hosts

    spec = TrainSpec(log_every=2, validate_every=4, validation_batches=2)
    simulated = Simulated(draw=draw, shared=SLOPES)
    (cached,) = stages(["cached"], steps=12, examples=simulated)
    local = parallelism(hardware, is_local=True)
    of_every_sort = (
        *stages(["simulated"], steps=12, examples=simulated),
        *stages(["loaded"], steps=12, examples=Loaded(load=load, count=20)),
        with_cached_examples(cached, 0, 16, local),
    )
    results = train_stages(of_every_sort, spec, sys.argv[1], hardware=hardware)
    print("weights", np.asarray(results[-1].params["w"]).tolist())
