"""Protein-like solids: implicit shapes filled with residue beads at the density of protein.

A shape is a function of points in angstrom whose value grows inwards, about as fast as the distance
to the surface. Beads are the points of a jittered face-centred lattice with the highest values, one
residue per lattice cell: the density is 0.81 Da/angstrom^3 by construction and the number of
residues, hence the mass, is exact whatever the shape.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from jaxpick.physics.constants import PROTEIN_DENSITY_DALTON_PER_ANGSTROM3

RESIDUE_DA = 110.0
CELL_ANGSTROM3 = RESIDUE_DA / PROTEIN_DENSITY_DALTON_PER_ANGSTROM3
# Half the edge of the cubic cell that holds four beads; neighbours are 5.77 angstrom apart.
LATTICE_HALF_EDGE_ANGSTROM = 0.5 * (4.0 * CELL_ANGSTROM3) ** (1.0 / 3.0)
# Uniform, each axis: wide enough that no lattice planes show in views sampled finer than 3
# angstrom.
LATTICE_JITTER_ANGSTROM = 1.3

# Copies of a subunit that a point of a symmetric body is tested against.
NEAREST_COPIES = 4

Points = Float[np.ndarray, "point 3"]
Shape = Callable[[Points], Float[np.ndarray, " point"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beads:
    """Residue beads of one molecule.

    Attributes:
        positions_angstrom: x, y, z.
        contrast: excess potential relative to a protein residue's (1 protein, 1.5 nucleic acid).
        mass_da: of each bead; detergent counts nothing.
        unit: the subunit that each bead belongs to.
    """

    positions_angstrom: Float[np.ndarray, "bead 3"]
    contrast: Float[np.ndarray, " bead"]
    mass_da: Float[np.ndarray, " bead"]
    unit: Int[np.ndarray, " bead"]


def protein_beads(positions: Points, mass_kda: float) -> Beads:
    """Return residue beads of one subunit whose masses add up to `mass_kda` exactly."""
    num = len(positions)
    return Beads(
        positions_angstrom=np.asarray(positions, np.float32),
        contrast=np.ones(num, np.float32),
        mass_da=np.full(num, mass_kda * 1e3 / num),
        unit=np.zeros(num, np.int32),
    )


def num_residues(mass_kda: float) -> int:
    """Return how many residue beads stand for a mass."""
    return max(1, round(mass_kda * 1e3 / RESIDUE_DA))


def volume_angstrom3(mass_kda: float) -> float:
    """Return the volume of a protein of this mass."""
    return mass_kda * 1e3 / PROTEIN_DENSITY_DALTON_PER_ANGSTROM3


def ball_radius_angstrom(mass_kda: float) -> float:
    """Return the radius of a ball of protein of this mass."""
    return float(np.cbrt(0.75 / np.pi * volume_angstrom3(mass_kda)))


def lattice(rng: np.random.Generator, half_extent: Sequence[float]) -> Points:
    """Return a jittered face-centred lattice of random origin within +- half_extent (x, y, z)."""
    edge = LATTICE_HALF_EDGE_ANGSTROM
    count = [int(np.ceil(extent / edge)) for extent in half_extent]
    axes = [np.arange(-n, n + 1) for n in count]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    index = index[index.sum(axis=1) % 2 == 0]
    jitter = rng.uniform(-LATTICE_JITTER_ANGSTROM, LATTICE_JITTER_ANGSTROM, index.shape)
    return index * edge + rng.uniform(-edge, edge, (1, 3)) + jitter


def fill(rng: np.random.Generator, shape: Shape, half_extent: Sequence[float], num: int) -> Points:
    """Return the `num` lattice points deepest inside the shape, deepest first.

    The lattice grows until it holds them; the values at its rim should be the lowest, so
    `half_extent` is generous.
    """
    scale = 1.0
    while True:
        points = lattice(rng, [scale * extent for extent in half_extent])
        if len(points) >= 1.2 * num:
            break
        scale *= 1.15
    value = shape(points)
    deepest = np.argpartition(-value, num)[:num]
    return points[deepest[np.argsort(-value[deepest], kind="stable")]]


def ellipsoid(centre: np.ndarray, radii: np.ndarray, frame: np.ndarray) -> Shape:
    """Return an ellipsoid's shape: (1 - |x / radii|) mean(radii); rows of `frame` are its axes."""
    scaled = (frame / radii[:, None]).T
    return lambda points: (1.0 - np.linalg.norm((points - centre) @ scaled, axis=1)) * radii.mean()


