"""Contaminants of freezing and of the support: ice crystals, ethane, carbon and gold films, gold
beads.

Thicknesses and sizes are practice; potentials are mean inner potentials (`physics.constants`). The
material lies on top of the vitreous ice.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.fields import gaussian_correlation, gaussian_field, white_noise
from jaxpick.physics.constants import (
    CARBON_ATOMS_PER_ANGSTROM3,
    CARBON_MEAN_FREE_PATH_300KV_ANGSTROM,
    CARBON_POTENTIAL_VOLT,
    CARBON_SCATTERING_FACTOR_ANGSTROM,
    GOLD_POTENTIAL_VOLT,
    POTENTIAL_PREFACTOR_VOLT_ANGSTROM2,
)
from jaxpick.simulate.contaminant_ranges import ContaminantRanges
from jaxpick.simulate.draws import (
    choice,
    coin,
    log_number,
    log_uniform,
    number,
    standard_normal,
    uniform,
    unit_arrays,
    units,
)
from jaxpick.simulate.planes import (
    Planes,
    Site,
    coarse_grid_angstrom,
    coarse_shape,
    nearest_sample,
    paint,
    paint_in_window,
    refine,
    size_of,
)
from jaxpick.typing import Image, RandomKey, Scalar

COARSE = 4
CRYSTAL_SIDES = 7
BEAD_WINDOW_PX = 48

# Potential, absorption, depth below the surface and instance on the coarse grid.
Crystals = tuple[Array, Array, Array, Array]


def rough_field(
    key: RandomKey, shape: tuple[int, int], factor: int, length_angstrom: Scalar, site: Site
) -> Float[Array, "coarse_y coarse_x"]:
    """Draw a field of unit variance with Gaussian correlation on the coarse grid."""
    length_px = jnp.maximum(length_angstrom / (site.pixel_angstrom * factor), 1.0)
    return gaussian_field(key, coarse_shape(shape, factor), gaussian_correlation(length_px))


def add_ice_crystals(
    key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges
) -> Planes:
    """Add polygons of crystalline ice, bevelled, textured, darkened by Bragg scattering."""
    unit_key, texture_key = jax.random.split(key)
    most = ranges.num_ice_crystals[1]
    (for_number, for_length), u = unit_arrays(unit_key, (2,), (most, 7 + 2 * CRYSTAL_SIDES))
    shape = size_of(planes.label)
    grid = coarse_grid_angstrom(shape, COARSE, site.pixel_angstrom)
    length = log_uniform(for_length, (0.3, 2.0)) * site.diameter_angstrom
    texture = rough_field(texture_key, shape, COARSE, length, site)
    # Bevels end at thickness 0, so that nothing but the outline needs the full sampling.
    zero = jnp.zeros_like(texture)
    start = (zero, zero, jnp.full_like(zero, -jnp.inf), jnp.zeros(zero.shape, jnp.int32))

    def add(index: Array, drawn: Crystals) -> Crystals:
        return _add_crystal(u[index], drawn, grid, texture, site, ranges, index)

    potential, absorption, depth, instance = jax.lax.fori_loop(
        0, number(for_number, ranges.num_ice_crystals), add, start
    )
    return paint(
        planes,
        "ice_crystal",
        refine(potential, COARSE, shape),
        refine(absorption, COARSE, shape),
        refine(depth, COARSE, shape) > 0,
        nearest_sample(instance, COARSE, shape),
    )


def _add_crystal(
    u: Float[Array, " number"],
    drawn: Crystals,
    grid: tuple[Array, Array],
    texture: Float[Array, "coarse_y coarse_x"],
    site: Site,
    ranges: ContaminantRanges,
    index: Array,
) -> Crystals:
    """Add one crystal to the coarse planes; the pixel belongs to the one it lies deepest in."""
    radius = 0.5 * log_uniform(u[0], ranges.ice_crystal_diameter_angstrom)
    radius = jnp.clip(radius, 0.4 * site.diameter_angstrom, 0.3 * site.field_angstrom)
    centre = (u[1:3] - 0.5) * site.field_angstrom
    jitter = uniform(u[7 : 7 + CRYSTAL_SIDES], (-0.3, 0.3))
    angle = 2.0 * jnp.pi * u[3] + (jnp.arange(CRYSTAL_SIDES) + jitter) * (
        2.0 * jnp.pi / CRYSTAL_SIDES
    )
    reach = radius * uniform(u[7 + CRYSTAL_SIDES :], (0.7, 1.1))
    y, x = grid[0] - centre[0], grid[1] - centre[1]
    inside = jnp.full(y.shape, jnp.inf, jnp.float32)
    for side in range(CRYSTAL_SIDES):
        inside = jnp.minimum(
            inside, reach[side] - y * jnp.sin(angle[side]) - x * jnp.cos(angle[side])
        )
    profile = jnp.clip(inside / (radius * uniform(u[4], (0.1, 1.0))), 0.0, 1.0)
    thickness = log_uniform(u[5], ranges.ice_crystal_thickness_angstrom) * profile
    thickness *= 1.0 + 0.15 * texture
    potential, absorption, depth, instance = drawn
    return (
        potential + uniform(u[6], (3.5, 4.6)) * thickness,
        absorption + uniform(u[6], (0.05, 0.35)) * profile,
        jnp.maximum(depth, inside),
        jnp.where(inside > depth, index, instance),
    )


def add_ethane(key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges) -> Planes:
    """Add blobs of frozen ethane ("leopard skin"): a smooth random field above a threshold."""
    unit_key, field_key = jax.random.split(key)
    for_length, for_level, for_thickness, for_volt = units(unit_key, 4)
    length = log_uniform(for_length, ranges.ethane_length_angstrom)
    length = jnp.clip(length, 0.2 * site.diameter_angstrom, 0.1 * site.field_angstrom)
    field = rough_field(field_key, size_of(planes.label), COARSE, length, site)
    excess = refine(field - uniform(for_level, (0.8, 2.0)), COARSE, size_of(planes.label))
    profile = jnp.clip(2.0 * excess, 0.0, 1.0)
    volt_angstrom = uniform(for_thickness, ranges.ethane_thickness_angstrom)
    volt_angstrom *= uniform(for_volt, (1.0, 4.0))
    return paint(planes, "ethane", volt_angstrom * profile, 0.02 * profile, excess > 0.1)


def add_support(
    key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges, gold_probability: float
) -> Planes:
    """Add the film beyond the edge of a hole: amorphous carbon, or gold foil."""
    edge_key, gold_key, film_key = jax.random.split(key, 3)
    depth = _hole_edge_angstrom(edge_key, size_of(planes.label), site, ranges)
    share = jax.nn.sigmoid(depth / jnp.maximum(10.0, 0.5 * site.pixel_angstrom))
    return jax.lax.cond(
        coin(units(gold_key, 1)[0], gold_probability),
        lambda planes: _add_gold_foil(film_key, planes, share, site, ranges),
        lambda planes: _add_carbon(film_key, planes, share, site, ranges),
        planes,
    )


def _hole_edge_angstrom(
    key: RandomKey, shape: tuple[int, int], site: Site, ranges: ContaminantRanges
) -> Image:
    """Return the distance beyond the rough edge of a round hole that crosses the field."""
    unit_key, rough_key = jax.random.split(key)
    u = units(unit_key, 5)
    radius = jnp.maximum(log_uniform(u[0], ranges.hole_radius_angstrom), 0.7 * site.field_angstrom)
    offset = uniform(u[1], (-0.1, 0.5)) * site.field_angstrom
    angle = uniform(u[2], (0.0, 2.0 * jnp.pi))
    y, x = coarse_grid_angstrom(shape, COARSE, site.pixel_angstrom)
    away = offset - radius
    distance = jnp.hypot(y - away * jnp.sin(angle), x - away * jnp.cos(angle)) - radius
    length = log_uniform(u[3], ranges.film_correlation_angstrom)
    rough = rough_field(rough_key, shape, COARSE, length, site)
    return refine(distance + uniform(u[4], ranges.film_roughness_angstrom) * rough, COARSE, shape)


def _add_carbon(
    key: RandomKey, planes: Planes, share: Image, site: Site, ranges: ContaminantRanges
) -> Planes:
    unit_key, noise_key = jax.random.split(key)
    for_thickness, for_order = units(unit_key, 2)
    thickness = uniform(for_thickness, ranges.carbon_thickness_angstrom)
    # Projected potential of uncorrelated atoms is white noise; carbon's order lowers it.
    atom = POTENTIAL_PREFACTOR_VOLT_ANGSTROM2 * CARBON_SCATTERING_FACTOR_ANGSTROM
    order = log_uniform(for_order, (0.03, 0.4))
    density = atom**2 * CARBON_ATOMS_PER_ANGSTROM3 * thickness * order
    noise = jnp.sqrt(density) / site.pixel_angstrom * white_noise(noise_key, size_of(share))
    potential = CARBON_POTENTIAL_VOLT * thickness * share + noise * share
    absorption = thickness / (2.0 * CARBON_MEAN_FREE_PATH_300KV_ANGSTROM) * share
    return paint(planes, "carbon", potential, absorption, share > 0.5)


def _add_gold_foil(
    key: RandomKey, planes: Planes, share: Image, site: Site, ranges: ContaminantRanges
) -> Planes:
    unit_key, grain_key = jax.random.split(key)
    for_thickness, for_loss, for_length = units(unit_key, 3)
    thickness = uniform(for_thickness, (150.0, 400.0))
    length = log_uniform(for_length, ranges.gold_grain_angstrom)
    grain = refine(
        rough_field(grain_key, size_of(share), COARSE, length, site), COARSE, size_of(share)
    )
    transmission = uniform(for_loss, (0.05, 0.4))
    absorption = -0.5 * jnp.log(transmission) * share * (1.0 + 0.1 * grain)
    potential = GOLD_POTENTIAL_VOLT * thickness * share * (1.0 + 0.1 * grain)
    return paint(planes, "gold", potential, absorption, share > 0.5)


def add_gold_beads(key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges) -> Planes:
    """Add gold spheres of one nominal size: potential and absorption follow the chord."""
    (for_number, for_size, for_loss), u = unit_arrays(key, (3,), (ranges.num_gold_beads[1], 3))
    sizes = ranges.gold_bead_diameters_angstrom
    nominal = choice(for_size, sizes, (1.0,) * len(sizes))
    loss = uniform(for_loss, (0.15, 0.6))

    def add(index: Array, planes: Planes) -> Planes:
        diameter = nominal * (1.0 + 0.08 * standard_normal(u[index, 2]))
        radius_px = jnp.minimum(0.5 * diameter / site.pixel_angstrom, 0.45 * BEAD_WINDOW_PX)

        def sphere(part: Planes, square: Float[Array, "window_y window_x"]) -> Planes:
            within = radius_px**2 - square
            chord_px = 2.0 * jnp.sqrt(jnp.maximum(within, 0.0))
            potential = GOLD_POTENTIAL_VOLT * chord_px * site.pixel_angstrom
            share = chord_px / (2.0 * radius_px)
            return paint(part, "gold", potential, loss * share, within > 0, index)

        return paint_in_window(planes, u[index, :2], BEAD_WINDOW_PX, sphere)

    return jax.lax.fori_loop(0, log_number(for_number, ranges.num_gold_beads), add, planes)
