"""Tables of a comparison: what cells say, what seeds do, what LaTeX needs escaped."""

import re

import numpy as np
import pytest

from jaxpick.evaluate.comparison_tables import (
    DETAILS,
    cell,
    details,
    latex,
    markdown,
    mean_and_spread,
    overview,
)


def row(name, method, seed=None, **figures):
    base = dict.fromkeys(figure for figure, _, _ in DETAILS)
    rest = {"micrographs": 3, "true": 40, "training_overlap": "none: x_1 left out"}
    return {"set": name, "method": method, "seed": seed, **base, **rest, **figures}


ROWS = [
    row("a_1", "unet", average_precision=0.8, f1=0.75, best_f1=0.76, parameters=259524),
    row("a_1", "topaz", 0, average_precision=0.5, f1=0.4, best_f1=0.6, training_seconds=90.0),
    row("a_1", "topaz", 1, average_precision=0.7, f1=0.6, best_f1=0.6, training_seconds=30.0),
    row("b", "unet", average_precision=0.9, f1=0.8, best_f1=0.8),
]


def test_seeds_give_their_mean_and_sample_deviation():
    mean, spread = mean_and_spread(ROWS[1:3], "average_precision")
    assert mean == pytest.approx(0.6)
    assert spread == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert cell(ROWS[1:3], "f1", 3) == "0.500 ± 0.141"
    assert cell(ROWS[:1], "f1", 3) == "0.750" and cell(ROWS[:1], "recall", 3) == "–"
    assert cell(ROWS[1:3], "training_seconds", 1) == "1.0 ± 0.7", "in minutes"


def test_methods_stand_against_sets_and_the_best_comes_first():
    heading, lines = overview(ROWS)
    assert heading == ["method", "a_1", "b"] and [line[0] for line in lines] == ["unet", "topaz"]
    assert lines[1][2] == "–"
    assert [line[0] for line in details(ROWS[:3])[1]] == ["unet", "topaz"]


def test_every_line_of_a_markdown_table_has_as_many_cells_as_its_heading():
    changed = {"set": "a_1", "method": "topaz", "figure": "f1", "difference": -0.25}
    changes = [{**changed, "low": -0.3, "high": -0.2, "is_clear": True}]
    text = markdown(ROWS, changes, {"a_1": "one | two", "b": "b"}, ["topaz on b: no file"], "how")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert "-0.250 [-0.300, -0.200] *" in text and "- topaz on b: no file" in text


def test_latex_has_a_line_a_method_with_signs_escaped():
    text = latex(ROWS, "95 % of a_1")
    assert "95 \\% of a\\_1" in text and "$\\pm$" in text and "±" not in text and "Å" not in text
    widths = {
        line.count("&") for line in text.splitlines() if line.endswith("\\\\") and "&" in line
    }
    assert widths == {len(DETAILS) - 1}
    assert text.count("{") == text.count("}")
