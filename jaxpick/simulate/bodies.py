"""Bodies of residue beads: filled shapes, nucleic acid, detergent, asymmetric units."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from jaxpick.simulate import domains
from jaxpick.simulate.domains import Beads, Points, Shape

# Excess potential of nucleic acid relative to protein of the same volume, and the mass that fills a
# residue's cell.
NUCLEIC_CONTRAST = 1.5
NUCLEIC_CELL_DA = 149.0


def filled(rng: np.random.Generator, body: Shape, mass_kda: float, extent: list[float]) -> Beads:
    """Fill a shape with as many residues as the mass has."""
    points = domains.fill(rng, body, extent, domains.num_residues(mass_kda))
    return domains.protein_beads(points, mass_kda)


def filled_and_rest(
    rng: np.random.Generator, body: Shape, mass_kda: float, extent: list[float]
) -> tuple[Beads, Points]:
    """Fill a body and return also the lattice points that stayed empty."""
    points = domains.lattice(rng, extent)
    order = np.argsort(-body(points), kind="stable")
    num = min(domains.num_residues(mass_kda), len(points))
    return domains.protein_beads(points[order[:num]], mass_kda), points[order[num:]]


def rough_solid(
    rng: np.random.Generator, body: Shape, mass_kda: float, extent: list[float]
) -> Beads:
    """Fill a shape, its surface made rough by 2.5 angstrom RMS."""
    return filled(rng, domains.plus(body, domains.surface_noise(rng, 2.5)), mass_kda, extent)


def part_nucleic(points: Points, nucleic: Int[np.ndarray, " nucleic"], mass_kda: float) -> Beads:
    """Return beads of which the points numbered `nucleic` are nucleic acid, of this total mass."""
    mass = np.full(len(points), domains.RESIDUE_DA)
    mass[nucleic] = NUCLEIC_CELL_DA
    contrast = np.ones(len(points), np.float32)
    contrast[nucleic] = NUCLEIC_CONTRAST
    return Beads(
        positions_angstrom=np.asarray(points, np.float32),
        contrast=contrast,
        mass_da=mass * (mass_kda * 1e3 / mass.sum()),
        unit=np.zeros(len(points), np.int32),
    )


def loose_nucleic_ball(rng: np.random.Generator, mass_kda: float, radius: float) -> Beads:
    """Return nucleic acid scattered evenly, without a lattice, in a ball."""
    num = max(1, round(mass_kda * 1e3 / NUCLEIC_CELL_DA))
    direction = rng.normal(size=(num, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = direction * radius * np.cbrt(rng.random((num, 1)))
    return part_nucleic(points, np.arange(num), mass_kda)


def detergent_belt(rng: np.random.Generator, rest: Points, bundle: float, height: float) -> Beads:
    """Detergent: a flattened ring of 0.5 to 0.7 of protein's excess potential, without mass."""
    thickness = rng.uniform(16.0, 26.0)
    rho = np.hypot(rest[:, 0], rest[:, 1])
    inside = ((rho - bundle) / thickness) ** 2 + (rest[:, 2] / (0.62 * height)) ** 2 < 1.0
    points = rest[inside & (rho > 0.8 * bundle)]
    return Beads(
        positions_angstrom=np.asarray(points, np.float32),
        contrast=np.full(len(points), rng.uniform(0.5, 0.7), np.float32),
        mass_da=np.zeros(len(points)),
        unit=np.full(len(points), -1, np.int32),
    )


def with_units(
    rng: np.random.Generator,
    beads: Beads,
    group: Float[np.ndarray, "element 3 3"],
    seed: Float[np.ndarray, "3"] | None = None,
) -> Beads:
    """Divide a symmetric body into asymmetric units: nearest to the copies of a (random) seed."""
    seeds = group @ (rng.normal(size=3) if seed is None else seed)
    unit = np.argmax(beads.positions_angstrom @ seeds.T.astype(np.float32), axis=1)
    return dataclasses.replace(beads, unit=unit.astype(np.int32))


def with_pore(rng: np.random.Generator, beads: Beads) -> Beads:
    """Open a channel or a cavity 20 to 60 angstrom wide, at the density there was.

    Beads move outward, from an axis by rho -> sqrt(rho^2 + r^2) or from the centre by R -> cbrt(R^3 +
    r^3): both keep every volume. Assemblies get a cavity, which keeps their symmetry.
    """
    positions = beads.positions_angstrom.astype(np.float64)
    centre = positions.mean(axis=0)
    offset = positions - centre
    size = float(np.sqrt(np.mean(np.sum(offset**2, axis=1))))
    radius = min(rng.uniform(10.0, 30.0), 0.6 * size)
    axis, is_channel = rng.normal(size=3), rng.random() < 0.5 and beads.unit.max() < 1
    axis /= np.linalg.norm(axis)
    kept = np.outer(offset @ axis, axis) if is_channel else np.zeros_like(offset)
    away = offset - kept
    length = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-3)
    power = 2 if is_channel else 3
    away *= (length**power + radius**power) ** (1 / power) / length
    moved = np.asarray(centre + kept + away, np.float32)
    return dataclasses.replace(beads, positions_angstrom=moved)


def join(first: Beads, second: Beads) -> Beads:
    """Return all beads of two bodies."""
    names = ("positions_angstrom", "contrast", "mass_da", "unit")
    both = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names}
    return Beads(**both)
