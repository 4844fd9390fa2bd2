"""A fixed number of non-particles in labelled micrographs, where a method would draw others each time.

Zhu, Ouyang and Mao (2017) and Wang et al. (2016) learn from as many non-particle images as particle images.
"""

import dataclasses

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from jaxpick.methods.labelled_micrographs import Labelled, LabelledMicrograph
from jaxpick.spec import require

MOST_ROUNDS = 1000


def with_negatives(data: Labelled, number: int, least_distance: float) -> Labelled:
    """Return the data with so many places, drawn once, as all the non-particles that are learnt from.

    Args:
        data: what is validated on stays as it is.
        number: of places in all, in equal shares of the micrographs.
        least_distance: of a place to any label, in radii of the particle.

    Raises:
        SpecError: when labels leave no room.
    """
    shares = [len(part) for part in np.array_split(np.arange(number), len(data.train))]
    train = tuple(
        dataclasses.replace(one, negatives_yx_px=_places(one, share, least_distance, data.seed + i))
        for i, (one, share) in enumerate(zip(data.train, shares, strict=True))
    )
    return dataclasses.replace(data, train=train)


def _places(
    micrograph: LabelledMicrograph, number: int, least_distance: float, seed: int
) -> Float[np.ndarray, "place 2"]:
    """Draw places in the usable part of a micrograph, far from every label."""
    rng = np.random.default_rng([seed, number])
    top, bottom, left, right = micrograph.usable
    found: list[np.ndarray] = []
    labels = micrograph.centre_yx_px
    for _ in range(MOST_ROUNDS):
        if sum(map(len, found)) >= number:
            break
        places = rng.uniform((top, left), (bottom - 1, right - 1), (2 * number + 16, 2))
        distance = cKDTree(labels).query(places)[0] if len(labels) else np.full(len(places), np.inf)
        found.append(places[distance >= least_distance * micrograph.radius_px])
    chosen = np.concatenate([np.zeros((0, 2)), *found])[:number]
    expected = f"fewer: labels of {micrograph.name} leave no room for {number}"
    require(len(chosen) == number, "method.non_particles", number, expected)
    return chosen
