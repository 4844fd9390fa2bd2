"""Orientations in RELION's convention: Euler angles (rot, tilt, psi), ZYZ, in degrees.

`A` takes a point of the body frame to the image frame, whose z is the beam: x_image = A x_body. The
view direction (the beam seen from the body) is the third row of A. Adding psi turns the image:
A(rot, tilt, psi) = Z(psi) A(rot, tilt, 0) with Z(psi) = [[cos, sin], [-sin, cos]] on (x, y). scipy:
``Rotation.from_euler("ZYZ", [rot, tilt, psi]).inv()``. Source: RELION, ``src/euler.cpp``,
Euler_angles2matrix.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

GOLDEN_ANGLE_RAD = np.pi * (3.0 - np.sqrt(5.0))


def matrix_from_euler(euler_deg: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3 3"]:
    """Return RELION's matrix A for angles (rot, tilt, psi) in degrees."""
    rad = jnp.deg2rad(euler_deg)
    ca, cb, cg = (jnp.cos(rad[..., i]) for i in range(3))
    sa, sb, sg = (jnp.sin(rad[..., i]) for i in range(3))
    rows = [
        [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
        [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
        [sb * ca, sb * sa, cb],
    ]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def euler_from_matrix(matrix: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 3"]:
    """Return (rot, tilt, psi) in degrees, tilt in [0, 180]; at the poles rot is 0."""
    sin_tilt = jnp.hypot(matrix[..., 2, 0], matrix[..., 2, 1])
    tilt = jnp.arctan2(sin_tilt, matrix[..., 2, 2])
    at_pole = sin_tilt < 1e-6
    rot = jnp.where(at_pole, 0.0, jnp.arctan2(matrix[..., 2, 1], matrix[..., 2, 0]))
    turn = jnp.arctan2(matrix[..., 0, 1], matrix[..., 1, 1])
    psi = jnp.where(at_pole, turn, jnp.arctan2(matrix[..., 1, 2], -matrix[..., 0, 2]))
    return jnp.rad2deg(jnp.stack([rot, tilt, psi], axis=-1))


def fibonacci_views_deg(num_views: int) -> Float[np.ndarray, "view 2"]:
    """Return (rot, tilt) of views spread evenly over the whole sphere by the golden spiral.

    Neighbours are about sqrt(4 pi / num_views) rad apart. View 0 looks down the body's +z, the last
    one up from -z.
    """
    index = np.arange(num_views)
    tilt = np.arccos(1.0 - (2.0 * index + 1.0) / num_views)
    rot = np.mod(index * GOLDEN_ANGLE_RAD + np.pi, 2 * np.pi) - np.pi
    return np.rad2deg(np.stack([rot, tilt], axis=-1))
