"""What a micrograph may look like: every range of the domain randomisation, drawn anew for each
micrograph.

Ranges are (low, high); `log` in a docstring marks those drawn uniformly in the logarithm.
Probabilities are those of one micrograph. Sources: Noble et al. 2018 and Rice et al. 2018 (ice
thickness, air-water interfaces), McMullan et al. 2015 (motion of water), Grant & Grigorieff 2015
(damage), and practice where none is named.
"""

import dataclasses
from typing import Literal

from jaxpick.spec import require

Range = tuple[float, float]


def _ordered(field: str, value: Range, low: float = 0.0) -> None:
    expected = f"(low, high) with {low:g} <= low <= high"
    require(low <= value[0] <= value[1], field, value, expected)


def _probability(field: str, value: float) -> None:
    require(0.0 <= value <= 1.0, field, value, "a probability between 0 and 1")


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
        _ordered("diameter_px", self.diameter_px, 4.0)
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
        _ordered("pixel_angstrom", self.pixel_angstrom, 0.1)
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
class MicroscopePrior:
    """Beam, lens and exposure.

    `dose` (e/angstrom^2, log) is the exposure times DQE(0), which sets the noise; radiation damage
    follows it. The defocus is log-normal within its range. `filtered_probability`: an energy filter
    removes the inelastic pedestal.
    """

    voltage_kv: tuple[float, ...] = (300.0, 200.0, 120.0, 100.0)
    voltage_weights: tuple[float, ...] = (0.75, 0.20, 0.03, 0.02)
    defocus_median_um: float = 1.7
    defocus_log_sd: float = 0.45
    defocus_um: Range = (0.5, 4.0)
    low_defocus_probability: float = 0.03
    low_defocus_um: Range = (0.2, 0.5)
    astigmatism_sd_angstrom: float = 300.0
    astigmatism_max_angstrom: float = 2000.0
    spherical_aberration_mm: tuple[float, ...] = (2.7, 0.01, 2.0, 1.4)
    spherical_aberration_weights: tuple[float, ...] = (0.85, 0.10, 0.03, 0.02)
    phase_plate_probability: float = 0.07
    phase_shift_deg: Range = (30.0, 140.0)
    amplitude_contrast: Range = (0.05, 0.12)
    dose_e_per_angstrom2: Range = (15.0, 80.0)
    damage: bool = True
    b_factor_angstrom2: Range = (20.0, 300.0)
    drift_probability: float = 0.2
    still_drift_angstrom: Range = (0.0, 4.0)
    drift_angstrom: Range = (4.0, 12.0)
    filtered_probability: float = 0.7

    def __post_init__(self) -> None:
        for name in ("defocus_um", "low_defocus_um", "dose_e_per_angstrom2"):
            _ordered(name, getattr(self, name), 0.001)
        for name in ("phase_shift_deg", "amplitude_contrast", "b_factor_angstrom2"):
            _ordered(name, getattr(self, name))
        for name in ("low_defocus", "phase_plate", "drift", "filtered"):
            _probability(f"{name}_probability", getattr(self, f"{name}_probability"))
        _paired("voltage_weights", self.voltage_kv, self.voltage_weights)
        _paired(
            "spherical_aberration_weights",
            self.spherical_aberration_mm,
            self.spherical_aberration_weights,
        )


def _paired(field: str, values: tuple[float, ...], weights: tuple[float, ...]) -> None:
    holds = len(values) == len(weights) and min(weights) >= 0 and sum(weights) > 0
    require(holds, field, weights, f"{len(values)} weights that are not negative")


