"""How real simulated backgrounds look: a small network that learns to tell them from particle-free patches of real
micrographs. Its area under the receiver operating characteristic is the realism score: 0.5 cannot tell, 1 always.

Reported, not bounded: run with `-s -m slow` to see it. What is bounded is that the score measures something.
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.ndimage import uniform_filter
from scipy.spatial import cKDTree
from scipy.stats import kurtosis, rankdata, skew

from jaxpick.io.coordinates import read_picks
from jaxpick.io.micrographs import find_micrographs, read_micrograph
from jaxpick.methods.simulated_examples import TRAINING_PRIORS
from jaxpick.numerics.fourier import fourier_crop, radial_power_spectrum
from jaxpick.simulate.priors import PixelAngstrom, Priors
from jaxpick.simulate.render import simulate_micrograph
from tests.simulate.scenes import blob_bank

SIDE, STEPS, NUM_FIELDS = 64, 250, 40
# Folder, pixel as stored, binning, diameter (angstrom), unlabelled margin in stored pixels.
SETS = {"empiar_10146": (1.5, 1, 125.0, 0), "empiar_10017": (1.77, 2, 191.0, 131)}


def cut(image, is_free, stride):
    """Return normalised patches of an image around the centres that are free."""
    half, patches = SIDE // 2, []
    for y in range(half, image.shape[0] - half + 1, stride):
        for x in range(half, image.shape[1] - half + 1, stride):
            if is_free(y, x):
                patch = image[y - half : y + half, x - half : x + half]
                patches.append((patch - patch.mean()) / max(patch.std(), 1e-6))
    return np.asarray(patches, np.float32).reshape(-1, SIDE, SIDE)


def real_patches(data, name):
    """Return the particle-free patches of each real micrograph."""
    pixel, binning, diameter, margin = SETS[name]
    parts = []
    for path in find_micrographs(data / "micrographs" / name):
        image = np.asarray(read_micrograph(path, pixel).image)
        ny, nx = (size // binning // 2 * 2 for size in image.shape)
        image = np.asarray(fourier_crop(jnp.asarray(image, jnp.float32), (ny, nx)))
        picks = read_picks(data / "coordinates" / name / f"{path.stem}.csv")[0]
        tree = cKDTree(np.stack([picks.y, picks.x], -1) / binning)
        reach = SIDE / 2 * 1.2 + 0.5 * diameter / (pixel * binning)
        edge = margin / binning + SIDE / 2

        def is_free(y, x, tree=tree, reach=reach, edge=edge, ny=ny, nx=nx):
            inside = edge <= y <= ny - edge and edge <= x <= nx - edge
            return inside and tree.query((y, x))[0] > reach

        parts.append(cut(image, is_free, SIDE // 2))
    return parts


@functools.lru_cache
def simulated_patches(priors, seed):
    """Return patches of simulated micrographs without particles, where there is no contaminant."""
    scene = dataclasses.replace(priors.scene, empty_probability=1.0, target_mass_kda=(1e-3, 1e6))
    priors = dataclasses.replace(priors, scene=scene)
    bank = blob_bank((0.25 / 1.1 * priors.pixel.largest_particle_angstrom,))
    draw = jax.jit(lambda key: simulate_micrograph(key, priors, bank, (320, 320), 4, 2))
    parts = []
    for key in jax.random.split(jax.random.key(seed), NUM_FIELDS):
        drawn = draw(key)
        dirty = np.stack(np.nonzero(drawn.contaminant_mask), -1)

        def is_free(y, x, dirty=dirty):
            return not (np.abs(dirty - (y, x)).max(axis=-1) <= SIDE // 2).any()

        parts.append(cut(np.asarray(drawn.image), is_free, SIDE // 2))
    return [part for part in parts if len(part)]


def blurred(parts):
    """Return patches averaged over three pixels along both axes."""
    return [uniform_filter(part, (0, 3, 3)) * 2.0 for part in parts]


class Classifier(nn.Module):
    """Three convolutions and a mean."""

    @nn.compact
    def __call__(self, x):
        for features in (16, 32, 32):
            x = nn.relu(nn.Conv(features, (5, 5), (2, 2))(x))
        return nn.Dense(1)(x.mean(axis=(1, 2)))[:, 0]


def train(first, second, seed=0):
    """Return the score function of a classifier learnt on patches of both kinds, drawn evenly."""
    model, rng = Classifier(), np.random.default_rng(seed)
    params = model.init(jax.random.key(seed), jnp.zeros((1, SIDE, SIDE, 1)))
    optimiser = optax.adam(2e-3)

    @jax.jit
    def step(params, state, x, y):
        def loss(params):
            return optax.sigmoid_binary_cross_entropy(model.apply(params, x), y).mean()

        updates, state = optimiser.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    state, y = optimiser.init(params), jnp.repeat(jnp.asarray([0.0, 1.0]), 32)
    for _ in range(STEPS):
        x = np.concatenate([kind[rng.integers(len(kind), size=32)] for kind in (first, second)])
        x = np.rot90(x, rng.integers(4), (1, 2))[:, :: rng.choice([-1, 1])]
        params, state = step(params, state, jnp.asarray(x[..., None].copy()), y)
    return jax.jit(lambda x: model.apply(params, x[..., None]))


def realism_auc(first, second):
    """Return the area under the curve on micrographs left out of training, a quarter of each kind."""
    sets = [
        (parts[: 3 * len(parts) // 4], parts[3 * len(parts) // 4 :]) for parts in (first, second)
    ]
    score = train(*(np.concatenate(seen) for seen, _ in sets))
    scores = [np.asarray(score(jnp.asarray(np.concatenate(held)))) for _, held in sets]
    ranks, num = rankdata(np.concatenate(scores)), [len(part) for part in scores]
    return (ranks[num[0] :].sum() - num[1] * (num[1] + 1) / 2) / (num[0] * num[1])


def statistics(patches):
    """Return the slope of the radial power spectrum (log-log), skewness and excess kurtosis."""
    power = np.mean([np.asarray(radial_power_spectrum(jnp.asarray(p)))[2:28] for p in patches], 0)
    slope = np.polyfit(np.log(np.arange(2, 28)), np.log(power), 1)[0]
    return slope, skew(patches, None), kurtosis(patches, None)


def with_pixel(priors, name):
    """Return the priors at the pixel of a set, for particles as large as its own."""
    pixel, binning, diameter, _ = SETS[name]
    size = PixelAngstrom(
        pixel_angstrom=(pixel * binning,) * 2, largest_particle_angstrom=1.1 * diameter
    )
    return dataclasses.replace(priors, pixel=size)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("priors", [Priors(), TRAINING_PRIORS], ids=["physics", "training"])
@pytest.mark.parametrize("name", SETS)
def test_realism_score(data, name, priors, record_property):
    simulated = simulated_patches(with_pixel(priors, name), 0)
    real = [part for part in real_patches(data, name) if len(part)]
    auc = realism_auc(simulated, real)
    record_property("realism_auc", auc)
    print(f"\n{name}: AUC {auc:.3f} of {sum(map(len, real))} patches in {len(real)} micrographs")
    band = np.quantile([statistics(part[:40]) for part in simulated], (0.05, 0.95), axis=0)
    found = np.median([statistics(part[:40]) for part in real], axis=0)
    for label, low, high, value in zip(("slope", "skew", "kurtosis"), *band, found, strict=True):
        print(f"  {label}: real {value:.2f}, simulated {low:.2f} to {high:.2f}")
        # Files of the other set were denoised after they were taken, which is no physics.
        assert low < value < high or (name == "empiar_10017" and label == "slope")


@pytest.mark.slow
def test_the_score_knows_the_same_from_another():
    priors = with_pixel(Priors(), "empiar_10017")
    first, second = (simulated_patches(priors, seed) for seed in (0, 1))
    assert 0.3 < realism_auc(first, second) < 0.7
    assert realism_auc(first, blurred(second)) > 0.9
