"""Cosine and sine together as one polynomial, on a CPU several times faster than separately."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

# Taylor terms of sin and cos up to x^11 and x^12: on |x| <= pi/2 the first term left out is 6e-8
# and 6e-9.
_SIN = tuple((-1.0) ** n / math.factorial(2 * n + 1) for n in range(6))
_COS = tuple((-1.0) ** n / math.factorial(2 * n) for n in range(7))


def cos_sin(
    angle_rad: Float[Array, "*shape"],
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Return (cos, sin) of an angle to 3e-7 beside the rounding of the angle itself.

    The angle is reduced to half a turn, both functions are evaluated at half of it by their Taylor
    series, and doubled.
    """
    turns = angle_rad * (0.5 / math.pi)
    half = math.pi * (turns - jnp.round(turns))
    square = half * half
    sine = half * _polynomial(_SIN, square)
    cosine = _polynomial(_COS, square)
    return 1.0 - 2.0 * sine * sine, 2.0 * sine * cosine


def _polynomial(
    coefficients: tuple[float, ...], x: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value
