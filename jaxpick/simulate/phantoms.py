"""Procedural molecules: a seeded library of specimens that needs no data.

Masses are log-uniform, with a few viruses beyond; the family of shapes is drawn among those that
exist at that mass; some compact ones hold a pore. Each molecule may come with conformers (hinge,
breathing) and broken variants (lost subunits, cuts, holes) that share its group.
"""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from jaxpick.physics.constants import PROTEIN_EXCESS_VOLT_ANGSTROM3_PER_DALTON
from jaxpick.simulate.bodies import with_pore
from jaxpick.simulate.domains import RESIDUE_DA, Beads, surface_noise
from jaxpick.simulate.families import FAMILIES
from jaxpick.simulate.specimens import Specimen, centred, diameter_angstrom
from jaxpick.spec import require

RESIDUE_VOLT_ANGSTROM3 = PROTEIN_EXCESS_VOLT_ANGSTROM3_PER_DALTON * RESIDUE_DA
# Drawn again beyond this, so that no molecule outgrows its box.
NUM_REDRAWS = 20
# Less than the share that `diameter_angstrom` leaves out, so that a tail does not set the diameter.
MAX_APPENDAGE_SHARE = 0.012
CHAIN_STEP_ANGSTROM = 3.8
# Families without a hole of their own.
COMPACT = ("globular", "oligomer", "elongated", "three_armed", "ribonucleoprotein")
VIRUS_KDA = (4000.0, 8000.0)
SMOOTH_LOSS_SHARE = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhantomSpec:
    """What the molecules of a library may be.

    Attributes:
        mass_kda: range of masses, drawn uniformly in the logarithm.
        families: kinds of shape to draw from; leave some out to test on them.
        max_diameter_angstrom: larger molecules are drawn anew.
        num_conformers: intact variants of each molecule, the first one as built.
        num_broken: broken variants of each molecule.
        hinge_deg: standard deviation of the angle by which a conformer's half turns.
        breathing: a conformer's scale is uniform in 1 +- this.
        texture: standard deviation of the residues' relative potentials.
        b_factor_angstrom2: range of the residues' B factor, uniform.
        appendage_share: probability of a flexible tail of residues on a worm-like chain.
        pore_share: probability of a channel or cavity 20 to 60 angstrom wide in a compact molecule.
        virus_share: probability of an empty or filled capsid of 4 to 8 MDa, where masses reach
            4 MDa and shells are among the families.
    """

    mass_kda: tuple[float, float] = (80.0, 4000.0)
    families: tuple[str, ...] = tuple(FAMILIES)
    max_diameter_angstrom: float = 500.0
    num_conformers: int = 1
    num_broken: int = 0
    hinge_deg: float = 10.0
    breathing: float = 0.05
    texture: float = 0.15
    b_factor_angstrom2: tuple[float, float] = (60.0, 300.0)
    appendage_share: float = 0.2
    pore_share: float = 0.05
    virus_share: float = 0.01

    def __post_init__(self) -> None:
        low, high = self.mass_kda
        require(0 < low <= high, "mass_kda", self.mass_kda, "(low, high) with 0 < low <= high")
        unknown = [name for name in self.families if name not in FAMILIES]
        require(not unknown, "families", unknown, f"names among {', '.join(FAMILIES)}")
        reach = [FAMILIES[name][1] for name in self.families]
        covers = all(any(a <= mass <= b for a, b in reach) for mass in (low, high))
        require(covers, "families", self.families, f"one for every mass in {self.mass_kda} kDa")
        for name in ("appendage_share", "pore_share", "virus_share"):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "0 to 1")
        require(self.num_conformers >= 1, "num_conformers", self.num_conformers, "1 or more")
        require(self.num_broken >= 0, "num_broken", self.num_broken, "0 or more")
        require(0 <= self.breathing < 0.5, "breathing", self.breathing, "0 to 0.5")
        require(0 <= self.texture <= 0.3, "texture", self.texture, "0 to 0.3")


