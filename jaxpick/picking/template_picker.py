"""Template picking: the best normalised correlation with views of the particle, its peaks, their poses."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxpick.numerics.fourier import filter_image
from jaxpick.numerics.grids import frequency_grid
from jaxpick.numerics.normalised_correlation import (
    Offsets,
    best_correlation,
    correlation_at,
    normalised_templates,
)
from jaxpick.physics.ctf import Optics, contrast_transfer
from jaxpick.picking.known_optics import KnownOptics, optics_of
from jaxpick.picking.method_picker import Found, MethodPicker
from jaxpick.picking.suppression import refine_peaks, suppress_complete
from jaxpick.picking.tiles import pad_to_step
from jaxpick.preprocess.working import WorkingImage, WorkingSpec
from jaxpick.spec import require
from jaxpick.typing import HostImage


@dataclasses.dataclass(frozen=True, kw_only=True)
class TemplateDecodeSpec:
    """Which peaks of the correlation are picks.

    Attributes:
        threshold: correlation of a pick. White noise stays below 0.4 in a mask of 200 pixels; low-pass
            filtered or denoised micrographs correlate more by chance and need a higher one.
        candidate_threshold: lowest correlation that is kept for later.
        distance_diameters: least distance of two picks, in diameters.
    """

    threshold: float = 0.4
    candidate_threshold: float = 0.15
    distance_diameters: float = 0.6

    def __post_init__(self) -> None:
        threshold, candidate = self.threshold, self.candidate_threshold
        require(0 < threshold < 1, "threshold", threshold, "0 to 1")
        expected = "above 0, at most threshold"
        require(0 < candidate <= threshold, "candidate_threshold", candidate, expected)
        distance = self.distance_diameters
        require(0 < distance <= 2, "distance_diameters", distance, "above 0, at most 2")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Templates:
    """Views of the particle at the working pixel, before any optics.

    Attributes:
        views: projected potential, each turned in its plane.
        euler_deg: RELION rot, tilt and psi of each.
        pixel_angstrom: of the views: the working pixel.
        offsets: (y, x) of the mask's pixels.
    """

    views: Float[Array, "template box box"]
    euler_deg: Float[np.ndarray, "template 3"]
    pixel_angstrom: float
    offsets: Offsets


@dataclasses.dataclass(frozen=True, kw_only=True)
class TemplatePicker(MethodPicker):
    """A template picker.

    Attributes:
        templates: views of the particle.
        optics: the microscope's state; None for contrast that keeps its sign at all frequencies
            (protein dark).
    """

    working: WorkingSpec
    decode: TemplateDecodeSpec
    templates: Templates
    optics: KnownOptics

    def find(self, working: WorkingImage) -> Found:
        """Return all peaks with the pose of their best template.

        Raises:
            InputError: when the micrograph's optics are not known.
        """
        templates = self.filtered(working.micrograph)
        image = np.asarray(working.image)
        score_map = self.score_map(image, templates)
        diameter_px = self.diameter_angstrom / self.templates.pixel_angstrom
        distance_px = self.decode.distance_diameters * diameter_px
        lowest = self.decode.candidate_threshold
        centre_yx, score = suppress_complete(score_map, distance_px, lowest)
        offsets = self.templates.offsets
        best = correlation_at(image, centre_yx.astype(np.int64), templates, offsets)
        y, x = refine_peaks(score_map, centre_yx).T
        return Found(y, x, score, extra=_pose_columns(self.templates.euler_deg[best]))

    def score_map(
        self, image: HostImage, templates: Float[Array, "template pixel"]
    ) -> Float[Array, "padded_y padded_x"]:
        """Return the best correlation of every working pixel, 0 in the padding after the last."""
        scored = best_correlation(pad_to_step(image), templates, self.templates.offsets)
        return jnp.asarray(pad_to_step(scored[: image.shape[0], : image.shape[1]]))

    def filtered(self, micrograph: str) -> Float[Array, "template pixel"]:
        """Return the templates as this micrograph's optics image them, normalised in the mask."""
        optics, templates = optics_of(self.optics, micrograph), self.templates
        if optics is None:
            return normalised_templates(-templates.views, templates.offsets)
        images = imaged(templates.views, templates.pixel_angstrom, optics)
        return normalised_templates(images, templates.offsets)


@partial(jax.jit, static_argnames="pixel_angstrom")
def imaged(
    views: Float[Array, "template box box"], pixel_angstrom: float, optics: Optics
) -> Float[Array, "template box box"]:
    """Apply the contrast transfer to projected potentials."""
    fy, fx = frequency_grid(views.shape[1:], pixel_angstrom)
    transfer = contrast_transfer(optics, fy, fx)
    return jax.vmap(lambda view: filter_image(view, transfer))(views)


def _pose_columns(euler_deg: Float[np.ndarray, "pick 3"]) -> dict[str, np.ndarray]:
    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    return {label: euler_deg[:, i].astype(np.float64) for i, label in enumerate(labels)}
