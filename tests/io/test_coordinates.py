"""Every coordinate format keeps an asymmetric pattern on a non-square micrograph where it was."""

import itertools

import numpy as np
import pytest

from jaxpick.io.coordinates import FORMATS, read_picks, write_picks
from jaxpick.io.nouns import make_picks

SHAPE = (300, 410)
# No symmetry of the rectangle maps this pattern onto itself.
X = np.array([12.0, 400.0, 33.0, 205.0, 150.0])
Y = np.array([7.0, 20.0, 290.0, 111.0, 60.0])
SCORE = np.array([0.9, 0.25, 0.5, 0.75, 0.125])
OPTIONS = {"micrograph_shape": SHAPE, "pixel_size_angstrom": 1.5}
WRITE = OPTIONS | {"box_size_px": 80, "diameter_angstrom": 120.0}
SCORED = {"star", "star30", "cbox", "box", "json", "topaz", "csv", "cs"}


def pattern(name="May08_03.05.02.mrc", **others):
    return make_picks(name, X, Y, SCORE, **others)


def ending(name):
    return FORMATS[name].suffixes[0] if FORMATS[name].write else FORMATS[name].ending


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FORMATS, FORMATS)))
def test_every_pair_of_formats_keeps_the_pattern(tmp_path, first, second):
    a = tmp_path / "a" / f"May08_03.05.02{ending(first)}"
    b = tmp_path / "b" / f"May08_03.05.02{ending(second)}"
    write_picks([pattern()], a, first, **WRITE)
    write_picks(read_picks(a, first, **OPTIONS), b, second, **WRITE)
    (back,) = read_picks(b, second, **OPTIONS)
    np.testing.assert_allclose(back.x, X, atol=1e-3)
    np.testing.assert_allclose(back.y, Y, atol=1e-3)
    if {first, second} <= SCORED:
        np.testing.assert_allclose(back.score, SCORE, rtol=1e-6)
    assert back.micrograph.removesuffix(".mrc") == "May08_03.05.02"


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"json"}))
def test_fractions_survive_where_asked_and_round_where_not(tmp_path, name):
    file = tmp_path / f"m{ending(name)}"
    x, y = np.array([10.7, 99.2]), np.array([20.4, 5.9])
    write_picks([make_picks("m.mrc", x, y)], file, name, subpixel=True, **WRITE)
    (back,) = read_picks(file, name, **OPTIONS)
    np.testing.assert_allclose([back.x, back.y], [x, y], atol=1e-3)
    if name in {"star", "star30", "box", "topaz"}:
        write_picks([make_picks("m.mrc", x, y)], file, name, **WRITE)
        (back,) = read_picks(file, name, **OPTIONS)
        np.testing.assert_array_equal([back.x, back.y], [[11, 99], [20, 6]])


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_folder_holds_one_file_a_micrograph(tmp_path, name):
    parts = [
        pattern("first.mrc"),
        make_picks("Micrographs/second.mrc", X[:2] + 1, Y[:2], SCORE[:2]),
    ]
    files = write_picks(parts, f"{tmp_path}/out/", name, **WRITE)
    assert [file.name for file in files] == [
        f"first{FORMATS[name].ending}",
        f"second{FORMATS[name].ending}",
    ]
    back = {
        p.micrograph.split("/")[-1].removesuffix(".mrc"): p
        for p in read_picks(tmp_path / "out", name, **OPTIONS)
    }
    np.testing.assert_allclose(back["first"].x, X, atol=1e-3)
    np.testing.assert_allclose(back["second"].x, X[:2] + 1, atol=1e-3)
    np.testing.assert_allclose(back["second"].y, Y[:2], atol=1e-3)


@pytest.mark.parametrize("name", sorted(name for name in FORMATS if FORMATS[name].write))
def test_a_table_keeps_micrographs_apart_and_interleaving_is_no_matter(tmp_path, name):
    parts = [pattern("b.mrc"), make_picks("a.mrc", Y, X[::-1] / 4, SCORE)]
    file = tmp_path / f"all{ending(name)}"
    write_picks(parts, file, name, **WRITE)
    back = read_picks(file, name, **OPTIONS)
    assert [p.micrograph.removesuffix(".mrc") for p in back] == ["b", "a"]
    np.testing.assert_allclose(back[0].y, Y, atol=1e-3)
    np.testing.assert_allclose(back[1].y, np.floor(X[::-1] / 4 + 0.5), atol=0.51)


@pytest.mark.parametrize("name", ["star", "box", "cbox", "json", "csv"])
def test_a_micrograph_without_particles_stays_one(tmp_path, name):
    write_picks(
        [make_picks("empty.mrc", np.zeros(0), np.zeros(0))], f"{tmp_path}/o/", name, **WRITE
    )
    (back,) = read_picks(tmp_path / "o", name)
    assert len(back) == 0


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_flip_y_is_its_own_inverse_and_moves_rows(tmp_path, name):
    file = tmp_path / f"m{ending(name)}"
    default = name in {"cs", "cryoppp"}
    write_picks([pattern("m.mrc")], file, name, flip_y=True, **WRITE)
    (same,) = read_picks(file, name, flip_y=True, **OPTIONS)
    np.testing.assert_allclose(same.y, Y, atol=1e-3)
    (flipped,) = read_picks(file, name, flip_y=False, **OPTIONS)
    np.testing.assert_allclose(flipped.y, (SHAPE[0] if default else SHAPE[0] - 1) - Y, atol=1e-3)
    np.testing.assert_allclose(flipped.x, X, atol=1e-3)


def test_shapes_are_found_whatever_the_names(tmp_path):
    shapes = {"m_01.mrc": SHAPE, "m_02.mrc": (9, 9)}
    write_picks(
        [pattern("J1/001234567890123456789_m_01.mrc")], tmp_path / "p.cs", micrograph_shape=shapes
    )
    table = np.load(tmp_path / "p.cs", allow_pickle=False)
    assert table["location/micrograph_shape"][0].tolist() == list(SHAPE)


def test_output_on_a_downsampled_image_scales_boxes_too(tmp_path):
    write_picks([pattern("m.mrc")], tmp_path / "m.cbox", scale=4.0, **WRITE | {"box_size_px": None})
    (small,) = read_picks(tmp_path / "m.cbox")
    np.testing.assert_allclose(small.x, X / 4)
    np.testing.assert_allclose(small.extra["box_width_px"], 20)
    (back,) = read_picks(tmp_path / "m.cbox", scale=4.0, pixel_size_angstrom=1.5)
    np.testing.assert_allclose(back.y, Y)
    np.testing.assert_allclose(back.diameter_angstrom, 120)


def test_scale_takes_downsampled_coordinates_to_the_micrograph(tmp_path):
    (tmp_path / "t.txt").write_text("image_name\tx_coord\ty_coord\tscore\nm\t10\t20\t-1.5\n")
    (picks,) = read_picks(tmp_path / "t.txt", scale=8.0)
    assert (picks.micrograph, picks.x[0], picks.y[0], picks.score[0]) == ("m", 80.0, 160.0, -1.5)
