"""What is true of every particle of a simulated micrograph.

Arrays have one row a slot for particles (whole or broken); `valid` says which rows are used.
Positions are pixels of the micrograph: 0-based, pixel centres at integers, (y, x). Euler angles are
those of the view that is shown, quantised or not, so they are exact.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxpick.physics.ice import even_thickness_angstrom
from jaxpick.pytrees import pytree
from jaxpick.simulate.imaging import Exposure
from jaxpick.simulate.roles import BROKEN
from jaxpick.simulate.scene import Scene

DISC_SAMPLES = 64


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Truth:
    """Every particle of one micrograph.

    Attributes:
        valid: rows in use.
        euler_deg: RELION rot, tilt, psi.
        species: index in the bank.
        defocus_angstrom: U and V at the particle.
        overlap_fraction: share of its disc that other particles' discs cover (the largest one).
        visible_fraction: share of its disc inside the frame.
        z_angstrom: height of its centre above the middle of the ice (its even part), along the normal;
            layer 0 is on top. Images show one plane: the defocus does not follow it.
        contrast: factor on its projected potential.
        snr: variance of its noise-free image within its disc over the noise's variance.
        dprime: signal-to-noise ratio of its matched filter; does not depend on the pixel size.
        is_inside: its centre lies in the frame.
        is_broken: a part is missing.
        contaminant: class of the contaminant at its centre, 0 for none.
    """

    centre_yx_px: Float[Array, "*batch particle 2"]
    valid: Bool[Array, "*batch particle"]
    euler_deg: Float[Array, "*batch particle 3"]
    species: Int[Array, "*batch particle"]
    view: Int[Array, "*batch particle"]
    diameter_px: Float[Array, "*batch particle"]
    diameter_angstrom: Float[Array, "*batch particle"]
    defocus_angstrom: Float[Array, "*batch particle 2"]
    z_angstrom: Float[Array, "*batch particle"]
    contrast: Float[Array, "*batch particle"]
    overlap_fraction: Float[Array, "*batch particle"]
    visible_fraction: Float[Array, "*batch particle"]
    snr: Float[Array, "*batch particle"]
    dprime: Float[Array, "*batch particle"]
    is_inside: Bool[Array, "*batch particle"]
    is_broken: Bool[Array, "*batch particle"]
    contaminant: Int[Array, "*batch particle"]
    layer: Int[Array, "*batch particle"]


def make_truth(
    scene: Scene,
    exposure: Exposure,
    shape: tuple[int, int],
    margin_yx_px: tuple[int, int],
    max_particles: int,
    contrast: Float[Array, ""],
    signal: tuple[Float[Array, " particle"], Float[Array, " particle"]],
    contaminant_mask: Int[Array, "y x"],
) -> Truth:
    """Collect the truth of a scene rendered into the middle of its field.

    Args:
        margin_yx_px: of the field beside the top left corner of the micrograph.
        max_particles: the first slots of the scene, which hold particles.
        contrast: of all molecules of the micrograph.
        signal: SNR and d' of these slots.
        contaminant_mask: classes, of the micrograph.
    """
    valid, species = scene.valid[:max_particles], scene.species[:max_particles]
    view = scene.view[:max_particles]
    centre = scene.centre_yx_px[:max_particles] - jnp.asarray(margin_yx_px, jnp.float32)[None, :]
    diameter_px = scene.diameter_px[:max_particles]
    visible = visible_fraction(centre, 0.5 * diameter_px, shape)
    limit = jnp.asarray(shape, jnp.float32)[None, :] - 0.5
    psi = scene.psi_deg[:max_particles]
    optics, pixel = exposure.optics, scene.species_drawn.pixel_angstrom
    defocus = jnp.stack(
        [jnp.asarray(optics.defocus_u_angstrom), jnp.asarray(optics.defocus_v_angstrom)]
    )
    middle = 0.5 * (jnp.asarray(shape, jnp.float32) - 1.0)
    half = 0.5 * max(side + 2 * margin for side, margin in zip(shape, margin_yx_px, strict=True))
    tilted = (centre - middle[None, :]) @ exposure.tilt_yx * pixel
    at = jnp.clip(jnp.round(centre), 0, limit - 0.5).astype(jnp.int32)
    is_inside = jnp.all((centre >= -0.5) & (centre < limit), axis=-1) & valid
    return Truth(
        centre_yx_px=centre,
        valid=valid & (visible > 0),
        euler_deg=jnp.concatenate([scene.rot_tilt_deg[:max_particles], psi[:, None]], axis=-1),
        species=species,
        view=view,
        diameter_px=diameter_px,
        diameter_angstrom=diameter_px * pixel,
        defocus_angstrom=defocus[None, :] + tilted[:, None],
        z_angstrom=_heights_angstrom(
            scene, exposure, (centre - middle[None, :]) / half, diameter_px
        ),
        contrast=contrast * scene.strength[:max_particles],
        overlap_fraction=overlap_fraction(centre, 0.5 * diameter_px, valid),
        visible_fraction=visible,
        snr=jnp.where(valid, signal[0], 0.0),
        dprime=jnp.where(valid, signal[1], 0.0),
        is_inside=is_inside,
        is_broken=scene.role[:max_particles] == BROKEN,
        contaminant=jnp.where(is_inside, contaminant_mask[at[:, 0], at[:, 1]], 0),
        layer=scene.layer[:max_particles],
    )


def _heights_angstrom(
    scene: Scene,
    exposure: Exposure,
    place_yx: Float[Array, "particle 2"],
    diameter_px: Float[Array, " particle"],
) -> Float[Array, " particle"]:
    """Return each particle's height in the ice at its place, in units of half the field."""
    radius = 0.5 * diameter_px * scene.species_drawn.pixel_angstrom
    thickness = even_thickness_angstrom(exposure.ice, place_yx[:, 0], place_yx[:, 1])
    room = jnp.maximum(0.5 * thickness - radius, 0.0)
    first = slice(0, diameter_px.shape[0])
    return scene.height[first] * room + scene.height_shift_angstrom[first]


