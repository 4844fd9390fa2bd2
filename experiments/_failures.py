"""What fails among many things is told and listed, and the others go on."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator

from jaxpick.io.files import OutputError


@contextlib.contextmanager
def listed(failures: list[str], what: str) -> Iterator[None]:
    """List what fails, whatever it is, and go on."""
    try:
        yield
    except OutputError:  # of which the others would fail, too
        raise
    except Exception as error:
        if os.environ.get("JAXPICK_TRACEBACK"):
            traceback.print_exc()
        failures.append(f"{what}: {' '.join(str(error).split()) or type(error).__name__}")
        print(f"failed: {failures[-1]}", file=sys.stderr)
