"""Phantoms: mass and density by construction, few clashes, seeds, variants, families."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial import cKDTree

from jaxpick.simulate.assemblies import MAX_CLASH_SHARE, assemble, clash_share
from jaxpick.simulate.bodies import with_pore
from jaxpick.simulate.domains import CELL_ANGSTROM3, globule, lattice, protein_beads
from jaxpick.simulate.families import FAMILIES
from jaxpick.simulate.phantoms import (
    SMOOTH_LOSS_SHARE,
    PhantomSpec,
    _surviving,
    phantom,
    phantom_library,
)
from jaxpick.simulate.specimens import diameter_angstrom
from jaxpick.simulate.symmetry import symmetry_group
from jaxpick.spec import SpecError

CHANNELS = (1, 3)
SMALL = PhantomSpec(mass_kda=(80.0, 600.0))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_the_mass_asked_for(name):
    build, (low, high), _ = FAMILIES[name]
    for seed, share in enumerate((0.0, 0.5)):
        mass = max(low, 60.0) * (min(high, 1500.0) / max(low, 60.0)) ** share
        beads = build(np.random.default_rng(seed), mass)
        assert beads.mass_da.sum() == pytest.approx(mass * 1e3, rel=1e-6)
        assert np.isfinite(beads.positions_angstrom).all()
        assert len(beads.unit) == len(beads.contrast) == len(beads.positions_angstrom)


def test_lattice_has_the_density_of_protein():
    points = lattice(np.random.default_rng(0), [120.0, 120.0, 120.0])
    inside = np.abs(points).max(axis=1) < 100.0
    density = inside.sum() * 110.0 / 200.0**3
    assert density == pytest.approx(0.81, rel=0.01)
    assert pytest.approx(110.0 / 0.81) == CELL_ANGSTROM3


def test_a_globules_bulk_has_the_density_of_protein():
    points = globule(np.random.default_rng(1), 300.0)
    # Count the beads around the deepest ones only, where no surface is near.
    tree = cKDTree(points)
    depth = np.array([len(found) for found in tree.query_ball_point(points, 25.0)])
    core = np.argsort(-depth)[:30]
    counts = np.array([len(found) for found in tree.query_ball_point(points[core], 15.0)])
    density = counts.mean() * 110.0 / (4 / 3 * np.pi * 15.0**3)
    # Each ball is centred on a bead, which adds less than one bead to 104.
    assert density == pytest.approx(0.81, rel=0.03)


@pytest.mark.parametrize("name", ["C2", "C7", "D2", "D7", "T", "O", "I"])
def test_assemblies_touch_without_clashing(name):
    rng = np.random.default_rng(2)
    group = symmetry_group(name)
    subunit = protein_beads(globule(rng, 20.0), 20.0)
    beads = assemble(rng, subunit, group)
    first, others = (
        beads.positions_angstrom[beads.unit == 0],
        beads.positions_angstrom[beads.unit > 0],
    )
    assert clash_share(first, others) <= MAX_CLASH_SHARE
    assert cKDTree(others).query(first)[0].min() < 7.0
    turned = first @ group[-1].T.astype(np.float32)
    np.testing.assert_allclose(
        turned, beads.positions_angstrom[beads.unit == len(group) - 1], atol=1e-3
    )


def test_rings_are_flat():
    rng = np.random.default_rng(3)
    subunit = protein_beads(globule(rng, 40.0), 40.0)
    beads = assemble(rng, subunit, symmetry_group("C8"), is_ring=True)
    spread = beads.positions_angstrom.std(axis=0)
    assert spread[2] < 0.6 * spread[0]
    np.testing.assert_allclose(spread[0], spread[1], rtol=1e-4)


def test_specimens_are_centred_and_add_up_to_the_contrast_of_protein():
    only = PhantomSpec(mass_kda=(80.0, 600.0), families=("oligomer",))
    for specimen in phantom_library(4, 5, only):
        weight = specimen.potential_volt_angstrom3
        np.testing.assert_allclose(
            weight @ specimen.positions_angstrom / weight.sum(), 0, atol=0.01
        )
        assert weight.sum() == pytest.approx(4.17e3 * specimen.mass_kda, rel=1e-3)
        assert weight.std() / weight.mean() == pytest.approx(0.15, abs=0.03)


def test_same_seed_same_molecule_whatever_the_number():
    alone = phantom(3, 11, SMALL)[0]
    among = phantom_library(4, 11, SMALL)[3]
    other = phantom(3, 12, SMALL)[0]
    np.testing.assert_array_equal(alone.positions_angstrom, among.positions_angstrom)
    np.testing.assert_array_equal(alone.potential_volt_angstrom3, among.potential_volt_angstrom3)
    assert other.mass_kda != alone.mass_kda


def test_masses_are_uniform_in_the_logarithm_and_sizes_as_asked():
    spec = PhantomSpec(mass_kda=(80.0, 300.0), max_diameter_angstrom=180.0)
    library = phantom_library(40, 0, spec)
    position = np.log([s.mass_kda / 80.0 for s in library]) / np.log(300.0 / 80.0)
    assert position.min() >= 0 and position.max() <= 1
    assert abs(position.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 40)
    assert max(diameter_angstrom(s) for s in library) <= 180.0
    assert len({s.family for s in library}) >= 4


def test_variants_share_a_group_and_broken_ones_are_lighter():
    spec = dataclasses.replace(SMALL, num_conformers=3, num_broken=2)
    for index in range(6):
        variants = phantom(index, 1, spec)
        assert [v.is_intact for v in variants] == [True] * 3 + [False] * 2
        assert len({v.group for v in variants}) == 1
        assert len({v.name for v in variants}) == 5
        whole = variants[0]
        for conformer in variants[1:3]:
            assert conformer.mass_kda == whole.mass_kda
            moved = conformer.positions_angstrom - whole.positions_angstrom
            assert 0.05 < np.sqrt((moved**2).sum(axis=1).mean()) < 30.0
        for broken in variants[3:]:
            assert 0.1 < broken.mass_kda / whole.mass_kda < 0.95


@pytest.mark.parametrize("seed", range(4))
def test_a_pore_is_empty_and_keeps_the_density_around_it(seed):
    points = lattice(np.random.default_rng(6), [100.0, 100.0, 100.0])
    solid = protein_beads(points[np.linalg.norm(points, axis=1) < 90.0], 1700.0)
    opened = with_pore(np.random.default_rng(seed), solid).positions_angstrom
    rng = np.random.default_rng(seed)
    radius, axis, is_channel = rng.uniform(10.0, 30.0), rng.normal(size=3), rng.random() < 0.5
    assert is_channel == (seed in CHANNELS)
    along = (opened - solid.positions_angstrom.mean(axis=0)) @ (axis / np.linalg.norm(axis))
    far = np.linalg.norm(opened - solid.positions_angstrom.mean(axis=0), axis=1)
    low, high = radius + 5.0, 60.0
    if is_channel:
        far = np.sqrt(np.maximum(far**2 - along**2, 0.0))
        inside, volume = np.abs(along) < 40.0, np.pi * (high**2 - low**2) * 80.0
    else:
        inside, volume = np.ones(len(far), bool), 4 / 3 * np.pi * (high**3 - low**3)
    assert radius - 0.1 < far.min() < radius + 4.0
    density = np.sum(inside & (far > low) & (far < high)) * 110.0 / volume
    assert density == pytest.approx(0.81, rel=0.02)


def test_a_cavity_keeps_the_symmetry_of_an_assembly():
    rng = np.random.default_rng(7)
    group = symmetry_group("D3")
    beads = with_pore(rng, assemble(rng, protein_beads(globule(rng, 40.0), 40.0), group))
    first, last = (beads.positions_angstrom[beads.unit == n] for n in (0, len(group) - 1))
    np.testing.assert_allclose(first @ group[-1].T.astype(np.float32), last, atol=0.02)


def test_rare_decorations_leave_other_molecules_as_they_are():
    plain = dataclasses.replace(SMALL, pore_share=0.0)
    porous = dataclasses.replace(SMALL, pore_share=0.3)
    same = [
        np.array_equal(*(phantom(i, 2, s)[0].positions_angstrom for s in (plain, porous)))
        for i in range(10)
    ]
    assert 4 <= sum(same) < 10


def test_viruses_are_shells_beyond_the_range_of_masses():
    spec = PhantomSpec(mass_kda=(3900.0, 4000.0), families=("shell",), virus_share=1.0)
    virus = phantom(0, 0, spec)[0]
    assert virus.family == "shell" and 4000.0 <= virus.mass_kda <= 8000.0
    radius = np.linalg.norm(virus.positions_angstrom, axis=1)
    assert np.mean(radius < 0.3 * radius.max()) < 0.05


def test_some_broken_variants_have_holes_by_a_smooth_field():
    positions = lattice(np.random.default_rng(8), [60.0, 60.0, 60.0])
    unit = np.zeros(len(positions), np.int32)
    pairs = cKDTree(positions).query_pairs(6.0, output_type="ndarray")
    num_smooth = 0
    for seed in range(24):
        kept = _surviving(np.random.default_rng(seed), positions, unit)
        rng = np.random.default_rng(seed)
        share, direction = rng.uniform(0.3, 0.75), rng.normal(size=3)
        assert kept.mean() == pytest.approx(share, abs=2e-3)
        along = positions @ direction
        is_plane = along[kept].max() < along[~kept].min() + 0.1
        assert is_plane == (rng.random() >= SMOOTH_LOSS_SHARE)
        num_smooth += not is_plane
        # Smooth either way: neighbours share their fate.
        assert np.mean(kept[pairs[:, 0]] == kept[pairs[:, 1]]) > 0.8
    assert 1 <= num_smooth <= 14


def test_barrels_are_round_from_the_top_and_hollow():
    beads = FAMILIES["barrel"][0](np.random.default_rng(4), 900.0)
    spread = beads.positions_angstrom.std(axis=0)
    np.testing.assert_allclose(spread[0], spread[1], rtol=0.02)
    rho = np.hypot(*beads.positions_angstrom[:, :2].T)
    # A solid cylinder would hold 1 % there; caps, where there are any, leave a small hole.
    assert np.mean(rho < 0.1 * rho.max()) < 0.005


def test_ribonucleoproteins_contrast_exceeds_proteins():
    beads = FAMILIES["ribonucleoprotein"][0](np.random.default_rng(5), 600.0)
    share = beads.mass_da[beads.contrast > 1].sum() / beads.mass_da.sum()
    assert 0.4 <= share <= 0.66


def test_impossible_specs_are_refused():
    with pytest.raises(SpecError, match="mass_kda"):
        PhantomSpec(mass_kda=(300.0, 80.0))
    with pytest.raises(SpecError, match="families"):
        PhantomSpec(families=("globular", "banana"))
    with pytest.raises(SpecError, match="families"):
        PhantomSpec(families=("shell",))
