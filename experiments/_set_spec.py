"""The settings of one set of micrographs that methods are compared on (`_data_sets`)."""

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from jaxpick.io.data_sets import Layout, find_data, require_place
from jaxpick.spec import SpecError, require

# Procedural molecules of 318, 1681 and 810 kDa that no weights were trained on.
HELD_OUT_PHANTOMS = (2049, 2048, 2058)
FILES_ONLY = ("truth", "pixel_size", "invert", "flip_y", "margin", "margin_px")
SIMULATED_ONLY = ("count", "seed", "size", "phantom", "structures", "simulator")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetSpec:
    """One set of micrographs; sizes in angstrom unless they end in _px.

    Attributes:
        layout: how `folder` is laid out (`jaxpick.io.data_sets`).
        folder: of a data set on disk.
        job: of a RELION project, whose picks are the truth.
        micrographs: file, folder, glob or RELION list, in place of the folder's; None without a
            folder to simulate.
        truth: file, folder or glob of the particles, in any supported format.
        diameter: longest dimension of the particle; the molecule's own if simulated.
        pixel_size: overrides the files.
        invert: particles are bright.
        flip_y: None for the coordinate format's own convention.
        margin, margin_px: border that nobody labelled; picks and particles in it do not count.
        molecules: PDB codes of the particle and of its kin: what training should have left out.
        pick: settings of `pick` for this set, by method: `{template: {template: {structure: F}}}`.
        external: coordinate files of other programs for this set, by name.
        count, seed, size: of the simulated micrographs.
        phantom: seed of the procedural molecule.
        structures: PDB or mmCIF files to show in its place.
        simulator: changes to `simulate`'s settings of that name.
    """

    layout: Layout | None = None
    folder: str | None = None
    job: str | None = None
    micrographs: str | None = None
    truth: str | None = None
    diameter: float | None = None
    pixel_size: float | None = None
    invert: bool = False
    flip_y: bool | None = None
    margin: float = 0.0
    margin_px: float = 0.0
    molecules: tuple[str, ...] = ()
    pick: Mapping[str, Any] = field(default_factory=dict)
    external: Mapping[str, Any] = field(default_factory=dict)
    count: int = 5
    seed: int = 2026
    size: tuple[int, int] = (1024, 1024)
    phantom: int = HELD_OUT_PHANTOMS[0]
    structures: str | None = None
    simulator: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse half a set, and settings of the other sort."""
        require_place(self.layout, self.folder, self.job, self.micrographs)
        given = not self.is_simulated
        for name in ("truth", "diameter"):
            expected = "a value, as micrographs are given"
            found = self.folder and (name == "truth" or self.layout == "simulated")
            is_known = found or getattr(self, name) is not None
            require(not given or bool(is_known), name, None, expected)
        for name in ("diameter", "pixel_size"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "angstrom above 0")
        for name in ("margin", "margin_px"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in SIMULATED_ONLY if given else FILES_ONLY:
            value, default = getattr(self, name), _default(name)
            says = "nothing, as micrographs are given" if given else "micrographs with it"
            require(value == default, name, value, says)

    @property
    def is_simulated(self) -> bool:
        """Whether it is simulated here, as no files are named."""
        return self.micrographs is None and self.folder is None


def located_set(spec: SetSpec) -> SetSpec:
    """Return a set with its files by name, found in its folder if it has one."""
    if spec.folder is None or spec.layout is None:
        return spec
    found = find_data(spec.layout, spec.folder, spec.micrographs, spec.truth, spec.job)
    named = found.by_name(spec.diameter, spec.flip_y)
    return dataclasses.replace(spec, **named, truth=found.coordinates)


def _default(name: str) -> Any:
    declared = SetSpec.__dataclass_fields__[name]
    if declared.default is not dataclasses.MISSING:
        return declared.default
    if declared.default_factory is dataclasses.MISSING:
        raise SpecError(f"{name}: has no default")
    return declared.default_factory()
