"""LoG: RELION's Laplacian-of-Gaussian picker (Zivanov et al. 2018, eLife 7:e42166; RELION 3.1.3), no weights.

In its order: the micrograph standardised and Fourier-cropped, the scale-normalised Laplacian of
Gaussian for eleven diameters around the wanted ones, the best of them at each pixel, thresholds in
standard deviations of this figure of merit, greedy maxima.
"""

import dataclasses
from dataclasses import field
from typing import Any

from jaxpick.io.optics import has_optics, read_optics
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
        use_ctf: divide by the contrast transfer up to its first peak (`--LoG_use_ctf`).
        micrographs_star: RELION table with the optics of each micrograph, for `use_ctf`; the list of
            micrographs that is picked, if it is one.
        working: size and outliers.
        decode: thresholds and distance of picks.
    """

    min_diameter_angstrom: float | None = field(
        default=None, metadata={"help": "least diameter of a particle"}
    )
    max_diameter_angstrom: float | None = field(
        default=None, metadata={"help": "largest diameter of a particle"}
    )
    range_share: tuple[float, float] = field(
        default=(0.7, 1.0), metadata={"help": "both as shares of diameter, where not given"}
    )
    search_factor: float = 5.0
    use_ctf: bool = field(
        default=False, metadata={"help": "divide by the contrast transfer up to its first peak"}
    )
    micrographs_star: str | None = field(
        default=None, metadata={"help": "RELION table with the optics, for use_ctf"}
    )
    working: StandardisedSpec = StandardisedSpec()
    decode: LogDecodeSpec = LogDecodeSpec()

    def __post_init__(self) -> None:
        for name in ("min_diameter_angstrom", "max_diameter_angstrom"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "above 0")
        least, largest = self.range_share
        require(0 < least <= largest, "range_share", self.range_share, "two shares, in order")
        require(1 <= self.search_factor <= 20, "search_factor", self.search_factor, "1 to 20")
        table = self.micrographs_star
        require(self.use_ctf or table is None, "micrographs_star", table, "nothing without use_ctf")

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


def with_optics_of(spec: Spec, micrographs: str) -> Spec:
    """Take the optics from the list of micrographs that are picked, where no others are given."""
    if not spec.use_ctf or spec.micrographs_star is not None or not has_optics(micrographs):
        return spec
    return dataclasses.replace(spec, micrographs_star=micrographs)


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: LogDecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> LogPicker:
    """Return the picker; `params` is not looked at.

    Raises:
        SpecError: when `use_ctf` has no table of optics, or the diameters are not in order.
        InputError: when that table cannot be read.
    """
    if spec.use_ctf and spec.micrographs_star is None:
        raise SpecError("log.use_ctf: needs defocus; give log.micrographs_star=FILE")
    return LogPicker(
        name=NAME,
        working=spec.working,
        decode=decode or spec.decode,
        range_angstrom=spec.range_angstrom(diameter_angstrom),
        search_factor=spec.search_factor,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
        optics=None if spec.micrographs_star is None else read_optics(spec.micrographs_star),
    )
