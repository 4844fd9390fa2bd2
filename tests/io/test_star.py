"""STAR text: RELION's token rules, its two layouts, and agreement with an independent reader."""

import time

import gemmi
import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.star import (
    StarBlock,
    format_block,
    numbers,
    parse_star,
    read_star,
    split_tokens,
    write_star,
)


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("a  b\tc ", ["a", "b", "c"]),
        ("a#b # comment", ["a#b"]),
        ("'a b' c", ["a b", "c"]),
        ("\"it's\" it's", ["it's", "it's"]),
        ("'a'b' c", ["a'b", "c"]),
        ('"say \a" no" x', ['say " no', "x"]),
        ('"" x', ["", "x"]),
        ("# all of it", []),
        ('4.1 "#1" x', ["4.1", "#1", "x"]),
    ],
)
def test_tokens(line, tokens):
    assert split_tokens(line, "x.star") == tokens


def test_an_open_quote_is_refused():
    with pytest.raises(InputError, match=r"x\.star.*quote"):
        split_tokens("a 'b c", "x.star")


NASTY = [
    "plain",
    "two words",
    "",
    "it's",
    "'quoted'",
    'ends in "',
    'a "b" c',
    "#5",
    "_x",
    "data_x",
    "loop_",
    "a#b",
    "µ ü",
]


def test_any_value_survives_writing_and_reading(tmp_path):
    block = StarBlock(name="t", columns={"first": NASTY, "second": NASTY[::-1]})
    pairs = StarBlock(
        name="p", columns={f"l{i}": [value] for i, value in enumerate(NASTY)}, is_loop=False
    )
    write_star(tmp_path / "n.star", [pairs, block])
    assert read_star(tmp_path / "n.star") == [pairs, block]


def test_gemmi_reads_the_same_tables(tmp_path):
    rng = np.random.default_rng(0)
    columns = {f"rlnColumn{i}": [f"{v:.6f}" for v in rng.normal(size=50)] for i in range(5)}
    columns["rlnMicrographName"] = [f"Job/my mic{i}.mrc" for i in range(50)]
    optics = StarBlock(
        name="optics", columns={"rlnVoltage": ["300"], "rlnCs": ["2.7"]}, is_loop=False
    )
    write_star(tmp_path / "g.star", [optics, StarBlock(name="particles", columns=columns)])
    document = gemmi.cif.read(str(tmp_path / "g.star"))
    assert document[0].find_value("_rlnVoltage") == "300"
    for label, values in columns.items():
        assert [gemmi.cif.as_string(v) for v in document[1].find_loop(f"_{label}")] == values


RELION_31 = """
# version 30001

data_optics

loop_ 
_rlnOpticsGroupName #1 
_rlnOpticsGroup #2 
opticsGroup1            1 
 

# version 30001

data_particles

loop_ 
_rlnCoordinateX #1 
_rlnMicrographName #2 
  1614.000000 data_set/a.mrc 
  1234.000000 _odd.mrc
 
"""


def test_relion_layout_with_comments_and_paths_that_look_like_keywords():
    optics, particles = parse_star(RELION_31, "x.star")
    assert optics.columns["rlnOpticsGroupName"] == ["opticsGroup1"]
    assert particles.columns["rlnMicrographName"] == ["data_set/a.mrc", "_odd.mrc"]
    windows = parse_star(RELION_31.replace("\n", "\r\n"), "x.star")
    assert windows == [optics, particles]


def test_one_column_of_paths_and_an_empty_table():
    text = "data_\n\nloop_\n_rlnMicrographName #1\ndata_set/a.mrc\ndata_set/b.mrc\n\n"
    text += "data_none\nloop_\n_a\n_b\n"
    first, second = parse_star(text, "x.star")
    assert first.columns["rlnMicrographName"] == ["data_set/a.mrc", "data_set/b.mrc"]
    assert second.columns == {"a": [], "b": []} and len(second) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no data_ block"),
        ("hello\n", "before any data_ block"),
        ("data_\nloop_\n_a\n_b\n1 2\n1\n", "line 6 has 1 values"),
        ("data_\nloop_\n_a\n_b\n1 2 3\n", "line 5 has 3 values"),
        ("data_\nloop_\n_a\n_a\n1 2\n", "twice"),
        ("data_\nvalue\n", "expected loop_"),
        ("data_\nloop_\n1 2\n", "expected loop_"),
        ("a\0b", "binary"),
    ],
)
def test_malformed_files_are_refused_by_name(tmp_path, text, reason):
    (tmp_path / "bad.star").write_text(text)
    with pytest.raises(InputError, match=r"bad\.star") as caught:
        read_star(tmp_path / "bad.star")
    assert reason in str(caught.value)


def test_numbers_name_the_column_and_the_value():
    block = StarBlock(name="", columns={"x": ["1", "<NA>"], "y": ["1", "two"]})
    np.testing.assert_array_equal(numbers(block, "x", "f.star", missing=7.0), [1, 7])
    for label, value in (("x", "<NA>"), ("y", "two")):
        with pytest.raises(InputError, match=f"f.star: {label} is '{value}'"):
            numbers(block, label, "f.star")


def test_long_tables_take_no_time_even_with_quotes():
    rows = {f"c{i}": ["1.25"] * 5_000 for i in range(10)} | {"n": ["two words"] * 5_000}
    text = format_block(StarBlock(name="", columns=rows))
    start = time.process_time()
    assert parse_star(text, "x")[0].columns == rows
    # These take 0.1 s; time that grows with the square would be a minute.
    assert time.process_time() - start < 5