def visible_fraction(
    centre_yx_px: Float[Array, "particle 2"],
    radius_px: Float[Array, " particle"],
    shape: tuple[int, int],
) -> Float[Array, " particle"]:
    """Return the share of each disc inside the frame, whose edge runs half a pixel outside the
    outer centres.

    The share is counted on a sunflower of points: within 0.02.
    """
    index = np.arange(DISC_SAMPLES) + 0.5
    radius = np.sqrt(index / DISC_SAMPLES)
    azimuth = np.pi * (1.0 + 5.0**0.5) * index
    sample = jnp.asarray(radius * np.stack([np.sin(azimuth), np.cos(azimuth)]), jnp.float32)
    y = centre_yx_px[:, 0:1] + radius_px[:, None] * sample[None, 0]
    x = centre_yx_px[:, 1:2] + radius_px[:, None] * sample[None, 1]
    is_in = (y >= -0.5) & (y < shape[0] - 0.5) & (x >= -0.5) & (x < shape[1] - 0.5)
    return jnp.mean(is_in.astype(jnp.float32), axis=1)


def overlap_fraction(
    centre_yx_px: Float[Array, "particle 2"],
    radius_px: Float[Array, " particle"],
    valid: Bool[Array, " particle"],
) -> Float[Array, " particle"]:
    """Return the largest share of each disc that one other disc covers (area of the lens over area
    of the disc).
    """
    offset = centre_yx_px[:, None, :] - centre_yx_px[None, :, :]
    distance = jnp.sqrt(jnp.sum(offset**2, axis=-1))
    is_pair = valid[:, None] & valid[None, :] & ~jnp.eye(valid.shape[0], dtype=bool)
    depth = jnp.where(is_pair, radius_px[:, None] + radius_px[None, :] - distance, -jnp.inf)
    # The disc that reaches deepest covers most, but for discs of very different size.
    deepest = jnp.argmax(depth, axis=1)
    own, other = radius_px, radius_px[deepest]
    apart = own + other - jnp.max(depth, axis=1)
    share = _lens_area(apart, own, other) / (jnp.pi * jnp.maximum(own, 1e-6) ** 2)
    return jnp.where(jnp.isfinite(apart) & valid, share, 0.0)


def _lens_area(
    distance: Float[Array, " particle"],
    first: Float[Array, " particle"],
    second: Float[Array, " particle"],
) -> Float[Array, " particle"]:
    """Return the area common to two discs."""
    safe = jnp.maximum(distance, 1e-6)
    base = (safe**2 + first**2 - second**2) / (2.0 * safe)
    lens = _segment(first, base) + _segment(second, safe - base)
    smaller = jnp.pi * jnp.minimum(first, second) ** 2
    is_within = distance <= jnp.abs(first - second)
    return jnp.where(is_within, smaller, jnp.where(distance < first + second, lens, 0.0))


def _segment(
    radius: Float[Array, " particle"], height: Float[Array, " particle"]
) -> Float[Array, " particle"]:
    """Return the area of a disc beyond a line at a height from its centre."""
    half = jnp.sqrt(jnp.maximum(radius**2 - height**2, 0.0))
    return radius**2 * jnp.arctan2(half, height) - height * half
