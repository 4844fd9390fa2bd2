"""STAR tables as RELION reads and writes them.

A file is a sequence of blocks, each a loop (a table) or a list of label-value pairs. One line is
one row. Tokens are separated by blanks; `#` starts a comment only where a token starts; a token
that starts with ' or " runs to the same quote before a blank or the line's end, where a BEL
character escapes a quote; the empty value is "". There are no `;` text blocks. Reference: RELION 4,
strings.cpp, `nextTokenInSTAR` and `escapeStringForSTAR`.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxpick.io.files import InputError, write_text

MISSING = frozenset({"<na>", "na", "none", "null", "nan", ""})
_BEL = "\a"
_NEEDS_CARE = re.compile("['\"#\a]")
_NEEDS_ESCAPE = re.compile(r"[\x00-\x1f]|(?:^| )(?:['\"#_]|data_|loop_| |$)")
_TOKEN = re.compile(
    r"""[ \t]*(?:(?P<comment>\#.*)|"""
    r"""(?P<quote>["'])(?P<quoted>.*?)(?<!\a)(?P=quote)(?=[ \t]|$)|"""
    r"""(?P<plain>[^ \t]+))"""
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StarBlock:
    """One `data_` block: columns by label, without the leading underscore, as text.

    Attributes:
        name: what follows `data_`.
        columns: equally long lists; one value each if the block is a list of pairs.
        is_loop: a table, even with one row or none.
    """

    name: str
    columns: Mapping[str, list[str]]
    is_loop: bool = True

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))


def read_star(path: Path | str) -> list[StarBlock]:
    """Read every block of a STAR file, in order; names may repeat.

    Raises:
        InputError: when the file is missing, is not text, holds no block or has a malformed row.
    """
    text = read_text(path)
    blocks = parse_star(text, str(path))
    if not blocks:
        raise InputError(f"{path}: no data_ block in it; expected a STAR file")
    return blocks


def read_text(path: Path | str) -> str:
    """Read a text file, or say in one sentence why not."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if b"\0" in raw:
        raise InputError(f"{path}: holds binary data; expected a text file")
    return raw.decode("utf-8-sig", errors="surrogateescape")


def parse_star(text: str, source: str) -> list[StarBlock]:
    """Parse the text of a STAR file; `source` names it in messages."""
    parser = _Parser(source)
    lines = text.splitlines() if "\r" in text else text.split("\n")
    position = 0
    while position < len(lines):
        taken = parser.take_rows(lines, position)
        if not taken:
            parser.take(position + 1, lines[position])
            taken = 1
        position += taken
    parser.finish()
    return parser.blocks


class _Parser:
    """A line at a time: the current block, its labels and its rows."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.blocks: list[StarBlock] = []
        self._start(None)

    def _start(self, name: str | None) -> None:
        self.name, self.is_loop, self.after_blank = name, False, True
        self.labels: list[str] = []
        self.tokens: list[str] = []

    def finish(self) -> None:
        if self.name is None:
            return
        if len(set(self.labels)) < len(self.labels):
            raise InputError(f"{self.source}: data_{self.name} names a column twice")
        width = max(len(self.labels), 1)
        columns = {label: self.tokens[i::width] for i, label in enumerate(self.labels)}
        self.blocks.append(StarBlock(name=self.name, columns=columns, is_loop=self.is_loop))

    def take_rows(self, lines: list[str], start: int) -> int:
        """Take a run of rows at once, for speed; return how many lines that was."""
        if not (self.is_loop and self.tokens):
            return 0
        stop = start
        while (
            stop < len(lines)
            and lines[stop].strip()
            and not lines[stop].lstrip().startswith("data_")
        ):
            stop += 1
        rows = "\n".join(lines[start:stop])
        if _NEEDS_CARE.search(rows) or "loop_" in rows:
            for i in range(start, stop):
                self.take(i + 1, lines[i])
            return stop - start
        width = len(self.labels)
        for i in range(start, stop):
            if len(lines[i].split()) != width:
                self._check_row(i + 1, lines[i].split())
        self.tokens += rows.split()
        self.after_blank = self.after_blank and stop == start
        return stop - start

    def _check_row(self, number: int, row: list[str]) -> None:
        if len(row) != len(self.labels):
            raise InputError(
                f"{self.source}: line {number} has {len(row)} values, expected the "
                f"{len(self.labels)} of data_{self.name}: {' '.join(row)[:60]!r}"
            )

    def take(self, number: int, line: str) -> None:
        plain = not _NEEDS_CARE.search(line)
        tokens = line.split() if plain else split_tokens(line, f"{self.source}: line {number}")
        if not tokens:
            self.after_blank = True
            return
        self._take_tokens(number, tokens)
        self.after_blank = False

    def _take_tokens(self, number: int, tokens: list[str]) -> None:
        first = tokens[0]
        row_is_one_value = self.is_loop and len(self.labels) == 1 and not self.after_blank
        if first.startswith("data_") and len(tokens) == 1 and not row_is_one_value:
            self.finish()
            self._start(first[5:])
        elif self.name is None:
            raise InputError(
                f"{self.source}: line {number}: {first[:40]!r} stands before any data_ block"
            )
        elif first == "loop_" and len(tokens) == 1:
            if self.labels:
                name = self.name
                self.finish()
                self._start(name)
            self.is_loop = True
        elif first.startswith("_") and not (self.is_loop and self.tokens):
            self._take_label(first[1:], tokens[1:])
        elif self.is_loop and self.labels:
            self._check_row(number, tokens)
            self.tokens += tokens
        else:
            raise InputError(
                f"{self.source}: line {number}: expected loop_ or a _label, got {first[:40]!r}"
            )

    def _take_label(self, label: str, values: list[str]) -> None:
        self.labels.append(label)
        if not self.is_loop:
            self.tokens.append(values[0] if values else "")


