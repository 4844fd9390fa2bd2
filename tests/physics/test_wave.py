"""Image formation against linear theory, multislice, conserved dose and Thon rings."""

import gemmi
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares

from jaxpick.numerics.fourier import band_pass, fourier_crop, radial_average
from jaxpick.numerics.grids import frequency_grid
from jaxpick.physics import constants, ctf, wave

form = jax.jit(wave.form_intensity)
form_weak = jax.jit(wave.form_intensity_weak)
SIGMA_300 = 6.5262e-4


def sphere_phase(shape, pixel, centre_yx, radius, volt, b_factor=80.0):
    """Phase of a sphere of constant potential: sigma V times the chord, smoothed by a B-factor."""
    y, x = (np.arange(n) * pixel for n in shape)
    square = (y[:, None] - centre_yx[0]) ** 2 + (x[None, :] - centre_yx[1]) ** 2
    chord = 2 * np.sqrt(np.maximum(radius**2 - square, 0))
    return blur(SIGMA_300 * volt * chord, pixel, b_factor)


def disc(shape, pixel, centre_yx, radius):
    y, x = (np.arange(n) * pixel for n in shape)
    return (y[:, None] - centre_yx[0]) ** 2 + (x[None, :] - centre_yx[1]) ** 2 < radius**2


def blur(image, pixel, b_factor):
    fy, fx = np.meshgrid(
        np.fft.fftfreq(image.shape[0], pixel), np.fft.rfftfreq(image.shape[1], pixel), indexing="ij"
    )
    return np.fft.irfft2(
        np.fft.rfft2(image) * np.exp(-b_factor * (fy**2 + fx**2) / 4), s=image.shape
    )


def as_image(array):
    return jnp.asarray(array, jnp.float32)


@pytest.mark.parametrize("shape", [(48, 64), (45, 63)])
@pytest.mark.parametrize("phase_shift", [0.0, 90.0])
def test_equals_one_complex_transform_pair_in_double_precision(shape, phase_shift):
    rng = np.random.default_rng(0)
    phase, absorption = (
        blur(rng.normal(size=shape), 4.0, 400.0),
        blur(rng.random(shape), 4.0, 400.0),
    )
    optics = ctf.Optics(
        defocus_u_angstrom=9000.0,
        defocus_v_angstrom=8000.0,
        astigmatism_deg=33.0,
        amplitude_contrast=0.1,
        phase_shift_deg=phase_shift,
    )
    damping = ctf.Envelope(b_factor_angstrom2=60.0, drift_x_angstrom=3.0, dose_e_per_angstrom2=30.0)
    fy, fx = np.meshgrid(
        np.fft.fftfreq(shape[0], 4.0), np.fft.fftfreq(shape[1], 4.0), indexing="ij"
    )
    # At Nyquist, f and -f are one coefficient: take the azimuth of one quadrant.
    fx = np.where((fx == -1 / 8) | (fy == -1 / 8), np.abs(fx), fx)
    fy = np.where(fx == 1 / 8, np.abs(fy), fy)
    with jax.enable_x64(True):
        chi = np.asarray(ctf.aberration_phase(optics, jnp.asarray(fy), jnp.asarray(fx)))
        damped = np.asarray(ctf.envelope(damping, jnp.asarray(fy), jnp.asarray(fx)))
    transfer = damped * np.exp(1j * chi)
    transfer[0, 0] = 1.0
    transmission = np.exp(1j * phase * (np.sqrt(1 - 0.1**2) + 0.1j) - absorption)
    expected = np.abs(np.fft.ifft2(np.fft.fft2(transmission) * transfer)) ** 2
    ours = form(as_image(phase), as_image(absorption), optics, damping, 4.0)
    np.testing.assert_allclose(ours, expected, atol=2e-5)


def test_linear_limit_is_the_contrast_transfer():
    phase = 1e-3 * sphere_phase((96, 96), 4.0, (190.0, 180.0), 60.0, 3.38, b_factor=600.0)
    optics = ctf.Optics(
        defocus_u_angstrom=15000.0, defocus_v_angstrom=14000.0, astigmatism_deg=20.0
    )
    # Double precision: the intensity is stored beside 1, its signal is 4e-5.
    with jax.enable_x64(True):
        transfer = np.array(ctf.contrast_transfer(optics, *frequency_grid((96, 96), 4.0)))
        transfer[0, 0] = -0.1
        linear = -np.fft.irfft2(np.fft.rfft2(phase) * transfer, s=phase.shape)
        for formed in (form, form_weak):
            ours = -(np.asarray(formed(jnp.asarray(phase), None, optics, None, 4.0)) - 1) / 2
            assert np.abs(ours - linear).max() < 1e-3 * np.abs(linear).max()


