"""The convert command: one input to many outputs and back, and what it says."""

import numpy as np
import pytest

from experiments.convert import ConvertSpec, run
from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import InputError
from jaxpick.io.micrographs import write_mrc
from jaxpick.io.nouns import make_picks

X, Y = np.array([4.0, 30.0, 11.0]), np.array([2.0, 5.0, 21.0])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "all.star"
    write_picks([make_picks(f"Job/{name}.mrc", X, Y) for name in "ab"], path)
    image = np.random.default_rng(0).normal(size=(24, 37))
    for name in "ac":
        write_mrc(tmp_path / "mic" / f"{name}.mrc", image, 1.5)
    return path


@pytest.mark.parametrize("name", ["star", "box", "json", "cbox", "csv", "topaz", "cryoppp", "cs"])
def test_one_to_many_and_back(tmp_path, table, name, capsys):
    shape, out = (24, 37), f"{tmp_path}/out_{name}/"
    spec = ConvertSpec(input=str(table), output=out, output_format=name, box_size=8, shape=shape)
    assert run(spec) == 0
    assert "6 coordinates of 2 micrographs: 2 files" in capsys.readouterr().out
    back = str(tmp_path / "back.csv")
    assert run(ConvertSpec(input=out, output=back, format=name, shape=shape)) == 0
    for part in read_picks(back):
        np.testing.assert_allclose([part.x, part.y], [X, Y], atol=1e-3)


def test_names_and_labels_that_do_not_fit_are_told(tmp_path, table, capsys):
    write_picks([make_picks("a.mrc", X + 10, Y), make_picks("b.mrc", X, Y)], tmp_path / "off.csv")
    spec = {"input": str(tmp_path / "off.csv"), "micrographs": str(tmp_path / "mic")}
    assert run(ConvertSpec(**spec, output=str(tmp_path / "o.star"))) == 1
    said = capsys.readouterr().out
    assert "1 coordinates fit none of the micrographs: b.mrc" in said and "c.mrc" in said
    assert "1 coordinates lie off their micrograph (written too)" in said
    kept = read_picks(tmp_path / "o.star")
    assert [len(part) for part in kept] == [3, 3]
    assert run(ConvertSpec(**spec, output=str(tmp_path / "o.star"), drop_outside=True)) == 1
    assert [len(part) for part in read_picks(tmp_path / "o.star")] == [2, 3]


def test_the_pixel_size_of_the_headers_sizes_the_boxes(tmp_path, table):
    write_picks([make_picks("a.mrc", X, Y)], tmp_path / "a.csv")
    spec = ConvertSpec(
        input=str(tmp_path / "a.csv"), output=f"{tmp_path}/b/", output_format="box",
        diameter=12.0, micrographs=str(tmp_path / "mic" / "a.mrc"),
    )  # fmt: skip
    assert run(spec) == 0
    assert (tmp_path / "b" / "a.box").read_text().split()[:4] == ["0", "-2", "8", "8"]


def test_nothing_to_convert_is_an_error(tmp_path):
    (tmp_path / "none.csv").write_text("micrograph,x,y\n")
    with pytest.raises(InputError, match=r"none\.csv: has no coordinates"):
        run(ConvertSpec(input=str(tmp_path / "none.csv"), output=str(tmp_path / "o.star")))
