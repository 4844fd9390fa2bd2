"""Users' micrographs as surroundings of simulated particles: read, resampled, cut to the field.

Movies' sums hold counts, whose standard deviation over their mean is the contrast of the noise.
Normalised or 8-bit images have lost it: it is then given.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxpick.io.files import InputError
from jaxpick.io.micrographs import find_micrographs, list_pixel_sizes, read_micrograph
from jaxpick.numerics.fourier import fourier_crop
from jaxpick.simulate.backgrounds import Background, NoiseSpectrum, Surroundings, measure_spectrum
from jaxpick.simulate.priors import PixelAngstrom, Priors
from jaxpick.spec import SpecError, require

# Counts of an exposure deviate by less than this share of their mean at any usual pixel.
LARGEST_DEVIATION = 0.6


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackgroundSpec:
    """Real surroundings of the simulated particles; none by default.

    Attributes:
        micrographs: particle-free micrographs that particles are put on: file, folder or glob.
        spectrum: micrographs whose noise spectrum and grey values are taken instead.
        pixel_size: of these files in angstrom, in place of their headers'.
        deviation: standard deviation of their noise over the mean, for files without counts.
    """

    micrographs: str | None = None
    spectrum: str | None = None
    pixel_size: float | None = None
    deviation: float | None = None

    def __post_init__(self) -> None:
        both = self.micrographs is not None and self.spectrum is not None
        require(not both, "spectrum", self.spectrum, "nothing beside micrographs")
        for name in ("pixel_size", "deviation"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "a positive number")

    @property
    def pattern(self) -> str | None:
        """The files that are read; None where nothing is asked for."""
        return self.micrographs or self.spectrum


@dataclasses.dataclass(frozen=True, kw_only=True)
class RealSurroundings:
    """What was read: whole backgrounds to cut from, or one spectrum."""

    images: Sequence[Float[np.ndarray, "y x"]] = ()
    spectrum: NoiseSpectrum | None = None

    def at(self, seed: int, index: int, shape: tuple[int, int]) -> Surroundings:
        """Return the surroundings of one micrograph: a random window, turned and mirrored."""
        if self.spectrum is not None:
            return self.spectrum
        rng = np.random.default_rng([seed, index])
        image = self.images[int(rng.integers(len(self.images)))]
        image = np.rot90(image, 2 * int(rng.integers(2)))
        image = image[:, ::-1] if rng.random() < 0.5 else image
        top, left = (int(rng.integers(n - m + 1)) for n, m in zip(image.shape, shape, strict=True))
        return Background(image=jnp.asarray(image[top : top + shape[0], left : left + shape[1]]))


def read_surroundings(
    spec: BackgroundSpec, priors: Priors, shape: tuple[int, int]
) -> RealSurroundings | None:
    """Read what the spec names, at the simulated pixel; None where it names nothing.

    Raises:
        SpecError: when the priors do not fix the pixel, or ask for an SNR though the noise is given.
        InputError: when a file cannot be read, is coarser than the pixel, smaller than the field,
            or holds no counts and no deviation is given.
    """
    if spec.pattern is None:
        return None
    pixel_angstrom = _fixed_pixel(priors)
    listed = list_pixel_sizes(spec.pattern)
    images = []
    for path in find_micrographs(spec.pattern):
        given = spec.pixel_size or listed.get(path)
        images.append(_read(path, given, spec.deviation, pixel_angstrom))
        is_small = spec.micrographs is not None and any(
            n < m for n, m in zip(images[-1].shape, shape, strict=True)
        )
        if is_small:
            raise InputError(
                f"{path}: {images[-1].shape} pixels of {pixel_angstrom:g} angstrom; expected "
                f"{shape} or more to put particles on"
            )
    if spec.spectrum is not None:
        return RealSurroundings(spectrum=measure_spectrum(images))
    return RealSurroundings(images=images)


def _fixed_pixel(priors: Priors) -> float:
    """Return the one pixel that is simulated."""
    snr, pixel = priors.target_snr, priors.pixel
    require(snr is None, "priors.target_snr", snr, "none beside background, whose noise is given")
    if not isinstance(pixel, PixelAngstrom) or len(set(pixel.pixel_angstrom)) > 1:
        raise SpecError(
            f"priors.pixel: expected one pixel in angstrom beside background, got {pixel}"
        )
    return pixel.pixel_angstrom[0]


def _read(
    path: Path, given: float | None, deviation: float | None, pixel_angstrom: float
) -> Float[np.ndarray, "y x"]:
    """Return one micrograph at the simulated pixel, of mean 1."""
    micrograph = read_micrograph(path, given)
    own = micrograph.pixel_size_angstrom
    if own > 1.001 * pixel_angstrom:
        raise InputError(
            f"{path}: pixels of {own:g} angstrom; expected {pixel_angstrom:g} or finer, the "
            "simulated pixel"
        )
    shape = tuple(round(n * own / pixel_angstrom) for n in micrograph.image.shape)
    image = np.asarray(fourier_crop(jnp.asarray(micrograph.image), shape))
    mean, spread = float(image.mean()), float(image.std())
    if deviation is not None:
        return np.asarray(1.0 + deviation * (image - mean) / spread, np.float32)
    if spread > LARGEST_DEVIATION * mean:
        raise InputError(
            f"{path}: mean {mean:g} and standard deviation {spread:g} are not those of counts; "
            "expected simulator.background.deviation=SHARE beside it"
        )
    return np.asarray(image / mean, np.float32)
