"""Every layout gives the same particles at the same places; what is missing is told in a sentence."""

import json

import mrcfile
import numpy as np
import pytest
from PIL import Image

from jaxpick.io.coordinates import read_picks, write_picks
from jaxpick.io.data_sets import PlaceSpec, find_data
from jaxpick.io.files import InputError
from jaxpick.io.micrographs import find_micrographs, list_pixel_sizes, read_header, write_mrc
from jaxpick.io.names import match_names
from jaxpick.io.nouns import make_picks
from jaxpick.io.relion import write_coordinate_list
from jaxpick.io.star import StarBlock, write_star
from jaxpick.spec import SpecError

SHAPE, PIXEL, NAMES = (96, 160), 2.5, ("a_0001", "b_0002", "c_0003")
# Whole and even, so that no format rounds them; lopsided, so that no flip leaves them in place.
CENTRES = {name: np.array([[20.0 + 2 * i, 10.0], [140.0, 30.0]]) for i, name in enumerate(NAMES)}


def write_images(folder, names=NAMES, suffix=".mrc", number=0):
    """Write images that differ."""
    for i, name in enumerate(names):
        image = np.random.default_rng(10 * number + i).normal(size=SHAPE).astype(np.float32)
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".mrc":
            write_mrc(path, image, PIXEL)
        else:
            Image.fromarray((128 + 30 * image.clip(-4, 4)).astype(np.uint8)).save(path)


def picks(name, suffix=".mrc"):
    return make_picks(name + suffix, *CENTRES[name].T, pixel_size_angstrom=PIXEL)


def cryoppp(folder, suffix=".mrc"):
    """CryoPPP's tables, written by hand: y counts from the other end of an MRC file's rows."""
    write_images(folder / "micrographs", suffix=suffix)
    tables = folder / "ground_truth" / "particle_coordinates"
    tables.mkdir(parents=True)
    for name, centres in CENTRES.items():
        y = centres[:, 1] if suffix == ".jpg" else SHAPE[0] - centres[:, 1]
        rows = [f"{x:g},{v:g},40" for x, v in zip(centres[:, 0], y, strict=True)]
        text = "\n".join(["X-Coordinate,Y-Coordinate,Diameter", *rows, ""])
        (tables / f"{name}.csv").write_text(text)
    (folder / "ground_truth" / "particles_stack.star").write_text("data_\n")


def cryoppp_pictures(folder):
    cryoppp(folder, ".jpg")


def empiar_table(folder):
    """One table for all, whose micrographs lie in two folders; a movie and a map beside them."""
    write_images(folder / "data" / "day1", NAMES[:2])
    write_images(folder / "data" / "day2", NAMES[2:], number=1)
    (folder / "data" / "movies").mkdir()
    stack = np.zeros((3, 8, 8), np.float32)
    with mrcfile.new(folder / "data" / "movies" / "a_0001_movie.mrc") as file:
        file.set_data(stack)
    write_picks([picks(name) for name in NAMES], folder / "data" / "run_data.star")


def empiar_boxes(folder):
    write_images(folder / "data")
    write_picks([picks(n) for n in NAMES], folder / "data" / "boxes", "box", box_size_px=16)


def empiar_stars(folder):
    write_images(folder / "micrographs")
    write_picks([picks(name) for name in NAMES], folder / "coordinates", "star")


def relion_micrographs(project):
    """Motion-corrected micrographs and their list, whose names count from the project."""
    job = project / "MotionCorr" / "job002"
    write_images(job / "Movies")
    names = [f"MotionCorr/job002/Movies/{name}.mrc" for name in NAMES]
    optics = {"rlnOpticsGroup": ["1"], "rlnMicrographPixelSize": [f"{PIXEL}"]}
    blocks = [
        StarBlock(name="optics", columns=optics),
        StarBlock(
            name="micrographs", columns={"rlnMicrographName": names, "rlnOpticsGroup": ["1"] * 3}
        ),
    ]
    write_star(job / "corrected_micrographs.star", blocks)
    return names


def relion_list(project):
    names = relion_micrographs(project)
    job = project / "AutoPick" / "job010"
    files = [f"AutoPick/job010/Movies/{name}_autopick.star" for name in NAMES]
    for name, file in zip(NAMES, files, strict=True):
        write_picks([picks(name)], project / file)
    write_coordinate_list(job / "autopick.star", list(zip(names, files, strict=True)))
    # An older job, and one of another type without picks, are not taken.
    write_picks(
        [make_picks("a_0001.mrc", np.ones(1), np.ones(1))], project / "AutoPick/job009/a_0001.star"
    )
    (project / "Select" / "job011").mkdir(parents=True)


def relion_old(project):
    """Before RELION 4: no list, files below the job."""
    relion_micrographs(project)
    for name in NAMES:
        path = project / f"ManualPick/job003/Movies/{name}_manualpick.star"
        write_picks([picks(name)], path)


def relion_extract(project):
    names = relion_micrographs(project)
    table = [make_picks(long, *CENTRES[name].T) for long, name in zip(names, NAMES, strict=True)]
    write_picks(table, project / "Extract" / "job020" / "particles.star")


def simulated(folder):
    write_images(folder / "micrographs")
    write_picks([picks(name) for name in NAMES], folder / "particles.star")
    species = [{"name": "p", "diameter_angstrom": 123.4}, {"name": "q", "diameter_angstrom": 90.0}]
    (folder / "simulate.json").write_text(json.dumps({"species": species}))