@dataclasses.dataclass(frozen=True, kw_only=True)
class IcePrior:
    """Thickness and structure of the vitreous ice.

    `structure` (log): power of the structural noise as a multiple of the shot noise's. `gradient`:
    relative change of thickness over the field (plane and lens). `mottling`: relative amplitude of
    thickness noise with the given correlation length (log).
    """

    thickness_median_angstrom: float = 350.0
    thickness_log_sd: float = 0.45
    thickness_angstrom: Range = (150.0, 1000.0)
    structure: Range = (0.05, 2.0)
    gradient: Range = (0.0, 0.5)
    mottling: Range = (0.0, 0.08)
    mottling_length_angstrom: Range = (300.0, 4000.0)

    def __post_init__(self) -> None:
        _ordered("thickness_angstrom", self.thickness_angstrom, 1.0)
        _ordered("structure", self.structure, 1e-6)
        _ordered("gradient", self.gradient)
        _ordered("mottling", self.mottling)
        _ordered("mottling_length_angstrom", self.mottling_length_angstrom, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorPrior:
    """Camera and illumination: fixed pattern, hot pixels, vignetting, noise that is not white."""

    gain_residue: Range = (0.001, 0.008)
    gain_seam: Range = (0.0, 0.005)
    gain_probability: float = 0.3
    hot_pixel_fraction: Range = (1e-6, 1e-4)
    hot_pixel_sigma: Range = (5.0, 50.0)
    vignetting: Range = (0.0, 0.15)
    noise_dip: Range = (0.0, 0.2)
    noise_dip_probability: float = 0.3
    read_noise_probability: float = 0.05
    read_noise: Range = (0.1, 1.0)

    def __post_init__(self) -> None:
        for name in ("gain_seam", "hot_pixel_sigma", "vignetting", "noise_dip", "read_noise"):
            _ordered(name, getattr(self, name))
        for name in ("gain_residue", "hot_pixel_fraction"):
            _ordered(name, getattr(self, name), 1e-9)
        for name in ("gain_probability", "read_noise_probability", "noise_dip_probability"):
            _probability(name, getattr(self, name))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScenePrior:
    """Which particles, how many, where and how they lie.

    `coverage` (log) is the fraction of the field that the particles' discs would cover without
    overlap. The layouts are random sequential adsorption, clusters, a density that varies over the
    field, and jittered close-packed monolayers; `dense_coverage` is that of the last. `contact`
    scales the forbidden distance (sum of radii). `two_layers`: both air-water interfaces are
    populated, so that projections overlap. `target_mass_kda` bounds what counts as a target.
    """

    empty_probability: float = 0.05
    coverage: Range = (0.01, 0.45)
    dense_coverage: Range = (0.35, 0.75)
    layout_weights: tuple[float, float, float, float] = (0.45, 0.15, 0.2, 0.2)
    contact: Range = (0.8, 1.05)
    two_layer_probability: float = 0.15
    second_layer_fraction: Range = (0.05, 0.5)
    species_weights: tuple[float, ...] = (0.75, 0.17, 0.05, 0.03)
    species_size_ratio: Range = (0.8, 1.3)
    preferred_probability: float = 0.6
    preferred_weight: Range = (0.2, 1.0)
    preferred_kappa: Range = (3.0, 300.0)
    target_mass_kda: Range = (80.0, 1e6)
    contrast_scale: Range = (0.5, 1.2)

    def __post_init__(self) -> None:
        for name in ("empty_probability", "two_layer_probability", "preferred_probability"):
            _probability(name, getattr(self, name))
        for name in ("coverage", "dense_coverage", "contact", "species_size_ratio"):
            _ordered(name, getattr(self, name), 1e-4)
        for name in ("preferred_kappa", "target_mass_kda", "contrast_scale"):
            _ordered(name, getattr(self, name), 1e-4)
        _paired("layout_weights", (0.0,) * 4, self.layout_weights)
        _paired("species_weights", self.species_weights, self.species_weights)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContaminantsPrior:
    """Probability of each contaminant in a micrograph (Bernoulli), all multiplied by `amount`.

    `clean_probability` of the micrographs have none at all. Sizes are in `contaminants.py`, in
    angstrom, bounded by the field and by the target's diameter.
    """

    amount: float = 1.0
    clean_probability: float = 0.35
    ice_crystals: float = 0.25
    ethane: float = 0.12
    carbon: float = 0.12
    carbon_is_gold: float = 0.15
    gold_beads: float = 0.05
    aggregates: float = 0.3
    broken: float = 0.35
    broken_fraction: Range = (0.02, 0.25)
    denatured: float = 0.25
    small_proteins: float = 0.35
    small_per_target: Range = (0.2, 8.0)
    filaments: float = 0.07
    vesicles: float = 0.08

    def __post_init__(self) -> None:
        require(self.amount >= 0, "amount", self.amount, "a factor that is not negative")
        _probability("clean_probability", self.clean_probability)
        for field in dataclasses.fields(self):
            if isinstance(field.default, float) and field.name != "amount":
                _probability(field.name, getattr(self, field.name))
        _ordered("broken_fraction", self.broken_fraction)
        _ordered("small_per_target", self.small_per_target, 1e-3)


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
                _probability(field.name, getattr(self, field.name))
            else:
                _ordered(field.name, getattr(self, field.name), 1e-3)


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
