"""Which labelled micrographs are learnt from: the settings of `data` on the command line."""

import dataclasses
from typing import Any, Literal

from jaxpick.io.data_sets import Layout, find_data, require_place
from jaxpick.spec import require


def _setting(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledSetSpec:
    """One more set of micrographs, of another molecule; see `LabelledSpec`."""

    diameter: float | None = None
    micrographs: str | None = None
    coordinates: str | None = None
    layout: Layout | None = None
    folder: str | None = None
    job: str | None = None
    pixel_size: float | None = None
    format: str | None = None
    flip_y: bool | None = None
    scored: bool = True

    def __post_init__(self) -> None:
        """Refuse a set without files."""
        given = self.micrographs is not None or self.folder is not None
        require(given, "micrographs", self.micrographs, "files, or a layout and a folder")
        LabelledSpec(**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledSpec:
    """Micrographs and coordinates to train on; sizes in angstrom.

    Attributes:
        layout: how `folder` is laid out (`io.data_sets`); None for files by name.
        folder: of a data set; without any, and without micrographs, simulations are trained on.
        job: of a RELION project, whose picks are learnt from.
        micrographs: file, folder, glob or RELION micrographs.star; in place of the folder's own.
        coordinates: file, folder or glob of any supported format; in place of the folder's own.
        diameter: longest dimension of the particle; a simulated folder tells it.
        pixel_size: overrides the headers.
        format: of the coordinates; by suffix and heading if None.
        flip_y: None for the format's own convention.
        validation_fraction: share of the micrographs that are only validated on.
        test_fraction: share of the micrographs that are not touched at all.
        split_by: micrographs of each set, or whole sets, as in studies across molecules.
        split: `split.json` of another run, whose parts are taken.
        crops_per_micrograph: different crops of one micrograph in an epoch.
        particle_share: of the crops, so many lie about a particle, the others anywhere.
        most_labels: no more particles are learnt from, in equal shares of all sets: those of the
            highest scores where labels have some (earlier picks), else any. None for all.
        scored: labels may be earlier picks, with scores that say how certain they are; False for
            known particles, whatever their files say of them. A simulated folder's are known.
        more: further sets, of other molecules; all have equal shares of the examples.
    """

    layout: Layout | None = _setting(None, "of the folder; null for files by name")
    folder: str | None = _setting(None, "of a data set, with data=LAYOUT")
    job: str | None = _setting(None, "of a RELION project, as AutoPick/job010; the last if null")
    micrographs: str | None = _setting(None, "file, folder, glob or micrographs.star to train on")
    coordinates: str | None = _setting(None, "file, folder or glob of any supported format")
    diameter: float | None = _setting(None, "longest dimension of the particle, angstrom")
    pixel_size: float | None = _setting(None, "angstrom; overrides the headers")
    format: str | None = _setting(None, "of the coordinates; by suffix and heading if null")
    flip_y: bool | None = _setting(None, "null for the format's own convention")
    validation_fraction: float = _setting(0.2, "share of the micrographs only validated on")
    test_fraction: float = _setting(0.0, "share of the micrographs kept for tests")
    split_by: Literal["micrograph", "set"] = _setting("micrograph", "micrograph, or set (molecule)")
    split: str | None = _setting(None, "split.json of another run, to take its parts")
    crops_per_micrograph: int = _setting(256, "different crops of a micrograph in an epoch")
    particle_share: float = _setting(0.5, "crops about a particle; the others lie anywhere")
    most_labels: int | None = _setting(None, "particles learnt from, the best or any; null for all")
    scored: bool = _setting(True, "scores of labels, if any, are those of picks")
    more: tuple[LabelledSetSpec, ...] = _setting((), "sets of other molecules, in equal shares")

    def __post_init__(self) -> None:
        """Refuse half a data set."""
        require_place(self.layout, self.folder, self.job, self.micrographs)
        given = not self.is_simulated
        for name in ("coordinates", "diameter"):
            value = getattr(self, name)
            expected = "a value, as micrographs are given" if given else "micrographs with it"
            found = given and self.folder is not None
            may_be_found = found and (name == "coordinates" or self.layout == "simulated")
            require(may_be_found or (value is not None) == given, name, value, expected)
        for name in ("diameter", "pixel_size"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "angstrom above 0")
        self._check_shares()
        crops, limited = self.crops_per_micrograph, self.most_labels is None or self.most_labels > 0
        require(crops > 0, "crops_per_micrograph", crops, "a positive number")
        require(limited, "most_labels", self.most_labels, "a positive number or null")
        require(given or not self.more, "more", len(self.more), "none, as no micrographs are given")
        is_able = self.split_by == "micrograph" or bool(self.more)
        require(is_able, "split_by", self.split_by, "further sets in data.more with it")

    def _check_shares(self) -> None:
        for name in ("validation_fraction", "test_fraction"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "0 to below 1")
        both, share = self.validation_fraction + self.test_fraction, self.particle_share
        require(both < 1, "test_fraction", self.test_fraction, "below 1 with validation_fraction")
        require(0 <= share <= 1, "particle_share", share, "0 to 1")

    @property
    def is_simulated(self) -> bool:
        """Whether examples are simulated on the fly, as no files are named."""
        return self.micrographs is None and self.folder is None

    def sets(self) -> tuple["LabelledSpec", ...]:
        """Return a spec of each set, the number of labels shared out."""
        single = dataclasses.replace(self, more=(), split_by="micrograph")
        if not self.more:
            return (single,)
        own = [field.name for field in dataclasses.fields(LabelledSetSpec)]
        changes = [{name: getattr(other, name) for name in own} for other in self.more]
        count = 1 + len(self.more)
        share = None if self.most_labels is None else max(self.most_labels // count, 1)
        return tuple(
            dataclasses.replace(single, most_labels=share, **change) for change in [{}, *changes]
        )


def located(spec: LabelledSpec) -> LabelledSpec:
    """Return one set with its files by name, found in its folder if it has one.

    Raises:
        InputError: saying what was looked for and not found.
    """
    if spec.folder is None or spec.layout is None:
        return spec
    found = find_data(spec.layout, spec.folder, spec.micrographs, spec.coordinates, spec.job)
    named = found.by_name(spec.diameter, spec.flip_y)
    scored = spec.scored and spec.layout != "simulated"
    return dataclasses.replace(spec, **named, coordinates=found.coordinates, scored=scored)