def test_weak_absorption_is_transferred_by_the_cosine():
    absorption = 1e-3 * sphere_phase((64, 64), 4.0, (128.0, 120.0), 50.0, 3.38)
    optics = ctf.Optics(amplitude_contrast=0.0)
    chi = np.asarray(ctf.aberration_phase(optics, *frequency_grid((64, 64), 4.0)))
    linear = 2 * np.fft.irfft2(np.fft.rfft2(absorption) * np.cos(chi), s=absorption.shape)
    zero = jnp.zeros((64, 64))
    for formed in (form, form_weak):
        ours = 1 - np.asarray(formed(zero, as_image(absorption), optics, None, 4.0))
        assert np.abs(ours - linear).max() < 2e-3 * np.abs(linear).max()


@pytest.mark.parametrize("phase_shift", [0.0, 90.0])
def test_mean_intensity_is_conserved(phase_shift):
    phase = blur(np.random.default_rng(1).normal(0.3, 1.0, (128, 120)), 4.0, 300.0)
    optics = ctf.Optics(
        defocus_u_angstrom=16000.0,
        defocus_v_angstrom=15000.0,
        astigmatism_deg=-50.0,
        amplitude_contrast=0.0,
        phase_shift_deg=phase_shift,
    )
    intensity = np.asarray(form(as_image(phase), None, optics, None, 4.0), np.float64)
    np.testing.assert_allclose(intensity.mean(), 1.0, atol=1e-6)
    assert intensity.std() > 0.1


def test_uniform_absorber_dims_the_beam():
    absorption = jnp.full((16, 16), 0.05)
    intensity = form(jnp.zeros((16, 16)), absorption, ctf.Optics(amplitude_contrast=0.0), None, 4.0)
    np.testing.assert_allclose(intensity, np.exp(-0.1), rtol=1e-5)


@pytest.mark.parametrize(("defocus", "sign"), [(15000.0, -1.0), (-15000.0, 1.0)])
def test_underfocused_protein_is_dark_and_overfocused_bright(defocus, sign):
    shape, pixel, radius, centre = (96, 96), 4.0, 60.0, (190.0, 192.0)
    phase = sphere_phase(shape, pixel, centre, radius, constants.PROTEIN_EXCESS_POTENTIAL_VOLT)
    optics = ctf.Optics(
        defocus_u_angstrom=defocus, defocus_v_angstrom=defocus, amplitude_contrast=0.0
    )
    contrast = np.asarray(form(as_image(phase), None, optics, None, pixel)) - 1
    assert sign * contrast[disc(shape, pixel, centre, radius)].mean() > 0.01


@pytest.mark.real_data
def test_contrast_of_apoferritin(data):
    # Atoms with their hydrogens less the ice they displace (simulator.md 1.2 and 1.3), 1 angstrom.
    structure = gemmi.read_structure(str(data / "structures" / "4V1W.cif.gz"))
    atoms = [site.atom for site in structure[0].all() if not site.atom.element.is_hydrogen]
    position = np.array([atom.pos.tolist() for atom in atoms])
    volt = 47.8776 * constants.PROTEIN_HYDROGEN_FACTOR
    weight = [volt * sum(a.element.c4322.a) - 4.53 * 17.55 for a in atoms]
    pixel = np.round(position - position.mean(0)).astype(int)[:, :2] + 192
    points = np.zeros((384, 384))
    np.add.at(points, (pixel[:, 0], pixel[:, 1]), weight)
    phase = fourier_crop(as_image(SIGMA_300 * blur(points, 1.0, 100.0)), (96, 96))
    contrast = np.asarray(form(phase, None, ctf.Optics(), None, 4.0)) - 1
    radius = np.percentile(np.linalg.norm(position - position.mean(0), axis=1), 99)
    inside = disc((96, 96), 4.0, (192.0, 192.0), radius)
    np.testing.assert_allclose(contrast[inside].mean(), -0.029, atol=0.005)


