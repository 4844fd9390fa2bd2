"""Contaminants: each is painted and labelled as its class, none where its probability is zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.simulate import contaminants, planes
from jaxpick.simulate.contaminant_ranges import ContaminantRanges
from jaxpick.simulate.frozen_contaminants import (
    add_ethane,
    add_gold_beads,
    add_ice_crystals,
    add_support,
)
from jaxpick.simulate.molecular_contaminants import (
    _add_bilayer,
    _chord,
    add_denatured,
    add_filaments,
    add_vesicles,
)
from jaxpick.simulate.priors import ContaminantsPrior
from jaxpick.simulate.roles import AGGREGATE, BROKEN, SMALL, TARGET

SHAPE = (97, 106)
SITE = planes.Site(
    pixel_angstrom=jnp.float32(10.0),
    diameter_angstrom=jnp.float32(150.0),
    field_angstrom=jnp.float32(970.0),
)
PAINTERS = {
    "ice_crystal": add_ice_crystals,
    "ethane": add_ethane,
    "carbon": lambda *drawn: add_support(*drawn, 0.0),
    "gold": lambda *drawn: add_support(*drawn, 1.0),
    "gold_beads": add_gold_beads,
    "denatured": add_denatured,
    "filament": add_filaments,
    "vesicle": add_vesicles,
}


def painted(name, ranges, num):
    def paint(key):
        return PAINTERS[name](key, planes.empty_planes(SHAPE), SITE, ranges)

    return jax.jit(jax.vmap(paint))(jax.random.split(jax.random.key(0), num))


@pytest.mark.parametrize("name", PAINTERS)
def test_every_contaminant_is_painted_under_its_class(name):
    drawn = painted(name, ContaminantRanges(), 8)
    classes = np.asarray(drawn.label) // planes.INSTANCES_PER_CLASS
    expected = planes.CLASSES.index("gold" if name == "gold_beads" else name)
    assert set(np.unique(classes)) <= {0, expected}
    covered = (classes > 0).mean(axis=(1, 2))
    # One may miss the field; most do not.
    assert (covered > 0).mean() > 0.7
    assert np.isfinite(drawn.potential).all() and np.isfinite(drawn.absorption).all()
    assert np.asarray(drawn.absorption).min() >= -1e-6
    inside, outside = drawn.potential[classes > 0], drawn.potential[classes == 0]
    assert float(inside.mean()) > 10 * abs(float(outside.mean()))


def test_ice_crystals_keep_to_the_sizes_and_numbers_asked_for():
    """The outline of 7 sides at 0.7 to 1.1 radii, jittered, has no more than the area of a disc of 1.4."""
    one = ContaminantRanges(
        num_ice_crystals=(1, 1),
        ice_crystal_diameter_angstrom=(240.0, 360.0),
        ice_crystal_thickness_angstrom=(200.0, 200.0),
    )
    drawn = painted("ice_crystal", one, 40)
    area = (np.asarray(drawn.label) > 0).sum(axis=(1, 2)) * 100.0
    # Those that lie wholly inside: a disc of 0.7 radii at the least.
    assert area.max() <= np.pi * (1.4 * 180.0) ** 2 and np.median(area) >= np.pi * 84.0**2
    assert float(jnp.max(drawn.potential)) <= 4.6 * 200.0 * 1.8
    many = painted("ice_crystal", ContaminantRanges(num_ice_crystals=(6, 6)), 12)
    first = planes.CLASSES.index("ice_crystal") * planes.INSTANCES_PER_CLASS
    seen = {int(label) - first for label in np.unique(many.label) if label > 0}
    assert seen == set(range(6))


def test_gold_beads_are_of_the_diameters_and_as_many_as_asked_for():
    ranges = ContaminantRanges(num_gold_beads=(4, 4), gold_bead_diameters_angstrom=(200.0,))
    drawn = painted("gold_beads", ranges, 20)
    labels = np.asarray(drawn.label)
    first = planes.CLASSES.index("gold") * planes.INSTANCES_PER_CLASS
    assert labels.max() == first + 3
    # The last one painted is whole.
    width = 2 * np.sqrt((labels == first + 3).sum(axis=(1, 2)) * 100.0 / np.pi)
    assert width.mean() == pytest.approx(200.0, rel=0.05)
    assert width.std() == pytest.approx(16.0, rel=0.6)


def test_leaflets_of_a_vesicle_lie_as_far_apart_as_asked_for():
    distance = jnp.arange(0.0, 400.0)[None, :]
    drawn = _add_bilayer(
        planes.empty_planes((1, 400)),
        distance,
        jnp.float32(300.0),
        jnp.float32(40.0),
        jnp.float32(3.0),
        jnp.int32(0),
    )
    # A leaflet's projection is largest just inside its inner face.
    rim = np.asarray(drawn.potential)[0, 240:]
    peaks = 240 + np.flatnonzero((rim[1:-1] > rim[:-2]) & (rim[1:-1] >= rim[2:])) + 1
    assert len(peaks) == 2
    assert np.diff(peaks)[0] == pytest.approx(40.0, abs=1.0)


def test_nothing_is_painted_without_probability_or_in_a_clean_micrograph():
    def label(key, prior, is_dirty):
        drawn = contaminants.draw_contaminants(key, prior, SHAPE, SITE, jnp.asarray(is_dirty))
        return int(jnp.sum(drawn.label > 0))

    nothing = ContaminantsPrior(amount=0.0)
    only = ContaminantsPrior(
        **{
            n: 0.0
            for n in ("ice_crystals", "ethane", "carbon", "gold_beads", "filaments", "vesicles")
        },
        micelles=0.0,
        coil_fog=0.0,
        denatured=1.0,
    )
    assert label(jax.random.key(1), nothing, True) == 0
    assert label(jax.random.key(1), only, False) == 0
    assert label(jax.random.key(1), only, True) > 0


def test_refining_a_plane_function_is_exact():
    y, x = planes.coarse_grid_angstrom(SHAPE, 4, 1.0)
    fine = planes.refine(2.0 * y - 3.0 * x, 4, SHAPE)
    full_y, full_x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    expected = 2.0 * (full_y - (SHAPE[0] - 1) / 2) - 3.0 * (full_x - (SHAPE[1] - 1) / 2)
    np.testing.assert_allclose(fine, expected, atol=1e-3)


def test_chords_fill_the_volume_of_a_ball():
    y, x = np.mgrid[-30:30:241j, -30:30:241j]
    chord = _chord(jnp.float32(20.0), jnp.asarray(np.hypot(y, x), jnp.float32))
    assert float(chord.sum()) * 0.25**2 == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.01)


def test_labels_tell_slots_from_paint():
    role = jnp.asarray([TARGET, BROKEN, AGGREGATE, SMALL], jnp.int32)
    owner = jnp.asarray([[0, 1, 2, 3, 4]], jnp.int32)
    painted = planes.paint(
        planes.empty_planes((1, 5)),
        "gold",
        jnp.zeros((1, 5)),
        jnp.asarray([[0.5, 0.5, 0.0, 0.0, 0.5]]),
        jnp.asarray([[True, True, False, False, True]]),
        3,
    )
    labels = contaminants.label_contaminants(painted, owner, role)
    names = [planes.CLASSES[int(i)] for i in labels.classes[0]]
    assert names == ["gold", "gold", "broken", "aggregate", "gold"]
    assert (
        int(labels.instances[0, 0]) == planes.CLASSES.index("gold") * planes.INSTANCES_PER_CLASS + 3
    )
    assert int(labels.instances[0, 2]) == contaminants.FIRST_SLOT_INSTANCE + 2
