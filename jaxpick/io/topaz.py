"""Topaz tables: tab-separated `image_name x_coord y_coord score`.

Convention (Topaz, utils/files.py and utils/conversions.py): image names without extension; centres,
0-based, no flip; pixels of the image that Topaz saw, which is a downsampled one unless its -x or -s
option scaled them back: give `scale` then. Topaz truncates fractions when it reads, so whole pixels
are written unless `subpixel`.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxpick.io import csv_table
from jaxpick.io.conventions import CoordinateOptions, exported, write_y
from jaxpick.io.files import write_text
from jaxpick.io.names import base_name
from jaxpick.io.nouns import Picks

read = csv_table.read


def write(path: Path, picks: Sequence[Picks], options: CoordinateOptions) -> None:
    """Write every micrograph into one table."""
    digits = ".4f" if options.subpixel else ".0f"
    lines = ["image_name\tx_coord\ty_coord\tscore"]
    for part in picks:
        name = base_name(part.micrograph)
        x, y = exported(part.x, options), exported(write_y(part, options), options)
        rows = zip(x.tolist(), y.tolist(), part.score.tolist(), strict=True)
        lines += [f"{name}\t{a:{digits}}\t{b:{digits}}\t{score:.9g}" for a, b, score in rows]
    write_text(path, "\n".join([*lines, ""]))
