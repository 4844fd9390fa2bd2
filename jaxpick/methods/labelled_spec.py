"""Which labelled micrographs are learnt from: the settings of `data` on the command line."""

import dataclasses
from typing import Any

from jaxpick.spec import require


def _setting(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledSetSpec:
    """One more set of micrographs, of another molecule; see `LabelledSpec`."""

    micrographs: str
    coordinates: str
    diameter: float
    pixel_size: float | None = None
    format: str | None = None
    flip_y: bool | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledSpec:
    """Micrographs and coordinates to train on; sizes in angstrom.

    Attributes:
        micrographs: file, folder, glob or RELION micrographs.star; None to train on simulations.
        coordinates: file, folder or glob of any supported format.
        diameter: longest dimension of the particle.
        pixel_size: overrides the headers.
        format: of the coordinates; by suffix and heading if None.
        flip_y: None for the format's own convention.
        validation_fraction: share of the micrographs that are only validated on.
        crops_per_micrograph: different crops of one micrograph in an epoch.
        particle_share: of the crops, so many lie about a particle, the others anywhere.
        most_labels: no more particles are learnt from, in equal shares of all sets: those of the
            highest scores where labels have some (earlier picks), else any. None for all.
        more: further sets, of other molecules; all have equal shares of the examples.
    """

    micrographs: str | None = _setting(None, "file, folder, glob or micrographs.star to train on")
    coordinates: str | None = _setting(None, "file, folder or glob of any supported format")
    diameter: float | None = _setting(None, "longest dimension of the particle, angstrom")
    pixel_size: float | None = _setting(None, "angstrom; overrides the headers")
    format: str | None = _setting(None, "of the coordinates; by suffix and heading if null")
    flip_y: bool | None = _setting(None, "null for the format's own convention")
    validation_fraction: float = _setting(0.2, "share of the micrographs only validated on")
    crops_per_micrograph: int = _setting(256, "different crops of a micrograph in an epoch")
    particle_share: float = _setting(0.5, "crops about a particle; the others lie anywhere")
    most_labels: int | None = _setting(None, "particles learnt from, the best or any; null for all")
    more: tuple[LabelledSetSpec, ...] = _setting((), "sets of other molecules, in equal shares")

    def __post_init__(self) -> None:
        """Refuse half a data set."""
        given = self.micrographs is not None
        for name in ("coordinates", "diameter"):
            value = getattr(self, name)
            expected = "a value, as micrographs are given" if given else "micrographs with it"
            require((value is not None) == given, name, value, expected)
        for name in ("diameter", "pixel_size"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "angstrom above 0")
        share, crops = self.validation_fraction, self.crops_per_micrograph
        require(0 <= share < 1, "validation_fraction", share, "0 to below 1")
        require(crops > 0, "crops_per_micrograph", crops, "a positive number")
        share = self.particle_share
        require(0 <= share <= 1, "particle_share", share, "0 to 1")
        limited = self.most_labels is None or self.most_labels > 0
        require(limited, "most_labels", self.most_labels, "a positive number or null")
        require(given or not self.more, "more", len(self.more), "none, as no micrographs are given")

    def sets(self) -> tuple["LabelledSpec", ...]:
        """Return a spec of each set, the number of labels shared out."""
        single = dataclasses.replace(self, more=())
        if not self.more:
            return (single,)
        own = [field.name for field in dataclasses.fields(LabelledSetSpec)]
        changes = [{name: getattr(other, name) for name in own} for other in self.more]
        count = 1 + len(self.more)
        share = None if self.most_labels is None else max(self.most_labels // count, 1)
        return tuple(
            dataclasses.replace(single, most_labels=share, **change) for change in [{}, *changes]
        )
