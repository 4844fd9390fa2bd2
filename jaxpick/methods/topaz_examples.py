"""Minibatches of Topaz: crops about labelled pixels, and crops about any others.

One example is a whole minibatch, since Topaz's objectives look at the distribution of scores within it. An item is
positive with a fixed probability, and then lies at a pixel drawn from all labelled ones of all micrographs; else
at any pixel of any micrograph that is not labelled. Every draw follows from the seed, on any number of devices.
"""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxpick.methods.labelled_examples import cut_square, turned
from jaxpick.methods.labelled_micrographs import LabelledMicrograph
from jaxpick.spec import require
from jaxpick.typing import Image, RandomKey

REDRAWS = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplerSpec:
    """How minibatches are drawn.

    Attributes:
        items: crops in a minibatch.
        positive_share: probability that an item is positive.
        radius_px: of the disc of labelled working pixels about a particle; 3 gives 29 pixels.
        rotate: crops of labelled micrographs are turned by any angle (nearest pixels, as Topaz does) and mirrored.
        fields_per_minibatch: simulated fields that the crops of a minibatch come from.
        labelled_share: of the simulated particles; the others are among the unlabelled.
    """

    items: int = 256
    positive_share: float = 0.0625
    radius_px: float = 3.0
    rotate: bool = True
    fields_per_minibatch: int = 4
    labelled_share: float = 1.0

    def __post_init__(self) -> None:
        require(self.items >= 2, "items", self.items, "2 or more")
        share, labelled = self.positive_share, self.labelled_share
        require(0 < share < 1, "positive_share", share, "between 0 and 1")
        require(0 < labelled <= 1, "labelled_share", labelled, "above 0, at most 1")
        require(0 <= self.radius_px <= 32, "radius_px", self.radius_px, "0 to 32")
        fields = self.fields_per_minibatch
        require(fields > 0, "fields_per_minibatch", fields, "a positive number")


