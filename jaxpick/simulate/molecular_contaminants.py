"""Contaminants made of molecules that are not particles: denatured protein, filaments, vesicles."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.physics.constants import PROTEIN_EXCESS_POTENTIAL_VOLT
from jaxpick.simulate.contaminant_ranges import ContaminantRanges
from jaxpick.simulate.draws import (
    coin,
    log_uniform,
    number,
    standard_normal,
    uniform,
    unit_arrays,
    units,
)
from jaxpick.simulate.frozen_contaminants import rough_field
from jaxpick.simulate.planes import Planes, Site, coarse_grid_angstrom, paint, refine, size_of
from jaxpick.typing import Image, RandomKey

FINE = 2
COARSE = 4
SEGMENTS = 48
# Thickness of a leaflet of head groups.
LEAFLET_ANGSTROM = 10.0


def add_denatured(key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges) -> Planes:
    """Add the network of unfolded protein at the air-water interface: ridges, in patches."""
    unit_key, ridge_key, patch_key = jax.random.split(key, 3)
    for_length, for_area, for_thickness = units(unit_key, 3)
    shape = size_of(planes.label)
    length = log_uniform(for_length, ranges.denatured_length_angstrom)
    length = jnp.minimum(length, 0.6 * site.diameter_angstrom)
    ridges = 1.0 - jnp.abs(rough_field(ridge_key, shape, FINE, length, site)) / 0.35
    patch_length = 0.2 * site.field_angstrom
    patches = rough_field(patch_key, shape, COARSE, patch_length, site) - uniform(
        for_area, (-1.0, 1.2)
    )
    share = jax.nn.sigmoid(4.0 * refine(patches, COARSE, shape))
    thickness = uniform(for_thickness, ranges.denatured_thickness_angstrom)
    profile = jnp.maximum(refine(ridges, FINE, shape), 0.0) * share
    potential = PROTEIN_EXCESS_POTENTIAL_VOLT * thickness * profile
    return paint(planes, "denatured", potential, jnp.zeros_like(potential), profile > 0.25)


def add_filaments(key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges) -> Planes:
    """Add some filaments of one kind: worm-like chains, solid or hollow in cross-section."""
    scalars, u = unit_arrays(key, (4,), (ranges.num_filaments[1], SEGMENTS + 3))
    for_number, for_width, for_stiffness, for_hollow = scalars
    width = log_uniform(for_width, ranges.filament_width_angstrom)
    width = jnp.minimum(width, 0.8 * site.diameter_angstrom)
    # Thin chains (DNA) are floppy, thick ones (actin, microtubules, amyloid) stiff.
    persistence = width * log_uniform(for_stiffness, ranges.filament_persistence)
    hollow = jnp.where(coin(for_hollow, 0.3), 0.6, 0.0)

    def add(index: Array, planes: Planes) -> Planes:
        distance = _chain_distance(u[index], size_of(planes.label), persistence, site)
        return _add_tube(planes, distance, 0.5 * width, hollow, index)

    return jax.lax.fori_loop(0, number(for_number, ranges.num_filaments), add, planes)


def _chain_distance(
    u: Float[Array, " number"], shape: tuple[int, int], persistence: Array, site: Site
) -> Image:
    """Return the distance in angstrom to a worm-like chain through the field."""
    step = 2.2 * site.field_angstrom / SEGMENTS
    middle = uniform(u[:2], (-0.4, 0.4)) * site.field_angstrom
    # In two dimensions the direction performs a random walk of variance step / persistence.
    bends = jnp.sqrt(step / persistence) * standard_normal(u[3:])
    angle = 2.0 * jnp.pi * u[2] + jnp.cumsum(bends)
    steps = step * jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)
    ends = jnp.cumsum(steps, axis=0)
    starts = ends - steps + (middle - ends[SEGMENTS // 2])[None, :]
    y, x = coarse_grid_angstrom(shape, FINE, site.pixel_angstrom)

    def nearer(i: Array, square: Float[Array, "coarse_y coarse_x"]) -> Array:
        dy, dx = y - starts[i, 0], x - starts[i, 1]
        along = jnp.clip((dy * steps[i, 0] + dx * steps[i, 1]) / step**2, 0.0, 1.0)
        off_y, off_x = dy - along * steps[i, 0], dx - along * steps[i, 1]
        return jnp.minimum(square, off_y**2 + off_x**2)

    square = jax.lax.fori_loop(0, SEGMENTS, nearer, jnp.full(y.shape, 1e12, jnp.float32))
    return refine(jnp.sqrt(square), FINE, shape)


def _add_tube(
    planes: Planes, distance: Image, radius: Array, hollow: Array, index: Array
) -> Planes:
    chord = _chord(radius, distance) - _chord(hollow * radius, distance)
    potential = PROTEIN_EXCESS_POTENTIAL_VOLT * chord
    return paint(planes, "filament", potential, jnp.zeros_like(potential), distance < radius, index)


def add_vesicles(key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges) -> Planes:
    """Add some closed bilayers, slightly oval: dense leaflets, light core."""
    (for_number,), drawn = unit_arrays(key, (1,), (ranges.num_vesicles[1], 7))
    y, x = coarse_grid_angstrom(size_of(planes.label), 1, site.pixel_angstrom)

    def add(index: Array, planes: Planes) -> Planes:
        u = drawn[index]
        radius = 0.5 * log_uniform(u[0], ranges.vesicle_diameter_angstrom)
        radius = jnp.clip(radius, 60.0, 0.35 * site.field_angstrom)
        centre = (u[1:3] - 0.5) * site.field_angstrom
        angle, oval = jnp.pi * u[3], uniform(u[4], (1.0, 1.25))
        dy, dx = y - centre[0], x - centre[1]
        along = jnp.cos(angle) * dx + jnp.sin(angle) * dy
        across = oval * (jnp.cos(angle) * dy - jnp.sin(angle) * dx)
        distance = jnp.hypot(along, across)
        apart = uniform(u[6], ranges.bilayer_angstrom)
        return _add_bilayer(planes, distance, radius, apart, uniform(u[5], (2.0, 5.0)), index)

    return jax.lax.fori_loop(0, number(for_number, ranges.num_vesicles), add, planes)


def _add_bilayer(
    planes: Planes,
    distance: Image,
    radius: Array,
    apart: Array,
    head_volt: Array,
    index: Array,
) -> Planes:
    """Add one whose leaflets' middles are `apart`, on both sides of `radius`."""
    near, far = 0.5 * (apart - LEAFLET_ANGSTROM), 0.5 * (apart + LEAFLET_ANGSTROM)
    outer = _chord(radius + far, distance) - _chord(radius + near, distance)
    inner = _chord(radius - near, distance) - _chord(radius - far, distance)
    tails = _chord(radius + near, distance) - _chord(radius - near, distance)
    potential = head_volt * (outer + inner) - 0.5 * tails
    mask = distance < radius + far
    return paint(planes, "vesicle", potential, jnp.zeros_like(potential), mask, index)


def _chord(radius: Array, distance: Image) -> Image:
    """Return the chord through a ball (or across a rod) at a distance from its middle."""
    reach = jnp.maximum(radius, 0.0)
    return 2.0 * jnp.sqrt(jnp.maximum(reach**2 - distance**2, 0.0))