def test_particle_at_the_border_equals_a_crop_of_a_larger_field():
    optics, damping = ctf.Optics(), ctf.Envelope(b_factor_angstrom2=300.0)
    crops = []
    for margin in (64, 192):
        shape = (64 + 2 * margin,) * 2
        centre = ((margin + 3) * 4.0, (margin + 30) * 4.0)
        phase = sphere_phase(shape, 4.0, centre, 60.0, 3.38)
        intensity = np.asarray(form(as_image(phase), None, optics, damping, 4.0))
        crops.append(intensity[margin : margin + 64, margin : margin + 64])
    np.testing.assert_allclose(crops[0], crops[1], atol=1e-5)
    assert np.ptp(crops[0]) > 0.05


def noise_spectrum(optics, num_images, size, pixel):
    """Mean power of the images of a weak white phase noise, on the half plane."""

    def power(total, key):
        phase = 0.02 * jax.random.normal(key, (size, size), jnp.float32)
        image = wave.form_intensity(phase, None, optics, None, pixel)
        return total + jnp.abs(jnp.fft.rfft2(image)) ** 2, None

    start = jnp.zeros((size, size // 2 + 1))
    keys = jax.random.split(jax.random.key(3), num_images)
    total = jax.jit(lambda: jax.lax.scan(power, start, keys)[0])()
    # 4 phi^2 sin^2: normalise the level away.
    return total / (num_images * 4 * 0.02**2 * size**2)


def test_noise_shows_thon_rings_with_zeros_in_their_place():
    size, pixel = 512, 4.0
    spectrum = noise_spectrum(ctf.Optics(), 64, size, pixel)
    profile = np.asarray(radial_average(spectrum.at[0, 0].set(0.0), (size, size)))
    bin_width = 1 / (size * pixel)
    for zero in (0.057289, 1 / 12.24):
        place = round(zero / bin_width)
        near = np.arange(place - 12, place + 13)
        parabola = np.polyfit(near - place, profile[near], 2)
        found = (place - parabola[1] / (2 * parabola[0])) * bin_width
        assert abs(found - zero) < bin_width
        assert profile[place] < 0.02
    np.testing.assert_allclose(profile[20:].max(), 1.0, atol=0.05)


def test_astigmatism_is_recovered_from_the_rings():
    truth = (18000.0, 15000.0, 30.0)
    optics = ctf.Optics(
        defocus_u_angstrom=truth[0], defocus_v_angstrom=truth[1], astigmatism_deg=truth[2]
    )
    spectrum = np.asarray(noise_spectrum(optics, 48, 256, 4.0), np.float64)
    fy, fx = np.meshgrid(np.fft.fftfreq(256, 4.0), np.fft.rfftfreq(256, 4.0), indexing="ij")
    square, azimuth = fy**2 + fx**2, np.arctan2(fy, fx)
    use = (square > 0.02**2) & (square < 0.12**2)

    def residual(values):
        # Independent of the code under test: CTFFIND's definition with an arctangent.
        u, v, angle = values
        wavelength = 0.0196876
        defocus = (u + v) / 2 + (u - v) / 2 * np.cos(2 * (azimuth - np.deg2rad(angle)))
        chi = np.pi * wavelength * defocus * square - np.pi / 2 * 2.7e7 * wavelength**3 * square**2
        return (spectrum - np.sin(chi + np.arcsin(0.1)) ** 2)[use]

    fitted = least_squares(residual, (17500.0, 15500.0, 20.0), x_scale=(100.0, 100.0, 1.0)).x
    np.testing.assert_allclose(fitted[:2], truth[:2], rtol=0.01)
    np.testing.assert_allclose(fitted[2], truth[2], atol=1.0)


def test_signal_and_noise_do_not_depend_on_the_pixel_size():
    # The same specimen at 2 angstrom, formed and Fourier-cropped, or cropped first and formed at 4
    # angstrom.
    optics, damping = (
        ctf.Optics(),
        ctf.Envelope(b_factor_angstrom2=100.0, dose_e_per_angstrom2=40.0),
    )
    phase = sphere_phase((256, 256), 2.0, (250.0, 270.0), 70.0, 3.38)
    phase = phase + sphere_phase((256, 256), 2.0, (150.0, 120.0), 40.0, 3.38)
    fine = fourier_crop(form(as_image(phase), None, optics, damping, 2.0), (128, 128))
    coarse = form(fourier_crop(as_image(phase), (128, 128)), None, optics, damping, 4.0)
    a, b = (jnp.fft.rfft2(image - image.mean()) for image in (fine, coarse))
    cross = radial_average((a * b.conj()).real, (128, 128))
    norms = [radial_average(jnp.abs(s) ** 2, (128, 128)) for s in (a, b)]
    correlation = np.asarray(cross / jnp.sqrt(norms[0] * norms[1]))
    # From 512 angstrom to 10 angstrom; beyond, the signal of a smooth sphere is at rounding level.
    assert correlation[1:52].min() > 0.995


def test_shot_noise_level_does_not_depend_on_the_pixel_size():
    keys = jax.random.split(jax.random.key(4), 2)
    dose = 40.0
    fine = 1 + jax.random.normal(keys[0], (1024, 1024)) / (dose * 4) ** 0.5
    coarse = 1 + jax.random.normal(keys[1], (512, 512)) / (dose * 16) ** 0.5
    variances = [float(jnp.var(image)) * 16 for image in (fourier_crop(fine, (512, 512)), coarse)]
    np.testing.assert_allclose(variances, 1 / dose, rtol=0.02)


def water_slices(rng, shape, num_slices, per_slice):
    """Projected potential of uncorrelated water less its mean, volt angstrom, one plane a slice."""
    fy, fx = np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1]), indexing="ij")
    # Peng 1996 factors for oxygen and two hydrogens, angstrom; B = 20 angstrom^2 for their motion.
    factor = sum(
        count * a * np.exp(-(b + 20) * (fy**2 + fx**2) / 4)
        for element, count in (("O", 1), ("H", 2))
        for a, b in zip(gemmi.Element(element).c4322.a, gemmi.Element(element).c4322.b, strict=True)
    )
    molecules = rng.poisson(per_slice, (num_slices, *shape)) - per_slice
    return 47.8776 * np.fft.irfft2(np.fft.rfft2(molecules) * factor, s=shape)


