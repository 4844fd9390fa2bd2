"""LoG: RELION's Laplacian-of-Gaussian picker (Zivanov et al. 2018, eLife 7:e42166; RELION 3.1.3), no weights.

In its order: the micrograph standardised and Fourier-cropped, the scale-normalised Laplacian of
Gaussian for eleven diameters around the wanted ones, the best of them at each pixel, thresholds in
standard deviations of this figure of merit, greedy maxima.
"""

import dataclasses
from typing import Any, NoReturn

from jaxpick.picking.log_picker import LogDecodeSpec, LogPicker
from jaxpick.preprocess.standardised import StandardisedSpec
from jaxpick.spec import SpecError, require

NAME = "log"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """Settings of the LoG picker; RELION's options in brackets.

    Attributes:
        min_diameter_angstrom: least diameter of a particle (`--LoG_diam_min`); `range_share` of the
            diameter given if None.
        max_diameter_angstrom: largest diameter of a particle (`--LoG_diam_max`).
        range_share: least and largest diameter as shares of the diameter given, which is the longest
            dimension.
        search_factor: diameters up to this many times the largest are tried (`--Log_max_search`).
        working: size and outliers.
        decode: thresholds and distance of picks.
    """

    min_diameter_angstrom: float | None = None
    max_diameter_angstrom: float | None = None
    range_share: tuple[float, float] = (0.7, 1.0)
    search_factor: float = 5.0
    working: StandardisedSpec = StandardisedSpec()
    decode: LogDecodeSpec = LogDecodeSpec()

    def __post_init__(self) -> None:
        for name in ("min_diameter_angstrom", "max_diameter_angstrom"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "above 0")
        least, largest = self.range_share
        require(0 < least <= largest, "range_share", self.range_share, "two shares, in order")
        require(1 <= self.search_factor <= 20, "search_factor", self.search_factor, "1 to 20")

    def range_angstrom(self, diameter_angstrom: float) -> tuple[float, float]:
        """Return the least and the largest diameter of a particle.

        Raises:
            SpecError: when they are not in order.
        """
        given = (self.min_diameter_angstrom, self.max_diameter_angstrom)
        least, largest = (
            share * diameter_angstrom if value is None else value
            for value, share in zip(given, self.range_share, strict=True)
        )
        expected = f"at least min_diameter_angstrom ({least:g})"
        require(least <= largest, "max_diameter_angstrom", largest, expected)
        return least, largest


def training_stages(spec: Spec, data: Any) -> NoReturn:
    """Refuse: nothing is learnt.

    Raises:
        SpecError: always.
    """
    raise SpecError("method: log has nothing to train; pick with it as it is")


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: LogDecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> LogPicker:
    """Return the picker; `params` is not looked at."""
    return LogPicker(
        name=NAME,
        working=spec.working,
        decode=decode or spec.decode,
        range_angstrom=spec.range_angstrom(diameter_angstrom),
        search_factor=spec.search_factor,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )
