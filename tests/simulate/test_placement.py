"""Placement equals its slow textbook form and has the statistics it claims."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.simulate import layouts, placement
from jaxpick.simulate.priors import ScenePrior

NUM, SIDE = 150, 100.0


def sequential(points, radius, layer, eligible):
    """Random sequential adsorption, one candidate after another."""
    accepted: list[int] = []
    for i in range(len(points)):
        near = [
            j
            for j in accepted
            if layer[i] == layer[j]
            and np.sum((points[i] - points[j]) ** 2) < (radius[i] + radius[j]) ** 2
        ]
        if eligible[i] and not near:
            accepted.append(i)
    return np.isin(np.arange(len(points)), accepted)


def test_parallel_adsorption_equals_sequential_on_100_seeds():
    rng = np.random.default_rng(0)
    # Whole numbers, so that no distance depends on the order of rounding.
    points = rng.integers(0, int(SIDE), (100, NUM, 2)).astype(np.float32)
    radius = rng.integers(2, 8, (100, NUM)).astype(np.float32)
    layer = rng.integers(0, 2, (100, NUM)).astype(np.int32)
    eligible = rng.random((100, NUM)) < 0.9
    found = jax.jit(jax.vmap(placement.adsorb))(points, radius, layer, eligible)
    expected = np.stack(
        [sequential(*one) for one in zip(points, radius, layer, eligible, strict=True)]
    )
    np.testing.assert_array_equal(np.asarray(found), expected)
    assert 10 < expected.sum(1).mean() < 80


@pytest.mark.parametrize("kind", range(4))
def test_no_layout_places_two_particles_of_a_layer_too_close(kind):
    prior = ScenePrior(
        layout_weights=tuple(float(i == kind) for i in range(4)), empty_probability=0.0
    )

    def one(key):
        layout = layouts.draw_layout(key, prior, jnp.float32(10.0), (100, 120), 200)
        radius = jnp.full((200,), 5.0) * layout.contact
        return layout, placement.adsorb(layout.points_yx_px, radius, layout.level, layout.keep)

    layout, accepted = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(kind), 20))
    for i in range(20):
        points = np.asarray(layout.points_yx_px[i])[np.asarray(accepted[i])]
        layer = np.asarray(layout.level[i])[np.asarray(accepted[i])]
        assert len(points) > 0
        assert (points >= 0).all() and (points <= [99, 119]).all()
        distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
        distance[layer[:, None] != layer[None]] = np.inf
        np.fill_diagonal(distance, np.inf)
        assert distance.min() >= 10.0 * float(layout.contact[i]) * (1 - 1e-5)


def test_pair_correlation_is_zero_below_contact_and_one_far_away():
    """g(r) of 40 fields: nothing below the diameter, a pile at contact, no order beyond."""
    points = jax.random.uniform(jax.random.key(1), (40, 400, 2)) * 200.0
    ones, zeros = jnp.ones((400,), bool), jnp.zeros((400,), jnp.int32)
    accept = jax.jit(jax.vmap(lambda p: placement.adsorb(p, jnp.full((400,), 5.0), zeros, ones)))
    accepted = np.asarray(accept(points))
    edges = np.array([0.0, 10.0, 11.0, 40.0, 50.0])
    found, expected = np.zeros(4), np.zeros(4)
    for place, is_there in zip(np.asarray(points), accepted, strict=True):
        chosen = place[is_there]
        # A torus has no edge to correct for, but adsorption knew no torus: keep to the middle.
        inner = chosen[np.all((chosen > 50) & (chosen < 150), axis=1)]
        distance = np.linalg.norm(inner[:, None] - chosen[None], axis=-1)
        found += np.histogram(distance[distance > 0], edges)[0]
        expected += len(inner) * len(chosen) / 200.0**2 * np.pi * np.diff(edges**2)
    pair = found / expected
    assert pair[0] == 0 and pair[1] > 1.3
    np.testing.assert_allclose(pair[3], 1.0, atol=0.06)


def test_random_adsorption_approaches_its_jamming_coverage():
    # 0.547 for discs in the plane (Hinrichsen, Feder & Jossang 1986); 20 candidates a place reach 0.44 to 0.52.
    points = placement.uniform_points(jax.random.uniform(jax.random.key(0), (3000, 2)), (120, 120))
    ones, zeros = jnp.ones((3000,)), jnp.zeros((3000,), jnp.int32)
    accepted = placement.adsorb(points, 5.0 * ones, zeros, ones > 0)
    # Discs may reach half beyond the edge: the area open to them is (120 + d)^2 at the most.
    coverage = float(accepted.sum()) * np.pi * 25 / 125**2
    assert 0.44 < coverage < 0.547


def test_packed_layout_reaches_dense_coverage():
    prior = ScenePrior(
        layout_weights=(0.0, 0.0, 0.0, 1.0), empty_probability=0.0, dense_coverage=(0.6, 0.6)
    )

    def count(key):
        layout = layouts.draw_layout(key, prior, jnp.float32(10.0), (150, 150), 500)
        radius = jnp.full((500,), 5.0) * layout.contact
        ok = placement.adsorb(
            layout.points_yx_px, radius, jnp.zeros((500,), jnp.int32), layout.keep
        )
        return jnp.sum(placement.keep_first(ok, layout.num_wanted))

    counts = jax.jit(jax.vmap(count))(jax.random.split(jax.random.key(1), 16))
    coverage = np.asarray(counts) * np.pi * 25 / 150**2
    assert coverage.mean() > 0.5


def test_keep_first_and_compact_keep_the_order_of_priority():
    accepted = jnp.asarray([False, True, True, False, True, True])
    kept = placement.keep_first(accepted, 3.0)
    np.testing.assert_array_equal(np.flatnonzero(kept), [1, 2, 4])
    np.testing.assert_array_equal(placement.compact(kept, 5), [1, 2, 4, 6, 6])
    np.testing.assert_array_equal(placement.compact(kept, 2), [1, 2])


def test_log_density_has_unit_variance_and_correlates_over_its_length():
    keys = jax.random.split(jax.random.key(2), 400)
    points = jnp.asarray([[0.0, 0.0], [0.0, 10.0], [0.0, 80.0]])
    field = jax.vmap(lambda k: placement.log_density(points, jax.random.uniform(k, (8, 3)), 10.0))
    values = np.asarray(field(keys))
    assert abs(values.var() - 1.0) < 0.15
    correlation = np.corrcoef(values.T)
    # Gaussian waves of deviation 1/l: correlation exp(-r^2 / (2 l^2)); 400 draws leave 0.05.
    assert abs(correlation[0, 1] - np.exp(-0.5)) < 0.15
    assert abs(correlation[0, 2]) < 0.15


def test_aggregates_grow_by_contact():
    u = jax.random.uniform(jax.random.key(3), (20, 2))
    step = jnp.linspace(3.0, 6.0, 20)
    # Two of them, of 13 and 7 members.
    first = jnp.where(jnp.arange(20) < 13, 0, 13)
    starts = jnp.where(first[:, None] == 0, 0.0, 900.0) + jnp.asarray([[50.0, 60.0]])
    members = np.asarray(placement.grow_aggregates(u, first, starts, step))
    np.testing.assert_allclose(members[[0, 13]], [[50.0, 60.0], [950.0, 960.0]])
    for i in [*range(1, 13), *range(14, 20)]:
        earlier = members[int(first[i]) : i]
        gap = np.abs(np.linalg.norm(earlier - members[i], axis=1) - float(step[i])).min()
        assert gap < 1e-3
