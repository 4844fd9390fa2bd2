"""Phantoms: mass and density by construction, few clashes, seeds, variants, families."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial import cKDTree

from jaxpick.simulate.assemblies import MAX_CLASH_SHARE, assemble, clash_share
from jaxpick.simulate.domains import CELL_ANGSTROM3, globule, lattice, protein_beads
from jaxpick.simulate.families import FAMILIES
from jaxpick.simulate.phantoms import PhantomSpec, phantom, phantom_library
from jaxpick.simulate.specimens import diameter_angstrom
from jaxpick.simulate.symmetry import symmetry_group
from jaxpick.spec import SpecError

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
