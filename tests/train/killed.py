"""A run to be killed: `python killed.py FOLDER STEPS` trains the toy on examples of every sort."""

import sys

import numpy as np

from jaxpick.train import Loaded, TrainSpec, train_stages

SLOPES = np.arange(1.0, 9.0, dtype=np.float32)


def load(index):
    image = np.random.default_rng(index).normal(size=8).astype(np.float32)
    return {"image": image, "target": image @ SLOPES}


if __name__ == "__main__":
    import toy  # makes arrays, and this process may yet be forked

    from jaxpick.parallel import HardwareSpec, parallelism
    from jaxpick.train.stage import with_cached_examples

    steps = int(sys.argv[2])
    local = parallelism(HardwareSpec(), is_local=True)
    (cached,) = toy.stages(["cached"], steps=steps)
    of_every_sort = (
        *toy.stages(["simulated"], steps=steps),
        with_cached_examples(cached, 0, 16, local),
        *toy.stages(["loaded"], steps=steps, examples=Loaded(load=load, count=50, num_threads=1)),
    )
    spec = TrainSpec(log_every=3, validate_every=4, validation_batches=1)
    results = train_stages(of_every_sort, spec, sys.argv[1])
    np.savez(f"{sys.argv[1]}/weights.npz", *[result.params["w"] for result in results])
    print("finished")
