"""Template matching: views of a known particle, correlated with the micrograph at every angle.

The classical picker of FindEM (Roseman 2004, J Struct Biol 145:91) and RELION (Scheres 2015, J
Struct Biol 189:114), no weights. In its order: the micrograph at the working pixel, the simulator's
views of a structure, a map or a phantom, each turned in its plane by Fourier shears and filtered by
the micrograph's contrast transfer, the normalised correlation with all of them inside a mask, its
peaks. A pick's score is its correlation coefficient; the pose of its best template stands beside it.
"""

import dataclasses
from dataclasses import field
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxpick.io.optics import has_optics, read_optics
from jaxpick.io.specimens import SpecimensSpec, read_specimens
from jaxpick.numerics.normalised_correlation import disc_offsets
from jaxpick.numerics.rotate import rotate_all
from jaxpick.physics.ctf import Optics
from jaxpick.picking.known_optics import KnownOptics
from jaxpick.picking.template_picker import TemplateDecodeSpec, TemplatePicker, Templates
from jaxpick.preprocess.working import WorkingSpec
from jaxpick.simulate.bank import Bank, BankSpec, build_bank
from jaxpick.simulate.phantoms import PhantomSpec
from jaxpick.simulate.specimens import diameter_angstrom as particle_diameter
from jaxpick.spec import SpecError, require

NAME = "template"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """Settings of the template picker.

    Attributes:
        structure: PDB or mmCIF file of the particle; a glob gives several particles.
        map: density map of the particle, in place of a structure.
        phantom_seed: a procedural molecule, in place of both.
        num_views: directions on the sphere, of each particle.
        angular_step_deg: between turns in the plane; a divisor of 360.
        mask_diameters: diameter of the mask, in diameters given.
        defocus_angstrom: of all micrographs, underfocus positive; no contrast transfer if None.
        micrographs_star: RELION table with the optics of each micrograph, in place of these numbers.
        voltage_kv: acceleration voltage.
        spherical_aberration_mm: Cs.
        amplitude_contrast: Q.
        working: preprocessing.
        decode: correlation to picks.
    """

    structure: str | None = field(
        default=None, metadata={"help": "PDB or mmCIF file of the particle"}
    )
    map: str | None = field(
        default=None, metadata={"help": "density map of the particle, in place of a structure"}
    )
    phantom_seed: int | None = field(
        default=None, metadata={"help": "a procedural molecule, in place of both"}
    )
    num_views: int = field(default=32, metadata={"help": "directions on the sphere"})
    angular_step_deg: float = field(default=15.0, metadata={"help": "between turns in the plane"})
    mask_diameters: float = 1.0
    defocus_angstrom: float | None = field(
        default=None, metadata={"help": "of all micrographs, underfocus positive"}
    )
    micrographs_star: str | None = field(
        default=None, metadata={"help": "RELION table with the optics of each micrograph"}
    )
    voltage_kv: float = 300.0
    spherical_aberration_mm: float = 2.7
    amplitude_contrast: float = 0.1
    working: WorkingSpec = WorkingSpec(diameter_px=16.0, local_share=0.0)
    decode: TemplateDecodeSpec = TemplateDecodeSpec()

    def __post_init__(self) -> None:
        require(self.num_views >= 1, "num_views", self.num_views, "1 or more")
        step = self.angular_step_deg
        whole = 0 < step <= 360 and abs(360 / step - round(360 / step)) < 1e-6
        require(whole, "angular_step_deg", step, "a divisor of 360")
        mask = self.mask_diameters
        require(0 < mask <= 1.5, "mask_diameters", mask, "above 0, at most 1.5")
        require(self.voltage_kv > 0, "voltage_kv", self.voltage_kv, "above 0")
        contrast = self.amplitude_contrast
        require(0 <= contrast < 1, "amplitude_contrast", contrast, "0 to 1")
        twice = self.defocus_angstrom is not None and self.micrographs_star is not None
        expected = "left out, as micrographs_star is given"
        for name in ("voltage_kv", "spherical_aberration_mm", "amplitude_contrast"):
            value, default = getattr(self, name), type(self).__dataclass_fields__[name].default
            counts = self.defocus_angstrom is not None or value == default
            require(counts, name, value, f"{default:g}, as it counts with defocus_angstrom alone")
        require(not twice, "defocus_angstrom", self.defocus_angstrom, expected)


