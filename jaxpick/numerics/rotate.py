"""Rotation of band-limited images in their plane by three shears, each a phase ramp in Fourier space.

[[c, -s], [s, c]] = X(a) Y(s) X(a) with a = -tan(angle / 2), X(a) a shear along x and Y(s) one along
y (Unser, Thevenaz and Yaroslavsky 1995, IEEE Trans Image Process 4:1371). Whole quarter turns are
exact; the rest, up to 45 degrees, is exact for images that are band-limited and zero but for the
central half of their box.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.fourier import fourier_crop, fourier_pad
from jaxpick.typing import Scalar

_BATCH = 64


def rotate(image: Float[Array, "box box"], angle_deg: Scalar) -> Float[Array, "box box"]:
    """Turn an image by psi about pixel `box // 2`: result(x, y) = image(c x - s y, s x + c y).

    c, s are cosine and sine of psi and (x, y) the offset from the centre, RELION's sense: turning
    the view of (rot, tilt, 0) gives that of (rot, tilt, psi). The box is even. Shears move
    frequencies past Nyquist, so the image is sampled twice as finely meanwhile; what the turn moves
    out of the square of frequencies is lost.
    """
    quarters = jnp.round(angle_deg / 90.0)
    rest = jnp.deg2rad(angle_deg - 90.0 * quarters)
    turned = jax.lax.switch(quarters.astype(jnp.int32) % 4, _QUARTER_TURNS, image)
    box = image.shape[0]
    fine = fourier_pad(turned, (2 * box, 2 * box))
    along = -jnp.tan(rest / 2.0)
    fine = _shear(_shear(_shear(fine, along, 1), jnp.sin(rest), 0), along, 1)
    return fourier_crop(fine, (box, box))


def _shear(image: Float[Array, "box box"], slope: Scalar, axis: int) -> Float[Array, "box box"]:
    """Return image(x + slope y, y) for axis 1, image(x, y + slope x) for axis 0."""
    size = image.shape[0]
    frequency = jnp.fft.rfftfreq(size)
    move = slope * (jnp.arange(size) - size // 2)
    ramp = jnp.exp(2j * jnp.pi * frequency[None, :] * move[:, None])
    ramp = ramp if axis == 1 else ramp.T
    return jnp.fft.irfft(jnp.fft.rfft(image, axis=axis) * ramp, n=size, axis=axis)


def _mirrored(image: Float[Array, "box box"], axis: int) -> Float[Array, "box box"]:
    """Mirror about the central pixel; pixel 0, the border of an even box, stays."""
    return jnp.roll(jnp.flip(image, axis), 1, axis)


_QUARTER_TURNS = (
    lambda image: image,
    lambda image: _mirrored(image, 1).T,
    lambda image: _mirrored(_mirrored(image, 0), 1),
    lambda image: _mirrored(image, 0).T,
)


@jax.jit
def rotate_all(
    images: Float[Array, "image box box"], angle_deg: Float[Array, " image"]
) -> Float[Array, "image box box"]:
    """Turn each image by its own angle, some at a time."""
    return jax.lax.map(lambda pair: rotate(*pair), (images, angle_deg), batch_size=_BATCH)