def capsule(start: np.ndarray, stop: np.ndarray, radius: float) -> Shape:
    """Return a rod with round ends: radius minus the distance to the segment from start to stop."""
    axis = stop - start
    length2 = max(float(axis @ axis), 1e-9)

    def shape(points: Points) -> np.ndarray:
        along = np.clip((points - start) @ axis / length2, 0.0, 1.0)
        return radius - np.linalg.norm(points - start - along[:, None] * axis, axis=1)

    return shape


def union(shapes: Sequence[Shape]) -> Shape:
    """Return the shape inside any of the given ones."""
    return lambda points: np.max([shape(points) for shape in shapes], axis=0)


def symmetrised(
    shape: Shape, group: Float[np.ndarray, "element 3 3"], middle: Float[np.ndarray, "3"]
) -> Shape:
    """Return the union of a shape's copies under a point group.

    Each point looks at the copies whose `middle` lies nearest in direction, four at most: further
    ones of a compact shape do not reach it.
    """
    num = min(NEAREST_COPIES, len(group))
    images = group @ middle

    def body(points: Points) -> np.ndarray:
        nearest = np.argpartition(-(points @ images.T), num - 1, axis=1)[:, :num]
        values = [shape(np.einsum("ni,nij->nj", points, group[copy])) for copy in nearest.T]
        return np.max(values, axis=0)

    return body


def surface_noise(
    rng: np.random.Generator,
    amplitude_angstrom: float,
    wavelengths_angstrom: tuple[float, float] = (18.0, 45.0),
    num_waves: int = 10,
    group: Float[np.ndarray, "element 3 3"] | None = None,
) -> Shape:
    """Return a smooth random field of the given RMS: plane waves of log-uniform wavelength.

    With a point group the field is symmetric: each wave comes with its turned copies, so that a few
    waves are enough.
    """
    group = np.eye(3)[None] if group is None else group
    num_waves = max(3, round(num_waves / len(group)))
    direction = rng.normal(size=(3, num_waves))
    direction /= np.linalg.norm(direction, axis=0, keepdims=True)
    low, high = np.log(wavelengths_angstrom)
    wavelength = np.exp(rng.uniform(low, high, num_waves))
    wave = np.concatenate([element @ direction for element in group], axis=1)
    wave = np.asarray(2 * np.pi * wave / np.tile(wavelength, len(group)), np.float32)
    phase = np.tile(rng.uniform(0, 2 * np.pi, num_waves), len(group)).astype(np.float32)
    scale = amplitude_angstrom * np.sqrt(2.0 / wave.shape[1])
    return lambda points: scale * np.cos(points.astype(np.float32) @ wave + phase).sum(axis=1)


def plus(first: Shape, second: Shape) -> Shape:
    """Return the sum of two fields: a shape with a rough surface."""
    return lambda points: first(points) + second(points)


