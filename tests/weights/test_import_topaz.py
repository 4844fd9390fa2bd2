"""Topaz's files: both forms that PyTorch has had, whole modules and states, and what is refused.

The files are made here by a pickler that believes to know torch and Topaz; neither is needed.
"""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.import_weights import ImportSpec, run
from jaxpick.io.files import InputError
from jaxpick.methods import topaz
from jaxpick.models.topaz import TopazNetwork
from jaxpick.models.topaz_layers import NetworkSpec
from jaxpick.spec import build
from jaxpick.weights.import_topaz import read_topaz
from jaxpick.weights.portable import load_weights
from jaxpick.weights.torch_files import LEGACY_MAGIC, read_state

RUN = []


class Storage:
    """Numbers that lie outside the pickle."""

    def __init__(self, values):
        self.values = np.ascontiguousarray(values, np.float32).ravel()


def _function(module, name):
    def call(*values):
        RUN.append((name, values))

    call.__module__, call.__qualname__, call.__name__ = module, name, name
    return call


@pytest.fixture
def foreign(monkeypatch):
    """Modules by the names that files of PyTorch and Topaz refer to."""
    names = {
        "torch": ("FloatStorage",),
        "torch._utils": ("_rebuild_tensor_v2", "_rebuild_parameter"),
        "topaz_like": ("remove_everything",),
    }
    for module, functions in names.items():
        made = types.ModuleType(module)
        for name in functions:
            setattr(made, name, _function(module, name))
        monkeypatch.setitem(sys.modules, module, made)
    kinds = ("Module", "Conv2d", "MaxPool2d", "Dropout", "Sequential", "LinearClassifier")
    for name in kinds:
        kind = type(name, (), {"__module__": "topaz_like"})
        setattr(sys.modules["topaz_like"], name, kind)
    RUN.clear()
    return types.SimpleNamespace(**{m.replace(".", "_"): sys.modules[m] for m in names})


class Tensor:
    """Pickled as PyTorch pickles a tensor."""

    def __init__(self, values):
        self.values = np.asarray(values, np.float32)

    def __reduce__(self):
        strides = tuple(step // 4 for step in np.ascontiguousarray(self.values).strides)
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        arguments = (Storage(self.values), 0, self.values.shape, strides, False, OrderedDict())
        return rebuild, arguments


class StoragePickler(pickle.Pickler):
    """Names storages, as torch does, and collects them by key."""

    def __init__(self, file, storages):
        super().__init__(file, protocol=2)
        self.storages = storages

    def persistent_id(self, item):
        if not isinstance(item, Storage):
            return None
        key = str(len(self.storages))
        self.storages[key] = item.values
        return ("storage", sys.modules["torch"].FloatStorage, key, "cpu", item.values.size)


def pickled(value, storages):
    """Return the pickle of a value; storages are collected by key."""
    file = io.BytesIO()
    StoragePickler(file, storages).dump(value)
    return file.getvalue()


def write_archive(path, value):
    storages = {}
    content = pickled(value, storages)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for key, values in storages.items():
            archive.writestr(f"archive/data/{key}", values.tobytes())


def write_legacy(path, value):
    storages = {}
    content = pickled(value, storages)
    parts = [pickle.dumps(part, 2) for part in (LEGACY_MAGIC, 1001, {"little_endian": True})]
    parts += [content, pickle.dumps(list(storages), 2)]
    for values in storages.values():
        parts.append(struct.pack("<q", values.size) + values.tobytes())
    path.write_bytes(b"".join(parts))


def random_state(spec, seed=0):
    """The state of a network without norms, as Topaz names it."""
    rng, state, width = np.random.default_rng(seed), OrderedDict(), 1
    plain, place = spec.architecture.startswith("conv"), 0
    for layer in spec.layers:
        out = layer.width * spec.units
        if layer.kind == "residual":
            if width != out:
                state[f"features.features.{place}.proj.weight"] = (out, width, 1, 1)
            state[f"features.features.{place}.conv0.weight"] = (width, width, 3, 3)
            state[f"features.features.{place}.conv0.bias"] = (width,)
            state[f"features.features.{place}.conv1.weight"] = (out, width, 3, 3)
            state[f"features.features.{place}.conv1.bias"] = (out,)
        else:
            part = "" if plain else "conv."
            size = layer.kernel_px
            state[f"features.features.{place}.{part}weight"] = (out, width, size, size)
            state[f"features.features.{place}.{part}bias"] = (out,)
            if plain:
                place += 1
                state[f"features.features.{place}.weight"] = (1,)
        place, width = place + 1, out
    state |= {"classifier.weight": (1, width, 1, 1), "classifier.bias": (1,)}
    return OrderedDict(
        (name, rng.normal(size=shape).astype(np.float32)) for name, shape in state.items()
    )


def as_module(foreign, state, pool=False):
    """A tree of modules that holds a state."""
    root = foreign.topaz_like.LinearClassifier()
    for name, values in state.items():
        *path, leaf = name.split(".")
        module = root
        for part in path:
            children = module.__dict__.setdefault("_modules", OrderedDict())
            module = children.setdefault(part, foreign.topaz_like.Module())
        module.__dict__.setdefault("_parameters", OrderedDict())[leaf] = Tensor(values)
    if pool:
        layers = root._modules["features"]._modules["features"]
        layers.__dict__["_modules"]["99"] = foreign.topaz_like.MaxPool2d()
    return root


@pytest.mark.parametrize("write", [write_archive, write_legacy])
@pytest.mark.parametrize("whole", [False, True], ids=["state", "module"])
@pytest.mark.parametrize(
    "spec",
    [
        NetworkSpec(units=2),
        NetworkSpec(architecture="resnet16", units=2),
        NetworkSpec(architecture="conv31", units=3, unit_scaling=2),
    ],
    ids=lambda spec: spec.architecture,
)
def test_files_of_either_form_give_the_network(foreign, tmp_path, spec, whole, write):
    state, path = random_state(spec), tmp_path / "model.sav"
    tensors = OrderedDict((name, Tensor(values)) for name, values in state.items())
    write(path, as_module(foreign, state) if whole else tensors)
    found, kinds = read_state(path)
    assert bool(kinds) == whole
    for name, values in state.items():
        np.testing.assert_array_equal(found[name], values)
    read, variables = read_topaz(path)
    assert read == spec
    side = spec.receptive_field_px
    shapes = jax.eval_shape(
        lambda key: TopazNetwork(spec).init(key, jnp.zeros((1, side, side, 1))), jax.random.key(0)
    )
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, dict(shapes))
    kernel = "conv" if spec.architecture == "conv31" else "conv1"
    layer = 0 if kernel == "conv" else 1
    own = f"features.features.{layer}." + ("weight" if kernel == "conv" else "conv1.weight")
    stored = variables["params"][f"layer{layer}"][kernel]["kernel"]
    np.testing.assert_array_equal(stored, state[own].transpose(2, 3, 1, 0))
    assert not RUN


