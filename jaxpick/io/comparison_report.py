"""The comparison's report: one self-contained HTML page of tables, curves and pictures to leaf through.

On every micrograph each method has a picture of its own: right picks, wrong ones, particles missed;
a last picture shows which picks the methods share. A picture's pixels stand in the page once.
"""

import base64
import dataclasses
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

from jaxpick.io.comparison_page import PAGE
from jaxpick.io.files import write_text

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
LEGEND = (
    '<p class="legend"><span><i style="color:#2ee6a0"></i>right pick</span>'
    '<span><i style="color:#ff4fb0;border-style:dashed"></i>wrong pick</span>'
    '<span><i class="cross">+</i> particle missed</span>In the last picture: '
    '<span><i style="color:#2ee6a0"></i>picked by all</span>'
    '<span><i style="color:#58b7ff"></i>by some</span>'
    '<span><i style="color:#ff4fb0"></i>by one alone</span>'
    '<span><i class="cross">+</i> particle by none</span></p>'
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """Picks of one method in one micrograph, (x, y) in its pixels.

    Attributes:
        method: its name.
        picks: above its threshold.
        is_hit: which of them found a particle.
        missed: particles that none of them found.
        votes: whether it counts in the last picture; a consensus of the others does not.
    """

    method: str
    picks: Float[np.ndarray, "pick 2"]
    is_hit: Bool[np.ndarray, " pick"]
    missed: Float[np.ndarray, "truth 2"]
    votes: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaf:
    """One micrograph with the picks of all methods.

    Attributes:
        name: of the micrograph.
        picture: JPEG file.
        scale: picture pixels per micrograph pixel.
        radius_px: of the circles, in micrograph pixels.
        truth: particles, (x, y).
        methods: what each picked.
    """

    name: str
    picture: Path
    scale: float
    radius_px: float
    truth: Float[np.ndarray, "truth 2"]
    methods: Sequence[Shown]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """One set: its table, its figures as SVG (curves first) and its micrographs."""

    name: str
    about: str
    table: Table
    figures: Sequence[str]
    leaves: Sequence[Leaf]


def write_comparison_report(
    path: Path | str,
    heading: Sequence[str],
    overview: Table,
    figures: Sequence[str],
    sections: Sequence[Section],
    overlap: Table,
    failures: Sequence[str],
    settings: Mapping[str, object],
) -> None:
    """Write `report.html`.

    Args:
        path: file to write.
        heading: paragraphs under the title.
        overview: table of methods against sets.
        figures: SVG under it.
        sections: one a set.
        overlap: what training and test data share.
        failures: a sentence each.
        settings: shown as a table; what is None or empty is left out.
    """
    shown = [[k, _shown(v)] for k, v in settings.items() if v not in (None, {}, [])]
    body = [
        "<h1>Comparison of picking methods</h1>",
        *(f"<p>{html.escape(text)}</p>" for text in heading),
        _failures(failures),
        "<h2>All sets: average precision, F1 (best F1)</h2>",
        table_html(overview),
        f'<div class="figures">{"".join(figures)}</div>',
        *(_section(section, number) for number, section in enumerate(sections)),
        "<h2>What training and test data share</h2>",
        table_html(overlap, "words"),
        "<h2>Settings</h2>",
        table_html((["setting", "value"], shown), "words"),
    ]
    write_text(path, PAGE.replace("BODY", "\n".join(body)))


def table_html(table: Table, kind: str = "") -> str:
    """Return a table; the first column is its rows' name."""
    heading, lines = table
    # Names of sets are long and may break at their underscores.
    head = "".join(f"<th>{html.escape(text).replace('_', '_<wbr>')}</th>" for text in heading)
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in line)}</tr>" for line in lines
    )
    return f'<div class="scroll"><table class="{kind}"><tr>{head}</tr>{rows}</table></div>'


def shared_picks(
    methods: Sequence[Shown], radius_px: float
) -> tuple[Float[np.ndarray, "place 2"], list[set[int]]]:
    """Return the places that are picked and which methods pick each.

    Methods are taken in order: a pick joins the nearest place within the radius that has none of
    its method's, or makes a new one.
    """
    places, who = np.zeros((0, 2)), list[set[int]]()
    for number, method in enumerate(methods):
        new = []
        for pick in method.picks:
            distance = np.hypot(*(places - pick).T)
            free = [i for i in np.argsort(distance) if distance[i] <= radius_px]
            joined = next((i for i in free if number not in who[i]), None)
            if joined is None:
                new.append(pick)
            else:
                who[joined].add(number)
        places = np.concatenate([places, np.asarray(new).reshape(-1, 2)])
        who += [{number} for _ in new]
    return places, who


