"""What is dissolved beside the particles: unfolded chains, detergent micelles, lipoproteins; and the
surroundings of aggregates.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxpick.numerics.fields import gaussian_field
from jaxpick.physics.constants import (
    PROTEIN_EXCESS_POTENTIAL_VOLT,
    PROTEIN_EXCESS_VOLT_ANGSTROM3_PER_DALTON,
)
from jaxpick.pytrees import pytree
from jaxpick.simulate.contaminant_ranges import ContaminantRanges
from jaxpick.simulate.domains import RESIDUE_DA
from jaxpick.simulate.draws import (
    coin,
    log_number,
    log_uniform,
    standard_normal,
    uniform,
    unit_arrays,
    units,
)
from jaxpick.simulate.frozen_contaminants import rough_field
from jaxpick.simulate.planes import (
    Planes,
    Site,
    coarse_grid_angstrom,
    paint,
    paint_in_window,
    refine,
    size_of,
)
from jaxpick.typing import Image, RandomKey, Scalar

FINE = 2
COARSE = 4
# 1 g/ml in dalton per cubic angstrom.
DALTON_PER_ANGSTROM3 = 0.6022
# Radius of gyration of an unfolded chain, 1.927 N^0.598 angstrom (Kohn et al. 2004).
COIL_ANGSTROM, COIL_EXPONENT = 1.927, 0.598
WINDOW_PX = 96
LIPID_SHELL_ANGSTROM = 22.0
# Beyond the aggregate, within which nothing is judged.
RING_DIAMETERS = 0.5


@pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class Clumps:
    """Members of aggregates: places from the middle of the field, and radii, in angstrom."""

    places_angstrom: Float[Array, "*batch member 2"]
    radius_angstrom: Float[Array, "*batch member"]
    valid: Bool[Array, "*batch member"]


def add_coil_fog(key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges) -> Planes:
    """Add a haze of unfolded chains at the air-water interface, in patches."""
    unit_key, patch_key, coil_key = jax.random.split(key, 3)
    for_area, for_length = units(unit_key, 2)
    length = uniform(for_length, (0.1, 0.4)) * site.field_angstrom
    patches = rough_field(patch_key, size_of(planes.label), COARSE, length, site)
    share = jax.nn.sigmoid(4.0 * (patches - uniform(for_area, (-1.0, 1.5))))
    share = refine(share, COARSE, size_of(planes.label))
    return _add_haze(coil_key, planes, share, site, ranges, 0)


def add_aggregate_fog(
    key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges, clumps: Clumps
) -> Planes:
    """Add the haze of unfolded chains that aggregates lie in: Gaussian about each member."""
    unit_key, coil_key = jax.random.split(key)
    width = uniform(units(unit_key, 1)[0], (0.6, 1.5)) * site.diameter_angstrom
    square = _square_reach(planes, site, clumps, jnp.zeros_like(clumps.radius_angstrom))
    share = jnp.exp(-0.5 * square / width**2)
    share = refine(share, COARSE, size_of(planes.label))
    return _add_haze(coil_key, planes, share, site, ranges, 1)


def mark_rings(planes: Planes, site: Site, clumps: Clumps) -> Planes:
    """Label what lies within a radius of the target beyond the members of aggregates."""
    reach = clumps.radius_angstrom + RING_DIAMETERS * site.diameter_angstrom
    square = _square_reach(planes, site, clumps, reach)
    nothing = jnp.zeros_like(planes.potential)
    within = refine(square, COARSE, size_of(planes.label)) < 0
    return paint(planes, "aggregate_ring", nothing, nothing, within)


def _square_reach(
    planes: Planes, site: Site, clumps: Clumps, reach_angstrom: Float[Array, " member"]
) -> Float[Array, "coarse_y coarse_x"]:
    """Return the least squared distance to a member less its squared reach, on the coarse grid."""
    y, x = coarse_grid_angstrom(size_of(planes.label), COARSE, site.pixel_angstrom)

    def nearer(i: Array, least: Float[Array, "coarse_y coarse_x"]) -> Array:
        dy, dx = y - clumps.places_angstrom[i, 0], x - clumps.places_angstrom[i, 1]
        square = dy**2 + dx**2 - reach_angstrom[i] ** 2
        return jnp.where(clumps.valid[i], jnp.minimum(least, square), least)

    far = jnp.full(y.shape, 1e10, jnp.float32)
    return jax.lax.fori_loop(0, clumps.valid.shape[0], nearer, far)


def _add_haze(
    key: RandomKey,
    planes: Planes,
    share: Image,
    site: Site,
    ranges: ContaminantRanges,
    instance: int,
) -> Planes:
    """Add chains of one size in one layer, of the density drawn where `share` is 1.

    Chains lie independently: the variance is proportional to the density, as its mean is. Gaussian,
    as for many chains above each other.
    """
    unit_key, field_key = jax.random.split(key)
    for_density, for_layer, for_radius = units(unit_key, 3)
    density = DALTON_PER_ANGSTROM3 * log_uniform(for_density, ranges.coil_density_g_per_ml)
    layer = log_uniform(for_layer, ranges.coil_layer_angstrom)
    mean = PROTEIN_EXCESS_VOLT_ANGSTROM3_PER_DALTON * density * layer
    radius = uniform(for_radius, ranges.coil_radius_angstrom)
    shape, pixel = size_of(planes.label), FINE * site.pixel_angstrom
    coarse = (-(-shape[0] // FINE) + 1, -(-shape[1] // FINE) + 1)

    def amplitude(frequency: Float[Array, "fy fx"]) -> Float[Array, "fy fx"]:
        power = coil_power(frequency / pixel, mean, radius)
        return jnp.where(frequency > 0, jnp.sqrt(power) / pixel, 0.0)

    noise = refine(gaussian_field(field_key, coarse, amplitude), FINE, shape)
    potential = mean * share + jnp.sqrt(share) * noise
    return paint(planes, "coil_fog", potential, jnp.zeros_like(potential), share > 0.5, instance)


def coil_power(
    frequency: Float[Array, "*shape"], mean_volt_angstrom: Scalar, radius_angstrom: Scalar
) -> Float[Array, "*shape"]:
    """Return the power spectral density of independent unfolded chains, V^2 angstrom^4.

    It is mean x V_chain x P: V_chain is the integrated potential of one chain, of as many residues
    as its radius of gyration Rg says; P = (1 + x / (3 m))^-m with x = (2 pi f Rg)^2 and m = 1 / (2
    0.588) falls as a self-avoiding chain's does (Fisher & Burford 1967), 1 - x / 3 at small x.
    """
    residues = (radius_angstrom / COIL_ANGSTROM) ** (1.0 / COIL_EXPONENT)
    chain = PROTEIN_EXCESS_VOLT_ANGSTROM3_PER_DALTON * RESIDUE_DA * residues
    x = (2.0 * math.pi * radius_angstrom * frequency) ** 2
    order = 0.5 / 0.588
    return mean_volt_angstrom * chain * (1.0 + x / (3.0 * order)) ** -order


def add_micelles(key: RandomKey, planes: Planes, site: Site, ranges: ContaminantRanges) -> Planes:
    """Add free micelles of detergent, or some lipoproteins in their place."""
    most = max(ranges.num_micelles[1], ranges.num_lipoproteins[1])
    scalars, u = unit_arrays(key, (4,), (most, 3))
    number = jnp.where(
        coin(scalars[0], 0.25),
        log_number(scalars[1], ranges.num_lipoproteins),
        log_number(scalars[1], ranges.num_micelles),
    )
    return jax.lax.fori_loop(
        0,
        number,
        lambda i, part: _add_micelle(u[i], part, site, ranges, scalars, i),
        planes,
    )


def _add_micelle(
    u: Float[Array, "3"],
    planes: Planes,
    site: Site,
    ranges: ContaminantRanges,
    scalars: Float[Array, "4"],
    index: Array,
) -> Planes:
    """Add one: a ball of 0.5 to 0.7 of protein's excess, or a shell of it around light lipid."""
    is_lipid = coin(scalars[0], 0.25)
    nominal = jnp.where(
        is_lipid,
        log_uniform(scalars[2], ranges.lipoprotein_diameter_angstrom),
        uniform(scalars[2], ranges.micelle_diameter_angstrom),
    )
    diameter = nominal * (1.0 + 0.06 * standard_normal(u[2]))
    radius_px = jnp.minimum(0.5 * diameter / site.pixel_angstrom, 0.45 * WINDOW_PX)
    shell_px = jnp.where(is_lipid, LIPID_SHELL_ANGSTROM / site.pixel_angstrom, radius_px)
    volt = uniform(scalars[3], (0.5, 0.7)) * PROTEIN_EXCESS_POTENTIAL_VOLT

    def ball(part: Planes, square: Float[Array, "window_y window_x"]) -> Planes:
        chord_px = _chord_px(radius_px, square) - 0.85 * _chord_px(radius_px - shell_px, square)
        potential = volt * site.pixel_angstrom * chord_px
        within = square < radius_px**2
        return paint(part, "micelle", potential, jnp.zeros_like(potential), within, index)

    return paint_in_window(planes, u[:2], WINDOW_PX, ball)


def _chord_px(radius_px: Array, square: Image) -> Image:
    return 2.0 * jnp.sqrt(jnp.maximum(jnp.maximum(radius_px, 0.0) ** 2 - square, 0.0))
