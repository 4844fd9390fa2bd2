"""What microscope, ice and camera may be like, drawn anew for each micrograph; see `priors`."""

import dataclasses

from jaxpick.spec import require

Range = tuple[float, float]


def ordered(field: str, value: Range, low: float = 0.0) -> None:
    """Refuse a range that does not run upward from `low` or more."""
    expected = f"(low, high) with {low:g} <= low <= high"
    require(low <= value[0] <= value[1], field, value, expected)


def probability(field: str, value: float) -> None:
    """Refuse what is no probability."""
    require(0.0 <= value <= 1.0, field, value, "a probability between 0 and 1")


def paired(field: str, values: tuple[float, ...], weights: tuple[float, ...]) -> None:
    """Refuse weights that do not belong to the values."""
    holds = len(values) == len(weights) and min(weights) >= 0 and sum(weights) > 0
    require(holds, field, weights, f"{len(values)} weights that are not negative")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MicroscopePrior:
    """Beam, lens and exposure.

    `dose` (e/angstrom^2, log) is the exposure times DQE(0), which sets the noise; radiation damage
    follows it. The defocus is log-normal within its range. `filtered_probability`: an energy filter
    removes the inelastic pedestal. `tilt_probability`: the stage is tilted, about any axis, so that
    defocus runs over the field.
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
    tilt_probability: float = 0.0
    tilt_deg: Range = (10.0, 40.0)

    def __post_init__(self) -> None:
        for name in ("defocus_um", "low_defocus_um", "dose_e_per_angstrom2"):
            ordered(name, getattr(self, name), 0.001)
        for name in ("phase_shift_deg", "amplitude_contrast", "b_factor_angstrom2", "tilt_deg"):
            ordered(name, getattr(self, name))
        require(self.tilt_deg[1] < 75, "tilt_deg", self.tilt_deg, "less than 75 degrees")
        for name in ("low_defocus", "phase_plate", "drift", "filtered", "tilt"):
            probability(f"{name}_probability", getattr(self, f"{name}_probability"))
        paired("voltage_weights", self.voltage_kv, self.voltage_weights)
        paired(
            "spherical_aberration_weights",
            self.spherical_aberration_mm,
            self.spherical_aberration_weights,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class IcePrior:
    """Thickness and structure of the vitreous ice.

    `structure` (log): power of the structural noise as a multiple of the shot noise's. `gradient`:
    relative change of thickness over the field (plane and lens). `mottling`: relative amplitude of
    thickness noise with the given correlation length (log). `texture`: coarse structure of badly
    frozen ice, so many times the shot noise at 50 angstrom (log), falling off as f^-exponent.
    """

    thickness_median_angstrom: float = 350.0
    thickness_log_sd: float = 0.45
    thickness_angstrom: Range = (150.0, 1000.0)
    structure: Range = (0.05, 2.0)
    gradient: Range = (0.0, 0.5)
    mottling: Range = (0.0, 0.08)
    mottling_length_angstrom: Range = (300.0, 4000.0)
    texture_probability: float = 0.1
    texture: Range = (0.5, 3.0)
    texture_exponent: Range = (1.0, 3.0)

    def __post_init__(self) -> None:
        ordered("thickness_angstrom", self.thickness_angstrom, 1.0)
        ordered("structure", self.structure, 1e-6)
        ordered("texture", self.texture, 1e-6)
        ordered("texture_exponent", self.texture_exponent)
        probability("texture_probability", self.texture_probability)
        ordered("gradient", self.gradient)
        ordered("mottling", self.mottling)
        ordered("mottling_length_angstrom", self.mottling_length_angstrom, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorPrior:
    """Camera and illumination: fixed pattern, bad pixels, uneven beam, noise that is not white.

    `beam_edge`: the rim of the beam with its fringes crosses the field. `read_noise`: a camera that
    integrates charge or scanned film, with noise of its own (in that of the counts) and the
    transfer exp(-f / mtf_decay), f in cycles per pixel. `local_blur`: one side of the field moved
    (charging), damped by exp(-B f^2 / 4) (log). `scratch`: strokes of so many standard deviations
    of the noise. `exact_counts_below`: micrographs of fewer electrons a pixel follow the Poisson
    law itself, at twenty times the cost; about 30 is where its skew begins to show.
    """

    gain_residue: Range = (0.002, 0.02)
    gain_seam: Range = (0.002, 0.01)
    gain_probability: float = 0.3
    hot_pixel_fraction: Range = (1e-6, 1e-4)
    hot_pixel_sigma: Range = (5.0, 50.0)
    vignetting: Range = (0.0, 0.15)
    noise_dip: Range = (0.0, 0.2)
    noise_dip_probability: float = 0.3
    read_noise_probability: float = 0.1
    read_noise: Range = (0.1, 1.0)
    mtf_decay: Range = (0.3, 1.5)
    beam_edge_probability: float = 0.02
    dead_pixel_fraction: Range = (1e-6, 1e-4)
    scratch_probability: float = 0.015
    scratch_sigma: Range = (3.0, 20.0)
    scratch_width_px: Range = (1.0, 3.0)
    local_blur_probability: float = 0.05
    local_blur_b_factor_angstrom2: Range = (500.0, 4000.0)
    exact_counts_below: float = 0.0

    def __post_init__(self) -> None:
        for name in ("gain_seam", "hot_pixel_sigma", "vignetting", "noise_dip", "read_noise"):
            ordered(name, getattr(self, name))
        for name in ("gain_residue", "hot_pixel_fraction", "dead_pixel_fraction", "mtf_decay"):
            ordered(name, getattr(self, name), 1e-9)
        for name in ("scratch_sigma", "scratch_width_px", "local_blur_b_factor_angstrom2"):
            ordered(name, getattr(self, name), 1e-3)
        for name in ("gain", "read_noise", "noise_dip", "beam_edge", "scratch", "local_blur"):
            probability(f"{name}_probability", getattr(self, f"{name}_probability"))
        limit = self.exact_counts_below
        require(limit >= 0, "exact_counts_below", limit, "a number of electrons, 0 or more")