def phantom_library(num_molecules: int, seed: int, spec: PhantomSpec) -> list[Specimen]:
    """Return the molecules of a library with their variants, molecule after molecule.

    Molecule `i` of a seed is the same whatever the number of molecules.
    """
    return [variant for i in range(num_molecules) for variant in phantom(i, seed, spec)]


def phantom(index: int, seed: int, spec: PhantomSpec) -> list[Specimen]:
    """Return one molecule: its conformers (intact), then its broken variants."""
    rng, rare = (np.random.default_rng([seed, index, *more]) for more in ((), (1,)))
    for _ in range(NUM_REDRAWS):
        family, beads = _draw_beads(rng, rare, spec)
        potential = _potential(rng, beads, spec)
        b_factor = rng.uniform(*spec.b_factor_angstrom2)
        first = _specimen(f"phantom-{seed}-{index}", family, beads, potential, b_factor)
        if diameter_angstrom(first) <= spec.max_diameter_angstrom:
            break
    variants = [first]
    for number in range(1, spec.num_conformers):
        bent = dataclasses.replace(
            first,
            name=f"{first.name}-conformer{number}",
            positions_angstrom=conformer(rng, first.positions_angstrom, beads.unit, spec),
        )
        variants.append(centred(bent))
    for number in range(spec.num_broken):
        variants.append(_broken(rng, first, beads, number))
    return variants


def conformer(
    rng: np.random.Generator, positions: np.ndarray, unit: np.ndarray, spec: PhantomSpec
) -> np.ndarray:
    """Return moved beads: a hinge, or each subunit turned about itself; then breathing.

    Molecules of one unit bend at a plane through a random bead near the middle; symmetric ones turn
    all subunits by the same angle about the line from the centre, which keeps the symmetry.
    """
    angle = np.deg2rad(rng.normal(0.0, spec.hinge_deg))
    scale = 1.0 + rng.uniform(-spec.breathing, spec.breathing)
    if unit.max() < 1:
        return np.asarray(scale * _hinge(rng, positions, angle), np.float32)
    return np.asarray(scale * _turn_units(positions, unit, angle), np.float32)


def _draw_beads(
    rng: np.random.Generator, rare: np.random.Generator, spec: PhantomSpec
) -> tuple[str, Beads]:
    """Draw one molecule; what is rare has numbers of its own, so that the rest does not depend on it."""
    mass = float(np.exp(rng.uniform(*np.log(spec.mass_kda))))
    for_virus, for_pore = rare.random(2)
    if (
        for_virus < spec.virus_share
        and "shell" in spec.families
        and spec.mass_kda[1] >= VIRUS_KDA[0]
    ):
        return "shell", FAMILIES["shell"][0](rare, float(np.exp(rare.uniform(*np.log(VIRUS_KDA)))))
    fitting = [n for n in spec.families if FAMILIES[n][1][0] <= mass <= FAMILIES[n][1][1]]
    weight = np.array([FAMILIES[name][2] for name in fitting])
    family = str(rng.choice(fitting, p=weight / weight.sum()))
    beads = FAMILIES[family][0](rng, mass)
    if rng.random() < spec.appendage_share:
        beads = _with_appendage(rng, beads)
    if for_pore < spec.pore_share and family in COMPACT:
        beads = with_pore(rare, beads)
    return family, beads


def _with_appendage(rng: np.random.Generator, beads: Beads) -> Beads:
    """Move 1 % of the residues onto a worm-like chain that leaves an outer bead."""
    positions = beads.positions_angstrom.copy()
    num = min(max(4, int(MAX_APPENDAGE_SHARE * len(positions))), 40)
    root = positions[np.argmax(positions @ rng.normal(size=3).astype(np.float32))]
    chosen = np.argsort(np.linalg.norm(positions - root, axis=1))[:num]
    step = root / max(float(np.linalg.norm(root)), 1e-3)
    turns = np.cumsum(rng.normal(0.0, 0.6, (num, 3)), axis=0) + step
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    positions[chosen] = root + np.cumsum(CHAIN_STEP_ANGSTROM * turns, axis=0)
    return dataclasses.replace(beads, positions_angstrom=positions)