def random_frame(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Return a rotation matrix uniform over SO(3)."""
    return Rotation.from_quat(rng.normal(size=4)).as_matrix()


def globule_shape(
    rng: np.random.Generator, mass_kda: float, spread: float = 1.25, num_lobes: int | None = None
) -> tuple[Shape, list[float]]:
    """Return one folded domain, one to four ellipsoids with a rough surface, and its half extent.

    Volume shares are Dirichlet(3), axes jitter by exp N(0, 0.22), each lobe sits on an earlier one
    at `spread` times their mean radius.
    """
    lobes = int(rng.integers(1, 5)) if num_lobes is None else num_lobes
    radii = ball_radius_angstrom(mass_kda) * np.cbrt(rng.dirichlet(np.full(lobes, 3.0)))
    centres = np.zeros((lobes, 3))
    for lobe in range(1, lobes):
        parent = int(rng.integers(lobe))
        direction = rng.normal(size=3)
        step = spread * 0.5 * (radii[lobe] + radii[parent]) / np.linalg.norm(direction)
        centres[lobe] = centres[parent] + step * direction
    axes = radii[:, None] * np.exp(rng.normal(0.0, 0.22, (lobes, 3)))
    body = union([ellipsoid(c, a, random_frame(rng)) for c, a in zip(centres, axes, strict=True)])
    extent = np.abs(centres).max(axis=0) + 1.4 * axes.max() + 8.0
    return plus(body, surface_noise(rng, 2.5)), extent.tolist()


def globule(
    rng: np.random.Generator, mass_kda: float, spread: float = 1.25, num_lobes: int | None = None
) -> Points:
    """Return the residues of one folded domain (`globule_shape`), centred on their mean."""
    shape, extent = globule_shape(rng, mass_kda, spread, num_lobes)
    points = fill(rng, shape, extent, num_residues(mass_kda))
    return points - points.mean(axis=0, keepdims=True)


def tube(radius: float, bore: float, half_height: float, is_capped: bool) -> Shape:
    """Return a cylinder along z with a bore; caps close four fifths of it at both ends."""

    def shape(points: Points) -> np.ndarray:
        rho, z = np.hypot(points[:, 0], points[:, 1]), np.abs(points[:, 2])
        hole = np.full_like(rho, bore)
        if is_capped:
            hole = np.where(z > 0.75 * half_height, 0.2 * bore, hole)
        return np.minimum(np.minimum(radius - rho, rho - hole if bore else radius), half_height - z)

    return shape


def ripple(count: int, tier_frequency: float, depth: float, twist: float) -> Shape:
    """Return grooves between `count` columns and between tiers; Dn symmetric."""

    def field(points: Points) -> np.ndarray:
        azimuth = np.arctan2(points[:, 1], points[:, 0])
        z = points[:, 2] * tier_frequency
        return depth * (np.cos(count * azimuth + twist * z) - np.cos(z)) * 0.7

    return field


def spherical_wall(radius: float, wall: float) -> Shape:
    """Return a hollow ball: a wall of this thickness about this radius."""
    return lambda points: 0.5 * wall - np.abs(np.linalg.norm(points, axis=1) - radius)


def arc(along: Float[np.ndarray, " point"], curvature: float) -> Points:
    """Return points at arc lengths `along` on a planar arc through the origin."""
    if curvature < 1e-6:
        return np.stack([along, np.zeros_like(along), np.zeros_like(along)], axis=1)
    angle = along * curvature
    return np.stack([np.sin(angle), 1 - np.cos(angle), np.zeros_like(angle)], axis=1) / curvature


def directions(
    tilt_deg: Float[np.ndarray, " direction"], azimuth_deg: Float[np.ndarray, " direction"]
) -> Float[np.ndarray, "direction 3"]:
    """Return unit vectors by tilt from +z and azimuth from +x."""
    tilt, azimuth = np.deg2rad(tilt_deg), np.deg2rad(azimuth_deg)
    x, y = np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth)
    return np.stack([x, y, np.cos(tilt)], axis=1)


def random_axes(rng: np.random.Generator, spread: float) -> Float[np.ndarray, "3"]:
    """Return three relative axes, log-normal, of product 1."""
    axes = np.exp(rng.normal(0.0, spread, 3))
    return axes / np.cbrt(axes.prod())
