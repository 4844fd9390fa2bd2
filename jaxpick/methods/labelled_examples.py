"""Training examples from labelled micrographs, the same as those from the simulator.

Crops of working images, half of them about a labelled particle, the others anywhere, turned and
mirrored on the device; the targets are discs about the labelled centres. `field_sources` and
`patch_sources` are what a method calls, whichever data it is given.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.spatial import cKDTree

from jaxpick.methods.labelled_micrographs import Labelled, LabelledMicrograph
from jaxpick.methods.simulated_examples import FieldSpec
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.targets import TargetSpec
from jaxpick.train.sources import ExampleSource, Loaded, Simulated
from jaxpick.typing import RandomKey

Data: TypeAlias = Bank | Labelled
Sources: TypeAlias = tuple[ExampleSource, ExampleSource | None]
Augment: TypeAlias = Callable[[RandomKey, dict[str, Array]], dict[str, Array]]

# As far from a crop's centre as a particle may lie that the crop was chosen for, in its sides.
JITTER = 0.35


def field_sources(
    data: Data, draw: Callable[..., Any], field: FieldSpec, target: TargetSpec
) -> Sources:
    """Return examples to train and to validate on: fields with the map to be drawn.

    Args:
        data: a bank to simulate with, or labelled micrographs.
        draw: `(key, bank) -> example` for a bank.
        field: its side is the side of the crops.
        target: its disc fraction is that of the discs; labels have no masks.

    Returns:
        For labelled micrographs, examples with `image`, `target` (0 or 1) and `weight` (0 beyond
        the micrograph), all (y, x).
    """
    if isinstance(data, Bank):
        return Simulated(draw=draw, shared=data), None

    def load(micrograph: LabelledMicrograph, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return labelled_crop(micrograph, rng, field.field_px, target.disc_fraction, share)

    share = data.spec.particle_share
    return _loaded(data, load)


def patch_sources(
    data: Data,
    draw: Callable[..., Any],
    patch_px: int,
    num_patches: int,
    least_distance: float = 1.2,
    augment: Augment | None = None,
) -> Sources:
    """Return examples to train and to validate on: particle and non-particle patches, half each.

    Args:
        data: a bank to simulate with, or labelled micrographs.
        draw: `(key, bank) -> example` for a bank.
        patch_px: side of a patch.
        num_patches: patches of an example, even; all of one micrograph.
        least_distance: of a non-particle's centre to any label, in radii of the particle.
        augment: `(key, example) -> example` for either; if None, labelled patches are turned and
            mirrored, simulated ones left as they are.

    Returns:
        For labelled micrographs, examples as `simulated_examples.patch_example` makes them.
    """

    def draw_augmented(key: RandomKey, shared: Bank) -> Any:
        draw_key, augment_key = jax.random.split(key)
        example = draw(draw_key, shared)
        return example if augment is None else augment(augment_key, example)

    if isinstance(data, Bank):
        return Simulated(draw=draw_augmented if augment else draw, shared=data), None

    def load(micrograph: LabelledMicrograph, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return labelled_patches(micrograph, rng, patch_px, num_patches, least_distance)

    return _loaded(data, load, augment or _augment)


def labelled_crop(
    micrograph: LabelledMicrograph,
    rng: np.random.Generator,
    side_px: int,
    disc_fraction: float,
    particle_share: float,
) -> dict[str, np.ndarray]:
    """Cut a square and draw the discs of the labels in and about it; labels that are not learnt from have no weight.

    Args:
        micrograph: working image and centres.
        rng: chooses the place.
        side_px: of the square; a micrograph that is smaller is surrounded by zeros of no weight, as
            its own borders are.
        disc_fraction: radius of a disc in radii of the particle.
        particle_share: probability that the square is chosen to hold some particle.
    """
    image, learnt = micrograph.image(), micrograph.learnt_yx_px
    corner = choose_corner(image.shape, learnt, rng, side_px, particle_share)
    radius = disc_fraction * micrograph.radius_px
    discs = draw_discs(learnt - corner[None, :], radius, side_px)
    others = micrograph.centre_yx_px[~micrograph.is_learnt] - corner[None, :]
    untold = draw_discs(others, micrograph.radius_px, side_px) & ~discs
    top, bottom, left, right = micrograph.usable
    usable = np.zeros(image.shape, np.bool_)
    usable[top:bottom, left:right] = True
    inside = cut_square(usable, corner, side_px)
    return {
        "image": cut_square(image, corner, side_px).astype(np.float32),
        "target": (discs & inside).astype(np.float32),
        "weight": (inside & ~untold).astype(np.float32),
    }


def choose_corner(
    shape: tuple[int, ...],
    centre_yx_px: Float[np.ndarray, "particle 2"],
    rng: np.random.Generator,
    side_px: int,
    particle_share: float,
) -> Int[np.ndarray, "2"]:
    """Return the first pixel of a square within an image (at 0 where the image is smaller), chosen
    to hold some particle with a probability of `particle_share`.
    """
    last = np.maximum(np.array(shape) - side_px, 0)
    if len(centre_yx_px) and rng.random() < particle_share:
        chosen = centre_yx_px[rng.integers(len(centre_yx_px))]
        place = chosen + rng.uniform(-JITTER, JITTER, 2) * side_px
        return np.clip(np.round(place).astype(int) - side_px // 2, 0, last)
    return rng.integers(0, last + 1)


def labelled_patches(
    micrograph: LabelledMicrograph,
    rng: np.random.Generator,
    patch_px: int,
    num_patches: int,
    least_distance: float,
) -> dict[str, np.ndarray]:
    """Cut patches about labels and about places far from any, or about known non-particles.

    Places are drawn eight times as many as are needed; where too few of them are far enough, or
    there are no labels, the patches left have no weight.
    """
    image, half = micrograph.image(), num_patches // 2
    anywhere = rng.uniform(0, np.array(image.shape)[None, :] - 1, (8 * half, 2))
    labels, negatives = micrograph.learnt_yx_px, micrograph.negatives_yx_px
    particles, known = _chosen(labels, rng, half, anywhere)
    if negatives is None:
        elsewhere, exists = _far(micrograph, anywhere, half, least_distance)
    else:
        elsewhere, exists = _chosen(negatives, rng, half, anywhere)
    corners = np.round(np.concatenate([particles, elsewhere])).astype(int) - patch_px // 2
    return {
        "image": np.stack([cut_square(image, corner, patch_px) for corner in corners]),
        "label": np.repeat(np.array([1, 0], np.int32), half),
        "weight": np.concatenate([known, exists]).astype(np.float32),
    }


def _chosen(
    centres: np.ndarray, rng: np.random.Generator, number: int, otherwise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return so many of the centres, with replacement; without any, places that do not count."""
    if not len(centres):
        return otherwise[:number], np.zeros(number, np.bool_)
    return centres[rng.integers(len(centres), size=number)], np.ones(number, np.bool_)