def multislice(slices, thickness, optics_chi, wavelength, full_frequency_squared):
    """Intensity by numpy multislice, refocused to the middle of the specimen before the lens."""
    propagator = np.exp(-1j * np.pi * wavelength * thickness * full_frequency_squared)
    wave_function = np.ones(slices.shape[1:], complex)
    for plane in slices:
        wave_function = np.fft.ifft2(
            np.fft.fft2(wave_function * np.exp(1j * SIGMA_300 * plane)) * propagator
        )
    back = np.exp(1j * np.pi * wavelength * thickness * (len(slices) / 2) * full_frequency_squared)
    return np.abs(np.fft.ifft2(np.fft.fft2(wave_function) * back * np.exp(1j * optics_chi))) ** 2


def test_phase_object_equals_multislice_at_picking_resolution():
    # 300 angstrom of uncorrelated water with a protein ball in its middle, 1 angstrom pixels.
    shape, thickness, num_slices = (256, 256), 10.0, 30
    rng = np.random.default_rng(5)
    slices = water_slices(rng, shape, num_slices, 0.0311 * thickness)
    y, x = np.mgrid[:256, :256] - 128.0
    depth = (np.arange(num_slices) + 0.5 - num_slices / 2) * thickness
    for plane, z in zip(slices, depth, strict=True):
        ball = (y**2 + x**2 + z**2 < 55**2) & ~(y**2 + x**2 + z**2 < 35**2)
        plane += 3.38 * thickness * ball
    fy, fx = np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256), indexing="ij")
    square = fy**2 + fx**2
    wavelength = 0.0196876
    chi = np.pi * wavelength * 15000 * square - np.pi / 2 * 2.7e7 * wavelength**3 * square**2
    reference = multislice(slices, thickness, chi, wavelength, square)
    optics = ctf.Optics(amplitude_contrast=0.0)
    phase = as_image(SIGMA_300 * slices.sum(0))
    limits = {}
    for name, formed in (("object", form), ("weak", form_weak)):
        ours, truth = (
            np.asarray(band_pass(as_image(image), 1.0, low_pass_angstrom=8.0)) - 1
            for image in (formed(phase, None, optics, None, 1.0), reference)
        )
        limits[name] = np.sqrt(np.mean((ours - truth) ** 2) / np.mean((truth - truth.mean()) ** 2))
    assert limits["object"] < 0.06
    assert limits["object"] < limits["weak"]


