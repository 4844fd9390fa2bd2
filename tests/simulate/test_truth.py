"""Truth: overlap, visibility, SNR and d' against direct counts on images."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from jaxpick.io.structures import specimens_from_structures
from jaxpick.physics.constants import interaction_constant_rad_per_volt_angstrom
from jaxpick.physics.ctf import Envelope, Optics
from jaxpick.physics.wave import form_intensity_weak
from jaxpick.simulate.bank import project_specimen
from jaxpick.simulate.signal import particle_signal
from jaxpick.simulate.specimens import diameter_angstrom
from jaxpick.simulate.truth import overlap_fraction, visible_fraction


def test_visible_share_at_edges_and_corners():
    centres = jnp.asarray([[50.0, 50.0], [-0.5, 50.0], [-0.5, -0.5], [99.5, 119.5], [-20.0, 50.0]])
    share = visible_fraction(centres, jnp.full((5,), 8.0), (100, 120))
    np.testing.assert_allclose(share, [1.0, 0.5, 0.25, 0.25, 0.0], atol=0.02)


@pytest.mark.parametrize(
    ("apart", "radii"), [(3.0, (5.0, 5.0)), (6.0, (5.0, 8.0)), (1.0, (4.0, 9.0))]
)
def test_overlap_equals_counted_pixels(apart, radii):
    y, x = np.mgrid[-20:20:400j, -20:20:400j]
    first = y**2 + x**2 < radii[0] ** 2
    second = y**2 + (x - apart) ** 2 < radii[1] ** 2
    counted = [(first & second).sum() / first.sum(), (first & second).sum() / second.sum()]
    centres = jnp.asarray([[0.0, 0.0], [0.0, apart], [0.0, 40.0]])
    share = overlap_fraction(centres, jnp.asarray([*radii, 3.0]), jnp.ones((3,), bool))
    np.testing.assert_allclose(share[:2], counted, atol=0.01)
    assert float(share[2]) == 0.0
    alone = overlap_fraction(centres, jnp.asarray([*radii, 3.0]), jnp.asarray([True, False, False]))
    np.testing.assert_array_equal(alone, 0.0)


def blob_patch(pixel, size, sigma=30.0, height=0.2):
    y, x = (np.mgrid[:size, :size] - size // 2) * pixel
    return jnp.asarray(height * np.exp(-(y**2 + x**2) / (2 * sigma**2)), jnp.float32)


def report(pixel, size, dose=40.0, structure=0.0):
    snr, dprime = particle_signal(
        blob_patch(pixel, size)[None],
        jnp.asarray([120.0 / pixel]),
        Optics(defocus_u_angstrom=2e4, defocus_v_angstrom=2e4),
        Envelope(b_factor_angstrom2=80.0),
        pixel,
        1.0 / (dose * pixel**2),
        structure,
    )
    return float(snr[0]), float(dprime[0])


def test_reported_signal_is_that_of_the_image():
    pixel, dose = 8.0, 40.0
    optics = Optics(defocus_u_angstrom=2e4, defocus_v_angstrom=2e4)
    image = form_intensity_weak(
        blob_patch(pixel, 128), None, optics, Envelope(b_factor_angstrom2=80.0), pixel
    )
    energy = float(jnp.sum((image - image.mean()) ** 2))
    shot = 1.0 / (dose * pixel**2)
    snr, dprime = report(pixel, 40)
    # The variance within the disc of 120 angstrom, and the whole white-noise matched filter.
    y, x = (np.mgrid[:128, :128] - 64) * pixel
    within = np.asarray(image)[np.hypot(y, x) <= 60.0]
    assert snr == pytest.approx(within.var() / shot, rel=0.1)
    assert dprime == pytest.approx((energy / shot) ** 0.5, rel=0.1)


@pytest.mark.real_data
def test_apoferritin_stands_out_as_much_as_it_should(data):
    """Its SNR at two pixels, and d' = sqrt(SNR x area): simulator notes 3.3, within 15 %."""
    path = data / "structures" / "4V1W.cif.gz"
    specimen = specimens_from_structures([path], beads="atom")[0]
    rotations = Rotation.random(3, random_state=0).as_matrix().astype(np.float32)
    diameter = diameter_angstrom(specimen)
    for pixel, expected in ((4.0, 1.0), (8.0, 3.4)):
        box = 2 * int(1.1 * diameter / pixel / 2 + 8)
        views = project_specimen(specimen, rotations, box_px=box, pixel_angstrom=pixel)
        snr, _ = particle_signal(
            jnp.asarray(views) * interaction_constant_rad_per_volt_angstrom(300.0),
            jnp.full((3,), diameter / pixel),
            Optics(defocus_u_angstrom=1.5e4, defocus_v_angstrom=1.5e4),
            Envelope(b_factor_angstrom2=80.0),
            pixel,
            1.0 / (40.0 * 0.85 * pixel**2),
            0.0,
        )
        found = float(jnp.mean(snr))
        assert found == pytest.approx(expected, rel=0.15)
        assert np.sqrt(found * np.pi / 4) * diameter / pixel == pytest.approx(28.0, rel=0.15)


def test_matched_filter_does_not_depend_on_the_pixel_and_falls_with_noise():
    coarse, fine = report(8.0, 40), report(4.0, 80)
    assert fine[1] == pytest.approx(coarse[1], rel=0.05)
    assert coarse[0] / fine[0] == pytest.approx(4.0, rel=0.1)
    assert report(8.0, 40, dose=10.0)[1] == pytest.approx(coarse[1] / 2, rel=1e-3)
    assert report(8.0, 40, structure=1e-3)[1] < coarse[1]