def disc_offsets(radius_px: float) -> Int[np.ndarray, "pixel 2"]:
    """Return the (y, x) of the pixels of a closed disc about its centre: 29 of them for a radius of 3."""
    steps = np.arange(-math.floor(radius_px), math.floor(radius_px) + 1)
    offsets = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    return offsets[np.sum(offsets**2, axis=1) <= radius_px**2]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledPixels:
    """The labelled pixels of some micrographs.

    Attributes:
        micrographs: their working images.
        pixels: (y, x) of the labelled pixels of each, once each.
    """

    micrographs: tuple[LabelledMicrograph, ...]
    pixels: tuple[Int[np.ndarray, "_ 2"], ...]

    @classmethod
    def of(cls, micrographs: Sequence[LabelledMicrograph], radius_px: float) -> "LabelledPixels":
        """Draw the discs about the labels, at whole pixels, inside what is usable of each image."""
        offsets = disc_offsets(radius_px)
        found = []
        for micrograph in micrographs:
            top, bottom, left, right = micrograph.usable
            centres = np.round(micrograph.learnt_yx_px).astype(np.int64)
            pixels = (centres[:, None, :] + offsets[None]).reshape(-1, 2)
            y, x = pixels.T
            inside = (y >= top) & (y < bottom) & (x >= left) & (x < right)
            found.append(np.unique(pixels[inside], axis=0))
        return cls(micrographs=tuple(micrographs), pixels=tuple(found))

    @property
    def num_labelled(self) -> int:
        """Number of labelled pixels."""
        return sum(len(pixels) for pixels in self.pixels)

    @property
    def num_pixels(self) -> int:
        """Number of pixels that can be drawn."""
        boxes = [micrograph.usable for micrograph in self.micrographs]
        return sum((bottom - top) * (right - left) for top, bottom, left, right in boxes)

    @property
    def observed_share(self) -> float:
        """Share of the pixels that are labelled (Topaz's p_obs)."""
        return self.num_labelled / max(self.num_pixels, 1)

    @property
    def reach(self) -> tuple[float, float]:
        """The farthest labelled row and column, as shares of their image's; 0 without labels."""
        farthest = [
            pixels.max(axis=0, initial=0) / np.array(micrograph.usable)[1::2]
            for micrograph, pixels in zip(self.micrographs, self.pixels, strict=True)
        ]
        y, x = np.max(farthest, axis=0, initial=0.0).tolist()
        return y, x

    def expected_share(self, particles: float, radius_px: float) -> float:
        """Return the share of pixels of particles (Topaz's pi) for a number of particles per micrograph."""
        disc = len(disc_offsets(radius_px))
        return particles * disc * len(self.micrographs) / max(self.num_pixels, 1)

    def draw(
        self, rng: np.random.Generator, spec: SamplerSpec, crop_px: int, excludes: bool
    ) -> dict[str, np.ndarray]:
        """Draw a minibatch.

        Args:
            rng: chooses.
            spec: how.
            crop_px: odd side of the crops.
            excludes: whether unlabelled items never lie at labelled pixels.
        """
        num_positive = int(rng.binomial(spec.items, spec.positive_share))
        num_positive = num_positive if self.num_labelled else 0
        owner, place = self._positives(rng, num_positive)
        others, elsewhere = self._unlabelled(rng, spec.items - num_positive, excludes)
        owner, place = np.concatenate([owner, others]), np.concatenate([place, elsewhere])
        images = [micrograph.image() for micrograph in self.micrographs]
        corners = place - crop_px // 2
        crops = [
            cut_square(images[i], corner, crop_px) for i, corner in zip(owner, corners, strict=True)
        ]
        label = (np.arange(spec.items) < num_positive).astype(np.float32)
        return {"image": np.stack(crops).astype(np.float32), "label": label}

    def _positives(
        self, rng: np.random.Generator, count: int
    ) -> tuple[Int[np.ndarray, " item"], Int[np.ndarray, "item 2"]]:
        ends = np.cumsum([len(pixels) for pixels in self.pixels])
        rank = rng.integers(0, max(self.num_labelled, 1), count)
        owner = np.searchsorted(ends, rank, side="right")
        pixels = np.concatenate([*self.pixels, np.zeros((0, 2), np.int64)])
        return owner, pixels[rank] if count else np.zeros((0, 2), np.int64)

    def _unlabelled(
        self, rng: np.random.Generator, count: int, excludes: bool
    ) -> tuple[Int[np.ndarray, " item"], Int[np.ndarray, "item 2"]]:
        """Draw an image, then a pixel of it, and again where that is labelled."""
        boxes = np.array([micrograph.usable for micrograph in self.micrographs])
        owner, place = np.zeros(count, np.int64), np.zeros((count, 2), np.int64)
        missing = np.arange(count)
        for _ in range(REDRAWS):
            owner[missing] = rng.integers(0, len(boxes), len(missing))
            box = boxes[owner[missing]]
            place[missing] = rng.integers(box[:, ::2], box[:, 1::2])
            if not excludes:
                break
            missing = missing[self._is_labelled(owner[missing], place[missing])]
        return owner, place

    def _is_labelled(
        self, owner: Int[np.ndarray, " item"], place: Int[np.ndarray, "item 2"]
    ) -> Bool[np.ndarray, " item"]:
        width = 1 << 31
        flat = np.zeros(len(owner), np.bool_)
        for index in np.unique(owner):
            mine = owner == index
            known = self.pixels[index] @ np.array([width, 1])
            flat[mine] = np.isin(place[mine] @ np.array([width, 1]), known)
        return flat


def rotated_side_px(crop_px: int) -> int:
    """Return the odd side of a square that holds a crop at any angle."""
    return 2 * math.ceil((crop_px // 2) * math.sqrt(2.0)) + 1


def turn_and_mirror(
    key: RandomKey, crops: Float[Array, "item wide wide"], crop_px: int
) -> Float[Array, "item side side"]:
    """Cut crops at any angle out of wider ones, by the nearest pixels, then mirror them."""
    turn_key, mirror_key = jax.random.split(key)
    count, wide = crops.shape[:2]
    angles = jax.random.uniform(turn_key, (count,), maxval=2.0 * math.pi)
    steps = jnp.arange(crop_px) - crop_px // 2
    dy, dx = jnp.meshgrid(steps, steps, indexing="ij")

    def turn(crop: Image, angle: Float[Array, ""]) -> Float[Array, "side side"]:
        cosine, sine = jnp.cos(angle), jnp.sin(angle)
        y, x = cosine * dy - sine * dx, sine * dy + cosine * dx
        middle = wide // 2
        return crop[
            jnp.round(y).astype(jnp.int32) + middle, jnp.round(x).astype(jnp.int32) + middle
        ]

    keys = jax.random.split(mirror_key, count)
    return jax.vmap(turned)(keys, jax.vmap(turn)(crops, angles))
