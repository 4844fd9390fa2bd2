"""The two nouns that travel through the house: a micrograph and its picks."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Micrograph:
    """One motion-corrected micrograph.

    Attributes:
        image: pixel values, rows in the order stored in the file, float32.
        pixel_size_angstrom: edge of a pixel in angstrom.
        name: file name with its suffix and without its folder.
    """

    image: Float[np.ndarray, "y x"]
    pixel_size_angstrom: float
    name: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picks:
    """Particle centres in one micrograph.

    Coordinates are pixels of the micrograph as stored: 0-based, pixel centres at integers, x along columns, y along
    rows.

    Attributes:
        micrograph: file name of the micrograph (as given; match names with `io.names`).
        score: larger is more certain; NaN-free. Formats without scores read as 1.
        diameter_angstrom: particle diameter for each pick, NaN where unknown.
        pixel_size_angstrom: of the micrograph, None where unknown.
        method: the picker's name, "" where unknown.
        extra: further columns, one value a pick (mass, euler angles, ...), numbers or text.
    """

    micrograph: str
    x: Float[np.ndarray, " pick"]
    y: Float[np.ndarray, " pick"]
    score: Float[np.ndarray, " pick"]
    diameter_angstrom: Float[np.ndarray, " pick"]
    pixel_size_angstrom: float | None = None
    method: str = ""
    extra: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def select(self, keep: np.ndarray) -> "Picks":
        """Return the picks chosen by a boolean mask or by indices, all columns together."""
        columns = {
            name: getattr(self, name)[keep] for name in ("x", "y", "score", "diameter_angstrom")
        }
        extra = {name: values[keep] for name, values in self.extra.items()}
        return dataclasses.replace(self, **columns, extra=extra)


def make_picks(
    micrograph: str,
    x: np.ndarray,
    y: np.ndarray,
    score: np.ndarray | None = None,
    diameter_angstrom: np.ndarray | float = float("nan"),
    **others: object,
) -> Picks:
    """Build `Picks` from anything array-like; a missing score is 1, a single diameter is repeated."""
    x = np.asarray(x, np.float64).reshape(-1)
    return Picks(
        micrograph=micrograph,
        x=x,
        y=np.asarray(y, np.float64).reshape(-1),
        score=np.ones(len(x)) if score is None else np.asarray(score, np.float64).reshape(-1),
        diameter_angstrom=np.broadcast_to(
            np.asarray(diameter_angstrom, np.float64), x.shape
        ).copy(),
        **others,  # type: ignore[arg-type]
    )
