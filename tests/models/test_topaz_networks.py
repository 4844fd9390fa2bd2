"""Topaz's networks: sizes, their dense evaluation against their crops, and Topaz's own answers."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.models.topaz import TopazNetwork, from_phases, to_phases
from jaxpick.models.topaz_layers import NetworkSpec
from jaxpick.spec import SpecError
from jaxpick.weights.import_topaz import convert_state, read_topaz

OPTIONS = {
    "conv31": NetworkSpec(architecture="conv31", units=2, unit_scaling=1),
    "conv31_widening_norm": NetworkSpec(architecture="conv31", units=2, batch_norm=True),
    "conv31_dropout": NetworkSpec(architecture="conv31", units=2, dropout=0.5),
    "conv31_max_pool": NetworkSpec(architecture="conv31", units=2, pooling="max"),
    "conv31_average_pool": NetworkSpec(
        architecture="conv31", units=2, pooling="average", batch_norm=True, dropout=0.2
    ),
    "conv63": NetworkSpec(architecture="conv63", units=2, unit_scaling=1),
    "resnet6": NetworkSpec(architecture="resnet6", units=2, batch_norm=True),
    "resnet8": NetworkSpec(units=2),
    "resnet8_norm_dropout": NetworkSpec(units=2, batch_norm=True, dropout=0.3),
    "resnet8_max_pool": NetworkSpec(units=2, pooling="max"),
    "resnet16": NetworkSpec(architecture="resnet16", units=2),
}


def random_variables(spec, seed=0):
    """Variables with norms and slopes far from where they begin."""
    side = spec.receptive_field_px
    shapes = jax.eval_shape(
        lambda key: TopazNetwork(spec).init(key, jnp.zeros((1, side, side, 1))), jax.random.key(0)
    )
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        if path[-1].key in ("var", "scale"):
            return rng.uniform(0.5, 2.0, leaf.shape).astype(np.float32)
        spread = np.prod(leaf.shape[:-1]) ** -0.5 if len(leaf.shape) > 1 else 0.3
        return (2 * spread * rng.normal(size=leaf.shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


@pytest.mark.parametrize("name", OPTIONS)
def test_dense_map_equals_every_crop(name):
    spec = OPTIONS[name]
    network, variables = TopazNetwork(spec), random_variables(spec)
    side, step = spec.receptive_field_px, spec.total_stride
    shape = (3 * step, 5 * step)
    images = np.random.default_rng(1).normal(size=(2, *shape, 1)).astype(np.float32)
    dense = np.asarray(network.apply(variables, jnp.asarray(images), True))
    assert dense.shape == images.shape
    padded = np.pad(images, ((0, 0), (side // 2,) * 2, (side // 2,) * 2, (0, 0)))
    places = [(y, x) for y in (0, 1, step, shape[0] - 1) for x in (0, 3, shape[1] - 2)]
    crops = np.stack([padded[:, y : y + side, x : x + side] for y, x in places])
    scores = network.apply(variables, jnp.asarray(crops.reshape(-1, side, side, 1)))
    expected = [dense[:, y, x] for y, x in places]
    spread = np.std(dense)
    assert spread > 1e-3
    scores = np.reshape(scores, (len(places), 2, 1))
    np.testing.assert_allclose(scores, expected, atol=1e-4 * max(spread, 1.0))


def test_phases_are_interleaved_again():
    maps = jnp.arange(2 * 8 * 12 * 3, dtype=jnp.float32).reshape(2, 8, 12, 3)
    twice = to_phases(to_phases(maps, 2), 2)
    assert twice.shape == (32, 2, 3, 3)
    np.testing.assert_array_equal(from_phases(twice, 2), maps)
    np.testing.assert_array_equal(to_phases(maps, 2)[2:4], maps[:, 0::2, 1::2])


@pytest.mark.oracle
def test_parameter_counts_and_receptive_fields(oracles):
    counts = json.loads(str(np.load(oracles / "topaz_conv_nets.npz")["parameter_counts"]))
    for name, (count, side) in counts.items():
        architecture, units, *options = name.split("_")
        spec = NetworkSpec(
            architecture=architecture,
            units=int(units[1:]),
            unit_scaling=int(options[0][1:]) if len(options) == 2 else None,
            batch_norm=options[-1] == "bn",
        )
        shapes = jax.eval_shape(
            lambda key, spec=spec, side=side: TopazNetwork(spec).init(
                key, jnp.zeros((1, side, side, 1))
            ),
            jax.random.key(0),
        )
        assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count, name
        assert spec.receptive_field_px == side, name


def test_the_slides_network():
    """32, 64 and 128 filters: 258,148 parameters with norms."""
    spec = NetworkSpec(architecture="conv31", units=32, unit_scaling=2, batch_norm=True)
    assert [layer.width * spec.units for layer in spec.layers] == [32, 64, 128]


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["resnet8_u32", "resnet16_u32"])
def test_pretrained_detectors_give_topaz_maps(oracles, name):
    reference = np.load(oracles / f"topaz_{name}.npz")
    spec, variables = read_topaz(oracles / f"topaz_{name}.npz")
    network = TopazNetwork(spec)
    image = jnp.asarray(reference["image"])[None, :, :, None]
    dense = jax.jit(lambda v, x: network.apply(v, x, True))(variables, image)
    np.testing.assert_allclose(dense[0, :, :, 0], reference["dense_f64"], atol=1e-4)
    half = spec.receptive_field_px // 2
    padded = np.pad(reference["image"], half)
    crops = np.stack(
        [padded[y : y + 2 * half + 1, x : x + 2 * half + 1] for y, x in reference["positions"]]
    )
    scores = jax.jit(network.apply)(variables, jnp.asarray(crops[..., None]))
    np.testing.assert_allclose(scores[:, 0, 0, 0], reference["crop_scores"], atol=1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["conv31_s1", "conv31_s2", "conv63_s1", "conv63_s2"])
def test_plain_networks_with_norms_give_topaz_maps(oracles, name):
    file = np.load(oracles / "topaz_conv_nets.npz")
    reference = {
        key.removeprefix(f"{name}/"): file[key] for key in file.files if key.startswith(name)
    }
    state = {key[6:]: a for key, a in reference.items() if key.startswith("state/")}
    state = {key: a for key, a in state.items() if not key.endswith("batches_tracked")}
    spec, variables = convert_state(state, {})
    assert spec.unit_scaling == int(name[-1]) and spec.batch_norm
    image = jnp.asarray(reference["image"])[None, :, :, None]
    dense = TopazNetwork(spec).apply(variables, image, True)
    np.testing.assert_allclose(dense[0, :, :, 0], reference["dense"], atol=1e-5)
    strided = TopazNetwork(spec).apply(variables, image)
    np.testing.assert_allclose(strided[0, :, :, 0], reference["strided"], atol=1e-5)


def test_norms_use_the_batch_at_training_and_dropout_is_drawn():
    spec = OPTIONS["resnet8_norm_dropout"]
    network, variables = TopazNetwork(spec), random_variables(spec)
    noise = np.random.default_rng(0).normal(size=(8, 71, 71, 1))
    crops = jnp.asarray(noise, jnp.float32)

    def train(seed):
        keys = {"dropout": jax.random.key(seed)}
        return network.apply(variables, crops, train=True, rngs=keys, mutable=["batch_stats"])

    (first, moved), (second, _) = train(0), train(1)
    assert not np.allclose(first, second)
    old = variables["batch_stats"]["layer0"]["norm"]["mean"]
    new = moved["batch_stats"]["layer0"]["norm"]["mean"]
    assert np.all(old != new)
    assert np.all(np.isfinite(first))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"units": 0}, "units"),
        ({"unit_scaling": 2}, "unit_scaling"),
        ({"architecture": "resnet6", "pooling": "max"}, "pooling"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_options_that_would_do_nothing_are_refused(settings, message):
    with pytest.raises(SpecError, match=message):
        NetworkSpec(**settings)
