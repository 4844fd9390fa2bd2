"""How large contaminants are and how many there are of each, where there are any; see `priors`.

From simulator notes that follow Noble et al. 2018 and practice. Lengths are in angstrom; sizes are
bounded by the field and by the target's diameter as each painter says.
"""

import dataclasses

from jaxpick.simulate.instrument_priors import Range, ordered
from jaxpick.simulate.planes import INSTANCES_PER_CLASS
from jaxpick.spec import require

Count = tuple[int, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContaminantRanges:
    """Sizes and numbers of contaminants; numbers run from the fewest to the most, both included.

    Log: `ice_crystal_diameter`, `ice_crystal_thickness`, `ethane_length` (of correlation),
    `film_correlation`, `hole_radius`, `gold_grain`, `num_gold_beads`, `denatured_length`,
    `filament_width`, `filament_persistence` (in widths: thin chains are floppy, thick ones stiff),
    `vesicle_diameter`, `lipoprotein_diameter`, `coil_density`, `coil_layer` (its thickness),
    `num_micelles`, `aggregate_members`. `film_roughness` is the deviation of a hole's edge,
    `bilayer` the distance between the leaflets of a vesicle, `coil_radius` that of gyration.
    Aggregates have as many members as there are slots for.
    """

    num_ice_crystals: Count = (1, 8)
    ice_crystal_diameter_angstrom: Range = (150.0, 3000.0)
    ice_crystal_thickness_angstrom: Range = (100.0, 1500.0)
    ethane_length_angstrom: Range = (80.0, 400.0)
    ethane_thickness_angstrom: Range = (50.0, 300.0)
    hole_radius_angstrom: Range = (4000.0, 12000.0)
    film_roughness_angstrom: Range = (20.0, 80.0)
    film_correlation_angstrom: Range = (200.0, 800.0)
    carbon_thickness_angstrom: Range = (80.0, 300.0)
    gold_grain_angstrom: Range = (50.0, 400.0)
    num_gold_beads: Count = (1, 30)
    gold_bead_diameters_angstrom: tuple[float, ...] = (50.0, 60.0, 100.0, 150.0)
    denatured_length_angstrom: Range = (30.0, 120.0)
    denatured_thickness_angstrom: Range = (10.0, 40.0)
    num_filaments: Count = (1, 3)
    filament_width_angstrom: Range = (20.0, 250.0)
    filament_persistence: Range = (25.0, 400.0)
    num_vesicles: Count = (1, 3)
    vesicle_diameter_angstrom: Range = (200.0, 3000.0)
    bilayer_angstrom: Range = (35.0, 45.0)
    num_micelles: Count = (1, 64)
    micelle_diameter_angstrom: Range = (40.0, 60.0)
    num_lipoproteins: Count = (1, 8)
    lipoprotein_diameter_angstrom: Range = (70.0, 250.0)
    coil_radius_angstrom: Range = (20.0, 80.0)
    coil_density_g_per_ml: Range = (0.02, 0.3)
    coil_layer_angstrom: Range = (40.0, 160.0)
    num_aggregates: Count = (1, 6)
    aggregate_members: Count = (3, 60)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "gold_bead_diameters_angstrom":
                require(len(value) > 0 and min(value) > 0, field.name, value, "positive lengths")
            elif field.name.startswith("num_"):
                expected = f"(fewest, most) with 1 <= fewest <= most <= {INSTANCES_PER_CLASS}"
                holds = 1 <= value[0] <= value[1] <= INSTANCES_PER_CLASS
                require(holds, field.name, value, expected)
            elif field.name == "aggregate_members":
                require(2 <= value[0] <= value[1], field.name, value, "(fewest, most) from 2")
            else:
                ordered(field.name, value, 1e-3)
