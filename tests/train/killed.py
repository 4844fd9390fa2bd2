"""A run to be killed: `python killed.py FOLDER` trains the toy, slowly enough to be caught."""

import sys
import time

import numpy as np
from toy import stages

from jaxpick.train import Loaded, TrainSpec, train_stages

SLOPES = np.arange(1.0, 9.0, dtype=np.float32)


def load(index):
    time.sleep(0.002)
    image = np.random.default_rng(index).normal(size=8).astype(np.float32)
    return {"image": image, "target": image @ SLOPES}


if __name__ == "__main__":
    source = Loaded(load=load, count=50, num_threads=1)
    spec = TrainSpec(log_every=3, validate_every=4, validation_batches=1)
    train_stages(stages(steps=60, examples=source), spec, sys.argv[1])
    print("finished")
