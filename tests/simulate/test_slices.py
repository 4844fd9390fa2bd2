"""Fourier slices against rotated real-space sums and against the beads' own projection."""

import shutil
import subprocess

import jax
import jax.numpy as jnp
import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from jaxpick.physics.potential import potential_map
from jaxpick.simulate.bank import BankSpec, build_bank, project_specimen
from jaxpick.simulate.domains import globule
from jaxpick.simulate.rotations import matrix_from_euler
from jaxpick.simulate.slices import fourier_volume, project_slice, specimen_volume
from jaxpick.simulate.specimens import Specimen, centred
from jaxpick.simulate.splat import splat
from tests.physics.test_potential import make_atoms
from tests.simulate.test_splat import make_scene

BOX, VOXEL = 40, 4.0
ANGLES = np.array([[0, 0, 0], [25, 40, 100], [-160, 90, 12], [70, 150, -80]], np.float32)


def body():
    positions = globule(np.random.default_rng(0), 150.0).astype(np.float32)
    return centred(
        Specimen(
            name="body",
            positions_angstrom=positions,
            potential_volt_angstrom3=np.full(len(positions), 458.0, np.float32),
            form_weight=np.ones(1),
            form_b_angstrom2=np.array([300.0]),
            mass_kda=150.0,
            group="body",
        )
    )


@pytest.fixture(scope="module")
def slices():
    volume = specimen_volume(body(), box_px=BOX, voxel_angstrom=VOXEL)
    rotations = matrix_from_euler(jnp.asarray(ANGLES))
    transform = fourier_volume(jnp.asarray(volume), VOXEL)
    images = jax.jit(jax.vmap(project_slice, (None, 0)))(transform, rotations)
    return volume, np.asarray(rotations), np.asarray(images)


def in_circle(images):
    """Leave out what a slice leaves out: frequencies beyond the Nyquist circle."""
    fy, fx = np.fft.fftfreq(BOX)[:, None], np.fft.rfftfreq(BOX)[None, :]
    return np.fft.irfft2(np.fft.rfft2(images) * (fx**2 + fy**2 < 0.25), s=(BOX, BOX))