def with_optics_of(spec: Spec, micrographs: str) -> Spec:
    """Take the optics from the list of micrographs that are picked, where no others are given."""
    is_given = spec.defocus_angstrom is not None or spec.micrographs_star is not None
    if is_given or not has_optics(micrographs):
        return spec
    return dataclasses.replace(spec, micrographs_star=micrographs)


def make_picker(
    spec: Spec,
    params: Any,
    diameter_angstrom: float,
    decode: TemplateDecodeSpec | None = None,
    margin_angstrom: float = 0.0,
) -> TemplatePicker:
    """Return the picker; `params` is not looked at.

    Raises:
        SpecError: when no particle is given, or more than one kind of source.
        InputError: when a file cannot be read.
    """
    return TemplatePicker(
        name=NAME,
        templates=make_templates(spec, diameter_angstrom),
        optics=_optics(spec),
        working=spec.working,
        decode=decode or spec.decode,
        diameter_angstrom=diameter_angstrom,
        margin_angstrom=margin_angstrom,
    )


def make_templates(spec: Spec, diameter_angstrom: float) -> Templates:
    """Project the particle in all directions and turn the views by all angles."""
    pixel = diameter_angstrom / spec.working.diameter_px
    views = view_bank(spec, diameter_angstrom)
    angles = np.arange(0.0, 360.0, spec.angular_step_deg)
    flat = np.asarray(views.views, np.float32).reshape(-1, *views.views.shape[2:])
    euler = np.tile(np.asarray(views.euler_deg), (views.views.shape[0], 1))
    turned = rotate_all(
        jnp.repeat(jnp.asarray(flat), len(angles), axis=0),
        jnp.tile(jnp.asarray(angles, jnp.float32), len(flat)),
    )
    psi = np.tile(angles, len(flat))[:, None]
    return Templates(
        views=turned,
        euler_deg=np.hstack([np.repeat(euler, len(angles), axis=0), psi]),
        pixel_angstrom=pixel,
        offsets=disc_offsets(spec.mask_diameters * spec.working.diameter_px / 2),
    )


def view_bank(spec: Spec, diameter_angstrom: float) -> Bank:
    """Return views of the particle at the working pixel, in a box of two diameters.

    Raises:
        SpecError: when there is no particle, or it is far larger than the diameter.
        InputError: when a file cannot be read.
    """
    sources = {name: getattr(spec, name) for name in ("structure", "map", "phantom_seed")}
    given = {name: value for name, value in sources.items() if value is not None}
    if len(given) != 1:
        raise SpecError(
            "template: give one of template.structure=FILE, template.map=FILE and "
            f"template.phantom_seed=N, got {', '.join(given) or 'none'}"
        )
    particles = SpecimensSpec(
        num_phantoms=int(spec.phantom_seed is not None),
        phantom_seed=spec.phantom_seed or 0,
        phantoms=PhantomSpec(),
        structures=spec.structure,
        maps=spec.map,
    )
    specimens = read_specimens(particles)
    for one in specimens:
        own = particle_diameter(one)
        expected = f"at least half of the {own:.0f} angstrom of {one.name}"
        require(own < 1.8 * diameter_angstrom, "diameter", diameter_angstrom, expected)
    sampling = BankSpec(
        num_views=spec.num_views,
        box_px=2 * round(spec.working.diameter_px),
        pixel_angstrom=diameter_angstrom / spec.working.diameter_px,
        dtype="float32",
    )
    return build_bank(specimens, sampling)


def _optics(spec: Spec) -> KnownOptics:
    if spec.micrographs_star is not None:
        return read_optics(spec.micrographs_star)
    if spec.defocus_angstrom is None:
        return None
    return Optics(
        voltage_kv=spec.voltage_kv,
        defocus_u_angstrom=spec.defocus_angstrom,
        defocus_v_angstrom=spec.defocus_angstrom,
        spherical_aberration_mm=spec.spherical_aberration_mm,
        amplitude_contrast=spec.amplitude_contrast,
    )
