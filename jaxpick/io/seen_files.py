"""Whether a file is still the one that was used: size, time of the last change, samples of its content.

Size and time alone are fooled by a copy that keeps the time (`cp -p`, `rsync -t`) over a file of the
same size. Another image differs everywhere, and so in the samples, which are read faster than the
whole. Unnoticed remains only a file of the same size and time that differs between them alone.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

SAMPLES, SAMPLE_BYTES = 5, 4096


class SeenFile(NamedTuple):
    """A file as it was before it was read, and the pixel size in angstrom that goes before its own."""

    path: Path
    size: int
    time_ns: int
    pixel_size_angstrom: float | None = None

    def record(self) -> list[Any]:
        """Return what says later whether the file is still the same, as plain data.

        Raises:
            OSError: when it is gone.
        """
        return [self.size, self.time_ns, self.pixel_size_angstrom, samples_digest(self.path)]

    def is_recorded(self, record: Any) -> bool:
        """Return whether a record is of this file as it is; the content is looked at last."""
        *others, samples = record if isinstance(record, list) and record else [None]
        ours = [self.size, self.time_ns, self.pixel_size_angstrom]
        return others == ours and samples == samples_digest(self.path)


def see_file(path: Path | str, pixel_size_angstrom: float | None = None) -> SeenFile:
    """Look at a file before it is read, so that a change while it is read is noticed.

    Raises:
        OSError: when it is gone.
    """
    status = Path(path).stat()
    return SeenFile(Path(path), status.st_size, status.st_mtime_ns, pixel_size_angstrom)


def samples_digest(path: Path | str) -> str:
    """Return the SHA-256 of blocks from the beginning to the end of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb", buffering=0) as file:
        last = max(file.seek(0, 2) - SAMPLE_BYTES, 0)
        for index in range(SAMPLES):
            file.seek(last * index // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()
