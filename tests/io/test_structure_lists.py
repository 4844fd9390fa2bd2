"""PARSED's list of structures: as published, and as far as a user has the files."""

import os
import re
from pathlib import Path

import pytest

from jaxpick.io.files import InputError
from jaxpick.io.specimens import SpecimensSpec, read_specimens
from jaxpick.io.structure_lists import LISTS, listed_codes
from jaxpick.io.structures import find_structures

LIST = "parsed_table_s1"
# One glycine: enough of a molecule to be read.
PDB = """\
ATOM      1  N   GLY A   1      {x:6.3f}   0.000   0.000  1.00  0.00           N
ATOM      2  CA  GLY A   1       8.000   0.000   0.000  1.00  0.00           C
ATOM      3  C   GLY A   1      16.000   9.000   0.000  1.00  0.00           C
END
"""


def write(folder, *names):
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PDB.format(x=0.1 * i))


def test_the_list_has_400_different_codes():
    codes = listed_codes(LIST)
    assert LIST in LISTS and len(codes) == len(set(codes)) == 400
    assert all(re.fullmatch("[0-9][0-9A-Z]{3}", code) for code in codes)
    assert (codes[0], codes[-1]) == ("2XD8", "6FBS")


def test_the_list_is_that_of_the_supplement():
    """Where the paper's text is at hand, every code of its table and no other."""
    data = os.environ.get("JAXPICK_DATA")
    paper = Path(data or ".").parent / "papers" / "parsed_supplement.txt"
    if not paper.is_file():
        pytest.skip("needs papers/parsed_supplement.txt beside JAXPICK_DATA")
    text = paper.read_text(encoding="utf-8")
    table = text[text.index("Table S1. PDB codes") : text.index("Fig. S2.")].split("\n", 1)[1]
    assert tuple(table.split()) == listed_codes(LIST)


def test_what_is_there_is_found_in_the_order_of_the_list(tmp_path):
    write(tmp_path, "3iyl.cif", "xd/pdb2xd8.ent", "3IYJ.pdb", "3iyj.cif", "1abc.pdb", "readme.txt")
    told = []
    found = find_structures(f"{LIST}:{tmp_path}", told.append)
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "xd/pdb2xd8.ent",
        "3iyj.cif",
        "3iyl.cif",
    ]
    assert told == [f"397 of 400 structures of {LIST} are missing, first 3J26"]


def test_structures_of_a_simulation_may_be_a_list_and_a_folder(tmp_path):
    write(tmp_path, "6FBS.pdb", "2XD8.pdb", "1ABC.pdb")
    told = []
    spec = SpecimensSpec(num_phantoms=0, structures=f"{LIST}:{tmp_path}", exclude=("6fbs",))
    assert [s.name for s in read_specimens(spec, told.append)] == ["2XD8"]
    assert told == [f"398 of 400 structures of {LIST} are missing, first 3IYJ"]


def test_a_folder_without_any_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"none of the 400 structures .* \(first: 2XD8\)"):
        find_structures(f"{LIST}:{tmp_path}")
    with pytest.raises(InputError, match="nowhere: no such folder"):
        find_structures(f"{LIST}:{tmp_path}/nowhere")
    with pytest.raises(InputError, match=f"expected {LIST}"):
        listed_codes("table_s9")