def blobs(places, size=160, sigma=2.5):
    y, x = np.mgrid[:size, :size]
    squares = [(y - cy) ** 2 + (x - cx) ** 2 for cy, cx in places]
    return sum(0.1 * np.exp(-square / (2 * sigma**2)) for square in squares)


def test_a_level_specimen_is_one_band():
    phase = jnp.asarray(blobs([(40, 60), (100, 90)]), jnp.float32)
    optics = ctf.Optics(defocus_u_angstrom=1.6e4, defocus_v_angstrom=1.5e4, astigmatism_deg=20.0)
    level = wave.form_intensity(phase, 0.1 * phase, optics, None, 5.0)
    tilted = wave.form_intensity_tilted(phase, 0.1 * phase, optics, None, 5.0, jnp.zeros((2,)))
    np.testing.assert_allclose(tilted, level, atol=2e-6)


@pytest.mark.parametrize("place", [(40, 80), (80, 30), (120, 120), (93, 71)])
def test_each_part_of_a_tilted_specimen_has_the_defocus_of_its_place(place):
    """A slope of 2: +-800 angstrom at the edge along y, half of it back along x."""
    size, pixel, slope = 160, 5.0, np.array([2.0, -1.0])
    phase = jnp.asarray(blobs([place], size), jnp.float32)
    optics = ctf.Optics(defocus_u_angstrom=1.2e4, defocus_v_angstrom=1.1e4, astigmatism_deg=-30.0)
    tilted = wave.form_intensity_tilted(
        phase, None, optics, ctf.Envelope(b_factor_angstrom2=200.0), pixel, jnp.asarray(slope)
    )
    offset = float(slope @ (np.array(place) - (size - 1) / 2)) * pixel
    images = []
    for shift in (offset, 0.0):
        there = ctf.Optics(
            defocus_u_angstrom=1.2e4 + shift,
            defocus_v_angstrom=1.1e4 + shift,
            astigmatism_deg=-30.0,
        )
        damping = ctf.Envelope(b_factor_angstrom2=200.0)
        images.append(np.asarray(wave.form_intensity(phase, None, there, damping, pixel)))
    error = np.linalg.norm(np.asarray(tilted) - images[0]) / np.linalg.norm(images[0] - 1)
    # Between two bands, 480 angstrom apart, the waves of both are mixed.
    assert error < 0.03
    if abs(offset) > 300:
        assert error < 0.3 * np.linalg.norm(images[1] - images[0]) / np.linalg.norm(images[0] - 1)


def test_inelastic_electrons_lose_contrast_but_not_dose_without_a_filter():
    thickness = jnp.full((8, 8), 500.0)
    transmission = wave.zero_loss_transmission(
        thickness, constants.ice_mean_free_path_angstrom(300.0)
    )
    np.testing.assert_allclose(transmission, 0.88, atol=0.005)
    elastic = 1 + 0.1 * jnp.sin(jnp.arange(64.0)).reshape(8, 8)
    filtered = wave.add_inelastic(elastic, transmission, 0.0)
    np.testing.assert_allclose(filtered, transmission * elastic, rtol=1e-6)
    unfiltered = np.asarray(wave.add_inelastic(elastic, transmission, 1.0))
    np.testing.assert_allclose(unfiltered - 1, transmission * (elastic - 1), atol=1e-6)


def test_batch_equals_single_and_gradients_are_finite():
    phase = as_image(sphere_phase((32, 32), 4.0, (60.0, 64.0), 30.0, 3.38))
    defocus = jnp.asarray([8000.0, 20000.0])
    damping = ctf.Envelope(
        b_factor_angstrom2=100.0, drift_y_angstrom=2.0, dose_e_per_angstrom2=40.0
    )

    def at_defocus(value):
        optics = ctf.Optics(defocus_u_angstrom=value, defocus_v_angstrom=value)
        return wave.form_intensity(phase, None, optics, damping, 4.0)

    together = jax.jit(jax.vmap(at_defocus))(defocus)
    for i in range(2):
        np.testing.assert_allclose(together[i], at_defocus(defocus[i]), atol=1e-6)
    contrast = jax.jit(lambda value: jnp.sum((at_defocus(value) - 1) ** 2))
    slope = float(jax.grad(contrast)(15000.0))
    difference = float(contrast(15100.0) - contrast(14900.0)) / 200
    np.testing.assert_allclose(slope, difference, rtol=0.02)