LAYOUTS = {
    "cryoppp": [cryoppp, cryoppp_pictures],
    "empiar": [empiar_table, empiar_boxes, empiar_stars],
    "relion": [relion_list, relion_old, relion_extract],
    "simulated": [simulated],
}


@pytest.mark.parametrize(
    ("layout", "write"),
    [(k, w) for k, ws in LAYOUTS.items() for w in ws],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_every_layout_gives_the_same_particles(tmp_path, layout, write):
    write(tmp_path)
    found = find_data(layout, str(tmp_path))
    paths = find_micrographs(found.micrographs)
    assert sorted(path.stem for path in paths) == sorted(NAMES)
    shapes = {str(path): read_header(path).shape for path in paths}
    read = read_picks(found.coordinates, micrograph_shape=shapes, flip_y=found.flip_y)
    pairs = match_names([p.micrograph for p in read], list(shapes)).pairs
    assert len(pairs) == len(NAMES)
    for one in read:
        name = pairs[one.micrograph].rsplit("/", 1)[1].split(".")[0]
        np.testing.assert_allclose(np.stack([one.x, one.y], axis=1), CENTRES[name], atol=1e-6)


def test_a_project_tells_the_pixel_size_and_a_job_can_be_chosen(tmp_path):
    relion_list(tmp_path)
    relion_extract(tmp_path / "other")
    found = find_data("relion", str(tmp_path))
    assert set(list_pixel_sizes(found.micrographs).values()) == {PIXEL}
    write_picks([picks("a_0001")], tmp_path / "Extract" / "job030" / "particles.star")
    last = find_data("relion", str(tmp_path)).coordinates
    assert last.endswith("Extract/job030/particles.star")
    chosen = find_data("relion", str(tmp_path), job="AutoPick/job010").coordinates
    assert chosen == found.coordinates and chosen.endswith("job010/autopick.star")


def test_selected_micrographs_come_before_the_list_they_are_from(tmp_path):
    names = relion_micrographs(tmp_path)
    chosen = StarBlock(name="micrographs", columns={"rlnMicrographName": names[1:]})
    write_star(tmp_path / "Select" / "job004" / "micrographs.star", [chosen])
    found = find_data("relion", str(tmp_path), needs_coordinates=False)
    assert [path.stem for path in find_micrographs(found.micrographs)] == list(NAMES[1:])


def test_a_simulated_folder_tells_the_diameter(tmp_path):
    simulated(tmp_path)
    assert find_data("simulated", str(tmp_path)).diameter_angstrom == 123.0


def test_what_is_named_is_taken_in_place_of_what_the_folder_has(tmp_path):
    empiar_table(tmp_path)
    empiar_boxes(tmp_path / "data" / "more")
    with pytest.raises(InputError, match=r"2 sets of coordinates fit .*run_data\.star.*\.box"):
        find_data("empiar", str(tmp_path))
    table = str(tmp_path / "data" / "run_data.star")
    with pytest.raises(InputError, match=r"a_0001\.mrc is in several folders .*day1"):
        find_data("empiar", str(tmp_path), coordinates=table)
    images = str(tmp_path / "data" / "more" / "data" / "*.mrc")
    found = find_data("empiar", str(tmp_path), images, table)
    assert (found.micrographs, found.coordinates) == (images, table)


def only_movies(folder):
    with mrcfile.new(folder / "a.mrc") as file:
        file.set_data(np.zeros((3, 8, 8), np.float32))


@pytest.mark.parametrize(
    ("layout", "write", "says"),
    [
        ("cryoppp", lambda f: None, r"looked for micrographs/ with files ending in \.mrc"),
        ("cryoppp", lambda f: write_images(f / "micrographs"), "ground_truth/particle_coordinates"),
        ("empiar", lambda f: None, "looked in it and its folders for micrographs"),
        ("empiar", only_movies, "movies are not read"),
        ("empiar", lambda f: write_images(f), "STAR or box files, with particles of its 3"),
        ("relion", lambda f: None, r"Select/job\*/particles\.star, Extract/job\*/particles\.star"),
        ("relion", relion_micrographs, r"AutoPick/job\*/autopick\.star"),
        ("simulated", lambda f: write_images(f / "micrographs"), r"looked for particles\.star"),
    ],
)
def test_what_was_looked_for_and_not_found_is_told(tmp_path, layout, write, says):
    write(tmp_path)
    with pytest.raises(InputError, match=says) as caught:
        find_data(layout, str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_folders_that_are_not_there_and_half_a_place_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        find_data("relion", str(tmp_path / "nowhere"))
    with pytest.raises(SpecError, match="folder: expected data=LAYOUT"):
        PlaceSpec(folder="x")
    with pytest.raises(SpecError, match="folder: expected the folder"):
        PlaceSpec(layout="empiar")
    with pytest.raises(SpecError, match="job: expected data=relion"):
        PlaceSpec(layout="empiar", folder="x", job="AutoPick/job001")


def test_names_with_the_letters_of_globs_are_found(tmp_path):
    folder = tmp_path / "set [1]*"
    empiar_boxes(folder)
    found = find_data("empiar", str(folder))
    assert len(find_micrographs(found.micrographs)) == len(read_picks(found.coordinates)) == 3
