"""Examples from the simulator: what is to be drawn, what is ignored, where patches are cut."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.methods import parsed
from jaxpick.methods.simulated_examples import (
    FieldSpec,
    cut_patch,
    segmentation_example,
)
from jaxpick.preprocess.working import WorkingSpec, normalise
from jaxpick.simulate.targets import TargetSpec, judge
from jaxpick.spec import SpecError, build

WORKING = WorkingSpec(diameter_px=13.0)
ALL = TargetSpec(overlap_limit=1.0, least_dprime=-1.0, least_visible=0.0)


@pytest.fixture(scope="module")
def field(simulated):
    return jax.tree.map(lambda leaf: leaf[0], simulated)


def example(field, target):
    return {k: np.asarray(v) for k, v in segmentation_example(field, target, WORKING).items()}


def test_the_image_is_normalised_as_a_micrograph_is(field):
    found = example(field, ALL)
    np.testing.assert_allclose(found["image"], normalise(field.image, WORKING), atol=1e-5)


def test_discs_are_drawn_around_every_whole_particle(field):
    found = example(field, dataclasses.replace(ALL, disc_fraction=0.5))
    truth = jax.tree.map(np.asarray, field.truth)
    y, x = np.mgrid[: found["target"].shape[0], : found["target"].shape[1]]
    whole = truth.valid & ~truth.is_broken & (truth.contaminant == 0)
    centres = truth.centre_yx_px[whole]
    gap = np.hypot(y[..., None] - centres[:, 0], x[..., None] - centres[:, 1])
    nearest = gap.min(axis=-1)
    assert whole.sum() > 3 and set(np.unique(found["target"])) == {0.0, 1.0}
    radius = 0.5 * float(field.nominal_diameter_px)
    assert np.all(found["target"][nearest < 1.0] == 1) and np.all(
        found["target"][nearest > radius] == 0
    )
    assert np.all(found["weight"] == 1)


def test_a_larger_share_draws_larger_discs(field):
    small, large = (
        example(field, dataclasses.replace(ALL, disc_fraction=f))["target"] for f in (0.3, 0.6)
    )
    assert np.all(large >= small) and 2.5 < large.sum() / small.sum() < 5.5


def test_mass_targets_are_the_simulators_mask(field):
    found = example(field, dataclasses.replace(ALL, kind="mass"))
    visible = np.asarray(field.truth.contaminant)[np.asarray(field.nearest) - 1] == 0
    visible |= np.asarray(field.nearest) == 0
    np.testing.assert_array_equal(found["target"][visible], field.mask_mass[visible])


def test_hidden_particles_are_neither_wanted_nor_punished(field):
    target = dataclasses.replace(ALL, least_dprime=1e9)
    found = example(field, target)
    assert not np.any(judge(field.truth, target)[0])
    assert found["target"].sum() == 0
    drawn = example(field, ALL)["target"] > 0
    np.testing.assert_array_equal(found["weight"], np.where(drawn, 0.0, 1.0))


def test_each_limit_hides_what_exceeds_it(field):
    truth = jax.tree.map(np.asarray, field.truth)
    free = (truth.contaminant == 0) & truth.valid & ~truth.is_broken
    limit = float(np.median(truth.dprime[truth.valid]))
    _, found = judge(field.truth, dataclasses.replace(ALL, least_dprime=limit))
    np.testing.assert_array_equal(np.asarray(found)[free], (truth.dprime < limit)[free])
    _, found = judge(field.truth, dataclasses.replace(ALL, overlap_limit=1e-6))
    np.testing.assert_array_equal(np.asarray(found)[free], (truth.overlap_fraction > 1e-6)[free])


@pytest.mark.parametrize("centre", [(7, 9), (0, 0), (11, 14), (3, 14)])
def test_patches_are_cut_around_their_centre_with_zeros_beyond(centre):
    image = 1 + np.arange(12 * 15, dtype=np.float32).reshape(12, 15)
    patch = np.asarray(cut_patch(jnp.asarray(image), jnp.asarray(centre), 6))
    assert patch[3, 3] == image[centre]
    for i in range(6):
        for j in range(6):
            y, x = centre[0] + i - 3, centre[1] + j - 3
            inside = 0 <= y < 12 and 0 <= x < 15
            assert patch[i, j] == (image[y, x] if inside else 0.0)


@pytest.mark.parametrize(
    ("spec", "settings", "field_name"),
    [
        (FieldSpec, {"field_px": 30}, "field_px"),
        (FieldSpec, {"max_particles": 0}, "max_particles"),
        (TargetSpec, {"disc_fraction": 0.0}, "disc_fraction"),
        (TargetSpec, {"overlap_limit": 1.2}, "overlap_limit"),
    ],
)
def test_impossible_settings_are_refused(spec, settings, field_name):
    with pytest.raises(SpecError, match=field_name):
        spec(**settings)


@pytest.mark.parametrize("field", ["field", "patch_field"])
def test_too_few_slots_for_distractors_are_told_with_their_path(field):
    with pytest.raises(SpecError, match=rf"^method\.{field}\.max_distractors: expected 2 or more"):
        build(parsed.Spec, {field: {"max_distractors": 1}}, "method")