def test_slices_are_within_a_percent_of_the_splat(slices):
    _, rotations, images = slices
    exact = in_circle(project_specimen(body(), rotations, box_px=BOX, pixel_angstrom=VOXEL))
    error = np.sqrt(np.mean((images - exact) ** 2, axis=(1, 2)) / np.mean(exact**2, axis=(1, 2)))
    assert error.max() < 0.01
    a, b = np.fft.rfft2(images), np.fft.rfft2(exact)
    ring = np.hypot(np.fft.fftfreq(BOX)[:, None], np.fft.rfftfreq(BOX)[None, :]) * BOX
    for low in range(int(0.8 * BOX // 2)):
        shell = (ring >= low) & (ring < low + 1)
        power = np.sum(np.abs(a[:, shell]) ** 2) * np.sum(np.abs(b[:, shell]) ** 2)
        assert np.sum((a * b.conj())[:, shell]).real / np.sqrt(power) > 0.99


def test_slices_are_rotated_real_space_sums(slices):
    volume, rotations, images = slices
    for rotation, image in zip(rotations, images, strict=True):
        # affine_transform wants each output voxel's origin: x_body = A^T x_image, as (z, y, x).
        matrix = rotation.T[::-1, ::-1]
        offset = BOX // 2 - matrix @ np.full(3, BOX // 2)
        turned = ndimage.affine_transform(volume, matrix, offset, order=5)
        summed = in_circle(turned.sum(axis=0) * VOXEL)
        assert np.sqrt(np.mean((image - summed) ** 2) / np.mean(summed**2)) < 0.03


@pytest.mark.skipif(shutil.which("relion_project") is None, reason="RELION is not installed")
def test_slices_are_relions_projections(slices, tmp_path):
    """The same volume, the same angles: RELION 3.1's `relion_project`, padded twofold."""
    volume, _, images = slices
    with mrcfile.new(tmp_path / "volume.mrc") as file:
        file.set_data(volume.astype(np.float32))
        file.voxel_size = VOXEL
    for angles, image in zip(ANGLES, images, strict=True):
        options = [f"--{n}={a}" for n, a in zip(("rot", "tilt", "psi"), angles, strict=True)]
        command = ["relion_project", "--i", "volume.mrc", "--o", "projection.mrc", *options]
        command = [part for option in command for part in option.split("=")]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        theirs = np.squeeze(mrcfile.read(tmp_path / "projection.mrc"))
        assert ring_correlations(image, theirs)[: int(0.8 * BOX // 2)].min() > 0.99


def ring_correlations(first, second, box=BOX):
    a, b = np.fft.rfft2(first), np.fft.rfft2(second)
    ring = np.hypot(np.fft.fftfreq(box)[:, None], np.fft.rfftfreq(box)[None, :]) * box
    found = []
    for low in range(box // 2):
        shell = (ring >= low) & (ring < low + 1)
        power = np.sum(np.abs(a[shell]) ** 2) * np.sum(np.abs(b[shell]) ** 2)
        found.append(np.sum((a * b.conj())[shell]).real / np.sqrt(power))
    return np.array(found)


def test_untilted_slice_is_the_sum_along_z(slices):
    volume, _, images = slices
    summed = in_circle(volume.sum(axis=0) * VOXEL)
    np.testing.assert_allclose(images[0], summed, atol=0.01 * summed.max())


@pytest.mark.oracle
def test_slices_of_a_map_are_cryojaxs_projections(oracles):
    """300 atoms of 1ORC at three poses: cryojax 0.6's sum of Gaussians, to 4 angstrom."""
    with np.load(oracles / "projection_reference.npz") as file:
        ref = {key: file[key] for key in file.files}
    peng = ref["peng_a"].astype(np.float32), ref["peng_b"].astype(np.float32)
    atoms = make_atoms(ref["atomic_numbers"], ref["positions"], ref["b_factors"], peng)
    volume = fourier_volume(potential_map(atoms, box_px=96, voxel_angstrom=1.0), 1.0)
    low_pass = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.rfftfreq(96)[None, :]) < 0.25
    project = jax.jit(project_slice)
    for rotation, theirs in zip(ref["rotation"], ref["projection_cryojax"], strict=True):
        ours = np.asarray(project(volume, jnp.asarray(rotation, jnp.float32)))
        assert ring_correlations(ours, theirs, 96)[:24].min() > 0.99
        error = low_pass * np.fft.rfft2(ours - theirs)
        assert np.linalg.norm(error) < 0.03 * np.linalg.norm(low_pass * np.fft.rfft2(theirs))


def test_a_view_of_the_bank_turned_by_psi_is_the_slice_at_that_pose():
    spec = BankSpec(num_views=5, box_px=BOX, pixel_angstrom=VOXEL, dtype="float32")
    bank = build_bank([body()], spec)
    volume = fourier_volume(
        jnp.asarray(specimen_volume(body(), box_px=BOX, voxel_angstrom=VOXEL)), VOXEL
    )
    psi = 35.0
    for view in (1, 3):
        chosen = {"view": jnp.asarray([view], jnp.int32), "psi_deg": jnp.asarray([psi])}
        scene = make_scene([(40.0, 40.0)], pixel=VOXEL, bank_pixel=VOXEL, **chosen)
        placed = np.asarray(splat(scene, bank.views, (80, 80), BOX, 1).potential)[20:60, 20:60]
        angles = jnp.asarray([[*bank.euler_deg[view], psi]])
        exact = np.asarray(project_slice(volume, matrix_from_euler(angles)[0]))
        # One bilinear gather at the bank's own pixel: 0.97 at 0.8 of Nyquist.
        assert ring_correlations(placed, exact)[: int(0.7 * BOX // 2)].min() > 0.99
        # Turned the other way it is another image.
        other = jnp.asarray([[*bank.euler_deg[view], -psi]])
        wrong = np.asarray(project_slice(volume, matrix_from_euler(other)[0]))
        assert ring_correlations(placed, wrong)[: int(0.7 * BOX // 2)].min() < 0.9
