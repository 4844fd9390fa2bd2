"""Each format's convention, by files written by hand after their programs, and by real ones."""

import json

import numpy as np
import pytest

from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.files import InputError
from jaxpick.io.nouns import make_picks
from jaxpick.io.relion import write_coordinate_list
from jaxpick.io.star import read_star

PARTICLES_31 = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnImagePixelSize #3
_rlnMicrographPixelSize #4
1 first 3.54 1.77
2 second 1.0 0.885

# version 30001

data_particles

loop_
_rlnCoordinateX #1
_rlnCoordinateY #2
_rlnMicrographName #3
_rlnOpticsGroup #4
_rlnOriginXAngst #5
_rlnOriginYAngst #6
_rlnAngleRot #7
_rlnImageName #8
100.0 200.0 Job/b.mrc 2 8.85 -1.77 45.5 000001@s.mrcs
10.5 20.25 Job/a.mrc 1 3.54 0.0 -5.0 000002@s.mrcs
101.0 201.0 Job/b.mrc 2 0.0 0.0 0.0 000003@s.mrcs

"""


def write(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_relion_particles_keep_groups_pixel_sizes_and_other_columns(tmp_path):
    b, a = read_picks(write(tmp_path, "p.star", PARTICLES_31))
    assert (b.micrograph, a.micrograph) == ("Job/b.mrc", "Job/a.mrc")
    assert (b.pixel_size_angstrom, a.pixel_size_angstrom) == (0.885, 1.77)
    np.testing.assert_array_equal([b.x, b.y], [[100, 101], [200, 201]])
    assert (a.x[0], a.y[0], a.score[0]) == (10.5, 20.25, 1.0)
    write_picks([b, a], tmp_path / "q.star", subpixel=True, optics={"rlnVoltage": 300.0})
    optics, particles = read_star(tmp_path / "q.star")
    assert optics.columns["rlnMicrographPixelSize"] == ["0.885", "1.77"]
    assert optics.columns["rlnVoltage"] == ["300", "300"]
    assert particles.columns["rlnAngleRot"] == ["45.5", "0", "-5"]
    assert particles.columns["rlnImageName"] == ["000001@s.mrcs", "000003@s.mrcs", "000002@s.mrcs"]
    assert particles.columns["rlnOpticsGroup"] == ["1", "1", "2"]


def test_relion_origins_move_picks_only_when_asked(tmp_path):
    b, a = read_picks(write(tmp_path, "p.star", PARTICLES_31), apply_origins=True)
    np.testing.assert_allclose([b.x, b.y], [[90, 101], [202, 201]])
    np.testing.assert_allclose([a.x[0], a.y[0]], [8.5, 20.25])
    assert "rlnOriginXAngst" not in b.extra
    with pytest.raises(InputError, match=r"n\.star.*no refined origins"):
        bare = write(tmp_path, "n.star", "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 2\n")
        read_picks(bare, apply_origins=True)


def test_relion_before_31(tmp_path):
    rows = "1 2 m.mrc 5.0 50000 0.5 -1.5\n"
    head = "".join(f"_rlnCoordinate{axis}\n" for axis in "XY") + "_rlnMicrographName\n"
    head += "_rlnDetectorPixelSize\n_rlnMagnification\n_rlnOriginX\n_rlnOriginY\n"
    path = write(tmp_path, "old.star", f"data_images\n\nloop_\n{head}{rows}\n")
    (picks,) = read_picks(path, apply_origins=True)
    assert (picks.x[0], picks.y[0], picks.pixel_size_angstrom) == (0.5, 3.5, None)
    # 5 um / 50000 is 1.0 angstrom, which stands for unknown; 50 % more is a pixel size.
    (picks,) = read_picks(write(tmp_path, "o.star", path.read_text().replace("5.0 5", "7.5 5")))
    assert picks.pixel_size_angstrom == 1.5
    write_picks([picks], tmp_path / "again.star", "star30")
    (block,) = read_star(tmp_path / "again.star")
    assert float(block.columns["rlnDetectorPixelSize"][0]) == 1.5
    assert read_picks(tmp_path / "again.star")[0].pixel_size_angstrom == 1.5


def test_relion_micrograph_files_are_named_by_their_file_and_listed(tmp_path):
    folder = tmp_path / "AutoPick" / "job004"
    picks = make_picks("MotionCorr/m_01.mrc", np.array([3.4]), np.array([8.6]), np.array([2.5]))
    (file,) = write_picks([picks], f"{folder}/", "star")
    (block,) = read_star(file)
    assert list(block.columns)[:3] == [
        "rlnCoordinateX",
        "rlnCoordinateY",
        "rlnAutopickFigureOfMerit",
    ]
    assert [block.columns[f"rlnCoordinate{axis}"] for axis in "XY"] == [["3"], ["9"]]
    assert (block.columns["rlnClassNumber"], block.columns["rlnAnglePsi"]) == (["0"], ["0"])
    assert read_picks(file)[0].micrograph == "m_01"
    entries = [("MotionCorr/m_01.mrc", "AutoPick/job004/m_01.star")]
    write_coordinate_list(folder / "autopick.star", entries)
    (listed,) = read_picks(folder / "autopick.star")
    assert (listed.micrograph, listed.x[0], listed.score[0]) == ("MotionCorr/m_01.mrc", 3.0, 2.5)
    assert len(read_picks(folder)) == 1


def test_a_file_named_after_its_micrograph_has_no_optics_table_before_the_coordinates(tmp_path):
    picks = make_picks("m.mrc", np.array([3.0]), np.array([8.0]), pixel_size_angstrom=1.5)
    write_picks([picks], tmp_path / "m.star")
    assert [block.name for block in read_star(tmp_path / "m.star")] == [""]
    write_picks([picks], tmp_path / "particles.star")
    assert [block.name for block in read_star(tmp_path / "particles.star")] == [
        "optics",
        "particles",
    ]


def test_eman2_boxes_are_corners_and_its_json_is_centres(tmp_path):
    (box,) = read_picks(
        write(tmp_path, "m.box", "14\t35\t20\t10\n100 200 33 33\n"), pixel_size_angstrom=2.0
    )
    np.testing.assert_array_equal([box.x, box.y], [[24, 116], [40, 216]])
    np.testing.assert_array_equal(box.diameter_angstrom, [40, 66])
    (scored,) = read_picks(write(tmp_path, "s.box", "0 0 4 4 0.25\n0 0 4 4 0.75\n"))
    np.testing.assert_array_equal(scored.score, [0.25, 0.75])
    (eman1,) = read_picks(write(tmp_path, "e.box", "0 0 4 4 -3\n"))
    assert eman1.score[0] == 1.0
    info = {"boxes": [[24.0, 40.0, "manual"], [7, 9, "auto_convnet", 0.5]], "quality": 5}
    path = write(tmp_path, "m_info.json", json.dumps(info))
    (centres,) = read_picks(path)
    assert (centres.micrograph, list(centres.x), list(centres.score)) == ("m", [24, 7], [1.0, 0.5])
    write_picks([box], tmp_path / "m_info.json", "json")
    written = json.loads(path.read_text())
    assert written == {"boxes": [[24.0, 40.0, "manual"], [116.0, 216.0, "manual"]], "quality": 5}


def test_box_sizes_come_back_and_are_never_guessed(tmp_path):
    write_picks(read_picks(write(tmp_path, "m.box", "14 35 20 10\n")), tmp_path / "n.box")
    assert (tmp_path / "n.box").read_text().split() == ["14", "35", "20", "10"]
    plain = make_picks("m", np.array([50.0]), np.array([50.0]))
    with pytest.raises(InputError, match=r"m: .*box_size"):
        write_picks([plain], tmp_path / "o.box")
    write_picks([plain], tmp_path / "o.box", diameter_angstrom=100.0, pixel_size_angstrom=1.5)
    assert (tmp_path / "o.box").read_text().split() == ["16", "16", "68", "68"]


CBOX = """
data_global