def test_nothing_in_a_file_is_run(foreign, tmp_path):
    class Hostile:
        def __reduce__(self):
            return foreign.topaz_like.remove_everything, ("/",)

    write_archive(tmp_path / "model.sav", {"a": Tensor(np.ones(3)), "b": Hostile()})
    found, _ = read_state(tmp_path / "model.sav")
    assert list(found) == ["a"] and not RUN


def test_pools(foreign, tmp_path):
    """Residual networks pool as here; the plain ones' padded pools are refused."""
    path = tmp_path / "model.sav"
    write_archive(path, as_module(foreign, random_state(NetworkSpec(units=2)), pool=True))
    assert read_topaz(path)[0].pooling == "max"
    plain = random_state(NetworkSpec(architecture="conv31", units=2))
    write_archive(path, as_module(foreign, plain, pool=True))
    with pytest.raises(InputError, match="MaxPool2d pads"):
        read_topaz(path)


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", b"PK\x03\x04 no archive", pickle.dumps({"a": 1})]
)
def test_damaged_and_foreign_files_are_named(tmp_path, content):
    (tmp_path / "model.sav").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.sav"):
        read_topaz(tmp_path / "model.sav")


def test_truncated_files_are_named(foreign, tmp_path):
    path = tmp_path / "model.sav"
    for write in (write_archive, write_legacy):
        write(path, OrderedDict(a=Tensor(np.arange(1000.0))))
        path.write_bytes(path.read_bytes()[:-900])
        with pytest.raises(InputError, match=r"model\.sav"):
            read_topaz(path)


@pytest.mark.parametrize("name", ["classifier.weight", "features.features.1.conv1.weight"])
def test_states_of_other_networks_are_named(tmp_path, name):
    state = random_state(NetworkSpec(units=2))
    state[name] = np.zeros((1, 1, 2, 2), np.float32)
    if name.startswith("classifier"):
        del state[name]
    np.savez(tmp_path / "state.npz", **state)
    with pytest.raises(InputError, match=r"state\.npz"):
        read_topaz(tmp_path / "state.npz")


def test_gaps_of_an_exported_state_are_asked_about(tmp_path):
    state = random_state(NetworkSpec(architecture="conv31", units=2))
    moved = {name.replace(".4.", ".6.").replace(".5.", ".7."): a for name, a in state.items()}
    np.savez(tmp_path / "state.npz", **moved)
    with pytest.raises(InputError, match=r"\.sav file itself"):
        read_topaz(tmp_path / "state.npz")


@pytest.mark.oracle
def test_imported_weights_give_topaz_map_through_the_picker(oracles, tmp_path, capsys):
    source = oracles / "topaz_resnet8_u32.npz"
    assert run(ImportSpec(source=str(source), out=str(tmp_path), method="topaz")) == 0
    assert "328801 parameters" in capsys.readouterr().out
    params, card = load_weights(tmp_path)
    assert card["method"] == "topaz" and "GPL" in card["licence"]
    spec = build(topaz.Spec, card["config"])
    assert spec.working.scale(125.0, 1.5) == 4.0
    picker = topaz.make_picker(spec, params, 100.0)
    reference = np.load(source)
    scored = picker.score_map(reference["image"])
    allowed = 1e-3 * np.ptp(reference["dense"])
    np.testing.assert_allclose(scored, reference["dense"], atol=allowed / 10)