def _far(
    micrograph: LabelledMicrograph, places: np.ndarray, number: int, least_distance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return so many of the places that are far from all labels, and which of them are."""
    if not len(micrograph.centre_yx_px):
        return places[:number], np.ones(number, np.bool_)
    distance, _ = cKDTree(micrograph.centre_yx_px).query(places)
    far = places[distance >= least_distance * micrograph.radius_px][:number]
    filled = np.concatenate([far, places[: number - len(far)]])
    return filled, np.arange(number) < len(far)


def draw_discs(
    centre_yx_px: Float[np.ndarray, "particle 2"], radius_px: float, side_px: int
) -> Bool[np.ndarray, "side side"]:
    """Return which pixels of a square lie within a radius of some centre, to the fraction of a
    pixel.
    """
    reach = int(np.ceil(radius_px)) + 1
    near = np.all((centre_yx_px > -reach) & (centre_yx_px < side_px + reach), axis=1)
    centres = centre_yx_px[near]
    window = np.arange(-reach, reach + 1)
    offset = np.stack(np.meshgrid(window, window, indexing="ij"), axis=-1).reshape(1, -1, 2)
    pixels = np.round(centres)[:, None, :].astype(int) + offset
    within = np.sum((pixels - centres[:, None, :]) ** 2, axis=-1) <= radius_px**2
    within &= np.all((pixels >= 0) & (pixels < side_px), axis=-1)
    discs = np.zeros((side_px, side_px), np.bool_)
    discs[tuple(pixels[within].T)] = True
    return discs


def turned(key: RandomKey, image: Float[Array, "... side side"]) -> Float[Array, "... side side"]:
    """Return squares in one of the eight orientations of a square, all in the same."""
    transpose, up, left = jax.random.bernoulli(key, 0.5, (3,))
    image = jnp.where(transpose, jnp.swapaxes(image, -1, -2), image)
    image = jnp.where(up, jnp.flip(image, -2), image)
    return jnp.where(left, jnp.flip(image, -1), image)


def _augment(key: RandomKey, example: dict[str, Array]) -> dict[str, Array]:
    return {n: turned(key, value) if value.ndim >= 2 else value for n, value in example.items()}


def _loaded(
    data: Labelled,
    load: Callable[[LabelledMicrograph, np.random.Generator], dict[str, np.ndarray]],
    augment: Augment = _augment,
) -> Sources:
    """Return the sources of the training and the validation micrographs (None without any).

    Data sets take turns, and within each its micrographs do: all sets have equal shares.
    """

    def source(micrographs: Sequence[LabelledMicrograph]) -> Loaded:
        numbers = sorted({micrograph.data_set for micrograph in micrographs})
        sets = [[m for m in micrographs if m.data_set == number] for number in numbers]

        def load_index(index: int) -> dict[str, np.ndarray]:
            rng = np.random.default_rng([data.seed, index])
            turn, chosen = divmod(index, len(sets))
            return load(sets[chosen][turn % len(sets[chosen])], rng)

        count = len(micrographs) * data.spec.crops_per_micrograph
        return Loaded(load=load_index, count=count, augment=augment)

    return source(data.train), source(data.validation) if data.validation else None


def cut_square(image: np.ndarray, corner: np.ndarray, side_px: int) -> np.ndarray:
    """Cut a square from an image, zero beyond it."""
    square = np.zeros((side_px, side_px), image.dtype)
    low, high = np.maximum(corner, 0), np.minimum(corner + side_px, image.shape)
    (top, left), (bottom, right) = low - corner, high - corner
    square[top:bottom, left:right] = image[low[0] : high[0], low[1] : high[1]]
    return square
