"""Two small micrographs of dark discs with their coordinates, and the command line that trains on them."""

import numpy as np

from experiments import _hydra, train
from jaxpick.io.coordinates import write_picks
from jaxpick.io.micrographs import write_mrc
from jaxpick.io.nouns import make_picks

DIAMETER, PIXEL, SHAPE = 100.0, 4.0, (128, 192)


def write_labelled_set(folder, count=2):
    """Write micrographs/*.mrc and labels/*.star."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for number in range(count):
        centres = rng.uniform((20, 20), (SHAPE[1] - 20, SHAPE[0] - 20), (5, 2))
        image = rng.normal(0.0, 0.3, SHAPE)
        for cx, cy in centres:
            image -= 3.0 * (np.hypot(x - cx, y - cy) < 0.3 * DIAMETER / PIXEL)
        name = f"field_{number}.mrc"
        write_mrc(folder / "micrographs" / name, image.astype(np.float32), PIXEL)
        write_picks([make_picks(name, *centres.T)], folder / "labels" / f"field_{number}.star")


def tiny(files, out, *overrides):
    """Return the settings of four steps on those files."""
    arguments = [
        f"out={out}",
        "method=unet",
        f"data.micrographs={files}/micrographs/*.mrc",
        f"data.coordinates={files}/labels/*.star",
        f"data.diameter={DIAMETER}",
        "data.validation_fraction=0.5",
        "method.field.field_px=32",
        "method.segmenter.batch_size=4",
        "training.max_steps=4",
        "training.log_every=1",
        "training.validate_every=2",
        "training.validation_batches=1",
    ]
    return _hydra.compose(train.TrainExperiment, "train", [*arguments, *overrides], train.choices())
