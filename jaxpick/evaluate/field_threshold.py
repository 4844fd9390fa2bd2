"""The threshold at which a trained picker does best on whole fields.

Zhu, Ouyang and Mao (2017), DeepEM, choose the threshold of the best F2 on a validation set (equation 8). Single patches
do not tell it: their share of particles is not a micrograph's, and picking does more than scoring. So new fields of the
simulator, or the held-out labelled micrographs, are picked as any micrograph is, and the picks matched to the truth.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxpick import rngs
from jaxpick.evaluate.curves import best_threshold, score_curve
from jaxpick.evaluate.hard_examples import working_image
from jaxpick.evaluate.matching import match_by_score, nearest
from jaxpick.methods.labelled_examples import Data
from jaxpick.methods.labelled_micrographs import Labelled
from jaxpick.methods.simulated_examples import draw_field
from jaxpick.numerics.coordinates import CoordinateMap
from jaxpick.picking.picker import Picker
from jaxpick.preprocess.prepare import normalise_field
from jaxpick.preprocess.working import WorkingImage
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.targets import judge
from jaxpick.train.stage import Stage
from jaxpick.typing import RandomKey

NUM_FIELDS = 48
MATCH_DIAMETERS = 0.5
# A score that rounding has made certain; thresholds of probabilities lie below it.
CERTAIN, LESS = 1.0, 1.0 - 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """A working image with its truth, in its own pixels, one angstrom each.

    Attributes:
        working: image.
        diameter_px: of the particle.
        wanted_yx_px: centres that must be found.
        ignored_yx_px: centres that are neither wanted nor wrong.
    """

    working: WorkingImage
    diameter_px: float
    wanted_yx_px: Float[np.ndarray, "wanted 2"]
    ignored_yx_px: Float[np.ndarray, "ignored 2"]


def calibrate(method: Any, spec: Any, params: Any, stage: Stage, data: Data, seed: int) -> Any:
    """Return a method's settings with all that its trained parameters tell: what the method itself measures
    (`method.calibrate`), and then its threshold (`method.THRESHOLD_BETA`), each where it has one.
    """
    if hasattr(method, "calibrate"):
        spec = method.calibrate(spec, params, stage, seed)
    if hasattr(method, "THRESHOLD_BETA"):
        spec = with_best_threshold(method, spec, params, data, seed)
    return spec


def with_best_threshold(
    method: Any, spec: Any, params: Any, data: Data, seed: int, num_fields: int = NUM_FIELDS
) -> Any:
    """Return a method's settings with the threshold of its best F score (`method.THRESHOLD_BETA`).

    Args:
        method: its module.
        spec: its settings, returned as they are where no field holds a particle.
        params: trained.
        data: a bank to simulate fields with, or labelled micrographs, of which the held-out ones are picked.
        seed: of the fields.
        num_fields: to simulate.
    """
    if isinstance(data, Labelled):
        fields = [_labelled(one) for one in data.validation or data.train]
    else:
        fields = simulated_fields(spec, data, rngs.stream(seed, "threshold"), num_fields)
    sizes = {field.diameter_px for field in fields}
    pickers = {size: method.make_picker(spec, params, size) for size in sizes}
    judged = [judge_picks(pickers[field.diameter_px], field) for field in fields]
    threshold = best_f_threshold(judged, fields, method.THRESHOLD_BETA)
    if threshold is None:
        return spec
    threshold = LESS if threshold == CERTAIN else threshold
    threshold = max(threshold, spec.decode.candidate_threshold)
    return dataclasses.replace(spec, decode=dataclasses.replace(spec.decode, threshold=threshold))


def best_f_threshold(
    judged: Sequence[tuple[Float[np.ndarray, " _"], Bool[np.ndarray, " _"]]],
    fields: Sequence[Field],
    beta: float,
) -> float | None:
    """Return the score at which the picks at or above it have the best F_beta, all fields together.

    Args:
        judged: scores of each field's picks, and which of them are right.
        fields: with their truth.
        beta: above 1, recall counts more than precision.

    Returns:
        None where nothing was picked or there is nothing to find.
    """
    score, hit = (np.concatenate(part) for part in zip(*judged, strict=True))
    curve = score_curve(score, hit, sum(len(field.wanted_yx_px) for field in fields))
    return best_threshold(curve.threshold, curve.f_score(beta))


def judge_picks(
    picker: Picker, field: Field
) -> tuple[Float[np.ndarray, " pick"], Bool[np.ndarray, " pick"]]:
    """Return score and rightness of a field's candidates; those that are only near an ignored particle are left out."""
    picks = picker.candidates(field.working)
    found = np.stack([picks.y, picks.x], axis=1).astype(np.float64)
    score, radius = np.asarray(picks.score, np.float64), MATCH_DIAMETERS * field.diameter_px
    hit = np.zeros(len(found), np.bool_)
    hit[match_by_score(found, score, field.wanted_yx_px, radius).pick] = True
    _, distance = nearest(found, field.ignored_yx_px)
    counts = hit | (distance > radius)
    return score[counts], hit[counts]


def simulated_fields(spec: Any, bank: Bank, key: RandomKey, count: int) -> list[Field]:
    """Draw fields as a method's training does (`spec.field`, `spec.target`, `spec.working`)."""
    simulate = jax.jit(partial(_simulate, spec))
    drawn = [jax.device_get(simulate(one, bank)) for one in rngs.per_example(key, count)]
    nominal = getattr(spec.working, "diameter_px", None)
    return [_simulated(one, index, nominal) for index, one in enumerate(drawn)]


def _simulate(spec: Any, key: RandomKey, bank: Bank) -> dict[str, Array]:
    simulated = draw_field(key, bank, spec.field)
    wanted, ignored = judge(simulated.truth, spec.target)
    inside = simulated.truth.is_inside
    return {
        "image": normalise_field(simulated.image, simulated.pixel_size_angstrom, spec.working),
        "centre": simulated.truth.centre_yx_px,
        "diameter": simulated.truth.diameter_px,
        "wanted": wanted & inside,
        "ignored": ignored & inside,
    }


def _simulated(drawn: dict[str, np.ndarray], index: int, nominal_px: float | None) -> Field:
    wanted, centre = drawn["wanted"], drawn["centre"].astype(np.float64)
    # Where the working pixel is fixed, the user's diameter is the particle's own; a whole number shares programs.
    of_particles = round(float(np.mean(drawn["diameter"][wanted]))) if wanted.any() else 16
    height, width = drawn["image"].shape
    working = WorkingImage(
        image=drawn["image"],
        coordinates=CoordinateMap(scale_y=1.0, scale_x=1.0),
        pixel_size_angstrom=1.0,
        micrograph=f"field {index}",
        micrograph_shape=(height, width),
        micrograph_pixel_size_angstrom=1.0,
    )
    return Field(
        working=working,
        diameter_px=float(of_particles if nominal_px is None else nominal_px),
        wanted_yx_px=centre[wanted],
        ignored_yx_px=centre[drawn["ignored"]],
    )


def _labelled(micrograph: Any) -> Field:
    return Field(
        working=working_image(micrograph),
        diameter_px=2.0 * float(micrograph.radius_px),
        wanted_yx_px=micrograph.centre_yx_px.astype(np.float64),
        ignored_yx_px=np.zeros((0, 2)),
    )
