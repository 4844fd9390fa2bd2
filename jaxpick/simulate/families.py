"""Families of molecular shapes, each a function (rng, mass in kDa) -> residue beads.

Together they span what single-particle projects look like: compact and extended monomers, oligomers
of every point group, rods and horseshoes, flat rings, barrels that look rectangular from the side
and round from the top, hollow shells, membrane proteins in their detergent belt, three-armed
shapes, ribosome-like particles with nucleic-acid contrast.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxpick.simulate import domains
from jaxpick.simulate.assemblies import assemble, place
from jaxpick.simulate.bodies import (
    NUCLEIC_CELL_DA,
    detergent_belt,
    filled,
    filled_and_rest,
    join,
    loose_nucleic_ball,
    part_nucleic,
    rough_solid,
    with_units,
)
from jaxpick.simulate.domains import Beads, Points, Shape
from jaxpick.simulate.symmetry import symmetry_group

EXTENDED_SHARE = 0.3
# Oligomers with wide interfaces: subunits pressed into each other rather than just touching.
FUSED_SHARE = 0.5
CYCLIC = tuple(f"C{n}" for n in range(2, 13))
OLIGOMERS = (*("C2",) * 4, *("D2",) * 3, *("C3",) * 3, *CYCLIC[2:7], "D3", "D3", "D4", "D5", "D6")
LARGE_OLIGOMERS = ("C3", "C4", "C5", "C6", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "T", "O", "I")
LARGE_KDA = 500.0
SUBUNIT_KDA = (15.0, 200.0)

Family = Callable[[np.random.Generator, float], Beads]


def globular(rng: np.random.Generator, mass_kda: float) -> Beads:
    """One chain or a few, no symmetry; three in ten extended, one in seven with nucleic acid."""
    is_extended = rng.random() < EXTENDED_SHARE
    spread = rng.uniform(1.7, 2.3) if is_extended else rng.uniform(1.0, 1.5)
    lobes = int(rng.integers(3, 8)) if is_extended or mass_kda > 300 else int(rng.integers(1, 5))
    beads = domains.protein_beads(domains.globule(rng, mass_kda, spread, lobes), mass_kda)
    if rng.random() < 1 / 7:
        return with_nucleic_lobe(rng, beads, mass_kda, share=rng.uniform(0.1, 0.35))
    return beads


def oligomer(rng: np.random.Generator, mass_kda: float) -> Beads:
    """Copies of one subunit of 15 to 200 kDa under Cn, Dn, T, O or I."""
    choices = LARGE_OLIGOMERS if mass_kda > LARGE_KDA else OLIGOMERS
    orders = np.array([len(symmetry_group(name)) for name in choices])
    subunit_kda = mass_kda / orders
    fits = (subunit_kda > SUBUNIT_KDA[0]) & (subunit_kda < SUBUNIT_KDA[1])
    name = rng.choice(np.array(choices)[fits]) if fits.any() else choices[int(np.argmax(orders))]
    group = symmetry_group(str(name))
    spread = rng.uniform(1.5, 2.0) if rng.random() < EXTENDED_SHARE else 1.25
    if rng.random() < FUSED_SHARE:
        return _fused(rng, mass_kda, spread, group)
    subunit = domains.globule(rng, mass_kda / len(group), spread)
    return assemble(rng, domains.protein_beads(subunit, mass_kda / len(group)), group)


def ring(rng: np.random.Generator, mass_kda: float) -> Beads:
    """A flat ring or a double ring of 5 to 14 subunits around a pore."""
    is_double = mass_kda > 300 and rng.random() < 0.3
    count = int(rng.integers(5, 9 if is_double else 15))
    group = symmetry_group(f"{'D' if is_double else 'C'}{count}")
    subunit = domains.globule(rng, mass_kda / len(group), rng.uniform(1.1, 1.6))
    beads = domains.protein_beads(subunit, mass_kda / len(group))
    return assemble(rng, beads, group, is_ring=not is_double)


def elongated(rng: np.random.Generator, mass_kda: float) -> Beads:
    """A rod, a bent chain of domains or a horseshoe; contour over width 2.5 to 5."""
    aspect, bend = rng.uniform(2.5, 5.0), np.deg2rad(rng.uniform(0.0, 200.0) * rng.random())
    width = np.cbrt(4.0 / np.pi * domains.volume_angstrom3(mass_kda) / aspect)
    along = np.linspace(-0.5, 0.5, max(4, round(1.6 * aspect))) * aspect * width
    curve = domains.arc(along, bend / (aspect * width))
    curve += rng.normal(0.0, 0.07 * width, curve.shape)
    radii = 0.5 * width * np.exp(rng.normal(0.0, 0.18, len(curve)))
    rods = [
        domains.capsule(a, b, float(r))
        for a, b, r in zip(curve[:-1], curve[1:], radii[:-1], strict=True)
    ]
    return rough_solid(rng, domains.union(rods), mass_kda, _extent(curve, radii.max()))


def barrel(rng: np.random.Generator, mass_kda: float) -> Beads:
    """A hollow cylinder of stacked rings (chaperonin, proteasome, hemocyanin): Dn, 2 to 6 tiers."""
    bore, height = rng.uniform(0.15, 0.6), rng.uniform(0.65, 1.6)
    volume = domains.volume_angstrom3(mass_kda)
    radius = float(np.cbrt(volume / (2 * np.pi * height * (1 - bore**2))))
    half_height, count, tiers = height * radius, int(rng.integers(5, 13)), int(rng.integers(2, 7))
    group = symmetry_group(f"D{count}")
    shape = domains.tube(radius, bore * radius, half_height, rng.uniform(0.0, 1.0) < 0.3)
    ripple = domains.ripple(
        count, np.pi * tiers / half_height, rng.uniform(2.0, 6.0), rng.uniform(-1, 1)
    )
    rough = domains.surface_noise(rng, 3.0, group=group)
    body = domains.plus(domains.plus(shape, ripple), rough)
    extent = [1.15 * radius + 8, 1.15 * radius + 8, 1.15 * half_height + 8]
    return with_units(rng, filled(rng, body, mass_kda, extent), group)


def shell(rng: np.random.Generator, mass_kda: float) -> Beads:
    """A hollow cage or capsid, T, O or I; one in four holds a loose nucleic-acid core."""
    group = symmetry_group(str(rng.choice(["T", "O", "O", "I", "I", "I"])))
    core_kda = mass_kda * rng.uniform(0.2, 0.4) if rng.random() < 0.25 else 0.0
    volume = domains.volume_angstrom3(mass_kda - core_kda)
    wall = min(rng.uniform(20.0, 45.0), 0.55 * float(np.cbrt(volume)))
    radius = float(np.sqrt(volume / (4 * np.pi * wall)))
    wavelengths = (0.35 * radius + 15, radius + 30)
    bumps = domains.surface_noise(rng, 3.5, wavelengths, group=group)
    body = domains.plus(domains.spherical_wall(radius, wall), bumps)
    beads = filled(rng, body, mass_kda - core_kda, [radius + wall + 12.0] * 3)
    if core_kda > 0:
        beads = join(beads, loose_nucleic_ball(rng, core_kda, 0.85 * (radius - 0.5 * wall)))
    return with_units(rng, beads, group)


def membrane(rng: np.random.Generator, mass_kda: float) -> Beads:
    """A membrane protein, C1 to C5: a bundle with soluble parts, in a belt of detergent."""
    group = symmetry_group(str(rng.choice(["C1", "C1", "C2", "C3", "C4", "C5"])))
    share, height = rng.uniform(0.25, 0.75), rng.uniform(28.0, 36.0)
    bundle = float(np.sqrt(share * domains.volume_angstrom3(mass_kda) / (np.pi * height)))
    shapes = [domains.tube(bundle, 0.0, 0.5 * height, False)]
    for side in (-1, 1) if rng.random() < 0.5 else (1,):
        shapes.append(_soluble_part(rng, (1 - share) * mass_kda, bundle, side * 0.5 * height))
    body = domains.symmetrised(domains.union(shapes), group, np.array([1.0, 0.0, 0.0]))
    noise = domains.surface_noise(rng, 2.5, group=group)
    ball = domains.ball_radius_angstrom((1 - share) * mass_kda)
    wide, high = max(bundle, 1.4 * ball) + 34.0, 0.5 * height + 2.6 * ball + 10.0
    beads, rest = filled_and_rest(rng, domains.plus(body, noise), mass_kda, [wide, wide, high])
    return join(with_units(rng, beads, group), detergent_belt(rng, rest, bundle, height))


def three_armed(rng: np.random.Generator, mass_kda: float) -> Beads:
    """An antibody-like Y of three bilobed arms or a spike: three heads on a stalk."""
    is_spike = rng.random() < 0.4
    length, width = rng.uniform(1.9, 2.8), 1.0
    tilt = rng.uniform(25, 60) if is_spike else rng.uniform(70, 100)
    azimuth = np.arange(3) * 120.0 + (0 if is_spike else 1) * rng.normal(0.0, 15.0, 3)
    ends = domains.directions(np.full(3, tilt) + rng.normal(0, 4 if is_spike else 10, 3), azimuth)
    # A bilobed arm: a thick half near the tip, a thinner one near the hinge.
    arms: list[Shape] = []
    volume_unit = 3 * np.pi * length + (np.pi * 2.2 if is_spike else 0.0)
    scale = float(np.cbrt(domains.volume_angstrom3(mass_kda) / volume_unit))
    for end in ends * length * scale:
        arms.append(domains.capsule(0.55 * end, end, 1.08 * width * scale))
        arms.append(domains.capsule(0.15 * end, 0.5 * end, 0.8 * width * scale))
    if is_spike:
        stalk = np.array([0.0, 0.0, -2.4 * scale])
        arms.append(domains.capsule(np.zeros(3), stalk, 0.75 * scale))
    return rough_solid(rng, domains.union(arms), mass_kda, [(length + 2.0) * scale] * 3)


def ribonucleoprotein(rng: np.random.Generator, mass_kda: float) -> Beads:
    """A ribosome-like particle: two lobes with stalks, 40 to 65 % nucleic acid."""
    share = rng.uniform(0.4, 0.65)
    num_nucleic = round(share * mass_kda * 1e3 / NUCLEIC_CELL_DA)
    num = num_nucleic + domains.num_residues((1 - share) * mass_kda)
    large = float(np.cbrt(0.75 / np.pi * num * domains.CELL_ANGSTROM3 * rng.uniform(0.6, 0.75)))
    small = 0.78 * large
    offset = np.array([0.0, 0.0, 0.55 * (large + small) * rng.uniform(0.9, 1.15)])
    lobes = [
        domains.ellipsoid(
            np.zeros(3), large * domains.random_axes(rng, 0.1), domains.random_frame(rng)
        ),
        domains.ellipsoid(
            offset, small * domains.random_axes(rng, 0.25), domains.random_frame(rng)
        ),
    ]
    tips = domains.directions(rng.uniform(60, 110, 3), rng.uniform(0, 360, 3)) * large
    lobes += [domains.capsule(0.8 * tip, rng.uniform(1.15, 1.5) * tip, 11.0) for tip in tips]
    rough = domains.surface_noise(rng, 5.0, (25.0, 70.0), 16)
    body = domains.plus(domains.union(lobes), rough)
    extent = [1.6 * large, 1.6 * large, 1.6 * large + 1.2 * small]
    points = domains.fill(rng, body, extent, num)
    depth = body(points) + domains.surface_noise(rng, 9.0, (30.0, 80.0))(points)
    return part_nucleic(points, np.argsort(-depth)[:num_nucleic], mass_kda)


def with_nucleic_lobe(
    rng: np.random.Generator, beads: Beads, mass_kda: float, share: float
) -> Beads:
    """Turn the share of the mass furthest along a random direction into nucleic acid."""
    num_nucleic = max(1, round(share * mass_kda * 1e3 / NUCLEIC_CELL_DA))
    keep = num_nucleic + domains.num_residues((1 - share) * mass_kda)
    points = beads.positions_angstrom[: min(keep, len(beads.positions_angstrom))]
    along = points @ rng.normal(size=3).astype(np.float32)
    return part_nucleic(points, np.argsort(-along)[:num_nucleic], mass_kda)


def _fused(
    rng: np.random.Generator,
    mass_kda: float,
    spread: float,
    group: Float[np.ndarray, "element 3 3"],
) -> Beads:
    """Place the subunit, push it 5 to 35 % nearer the axis, and fill the union of its copies."""
    subunit_kda = mass_kda / len(group)
    shape, extent = domains.globule_shape(rng, subunit_kda, spread)
    points = domains.fill(rng, shape, extent, domains.num_residues(subunit_kda))
    frame, offset = place(rng, domains.protein_beads(points, subunit_kda), group)
    offset = offset * rng.uniform(0.65, 0.95)
    body = domains.symmetrised(lambda x: shape((x - offset) @ frame), group, offset)
    reach = float(np.linalg.norm(points @ frame.T + offset, axis=1).max()) + 8.0
    beads = filled(rng, body, mass_kda, [reach] * 3)
    return with_units(rng, beads, group, offset)


def _extent(points: Points, margin: float) -> list[float]:
    return (np.abs(points).max(axis=0) + 1.4 * margin + 8.0).tolist()


def _soluble_part(
    rng: np.random.Generator, mass_kda: float, bundle_angstrom: float, z: float
) -> Shape:
    """One to three lobes on one face of the membrane."""
    lobes = []
    for _ in range(int(rng.integers(1, 4))):
        radius = domains.ball_radius_angstrom(mass_kda) * rng.uniform(0.55, 0.9)
        sideways = rng.normal(0.0, 0.35 * bundle_angstrom, 2)
        centre = np.array([*sideways, z + np.sign(z) * radius * rng.uniform(0.6, 1.1)])
        lobes.append(
            domains.ellipsoid(
                centre, radius * domains.random_axes(rng, 0.2), domains.random_frame(rng)
            )
        )
    return domains.union(lobes)


# Name, shape, range of masses in kDa for which it is drawn, and its weight among those that fit.
FAMILIES: dict[str, tuple[Family, tuple[float, float], float]] = {
    "globular": (globular, (0.0, 700.0), 1.2),
    "oligomer": (oligomer, (60.0, 1e5), 2.5),
    "ring": (ring, (150.0, 2500.0), 1.0),
    "elongated": (elongated, (60.0, 1000.0), 1.0),
    "barrel": (barrel, (300.0, 1e5), 1.2),
    "shell": (shell, (350.0, 1e5), 0.9),
    "membrane": (membrane, (60.0, 1500.0), 1.0),
    "three_armed": (three_armed, (100.0, 900.0), 0.8),
    "ribonucleoprotein": (ribonucleoprotein, (500.0, 1e5), 1.0),
}
