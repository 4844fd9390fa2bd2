"""Data parallelism: one axis of devices, a batch split along it, everything else on every device.

`jit` with named shardings is the default; `pmap` runs the same step under a named axis. Both see
the same examples, because keys are split per example and not per device. Only this module knows of
meshes, `shard_map` and `pmap`.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Key

from jaxpick.spec import SpecError, require

AXIS = "data"
Tree = TypeVar("Tree")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HardwareSpec:
    """Devices to use and how.

    Attributes:
        strategy: `jit` (one program over a sharded batch) or `pmap` (one program per device of one
            host).
        num_devices: how many devices; all that JAX sees if None.
        multihost: join the other processes that a scheduler started of this run (`start_hosts`).
    """

    strategy: Literal["jit", "pmap"] = "jit"
    num_devices: int | None = None
    multihost: bool = False

    def __post_init__(self) -> None:
        """Refuse a device count that is not positive."""
        counts = self.num_devices is None or self.num_devices > 0
        require(counts, "num_devices", self.num_devices, "a positive number or null")


@dataclasses.dataclass(frozen=True)
class Parallelism:
    """A strategy on a mesh; build it with `parallelism`."""

    strategy: Literal["jit", "pmap"]
    mesh: Mesh

    @property
    def num_devices(self) -> int:
        """Number of devices that share a batch."""
        return self.mesh.size

    @property
    def axis_name(self) -> str | None:
        """Axis over which a step must average, None where the compiler does it."""
        return AXIS if self.strategy == "pmap" else None

    def compile(
        self, step: Callable[..., Any], *, donate_first: bool = False
    ) -> Callable[..., Any]:
        """Compile `step(state, shared, batch, key) -> outputs`.

        Args:
            step: pure function. `state`, `shared`, `key` and the outputs are the same on every
                device; the leaves of `batch` (None is allowed) are split along their first axis.
            donate_first: let the outputs reuse the memory of `state`.
        """
        donated = (0,) if donate_first else ()
        if self.strategy == "jit":
            return jax.jit(step, donate_argnums=donated, out_shardings=_replicated(self.mesh))
        # The arguments are nested because jax 0.10 takes flat axes for those of the leaves whenever
        # there happen to be as many leaves as arguments. pmap insists on a mapped argument, and a
        # simulated batch has none: hence the ranks.
        mapped = jax.pmap(
            lambda state, rest: step(state, *rest[:-1]),
            axis_name=AXIS,
            in_axes=(None, (None, 0, None, 0)),
            out_axes=None,
            devices=list(self.mesh.devices.flat),
            donate_argnums=donated,
        )
        ranks = shard_batch(np.arange(self.num_devices, dtype=np.int32), self.mesh)
        return lambda state, shared, batch, key: mapped(
            state, (shared, self._split(batch), key, ranks)
        )

    def per_example(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """Batch `f` as `per_example` does; under `pmap` the batch is local already."""
        return per_example(f, self.mesh if self.strategy == "jit" else None)

    def local(self, keys: Key[Array, " batch"]) -> Key[Array, " local"]:
        """Return this device's share of a batch of keys inside a step: all under `jit`."""
        if self.strategy == "jit":
            return keys
        share = keys.shape[0] // self.num_devices
        start = jax.lax.axis_index(AXIS) * share
        return jax.lax.dynamic_slice_in_dim(keys, start, share)

    def average(self, tree: Tree) -> Tree:
        """Average over devices inside a step: nothing to do under `jit`."""
        return tree if self.axis_name is None else jax.lax.pmean(tree, AXIS)

    def total(self, tree: Tree) -> Tree:
        """Add up over devices inside a step: nothing to do under `jit`."""
        return tree if self.axis_name is None else jax.lax.psum(tree, AXIS)

    def check_batch(self, batch_size: int, field: str = "batch_size") -> None:
        """Refuse a batch that the devices cannot share equally."""
        expected = f"a multiple of the {self.num_devices} devices"
        require(batch_size % self.num_devices == 0, field, batch_size, expected)

    def _split(self, batch: Any) -> Any:
        count = self.num_devices
        return jax.tree.map(lambda x: x.reshape((count, x.shape[0] // count, *x.shape[1:])), batch)


def parallelism(spec: HardwareSpec = HardwareSpec(), is_local: bool = False) -> Parallelism:
    """Build the strategy that a spec names on the devices that are there.

    Args:
        spec: which devices and how.
        is_local: take those of this process alone.

    Raises:
        SpecError: when there are fewer devices than asked for, or `pmap` is asked for on several
            hosts.
    """
    if spec.strategy == "pmap" and jax.process_count() > 1:
        raise SpecError("strategy: pmap runs on one host; use strategy=jit on several")
    if is_local and jax.process_count() > 1:
        return Parallelism(spec.strategy, data_mesh(devices=jax.local_devices()))
    return Parallelism(spec.strategy, data_mesh(spec.num_devices))


def data_mesh(num_devices: int | None = None, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Return a one-axis mesh named `data` over the first devices (all if None), of those given.

    The axis is an automatic one: since jax 0.9 `make_mesh` defaults to explicit axes, which Linen
    users should not meet.
    """
    devices = jax.devices() if devices is None else devices
    count = len(devices) if num_devices is None else num_devices
    if count > len(devices):
        raise SpecError(f"num_devices: expected at most {len(devices)}, got {count}")
    return jax.make_mesh((count,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices[:count])


def replicate(tree: Tree, mesh: Mesh) -> Tree:
    """Put a tree of arrays whole on every device of the mesh; every process gives the same."""
    if jax.process_count() == 1:
        return jax.device_put(tree, _replicated(mesh))
    return jax.tree.map(lambda leaf: _on_all_hosts(leaf, _replicated(mesh)), tree)


def shard_batch(tree: Tree, mesh: Mesh) -> Tree:
    """Split every leaf along its first axis over the mesh; each process gives its own rows."""
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    put = jax.make_array_from_process_local_data
    return jax.tree.map(lambda rows: put(sharding, np.asarray(rows)), tree)


def per_example(f: Callable[..., Any], mesh: Mesh | None = None) -> Callable[..., Any]:
    """Turn `f(example, *shared)` into a function of a batch that never leaves its devices.

    A `vmap` inside a `shard_map`: FFTs, top-k and Poisson loops stay local, which automatic
    sharding does not promise (jax 0.10 gathers the whole batch for an FFT, jax issue 15680). Do not
    differentiate with respect to `shared` through it: without varying-axis checks, gradients of
    replicated inputs would be a device's own.

    Args:
        f: function of one example and of arrays that all examples share.
        mesh: one-axis mesh that divides the batch; plain `vmap` if None or of one device.
    """

    def batched(examples: Any, *shared: Any) -> Any:
        return jax.vmap(f, in_axes=(0, *(None,) * len(shared)))(examples, *shared)

    if mesh is None or mesh.size == 1:
        return batched

    def sharded(examples: Any, *shared: Any) -> Any:
        specs = (PartitionSpec(AXIS), *(PartitionSpec(),) * len(shared))
        run = jax.shard_map(
            batched, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False
        )
        return run(examples, *shared)

    return sharded


def batch_axis() -> str | None:
    """Return the axis that means over a batch must go over beside the batch's own, where called.

    Under `pmap` a device sees its share of the batch alone; under `jit` all of it, and there is none.
    """
    try:
        jax.lax.axis_size(AXIS)
    except NameError:
        return None
    return AXIS


def process_rows(batch_size: int) -> slice:
    """Return the rows of a global batch that this process has to provide."""
    share = batch_size // jax.process_count()
    return slice(jax.process_index() * share, (jax.process_index() + 1) * share)


def start_hosts(is_multihost: bool) -> bool:
    """Join the other processes of a multi-host run; True if there are any.

    Slurm's tasks (`srun`) find each other by its variables, as do MPI's; elsewhere set
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID. Call it before anything else
    touches a device.

    Raises:
        SpecError: when others are there and were not asked for, since each would train the same into
            the same folder; or the other way round.
    """
    num_tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    if not is_multihost:
        started = "JAX_COORDINATOR_ADDRESS is set" if address else f"{num_tasks} tasks were started"
        alone = "hardware=multihost to train as one, or a single task"
        require(num_tasks < 2 and not address, "hardware.multihost", started, alone)
        return False
    known: dict[str, Any] = {}
    if address:
        names = {"num_processes": "JAX_NUM_PROCESSES", "process_id": "JAX_PROCESS_ID"}
        missing = [name for name in names.values() if name not in os.environ]
        require(not missing, "hardware.multihost", address, f"{' and '.join(missing)} beside it")
        known = {name: int(os.environ[variable]) for name, variable in names.items()}
    try:
        jax.distributed.initialize(address, **known)
    except ValueError as error:
        raise SpecError(
            "hardware.multihost: no other process is known; start with srun, or set "
            "JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID"
        ) from error
    return jax.process_count() > 1


def is_first_host() -> bool:
    """Return whether this process is the one that writes."""
    return jax.process_index() == 0


def wait_for_hosts(name: str) -> None:
    """Return when every process has come to the point of that name."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def any_host(claim: bool) -> bool:
    """Return whether the claim holds on any process; all of them must ask."""
    if jax.process_count() == 1:
        return claim
    return bool(np.any(multihost_utils.process_allgather(np.array([claim]))))


def _on_all_hosts(leaf: Any, sharding: NamedSharding) -> Array:
    """Put one array on devices of which some are other processes'; keys travel as numbers."""
    put = jax.make_array_from_process_local_data
    if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return put(sharding, np.asarray(leaf))
    words = put(sharding, np.asarray(jax.random.key_data(leaf)))
    return jax.random.wrap_key_data(words, impl=jax.random.key_impl(leaf))


def _replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())
