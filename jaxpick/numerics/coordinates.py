"""Maps between the pixels of a micrograph and those of the working image made from it."""

import dataclasses

from jaxtyping import Float
from numpy import ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoordinateMap:
    """The true size ratio of each axis: micrograph pixels = scale x working pixels.

    Fourier cropping maps position x to x / s exactly, with pixel centres at integers on both sides; where the working
    size had to be rounded the two axes have slightly different factors, and the nominal one would shift far picks by
    several pixels (as Topaz's does).
    """

    scale_y: float
    scale_x: float

    @classmethod
    def between(
        cls, micrograph_shape: tuple[int, int], working_shape: tuple[int, int]
    ) -> "CoordinateMap":
        """Return the map for a Fourier crop from one shape (ny, nx) to another."""
        return cls(
            scale_y=micrograph_shape[0] / working_shape[0],
            scale_x=micrograph_shape[1] / working_shape[1],
        )

    def to_micrograph(
        self, y: Float[ndarray, " pick"], x: Float[ndarray, " pick"]
    ) -> tuple[Float[ndarray, " pick"], Float[ndarray, " pick"]]:
        """Map working pixels (y, x) to micrograph pixels."""
        return y * self.scale_y, x * self.scale_x

    def to_working(
        self, y: Float[ndarray, " pick"], x: Float[ndarray, " pick"]
    ) -> tuple[Float[ndarray, " pick"], Float[ndarray, " pick"]]:
        """Map micrograph pixels (y, x) to working pixels."""
        return y / self.scale_y, x / self.scale_x
