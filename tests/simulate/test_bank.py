"""Banks: views equal the exact projection of a hand-made body, conventions, sampling, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.simulate.bank import BankSpec, build_bank, join_banks, project_specimen, select_species
from jaxpick.simulate.domains import globule
from jaxpick.simulate.rotations import matrix_from_euler
from jaxpick.simulate.specimens import Specimen, centred, diameter_angstrom
from jaxpick.spec import SpecError


def make_specimen(positions, weight=None, name="body", b_factor=300.0, **others):
    num = len(positions)
    settings = {"mass_kda": 0.11 * num, "group": name} | others
    return Specimen(
        name=name,
        positions_angstrom=np.asarray(positions, np.float32),
        potential_volt_angstrom3=np.full(num, 458.0, np.float32) if weight is None else weight,
        form_weight=np.ones(1),
        form_b_angstrom2=np.array([b_factor]),
        **settings,
    )


def blob(seed=0, mass_kda=60.0, **others):
    return centred(make_specimen(globule(np.random.default_rng(seed), mass_kda), **others))


# Three unequal weights whose centre is the origin: no turn or mirror leaves them in place.
ASYMMETRIC = np.array([[30.0, 0, 0], [-10, 20, 0], [-5.0, -10, 25], [-15, -10, -25]], np.float32)


def spots(view, pixel):
    """Where the four brightest local maxima are, in angstrom from the centre, brightest first."""
    inner = view[1:-1, 1:-1]
    around = [np.roll(view, (dy, dx), (0, 1))[1:-1, 1:-1] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    row, column = np.nonzero((inner >= np.max(around, axis=0)) & (inner > 0.1 * view.max()))
    order = np.argsort(-inner[row, column])
    box = view.shape[0]
    return np.stack([column + 1 - box // 2, row + 1 - box // 2], axis=1)[order] * pixel


def test_bodys_x_and_y_are_the_views_columns_and_rows():
    weight = np.array([400.0, 300, 200, 100], np.float32)
    body = make_specimen(ASYMMETRIC, weight, b_factor=200.0)
    view = project_specimen(body, np.eye(3)[None], box_px=48, pixel_angstrom=2.5)[0]
    np.testing.assert_allclose(spots(view, 2.5), ASYMMETRIC[:, :2], atol=1.3)


def test_views_follow_relions_matrix():
    weight = np.array([400.0, 300, 200, 100], np.float32)
    body = make_specimen(ASYMMETRIC, weight, b_factor=200.0)
    angles = jnp.array([[35.0, 60.0, -110.0]])
    rotations = np.asarray(matrix_from_euler(angles))
    view = project_specimen(body, rotations, box_px=48, pixel_angstrom=2.5)[0]
    expected = (rotations[0] @ ASYMMETRIC.T)[:2].T
    np.testing.assert_allclose(spots(view, 2.5), expected, atol=1.3)


def test_bank_views_are_the_exact_projections_at_their_angles():
    body = blob()
    spec = BankSpec(num_views=7, box_px=32, pixel_angstrom=4.0, dtype="float32")
    bank = build_bank([body], spec)
    fy, fx = np.fft.fftfreq(32, 4.0)[:, None], np.fft.rfftfreq(32, 4.0)[None, :]
    angles = jnp.pad(bank.euler_deg, ((0, 0), (0, 1)))
    for view, rotation in zip(bank.views[0], np.asarray(matrix_from_euler(angles)), strict=True):
        x, y, _ = rotation @ body.positions_angstrom.T
        wave_y = np.exp(-2j * np.pi * fy * y[None])
        wave_x = np.exp(-2j * np.pi * fx.T * x[None]) * body.potential_volt_angstrom3[None]
        spectrum = (wave_y @ wave_x.T) * np.exp(-300.0 * (fy**2 + fx**2) / 4) / 16
        spectrum[16], spectrum[:, 16] = 0, 0
        exact = np.fft.fftshift(np.fft.irfft2(spectrum, s=(32, 32)))
        error = np.sqrt(np.mean((np.asarray(view) - exact) ** 2) / np.mean(exact**2))
        assert error < 0.005


def test_integral_and_centre_of_every_view():
    body = blob(1)
    bank = build_bank(
        [body], BankSpec(num_views=12, box_px=40, pixel_angstrom=4.0, dtype="float32")
    )
    views = np.asarray(bank.views[0])
    total = views.sum(axis=(1, 2)) * 16.0
    np.testing.assert_allclose(total, body.potential_volt_angstrom3.sum(), rtol=1e-3)
    grid = np.arange(40) - 20
    np.testing.assert_allclose(views.sum(axis=1) @ grid * 16.0 / total, 0, atol=0.02)
    np.testing.assert_allclose(views.sum(axis=2) @ grid * 16.0 / total, 0, atol=0.02)


def test_opposite_views_are_mirror_images():
    body = blob(2)
    angles = jnp.array([[20.0, 50.0, 0.0], [200.0, 130.0, 0.0]])
    rotations = np.asarray(matrix_from_euler(angles))
    one, other = project_specimen(body, rotations, box_px=33 + 1, pixel_angstrom=4.0)
    # (rot + 180, 180 - tilt) keeps the image's x and turns y around.
    np.testing.assert_allclose(one[1:], other[1:][::-1], atol=2e-3 * one.max())


def test_diameter_in_pixels_is_as_asked():
    bodies = [blob(3, 60.0, name="small"), blob(4, 200.0, name="large")]
    bank = build_bank(bodies, BankSpec(num_views=3, box_px=32, diameter_px=20.0))
    np.testing.assert_allclose(bank.diameter_angstrom / bank.pixel_angstrom, 20.0, rtol=1e-5)
    assert bank.views.dtype == jnp.float16
    assert bank.views.shape == (2, 3, 32, 32)
    expected = [diameter_angstrom(body) for body in bodies]
    np.testing.assert_allclose(bank.diameter_angstrom, expected, rtol=1e-5)


def test_diameter_of_a_ball_and_of_a_rod():
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(20_000, 3))
    ball *= 50.0 * np.cbrt(rng.random((20_000, 1))) / np.linalg.norm(ball, axis=1, keepdims=True)
    rod = np.zeros((2_001, 3))
    rod[:, 0] = np.linspace(-60, 60, 2_001)
    assert diameter_angstrom(make_specimen(ball)) == pytest.approx(100 * 0.98 ** (1 / 3), rel=5e-3)
    assert diameter_angstrom(make_specimen(rod)) == pytest.approx(120 * 0.98, rel=5e-3)


def test_bank_is_a_pytree_and_groups_are_shared_by_variants():
    bodies = [blob(5, name="a", group="x"), blob(6, name="b", group="y"),
              blob(7, name="c", group="x", is_intact=False)]  # fmt: skip
    bank = build_bank(bodies, BankSpec(num_views=2, box_px=32, pixel_angstrom=4.0))
    assert len(jax.tree.leaves(bank)) == 7
    assert list(np.asarray(bank.group)) == [0, 1, 0]
    assert list(np.asarray(bank.is_intact)) == [True, True, False]
    joined = join_banks([bank, bank])
    assert list(np.asarray(joined.group)) == [0, 1, 0, 2, 3, 2]
    kept = select_species(joined, np.array([1, 5]))
    assert list(np.asarray(kept.group)) == [1, 2]
    np.testing.assert_array_equal(kept.views[0], bank.views[1])


def test_impossible_banks_are_refused():
    with pytest.raises(SpecError, match="box_px"):
        build_bank([blob(8, 200.0)], BankSpec(num_views=2, box_px=16, pixel_angstrom=2.0))
    with pytest.raises(SpecError, match="specimens"):
        build_bank([], BankSpec(pixel_angstrom=4.0))
    with pytest.raises(SpecError, match="pixel_angstrom"):
        BankSpec(pixel_angstrom=4.0, diameter_px=20.0)
    with pytest.raises(SpecError, match="diameter_px"):
        BankSpec(box_px=32, diameter_px=40.0)
