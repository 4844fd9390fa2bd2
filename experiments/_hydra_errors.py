"""Mistakes of the user's, whoever notices them, in one sentence."""

import re
from collections.abc import Iterable

from experiments import _commandline as commandline
from jaxpick.io.files import InputError
from jaxpick.spec import SpecError

USER_ERRORS = (SpecError, InputError, OSError)
NO_CHOICE = "Config group override must be a string or a list"


def is_user_error(error: Exception) -> bool:
    """Return whether an error tells of a mistake of the user's, not of one of ours."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    is_told = isinstance(error, (*USER_ERRORS, HydraException, OmegaConfBaseException))
    return is_told or NO_CHOICE in str(error)


def is_lost_job(error: Exception) -> bool:
    """Return whether an error tells of a job that a scheduler could not take or did not bring to an end."""
    told = str(error)
    return type(error).__module__.startswith("submitit") or "srun" in told or "sbatch" in told


def sentence(error: Exception, known: Iterable[str]) -> str:
    """Say in one sentence what was wrong.

    Args:
        error: of the user's.
        known: dotted paths of all settings, of which the closest is named for one that is unknown.
    """
    text = " ".join(str(error).split())
    unknown = re.match(r"Could not override '([^']+)'", text)
    if unknown:
        return f"{unknown[1]}: unknown setting; {commandline.closest(unknown[1], known)}"
    absent = re.search(
        r"Could not find '(.+)/([^'/]+)' Available options in '\S+': (.*) Config search", text
    )
    if absent:
        expected = ", ".join(absent[3].split())
        if absent[1] == "hydra/launcher":
            return f"launcher: {absent[2]} is not installed; EXTRAS=sweeps sh setup.sh installs it"
        return f"{absent[1]}={absent[2]}: no such choice; expected one of {expected}"
    if NO_CHOICE in text:
        return "a group of choices cannot be null; leave it out, or name one of those in --help"
    ambiguous = re.match(r"Ambiguous value for argument '(.+?)=(.*?)' ", text)
    if ambiguous:
        return f"{ambiguous[1]}: expected one value, got {ambiguous[2]!r}; -m sweeps over several"
    if type(error).__name__ == "OverrideParseException":
        override = getattr(error, "override", "")
        return f"{override!r} cannot be read as key=value; quote text as key=\"'VALUE'\""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return text
