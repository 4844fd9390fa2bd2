"""Scale-normalised Laplacian of Gaussian: the response to bright discs of several diameters.

For a diameter D the transform is multiplied by k^2 exp(-k^2 / (2 s^2)) / s^2 with k in Fourier
coefficients and s = size pixel / (2 D), `size pixel` the side of the image in the unit of D. In real
space that is minus the Laplacian of a Gaussian of standard deviation D / pi.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxpick.numerics.grids import frequency_magnitude
from jaxpick.typing import Image, Scalar


def laplacian_of_gaussian(
    shape: tuple[int, ...], pixel_size_angstrom: Scalar, diameter_angstrom: Scalar
) -> Float[Array, "fy fx"]:
    """Return the transfer for one diameter on the half plane of an image of `shape`.

    With f = k / (size pixel), k / s = 2 D f: the transfer does not know the size of the image.
    """
    frequency = frequency_magnitude(shape, pixel_size_angstrom)
    square = (2.0 * diameter_angstrom * frequency) ** 2
    return square * jnp.exp(-0.5 * square)


@jax.jit
def best_response(
    image: Image, pixel_size_angstrom: Scalar, diameters_angstrom: Float[Array, " diameter"]
) -> tuple[Float[Array, "y x"], Float[Array, "y x"]]:
    """Return the largest response of each pixel and the diameter that gave it; ties go to the
    first.

    Args:
        image: bright discs respond.
        pixel_size_angstrom: of the image.
        diameters_angstrom: to be tried.
    """
    spectrum = jnp.fft.rfft2(image)

    def try_one(
        best: tuple[Image, Image], diameter: Float[Array, ""]
    ) -> tuple[tuple[Image, Image], None]:
        transfer = laplacian_of_gaussian(image.shape, pixel_size_angstrom, diameter)
        response = jnp.fft.irfft2(spectrum * transfer, s=image.shape)
        is_better = response > best[0]
        return (
            jnp.where(is_better, response, best[0]),
            jnp.where(is_better, diameter, best[1]),
        ), None

    nothing = jnp.full(image.shape, -jnp.inf, image.dtype), jnp.zeros(image.shape, image.dtype)
    return jax.lax.scan(try_one, nothing, diameters_angstrom)[0]
