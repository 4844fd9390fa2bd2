"""A picker of every method: tiny networks with random weights, which find nonsense, but always the same."""

import dataclasses
from functools import cache

import jax
import numpy as np
from parsed_fields import random_params, small_bank

from jaxpick import methods
from jaxpick.io.nouns import Micrograph
from jaxpick.methods import (
    apple,
    cryolo,
    deepem,
    deeppicker,
    log,
    parsed,
    parsed_released,
    template,
    topaz,
    unet,
)
from jaxpick.models.topaz_layers import NetworkSpec
from jaxpick.preprocess.cryolo import CryoloPreprocessSpec

PIXEL, DIAMETER, SHAPE = 2.0, 160.0, (390, 503)
NETWORK = NetworkSpec(architecture="conv31", units=2, unit_scaling=1, batch_norm=True, dropout=0.5)
SPECS = {
    "apple": apple.Spec(),
    "cryolo": cryolo.Spec(
        architecture="cryolo", width=1 / 16, working=CryoloPreprocessSpec(input_px=128)
    ),
    "deepem": deepem.Spec(),
    "deeppicker": deeppicker.Spec(hidden=4),
    "log": log.Spec(),
    "parsed": parsed.Spec(width=2),
    "parsed_released": parsed_released.Spec(width=2),
    "template": template.Spec(phantom_seed=1, num_views=2, angular_step_deg=120.0),
    "topaz": topaz.Spec(network=NETWORK),
    "unet": unet.Spec(widths=(4, 4, 4, 4)),
}


@cache
def bank():
    return small_bank()


@cache
def params_of(name):
    """Random parameters; running variances and scales are positive."""
    if name in methods.UNTRAINED:
        return {}
    stage = methods.get(name).training_stages(SPECS[name], bank())[-1]
    params = random_params(stage.init)
    params = jax.tree.map(lambda leaf: abs(leaf) if leaf.ndim == 1 else leaf, params)
    if name == "cryolo":
        params["batch_stats"]["anchor_px"] = np.float32(20.0)
    return params


def make(name, **decode):
    """Return the picker of a method, with changes of its decoder."""
    spec = SPECS[name]
    changed = dataclasses.replace(spec.decode, **decode)
    return methods.get(name).make_picker(spec, params_of(name), DIAMETER, changed)


@cache
def usual(name):
    """Return the picker of a method as it is, the same each time: its programs are compiled once."""
    return make(name)


def micrograph(shape=SHAPE, centres=(), seed=0, noise=1.0, depth=4.0, sigma=20.0):
    """Dark Gaussians in noise, at fractions of a pixel."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = noise * np.random.default_rng(seed).normal(size=shape)
    for cy, cx in centres:
        image -= depth * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2))
    return Micrograph(image=image.astype(np.float32), pixel_size_angstrom=PIXEL, name="m.mrc")