_cbox_format_version 1.0

data_{name}

loop_
_CoordinateX #1
_CoordinateY #2
_CoordinateZ #3
_Width #4
_Height #5
_Depth #6
_EstWidth #7
_EstHeight #8
_Confidence #9
_NumBoxes #10
_Angle #11
3700.25 3874.5 <NA> 220.0 200.0 <NA> 232.0 222.0 0.65 <NA> <NA>
1.0 2.0 <NA> 220.0 200.0 <NA> <NA> <NA> <NA> <NA> <NA>

data_cryolo_include

loop_
_slice_index #1
"""


@pytest.mark.parametrize("name", ["cryolo", "cbox"])
def test_cbox_corners_confidence_and_missing_values(tmp_path, name):
    (picks,) = read_picks(
        write(tmp_path, "m.cbox", CBOX.format(name=name)), pixel_size_angstrom=2.0
    )
    np.testing.assert_array_equal([picks.x, picks.y], [[3810.25, 111], [3974.5, 102]])
    np.testing.assert_array_equal(picks.score, [0.65, 1.0])
    np.testing.assert_array_equal(picks.diameter_angstrom, [454, 420])


def test_cryoppp_mirrors_y_and_needs_the_height(tmp_path):
    path = write(tmp_path, "m.csv", "X-Coordinate,Y-Coordinate,Diameter\n10,30,108\n")
    (picks,) = read_picks(path, micrograph_shape=(100, 250), pixel_size_angstrom=1.77)
    assert (picks.x[0], picks.y[0]) == (10, 70)
    assert picks.diameter_angstrom[0] == pytest.approx(108 * 1.77)
    with pytest.raises(InputError, match=r"m: .*height.*shape="):
        read_picks(path)
    assert read_picks(path, flip_y=False)[0].y[0] == 30
    write_picks([picks], tmp_path / "n.csv", "cryoppp", micrograph_shape=(100, 250))
    assert (tmp_path / "n.csv").read_text() == path.read_text()


def cs_table(names, fractions, shape=(100, 250)):
    kind = [
        ("uid", "<u8"),
        ("location/micrograph_path", "S64"),
        ("location/micrograph_shape", "<u4", (2,)),
    ]
    kind += [
        ("location/center_x_frac", "<f4"),
        ("location/center_y_frac", "<f4"),
        ("pick_stats/ncc_score", "<f4"),
    ]
    table = np.zeros(len(names), kind)
    for row, name, (x, y) in zip(table, names, fractions, strict=True):
        row["location/micrograph_path"], row["location/micrograph_shape"] = name, shape
        row["location/center_x_frac"], row["location/center_y_frac"] = x, y
    return table


def test_cryosparc_fractions_count_from_the_bottom(tmp_path):
    names = [b"J1/imported/001234567890123456789_m.mrc"]
    np.save(tmp_path / "p.npy", cs_table(names, [(0.5, 0.25)]))
    (tmp_path / "p.npy").rename(tmp_path / "p.cs")
    (picks,) = read_picks(tmp_path / "p.cs")
    assert (picks.x[0], picks.y[0]) == (125, 75)
    assert picks.micrograph == "J1/imported/001234567890123456789_m.mrc"
    assert read_picks(tmp_path / "p.cs", flip_y=False)[0].y[0] == 25
    with pytest.raises(InputError, match=r"fractions.*shape="):
        write_picks([picks], tmp_path / "q.cs")


@pytest.mark.parametrize(
    "text",
    [
        "micrograph,x,y,score,mass\nm.mrc,1.5,2.5,0.5,9\n",
        "image_name\tx_coord\ty_coord\tscore\tmass\nm.mrc\t1.5\t2.5\t0.5\t9\n",
        "\ufeffMicrograph; X; Y; Score;mass\r\nm.mrc;1.5;2.5;0.5;9\r\n\r\n",
    ],
)
def test_plain_tables_in_their_spellings(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    (picks,) = read_picks(path)
    assert (picks.micrograph, picks.x[0], picks.y[0], picks.score[0]) == ("m.mrc", 1.5, 2.5, 0.5)
    assert picks.extra["mass"].tolist() == [9.0]


def test_csv_is_lossless(tmp_path):
    rng = np.random.default_rng(1)
    columns = {"mass": rng.normal(size=4), "note": np.array(["a,b", "", "c d", '"q"'])}
    given = make_picks(
        "Job/m 1.mrc",
        *rng.normal(size=(3, 4)),
        rng.normal(size=4),
        pixel_size_angstrom=1.23,
        extra=columns,
    )
    write_picks([given, make_picks("n", np.ones(1), np.ones(1))], tmp_path / "all.csv")
    back, other = read_picks(tmp_path / "all.csv")
    for name in ("x", "y", "score", "diameter_angstrom"):
        np.testing.assert_array_equal(getattr(back, name), getattr(given, name))
    assert (back.micrograph, back.pixel_size_angstrom) == ("Job/m 1.mrc", 1.23)
    np.testing.assert_array_equal(back.extra["mass"], columns["mass"])
    assert back.extra["note"].tolist() == columns["note"].tolist()
    assert len(other) == 1 and np.isnan(other.extra["mass"][0])


BAD = {
    "empty.star": ("", "no data_ block"),
    "columns.star": ("data_\nloop_\n_rlnMicrographName\na\n", "_rlnCoordinateX"),
    "value.star": ("data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 two\n", "'two'"),
    "nan.star": ("data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 nan\n", "'nan'"),
    "row.box": ("1 2 3\n", "line 1"),
    "word.box": ("1 2 3 4\na b c d\n", "line 2"),
    "empty.cbox": ("", "neither"),
    "block.cbox": ("data_x\nloop_\n_a\n1\n", "data_cryolo"),
    "column.cbox": ("data_cryolo\nloop_\n_CoordinateX\n1\n", "CoordinateY"),
    "no.json": ("{]", "JSON"),
    "other.json": ('{"a": 1}', "boxes"),
    "boxes.json": ('{"boxes": [["a", "b"]]}', "[x, y"),
    "inf.json": ('{"boxes": [[1, Infinity]]}', "finite"),
    "empty.csv": ("", "is empty"),
    "headless.csv": ("1,2\n3,4\n", "no column x"),
    "column.csv": ("micrograph,x\nm,1\n", "no column y"),
    "row.csv": ("x,y\n1,2\n3\n", "row 3"),
    "value.csv": ("x,y\n1,2\n3,four\n", "'four'"),
    "twice.csv": ("x,y,x_coord\n1,2,3\n", "two columns"),
    "words.txt": ("nothing to see\n", "headings"),
    "text.cs": ("nothing", "not a cryoSPARC"),
    "pdf.pdf": ("what", "unknown suffix"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_coordinate_files_are_refused_in_one_sentence_naming_them(tmp_path, name):
    text, reason = BAD[name]
    with pytest.raises(InputError) as caught:
        read_picks(write(tmp_path, name, text))
    message = str(caught.value)
    assert name in message and reason in message and "\n" not in message, message


def test_other_mistakes_say_what_to_do(tmp_path):
    one = make_picks("a/m.mrc", np.ones(1), np.ones(1))
    with pytest.raises(InputError, match=r"x\.box: .*folder"):
        write_picks([one, one], tmp_path / "x.box", box_size_px=4)
    with pytest.raises(InputError, match="would be written"):
        write_picks([one, make_picks("b/m.mrc", np.ones(1), np.ones(1))], f"{tmp_path}/o/")
    with pytest.raises(InputError, match="format: expected one of"):
        read_picks(tmp_path, "sta")
    write_picks([one], tmp_path / "p1.csv")
    write_picks([one], tmp_path / "p2.csv")
    with pytest.raises(InputError, match=r"p2\.csv: a/m\.mrc has coordinates in .*p1\.csv too"):
        read_picks(tmp_path)
    np.save(tmp_path / "plain.npy", np.ones(3))
    (tmp_path / "plain.npy").rename(tmp_path / "plain.cs")
    with pytest.raises(InputError, match=r"plain\.cs: an array without named fields"):
        read_picks(tmp_path / "plain.cs")


def test_damage_anywhere_never_raises_anything_else(tmp_path):
    rng = np.random.default_rng(7)
    picks = make_picks("m", np.arange(9.0), np.arange(9.0), np.linspace(0, 1, 9))
    names = ["p.star", "p.box", "p.json", "p.cbox", "p.txt", "p.csv", "p.cs"]
    for name in names:
        write_picks(
            [picks],
            tmp_path / name,
            box_size_px=4,
            micrograph_shape=(20, 30),
            pixel_size_angstrom=1.5,
        )
        whole = (tmp_path / name).read_bytes()
        for _ in range(40):
            damaged = bytearray(whole[: rng.integers(1, len(whole))])
            for place in rng.integers(0, len(damaged), rng.integers(0, 4)):
                damaged[place] = rng.integers(256)
            (tmp_path / name).write_bytes(damaged)
            try:
                for part in read_picks(tmp_path / name):
                    assert np.isfinite([part.x, part.y, part.score]).all()
            except InputError as error:
                assert name in str(error)


@pytest.mark.real_data
def test_files_that_other_programs_wrote(data):
    folder = data / "coordinates" / "formats"
    (left,) = read_picks(folder / "napari-boxmanager__2d_left.box")
    (centre,) = read_picks(folder / "napari-boxmanager__2d_center_float.box")
    # The same three particles, with and without a box around them, the former cut to whole pixels.
    assert np.all(np.abs(left.x - centre.x) < 1) and np.all(np.abs(left.y - centre.y) < 1)
    counts = {path.name: len(read_picks(path)[0]) for path in folder.glob("*.cbox")}
    assert len(counts) == 6 and min(counts.values()) == 3
    (old,) = read_picks(folder / "cryolo_cbox_utils__test_old_cbox_output.cbox")
    assert (old.x[0], old.y[0], old.score[0]) == (2138.9, 3939.5, 0.12978020310401917)


@pytest.mark.real_data
def test_real_tables_read_whole(data):
    picks = read_picks(data / "coordinates" / "empiar_10017" / "*.csv")
    lines = [
        path.read_text().count("\n") - 1
        for path in sorted((data / "coordinates/empiar_10017").glob("*.csv"))
    ]
    assert [len(part) for part in picks] == lines