def _section(section: Section, number: int) -> str:
    name = html.escape(section.name)
    parts = [f"<h2>{name}</h2><p>{html.escape(section.about)}</p>", table_html(section.table)]
    curves, *others = section.figures
    parts.append(f'<div class="figures">{curves}<div>{"".join(others)}</div></div>')
    if section.leaves:
        leaves = [_leaf(leaf, f"p{number}-{i}", i == 0) for i, leaf in enumerate(section.leaves)]
        parts.append(
            f'<div class="book" tabindex="0"><h3>Picks in {name}</h3><div class="bar">'
            f"<button>previous</button><button>next</button><output>{name}</output></div>"
            f"{LEGEND}{''.join(leaves)}</div>"
        )
    return "".join(parts)


def _leaf(leaf: Leaf, key: str, is_first: bool) -> str:
    data = leaf.picture.read_bytes()
    width, height = Image.open(io.BytesIO(data)).size
    source = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    store = (
        f'<svg class="store"><defs><image id="{key}" width="{width}" height="{height}"'
        f' href="{source}"/></defs></svg>'
    )
    frame = f'<svg viewBox="0 0 {width} {height}"><use href="#{key}"/>'
    figures = [
        f"<figure>{frame}{_verdicts(leaf, one)}</svg><figcaption><b>{html.escape(one.method)}</b> · "
        f"{len(one.picks)} picks: {int(one.is_hit.sum())} right, {int((~one.is_hit).sum())} wrong · "
        f"{len(one.missed)} missed</figcaption></figure>"
        for one in leaf.methods
    ]
    marks, caption = _agreement(leaf)
    figures.append(f"<figure>{frame}{marks}</svg><figcaption>{caption}</figcaption></figure>")
    name = html.escape(leaf.name)
    on = " on" if is_first else ""
    return f'{store}<div class="leaf{on}" data-name="{name}">{"".join(figures)}</div>'


def _verdicts(leaf: Leaf, one: Shown) -> str:
    hits, wrong = (_circles(leaf, one.picks[keep]) for keep in (one.is_hit, ~one.is_hit))
    return (
        f'<path class="hit" d="{hits}"/><path class="false" d="{wrong}"/>'
        f'<path class="missed" d="{_crosses(leaf, one.missed)}"/>'
    )


def _agreement(leaf: Leaf) -> tuple[str, str]:
    """Return the marks of the last picture and its caption."""
    voters = [one for one in leaf.methods if one.votes]
    places, who = shared_picks(voters, leaf.radius_px)
    votes, everyone = np.asarray([len(w) for w in who], np.int64), len(voters)
    kinds = {"all": votes == everyone, "some": (votes > 1) & (votes < everyone), "one": votes == 1}
    if everyone == 1:
        kinds["one"] = np.zeros(len(votes), bool)
    marks = [
        f'<path class="{kind}" d="{_circles(leaf, places[keep])}"/>' for kind, keep in kinds.items()
    ]
    lost = [set(map(tuple, one.missed.tolist())) for one in voters]
    nobody = np.asarray(sorted(set.intersection(*lost)) if lost else [], np.float64)
    marks.append(f'<path class="missed" d="{_crosses(leaf, nobody.reshape(-1, 2))}"/>')
    counts = {kind: int(keep.sum()) for kind, keep in kinds.items()}
    caption = (
        f"<b>agreement</b> · places picked by all {counts['all']}, by some {counts['some']}, "
        f"by one alone {counts['one']} · {len(nobody)} of {len(leaf.truth)} particles by none"
    )
    return "".join(marks), caption


def _circles(leaf: Leaf, points: Float[np.ndarray, "point 2"]) -> str:
    """Return circles as one path: a tenth of the text of as many elements."""
    radius = leaf.radius_px * leaf.scale
    arcs = f"a{radius:.1f} {radius:.1f} 0 1 0 {2 * radius:.1f} 0a{radius:.1f} {radius:.1f} 0 1 0"
    return "".join(
        f"M{x - radius:.1f} {y:.1f}{arcs} {-2 * radius:.1f} 0" for x, y in points * leaf.scale
    )


def _crosses(leaf: Leaf, points: Float[np.ndarray, "point 2"]) -> str:
    return "".join(
        f"M{x - 8:.1f} {y:.1f}h16M{x:.1f} {y - 8:.1f}v16" for x, y in points * leaf.scale
    )


def _failures(failures: Sequence[str]) -> str:
    if not failures:
        return ""
    items = "".join(f"<li>{html.escape(failure)}</li>" for failure in failures)
    return f'<div class="failures"><p>Failed:</p><ul>{items}</ul></div>'


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
