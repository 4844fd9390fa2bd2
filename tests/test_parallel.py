"""Data parallelism: the same arrays on one and four devices, under jit and pmap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from jaxpick import rngs
from jaxpick.parallel import (
    HardwareSpec,
    data_mesh,
    parallelism,
    per_example,
    process_rows,
    replicate,
    shard_batch,
    start_hosts,
)
from jaxpick.spec import SpecError


def simulate(key, size):
    """What automatic sharding handles badly: a Fourier transform, shot noise, a top-k."""
    noise_key, shot_key = jax.random.split(key)
    image = jnp.fft.irfft2(jnp.fft.rfft2(jax.random.normal(noise_key, (8, 8))))
    counts = jax.random.poisson(shot_key, 3.0, (8, 8))
    return image * size, counts, jax.lax.top_k(image.ravel(), 3)[1]


def test_per_example_is_the_same_on_any_devices():
    keys = rngs.per_example(jax.random.key(0), 8)
    results = []
    for count in (1, 4):
        mesh = data_mesh(count)
        arguments = shard_batch(keys, mesh), replicate(jnp.float32(2.0), mesh)
        results.append(jax.jit(per_example(simulate, mesh))(*arguments))
    one, four = results
    np.testing.assert_array_equal(one[1], four[1])
    np.testing.assert_array_equal(one[2], four[2])
    np.testing.assert_allclose(one[0], four[0], atol=1e-6)
    assert four[0].sharding.spec == PartitionSpec("data")


def test_per_example_sends_nothing_between_devices():
    mesh = data_mesh(4)
    arguments = shard_batch(rngs.per_example(jax.random.key(0), 8), mesh), jnp.float32(2.0)
    text = jax.jit(per_example(simulate, mesh)).lower(*arguments).compile().as_text()
    assert "fft" in text
    for traffic in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert traffic not in text


def test_without_a_mesh_it_is_vmap():
    keys = rngs.per_example(jax.random.key(0), 3)
    batched = per_example(lambda key, scale: scale * jax.random.normal(key, (2,)))(keys, 3.0)
    expected = [3.0 * jax.random.normal(key, (2,)) for key in keys]
    np.testing.assert_allclose(batched, np.stack(expected), rtol=1e-6)


@pytest.mark.parametrize("strategy", ["jit", "pmap"])
@pytest.mark.parametrize("count", [1, 4])
def test_gradient_of_a_mean_equals_the_analytic_one(strategy, count):
    """mean (w - x)^2 has the gradient 2 (w - mean x), not a share or a multiple of it."""
    parallel = parallelism(HardwareSpec(strategy=strategy, num_devices=count))
    rows = np.arange(8, dtype=np.float32)

    def step(w, shared, batch, key):
        gradient = jax.grad(lambda v: jnp.mean(jnp.square(v - batch["x"]) * shared))(w)
        return w, parallel.average(gradient), parallel.total(jnp.sum(batch["x"]))

    place = lambda tree: replicate(tree, parallel.mesh)  # noqa: E731
    batch = shard_batch({"x": rows, "unused": rows}, parallel.mesh)
    compiled = parallel.compile(step, donate_first=True)
    w, gradient, total = compiled(
        place(jnp.float32(10.0)), place(jnp.float32(1.0)), batch, place(jax.random.key(0))
    )
    assert (float(w), float(gradient), float(total)) == (10.0, 13.0, 28.0)
    assert gradient.sharding.is_fully_replicated


@pytest.mark.parametrize("num_leaves", [1, 2, 3])
def test_pmap_maps_the_batch_whatever_the_number_of_leaves(num_leaves):
    """jax 0.10 confuses arguments and leaves when there are as many of both."""
    parallel = parallelism(HardwareSpec(strategy="pmap", num_devices=4))
    batch = {str(i): jnp.arange(8.0) for i in range(num_leaves)}
    step = parallel.compile(lambda w, shared, b, key: {n: x.shape[0] + w for n, x in b.items()})
    place = lambda tree: replicate(tree, parallel.mesh)  # noqa: E731
    shapes = step(
        place(jnp.float32(0.0)), None, shard_batch(batch, parallel.mesh), place(jax.random.key(0))
    )
    assert {float(value) for value in shapes.values()} == {2.0}


def test_keys_are_shared_out_in_order_under_pmap():
    parallel = parallelism(HardwareSpec(strategy="pmap", num_devices=4))

    def step(state, shared, batch, key):
        mine = parallel.local(rngs.per_example(key, 8))
        return parallel.total(jnp.sum(jax.vmap(jax.random.normal)(mine)))

    key = jax.random.key(3)
    total = parallel.compile(step)(None, None, None, replicate(key, parallel.mesh))
    expected = sum(float(jax.random.normal(k)) for k in rngs.per_example(key, 8))
    assert float(total) == pytest.approx(expected, rel=1e-5)


def test_hardware_that_is_not_there_is_refused():
    with pytest.raises(SpecError, match="num_devices: expected at most 4, got 5"):
        parallelism(HardwareSpec(num_devices=5))
    with pytest.raises(SpecError, match="num_devices: expected a positive number or null, got 0"):
        HardwareSpec(num_devices=0)


def test_a_single_process_provides_all_rows_and_joins_nobody(monkeypatch):
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS", raising=False)
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS", raising=False)
    assert process_rows(8) == slice(0, 8)
    assert not start_hosts(is_multihost=False)


def test_processes_that_nobody_asked_for_are_refused_and_the_other_way_round(monkeypatch):
    """Two processes of one training, each alone, would write into one folder."""
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(SpecError, match=r"hardware\.multihost: expected hardware=multihost to"):
        start_hosts(is_multihost=False)
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS")
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "localhost:1")
    monkeypatch.delenv("JAX_NUM_PROCESSES", raising=False)
    with pytest.raises(SpecError, match="JAX_NUM_PROCESSES and JAX_PROCESS_ID beside it"):
        start_hosts(is_multihost=True)
