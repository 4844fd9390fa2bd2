"""Projection of point beads that share one form factor onto band-limited images (Fourier splat).

Coordinates are (x, y, z) in angstrom; the beam runs along z of the rotated frame; the origin falls
on pixel `box // 2`.
"""

import numpy as np
import scipy.fft
from jaxtyping import Float

# Beads times views that are splatted in one piece: bounds the memory of the index arrays to a few
# tens of MB.
SPLAT_PIECE = 200_000


def project_beads(
    positions_angstrom: Float[np.ndarray, "bead 3"],
    potential_volt_angstrom3: Float[np.ndarray, " bead"],
    rotations: Float[np.ndarray, "view 3 3"],
    *,
    box_px: int,
    pixel_angstrom: float,
    form_weight: Float[np.ndarray, " gaussian"],
    form_b_angstrom2: Float[np.ndarray, " gaussian"],
) -> Float[np.ndarray, "view box box"]:
    """Project point beads of one shared form factor; return volt angstrom, float32, on the host.

    Bilinear splat on a grid twice as fine, division by the splat's sinc^2, multiplication by the
    form factor, Fourier crop: 0.5 % from the exact sum. Works on the host: `bincount` beats a
    scatter on CPUs, and a bank is built once. Beads outside the box wrap around; callers see to the
    box.
    """
    transfer = _bead_transfer(box_px, pixel_angstrom, form_weight, form_b_angstrom2)
    views = np.empty((len(rotations), box_px, box_px), np.float32)
    in_plane = np.asarray(rotations[:, :2, :], np.float32) * np.float32(2.0 / pixel_angstrom)
    step = max(1, SPLAT_PIECE // len(positions_angstrom))
    for start in range(0, len(rotations), step):
        piece = slice(start, start + step)
        xy = in_plane[piece] @ np.asarray(positions_angstrom, np.float32).T
        grids = _splat(xy + np.float32(box_px), potential_volt_angstrom3, 2 * box_px)
        views[piece] = _crop_to_views(grids, transfer, box_px)
    return views


def _splat(
    xy: Float[np.ndarray, "view 2 bead"], weight: Float[np.ndarray, " bead"], size: int
) -> Float[np.ndarray, "view size size"]:
    """Add each bead to its four nearest grid points (periodic), weights bilinear."""
    low = np.floor(xy)
    fraction = xy - low
    column, row = np.moveaxis(low.astype(np.int64), 1, 0) % size
    fx, fy = fraction[:, 0], fraction[:, 1]
    offset = (np.arange(len(xy)) * size * size)[:, None]
    right, below = (column + 1) % size, ((row + 1) % size) * size + offset
    row = row * size + offset
    top, bottom = weight[None, :] * (1 - fy), weight[None, :] * fy
    index = np.stack([row + column, row + right, below + column, below + right])
    value = np.stack([top * (1 - fx), top * fx, bottom * (1 - fx), bottom * fx])
    summed = np.bincount(index.ravel(), value.ravel(), minlength=len(xy) * size * size)
    return summed.reshape(len(xy), size, size).astype(np.float32)


def _bead_transfer(
    box_px: int,
    pixel_angstrom: float,
    form_weight: Float[np.ndarray, " gaussian"],
    form_b_angstrom2: Float[np.ndarray, " gaussian"],
) -> Float[np.ndarray, "fy fx"]:
    """Return form factor / (pixel area x splat's sinc^2) on the cropped half-plane."""
    fy = np.fft.fftfreq(box_px)[:, None]
    fx = np.fft.rfftfreq(box_px)[None, :]
    q2 = (fy**2 + fx**2) / pixel_angstrom**2
    form = np.einsum(
        "g,gyx->yx", form_weight, np.exp(-0.25 * form_b_angstrom2[:, None, None] * q2[None])
    )
    # The fine grid has half the pixel, so the frequency per fine pixel is half as large.
    splat = (np.sinc(0.5 * fy) * np.sinc(0.5 * fx)) ** 2
    return (form / (splat * pixel_angstrom**2)).astype(np.float32)


def _crop_to_views(
    grids: Float[np.ndarray, "view fine fine"], transfer: Float[np.ndarray, "fy fx"], box_px: int
) -> Float[np.ndarray, "view box box"]:
    """Fourier-crop grids of twice the box to views."""
    half = box_px // 2
    spectrum = scipy.fft.rfft2(grids)
    rows = np.r_[0 : half + 1, 2 * box_px - half + 1 : 2 * box_px]
    cropped = spectrum[:, rows, : half + 1] * transfer[None]
    return scipy.fft.irfft2(cropped, s=(box_px, box_px))


def splat_volume(
    positions_angstrom: Float[np.ndarray, "bead 3"],
    potential_volt_angstrom3: Float[np.ndarray, " bead"],
    *,
    box_px: int,
    voxel_angstrom: float,
    form_weight: Float[np.ndarray, " gaussian"],
    form_b_angstrom2: Float[np.ndarray, " gaussian"],
) -> Float[np.ndarray, "box box box"]:
    """Put point beads of one form factor on a band-limited grid (z, y, x), in volt, float32.

    Trilinear splat on a grid twice as fine, deconvolved and Fourier-cropped as in `project_beads`.
    """
    fine = 2 * box_px
    place = np.asarray(positions_angstrom) * (2.0 / voxel_angstrom) + box_px
    low = np.floor(place)
    fraction, low = place - low, low.astype(np.int64)
    grid = np.zeros(fine**3)
    for corner in np.ndindex(2, 2, 2):
        x, y, z = ((low + corner) % fine).T
        share = np.prod(np.where(corner, fraction, 1 - fraction), axis=1)
        index = (z * fine + y) * fine + x
        grid += np.bincount(index, potential_volt_angstrom3 * share, fine**3)
    half = box_px // 2
    keep = np.r_[0 : half + 1, fine - half + 1 : fine]
    spectrum = scipy.fft.rfftn(grid.reshape(fine, fine, fine).astype(np.float32))
    cropped = spectrum[np.ix_(keep, keep, np.arange(half + 1))]
    fx, fy = np.fft.rfftfreq(box_px)[None, None, :], np.fft.fftfreq(box_px)[None, :, None]
    fz = fy.reshape(-1, 1, 1)
    q2 = (fx**2 + fy**2 + fz**2) / voxel_angstrom**2
    form = sum(
        w * np.exp(-0.25 * b * q2) for w, b in zip(form_weight, form_b_angstrom2, strict=True)
    )
    splat = (np.sinc(0.5 * fx) * np.sinc(0.5 * fy) * np.sinc(0.5 * fz)) ** 2
    transfer = (form / (splat * voxel_angstrom**3)).astype(np.float32)
    return scipy.fft.irfftn(cropped * transfer, s=(box_px,) * 3)