def _potential(rng: np.random.Generator, beads: Beads, spec: PhantomSpec) -> np.ndarray:
    """Each bead's integral with texture; residues of one molecule keep their mean."""
    texture = np.clip(rng.normal(1.0, spec.texture, len(beads.contrast)), 0.2, None)
    residue = RESIDUE_VOLT_ANGSTROM3 * beads.contrast
    potential = residue * texture
    return np.asarray(potential * (residue.sum() / potential.sum()), np.float32)


def _specimen(
    name: str, family: str, beads: Beads, potential: np.ndarray, b_factor: float
) -> Specimen:
    return centred(
        Specimen(
            name=name,
            positions_angstrom=beads.positions_angstrom,
            potential_volt_angstrom3=potential,
            form_weight=np.ones(1),
            form_b_angstrom2=np.array([b_factor]),
            mass_kda=float(beads.mass_da.sum()) * 1e-3,
            group=name,
            family=family,
        )
    )


def _hinge(rng: np.random.Generator, positions: np.ndarray, angle: float) -> np.ndarray:
    """Turn the beads beyond a plane near the centre about an axis in that plane."""
    normal, other = rng.normal(size=(2, 3))
    normal /= np.linalg.norm(normal)
    axis = np.cross(normal, other)
    along = positions @ normal
    pivot = normal * np.quantile(along, rng.uniform(0.35, 0.65))
    turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
    beyond = (along > pivot @ normal)[:, None]
    return np.where(beyond, (positions - pivot) @ turn.T + pivot, positions)


def _turn_units(positions: np.ndarray, unit: np.ndarray, angle: float) -> np.ndarray:
    """Turn each unit by one angle about the line from the centre through its own middle."""
    moved = positions.copy()
    for number in range(int(unit.max()) + 1):
        mine = unit == number
        if not mine.any():
            continue
        middle = positions[mine].mean(axis=0)
        axis = middle / max(float(np.linalg.norm(middle)), 1e-6)
        turn = Rotation.from_rotvec(angle * axis).as_matrix()
        moved[mine] = (positions[mine] - middle) @ turn.T + middle
    return moved


def _broken(rng: np.random.Generator, whole: Specimen, beads: Beads, number: int) -> Specimen:
    keep = _surviving(rng, whole.positions_angstrom, beads.unit)
    mass = float(beads.mass_da[keep].sum()) * 1e-3
    return centred(
        dataclasses.replace(
            whole,
            name=f"{whole.name}-broken{number}",
            positions_angstrom=whole.positions_angstrom[keep],
            potential_volt_angstrom3=whole.potential_volt_angstrom3[keep],
            mass_kda=mass,
            is_intact=False,
        )
    )


def _surviving(rng: np.random.Generator, positions: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Which beads a broken variant keeps, 30 to 75 %: subunits lost, all beyond a plane, or holes
    by a smooth field.
    """
    share, direction = rng.uniform(0.3, 0.75), rng.normal(size=3).astype(np.float32)
    along = positions @ direction
    if rng.random() < SMOOTH_LOSS_SHARE:
        field = surface_noise(rng, 1.0, (40.0, 160.0))(positions)
        return field < np.quantile(field, share)
    units = np.unique(unit[unit >= 0])
    if len(units) < 3:
        return along < np.quantile(along, share)
    middle = np.array([along[unit == n].mean() for n in units])
    num_kept = min(max(1, round(share * len(units))), len(units) - 1)
    kept = units[np.argsort(middle)[:num_kept]]
    return np.isin(unit, kept) | ((unit < 0) & (along < np.quantile(along, share)))
