"""Minibatches of Topaz from simulated fields, where all particles are known and some may be hidden.

The same crops as `topaz_examples` takes from labelled micrographs. With a share of the particles labelled, positive
and unlabelled learning can be studied against the truth.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxpick.methods.simulated_examples import FieldSpec, draw_field
from jaxpick.methods.topaz_examples import SamplerSpec, disc_offsets
from jaxpick.preprocess.prepare import PreprocessSpec, normalise_field
from jaxpick.simulate.bank import Bank
from jaxpick.simulate.simulated import Simulated
from jaxpick.simulate.targets import TargetSpec, judge, make_target
from jaxpick.typing import RandomKey


def simulated_minibatch(
    key: RandomKey,
    bank: Bank,
    field: FieldSpec,
    target: TargetSpec,
    working: PreprocessSpec,
    spec: SamplerSpec,
    crop_px: int,
    excludes: bool,
) -> dict[str, Array]:
    """Draw a minibatch from simulated fields.

    Returns:
        `image` (item, y, x), `label` (item,), and of these fields' pixels the share that belongs to particles (`prior`)
        and that is labelled (`observed`). Pixels of particles that nobody could find are never drawn.
    """
    field_key, label_key, item_key = jax.random.split(key, 3)
    count = spec.fields_per_minibatch

    def draw(keys: Any) -> tuple[Array, Array, Array, Array]:
        simulated = draw_field(keys[0], bank, field)
        image = normalise_field(simulated.image, simulated.pixel_size_angstrom, working)
        return image, *_pixel_kinds(keys[1], simulated, target, spec)

    keys = (jax.random.split(field_key, count), jax.random.split(label_key, count))
    images, positive, labelled, open_pixels = jax.vmap(draw)(keys)
    unlabelled = open_pixels & ~labelled if excludes else open_pixels
    place, label = _draw_places(item_key, labelled, unlabelled, spec)
    half = crop_px // 2
    padded = jnp.pad(images, ((0, 0), (half, half), (half, half)))
    shape = (1, crop_px, crop_px)
    crops = jax.vmap(lambda at: jax.lax.dynamic_slice(padded, tuple(at), shape)[0])(place)
    total = jnp.maximum(jnp.sum(open_pixels | labelled), 1)
    shares = {"prior": jnp.sum(positive) / total, "observed": jnp.sum(labelled) / total}
    return {"image": crops, "label": label, **shares}


def _pixel_kinds(
    key: RandomKey, simulated: Simulated, target: TargetSpec, spec: SamplerSpec
) -> tuple[Bool[Array, "y x"], Bool[Array, "y x"], Bool[Array, "y x"]]:
    """Return the pixels of particles, those of them that are labelled, and all that may be drawn."""
    truth, shape = simulated.truth, simulated.image.shape
    wanted = truth.is_inside & judge(truth, target)[0]
    known = wanted & jax.random.bernoulli(key, spec.labelled_share, wanted.shape)
    centres = jnp.round(truth.centre_yx_px).astype(jnp.int32)
    pixels = centres[:, None, :] + jnp.asarray(disc_offsets(spec.radius_px), jnp.int32)[None]

    def discs(chosen: Bool[Array, " particle"]) -> Bool[Array, "y x"]:
        # Below zero would count from the other end.
        inside = chosen[:, None] & jnp.all(pixels >= 0, axis=-1)
        y = jnp.where(inside, pixels[..., 0], shape[0])
        return jnp.zeros(shape, bool).at[y, pixels[..., 1]].set(True, mode="drop")

    positive = discs(wanted)
    may_be_drawn = (make_target(simulated, target).weight > 0) | positive
    return positive, discs(known), may_be_drawn


def _draw_places(
    key: RandomKey,
    labelled: Bool[Array, "field y x"],
    unlabelled: Bool[Array, "field y x"],
    spec: SamplerSpec,
) -> tuple[Int[Array, "item 3"], Float[Array, " item"]]:
    """Return (field, y, x) of each item and its label; without labelled pixels all items are unlabelled."""
    kind_key, positive_key, other_key = jax.random.split(key, 3)
    is_positive = jax.random.bernoulli(kind_key, spec.positive_share, (spec.items,))
    is_positive &= jnp.any(labelled)
    on = _draw_from(positive_key, labelled, spec.items)
    off = _draw_from(other_key, unlabelled, spec.items)
    index = jnp.where(is_positive, on, off)
    place = jnp.stack(jnp.unravel_index(index, labelled.shape), axis=1)
    return place.astype(jnp.int32), is_positive.astype(jnp.float32)


def _draw_from(key: RandomKey, mask: Bool[Array, "field y x"], count: int) -> Int[Array, " item"]:
    """Draw flat indices of a mask with equal probability, by its running count."""
    running = jnp.cumsum(mask.ravel().astype(jnp.int32))
    rank = jax.random.randint(key, (count,), 0, jnp.maximum(running[-1], 1))
    return jnp.searchsorted(running, rank, side="right").clip(0, mask.size - 1)
