"""jaxpick: single-particle picking in cryo-EM micrographs, in JAX."""

__version__ = "0.1.0"
