"""What a micrograph may look like: every range of the domain randomisation, drawn anew for each
micrograph.

Ranges are (low, high); `log` in a docstring marks those drawn uniformly in the logarithm.
Probabilities are those of one micrograph. Sources: Noble et al. 2018 and Rice et al. 2018 (ice
thickness, air-water interfaces), McMullan et al. 2015 (motion of water), Grant & Grigorieff 2015
(damage), and practice where none is named.
"""

import dataclasses
from typing import Literal

from jaxpick.simulate.contaminant_ranges import ContaminantRanges
from jaxpick.simulate.instrument_priors import (
    DetectorPrior,
    IcePrior,
    MicroscopePrior,
    Range,
    ordered,
    paired,
    probability,
)
from jaxpick.spec import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiameterPixels:
    """Choose the pixel so that the target's diameter spans so many pixels (log).

    A picker that normalises by the diameter a user gives sees `diameter_px`; the true diameter
    differs from the nominal one by up to `diameter_error`.
    """

    kind: Literal["diameter_px"] = "diameter_px"
    diameter_px: Range = (16.0, 16.0)
    diameter_error: float = 0.15

    def __post_init__(self) -> None:
        ordered("diameter_px", self.diameter_px, 4.0)
        require(0 <= self.diameter_error < 0.5, "diameter_error", self.diameter_error, "0 to 0.5")

    @property
    def largest_particle_px(self) -> float:
        """Diameter in pixels of the largest target that can be drawn."""
        return self.diameter_px[1] * (1.0 + self.diameter_error)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PixelAngstrom:
    """Draw the pixel itself (log); equal ends fix it."""

    kind: Literal["angstrom"] = "angstrom"
    pixel_angstrom: Range = (3.0, 9.0)
    largest_particle_angstrom: float = 500.0

    def __post_init__(self) -> None:
        ordered("pixel_angstrom", self.pixel_angstrom, 0.1)
        require(
            self.largest_particle_angstrom > 0,
            "largest_particle_angstrom",
            self.largest_particle_angstrom,
            "a positive length",
        )

    @property
    def largest_particle_px(self) -> float:
        """Diameter in pixels of the largest target that can be drawn."""
        return self.largest_particle_angstrom / self.pixel_angstrom[0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScenePrior:
    """Which particles, how many, where and how they lie.

    `coverage` (log) is the fraction of the field that the particles' discs would cover without
    overlap. The layouts are random sequential adsorption, clusters, a density that varies over the
    field, and jittered close-packed monolayers; `dense_coverage` is that of the last. `contact`
    scales the forbidden distance (sum of radii). `two_layers`: both air-water interfaces are
    populated, so that projections overlap. `interface_beta`: the share of particles that lie at an
    interface is drawn from this Beta distribution (Noble et al. 2018: nine tenths), within
    `interface_sd_angstrom` of touching it; the others float in between. `chain`: particles hold
    together in dimers and short chains, `chain_members` long, between single ones.
    `target_mass_kda` bounds what counts as a target.
    """

    empty_probability: float = 0.05
    coverage: Range = (0.01, 0.45)
    dense_coverage: Range = (0.35, 0.75)
    layout_weights: tuple[float, float, float, float] = (0.45, 0.15, 0.2, 0.2)
    contact: Range = (0.8, 1.05)
    two_layer_probability: float = 0.15
    second_layer_fraction: Range = (0.05, 0.5)
    interface_beta: tuple[float, float] = (8.0, 2.0)
    interface_sd_angstrom: Range = (5.0, 20.0)
    chain_probability: float = 0.05
    chain_members: tuple[int, int] = (2, 8)
    species_weights: tuple[float, ...] = (0.75, 0.17, 0.05, 0.03)
    species_size_ratio: Range = (0.8, 1.3)
    preferred_probability: float = 0.6
    preferred_weight: Range = (0.2, 1.0)
    preferred_kappa: Range = (3.0, 300.0)
    target_mass_kda: Range = (80.0, 1e6)
    contrast_scale: Range = (0.5, 1.2)

    def __post_init__(self) -> None:
        for name in ("empty", "two_layer", "chain", "preferred"):
            probability(f"{name}_probability", getattr(self, f"{name}_probability"))
        fewest, most = self.chain_members
        require(2 <= fewest <= most, "chain_members", self.chain_members, "2 or more, (low, high)")
        for name in ("coverage", "dense_coverage", "contact", "species_size_ratio"):
            ordered(name, getattr(self, name), 1e-4)
        for name in ("preferred_kappa", "target_mass_kda", "contrast_scale"):
            ordered(name, getattr(self, name), 1e-4)
        ordered("interface_sd_angstrom", self.interface_sd_angstrom)
        shape = self.interface_beta
        require(
            min(shape) > 0, "interface_beta", shape, "two positive shapes of a Beta distribution"
        )
        paired("layout_weights", (0.0,) * 4, self.layout_weights)
        paired("species_weights", self.species_weights, self.species_weights)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContaminantsPrior:
    """Probability of each contaminant in a micrograph (Bernoulli), all multiplied by `amount`.

    `clean_probability` of the micrographs have none at all. `ranges` are sizes and numbers of what
    is there. `aggregate_fog` is the probability that aggregates, where there are any, lie in a haze
    of unfolded chains.
    """

    amount: float = 1.0
    clean_probability: float = 0.35
    ice_crystals: float = 0.25
    ethane: float = 0.12
    carbon: float = 0.12
    carbon_is_gold: float = 0.15
    gold_beads: float = 0.05
    aggregates: float = 0.3
    aggregate_fog: float = 0.5
    broken: float = 0.35
    broken_fraction: Range = (0.02, 0.25)
    denatured: float = 0.25
    small_proteins: float = 0.35
    small_per_target: Range = (0.2, 8.0)
    filaments: float = 0.07
    vesicles: float = 0.08
    micelles: float = 0.1
    coil_fog: float = 0.3
    lattices: float = 0.01
    ranges: ContaminantRanges = ContaminantRanges()

    def __post_init__(self) -> None:
        require(self.amount >= 0, "amount", self.amount, "a factor that is not negative")
        probability("clean_probability", self.clean_probability)
        for field in dataclasses.fields(self):
            if isinstance(field.default, float) and field.name != "amount":
                probability(field.name, getattr(self, field.name))
        ordered("broken_fraction", self.broken_fraction)
        ordered("small_per_target", self.small_per_target, 1e-3)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessingPrior:
    """What people do to micrographs before they share them; no physics.

    Cut-offs of the band-pass are in target diameters (a wave of length `low_pass` diameters and
    shorter is removed).
    """

    low_pass_probability: float = 0.12
    low_pass_diameters: Range = (0.1, 0.4)
    high_pass_probability: float = 0.15
    high_pass_diameters: Range = (3.0, 12.0)
    local_contrast_probability: float = 0.05
    local_contrast_diameters: Range = (2.0, 6.0)
    tone_probability: float = 0.1
    tone_strength: Range = (0.2, 1.5)
    eight_bit_probability: float = 0.15
    eight_bit_clip_sigma: Range = (2.5, 5.0)
    invert_probability: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name.endswith("_probability"):
                probability(field.name, getattr(self, field.name))
            else:
                ordered(field.name, getattr(self, field.name), 1e-3)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Priors:
    """Everything that is drawn for one micrograph.

    `target_snr` (None: physical) sets the exposure so that the targets' mean variance ratio within
    their discs is the value given: DeepEM's definition (Zhu et al. 2017).
    """

    pixel: DiameterPixels | PixelAngstrom = DiameterPixels()
    microscope: MicroscopePrior = MicroscopePrior()
    ice: IcePrior = IcePrior()
    detector: DetectorPrior = DetectorPrior()
    scene: ScenePrior = ScenePrior()
    contaminants: ContaminantsPrior = ContaminantsPrior()
    processing: ProcessingPrior = ProcessingPrior()
    target_snr: float | None = None

    def __post_init__(self) -> None:
        if self.target_snr is not None:
            require(self.target_snr > 0, "target_snr", self.target_snr, "a positive ratio")

    @property
    def patch_px(self) -> int:
        """Edge of the square that holds any particle after rotation, even."""
        return 2 * int(-(-(self.pixel.largest_particle_px + 4.0) // 2))