def split_tokens(line: str, source: str) -> list[str]:
    """Split one line by the rules of RELION's tokeniser."""
    tokens, position, line = [], 0, line.rstrip()
    while position < len(line):
        found = _TOKEN.match(line, position)
        if found is None or found["comment"] is not None:
            break
        if found["plain"] is not None and found["plain"][0] in "'\"":
            raise InputError(f"{source}: a quote is never closed")
        tokens.append(
            found["plain"] if found["quote"] is None else found["quoted"].replace(_BEL, "")
        )
        position = found.end()
    return tokens


def write_star(path: Path | str, blocks: Sequence[StarBlock]) -> None:
    """Write blocks whole or not at all, in RELION's layout."""
    write_text(path, "".join(format_block(block) for block in blocks))


def format_block(block: StarBlock) -> str:
    """Return the text of one block."""
    if not block.is_loop:
        pairs = [f"_{label} {_escape(values[0])}" for label, values in block.columns.items()]
        return "\n".join(["", f"data_{block.name}", "", *pairs, "", ""])
    labels = [f"_{label} #{i}" for i, label in enumerate(block.columns, start=1)]
    columns = [_escape_column(values) for values in block.columns.values()]
    rows = [" ".join(row) for row in zip(*columns, strict=True)]
    return "\n".join(["", f"data_{block.name}", "", "loop_", *labels, *rows, "", ""])


def _escape_column(values: list[str]) -> list[str]:
    joined = " ".join(values)
    if _NEEDS_ESCAPE.search(joined) or len(joined.split()) != len(values):
        return [_escape(value) for value in values]
    return values


def _escape(value: str) -> str:
    if value == "":
        return '""'
    if re.search(r"[\x00-\x08\x0a-\x1f]", value):
        raise InputError(
            f"{value!r}: control characters and line ends cannot be written to a STAR file"
        )
    if (
        value[0] not in "'\"#_"
        and " " not in value
        and "\t" not in value
        and value[:5] not in ("data_", "loop_")
    ):
        return value
    return '"' + re.sub(r'"(?=[ \t]|$)', _BEL + '"', value) + '"'


def numbers(
    block: StarBlock, label: str, source: str, missing: float | None = None
) -> Float[np.ndarray, " row"]:
    """Return a column as float64; `<NA>`, `nan`, `none` and empty values become `missing`.

    Raises:
        InputError: on a value that is no number, or a missing one where `missing` is None.
    """
    values = block.columns[label]
    try:
        parsed = np.array(values, dtype=np.float64)
        if np.isfinite(parsed).all():
            return parsed
    except ValueError:
        pass
    return np.array([_number(value, label, source, missing) for value in values], dtype=np.float64)


def _number(value: str, label: str, source: str, missing: float | None) -> float:
    if missing is not None and value.strip().lower() in MISSING:
        return missing
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise InputError(f"{source}: {label} is {value!r}; expected a number")
    return number
