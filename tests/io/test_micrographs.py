"""Every stored type of micrograph comes back as it went in; a bad file is refused by name."""

import bz2
import gzip
import struct
import warnings

import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxpick.io.files import InputError
from jaxpick.io.micrographs import (
    find_micrographs,
    list_pixel_sizes,
    read_header,
    read_micrograph,
    write_mrc,
)
from jaxpick.io.star import StarBlock, write_star

RNG = np.random.default_rng(3)
IMAGE = (RNG.normal(size=(24, 37)) * 40).astype(np.float32)
TYPES = {"float32": 2, "float16": 12, "int8": 0, "int16": 1, "uint16": 6}


def as_type(name):
    return np.abs(IMAGE).astype(name) if name == "uint16" else IMAGE.astype(name)


def with_mrcfile(path, data, pixel_size=1.5, **others):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mrcfile.new(path, overwrite=True, **others) as file:
            file.set_data(data)
            file.voxel_size = pixel_size
    return path


@pytest.mark.parametrize(("kind", "mode"), TYPES.items())
def test_every_mode_agrees_with_mrcfile_both_ways(tmp_path, kind, mode):
    data = as_type(kind)
    write_mrc(tmp_path / "ours.mrc", data, 1.77)
    with mrcfile.open(tmp_path / "ours.mrc") as theirs:
        np.testing.assert_array_equal(theirs.data, data)
        assert int(theirs.header.mode) == mode
        assert float(theirs.voxel_size.x) == pytest.approx(1.77)
        assert theirs.is_single_image() or theirs.data.ndim == 2
    found = read_micrograph(with_mrcfile(tmp_path / "theirs.mrc", data))
    np.testing.assert_array_equal(found.image, data.astype(np.float32))
    assert (found.image.dtype, found.pixel_size_angstrom, found.name) == (
        np.float32,
        1.5,
        "theirs.mrc",
    )


def test_our_files_are_valid_mrc2014(tmp_path, capsys):
    write_mrc(tmp_path / "m.mrc", IMAGE, 2.0)
    assert mrcfile.validate(tmp_path / "m.mrc"), capsys.readouterr().out


@pytest.mark.parametrize("compression", ["gzip", "bzip2"])
def test_compressed_files_read_as_plain_ones(tmp_path, compression):
    path = tmp_path / ("m.mrc.gz" if compression == "gzip" else "m.mrc.bz2")
    with_mrcfile(path, IMAGE, compression=compression)
    np.testing.assert_array_equal(read_micrograph(path).image, IMAGE)
    assert read_header(path).shape == IMAGE.shape


def test_extended_headers_are_skipped(tmp_path):
    path = with_mrcfile(tmp_path / "m.mrc", IMAGE)
    with mrcfile.open(path, "r+") as file:
        file.set_extended_header(np.arange(50, dtype=np.int32))
    np.testing.assert_array_equal(read_micrograph(path).image, IMAGE)


def test_big_endian_and_imod_bytes(tmp_path):
    plain = bytearray(with_mrcfile(tmp_path / "m.mrc", IMAGE).read_bytes())
    words = np.frombuffer(bytes(plain[:1024]), "<u4").byteswap().tobytes()
    swapped = words[:104] + bytes(104) + b"MAP \x11\x11\0\0" + words[216:224] + bytes(800)
    (tmp_path / "big.mrc").write_bytes(swapped + IMAGE.astype(">f4").tobytes())
    found = read_micrograph(tmp_path / "big.mrc", 1.5)
    np.testing.assert_array_equal(found.image, IMAGE)
    unsigned = np.arange(24 * 37, dtype=np.uint8).reshape(24, 37)
    stamped = bytearray(with_mrcfile(tmp_path / "i.mrc", unsigned.view(np.int8)).read_bytes())
    struct.pack_into("<2i", stamped, 152, 1146047817, 0)
    (tmp_path / "i.mrc").write_bytes(stamped)
    np.testing.assert_array_equal(read_micrograph(tmp_path / "i.mrc").image, unsigned)


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_a_header_that_does_not_know_says_what_to_type(tmp_path, size):
    path = with_mrcfile(tmp_path / "m.mrc", IMAGE, size)
    with pytest.raises(InputError, match=r"m\.mrc.*pixel_size="):
        read_micrograph(path)
    assert read_micrograph(path, 1.0).pixel_size_angstrom == 1.0
    assert read_header(path).pixel_size_angstrom is None


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float32"])
def test_tiff_keeps_every_type_and_its_resolution(tmp_path, kind):
    data = np.abs(IMAGE).astype(kind)
    resolution = 1e8 / 1.25  # pixels a centimetre at 1.25 angstrom
    tifffile.imwrite(
        tmp_path / "m.tif", data, resolution=(resolution, resolution), resolutionunit="CENTIMETER"
    )
    found = read_micrograph(tmp_path / "m.tif")
    np.testing.assert_array_equal(found.image, data.astype(np.float32))
    assert found.pixel_size_angstrom == pytest.approx(1.25, rel=1e-5)
    tifffile.imwrite(tmp_path / "dots.tif", data, resolution=(72, 72), resolutionunit="INCH")
    assert read_header(tmp_path / "dots.tif").pixel_size_angstrom is None


def test_tiff_of_a_compression_that_one_library_lacks(tmp_path):
    data = np.abs(IMAGE).astype(np.uint8)
    Image.fromarray(data).save(tmp_path / "lzw.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_micrograph(tmp_path / "lzw.tif", 1.5).image, data)


def test_pictures_keep_rows_and_grey_values(tmp_path):
    bytes_, words = np.abs(IMAGE).astype(np.uint8), (np.abs(IMAGE) * 300).astype(np.uint16)
    Image.fromarray(bytes_).save(tmp_path / "b.png")
    Image.fromarray(words).save(tmp_path / "w.png")
    Image.fromarray(np.repeat(bytes_[..., None], 3, axis=2)).save(tmp_path / "rgb.png")
    Image.fromarray(np.tile(np.arange(37, dtype=np.uint8), (24, 1))).save(
        tmp_path / "m.jpg", quality=100
    )
    np.testing.assert_array_equal(read_micrograph(tmp_path / "b.png", 2.0).image, bytes_)
    np.testing.assert_array_equal(read_micrograph(tmp_path / "w.png", 2.0).image, words)
    np.testing.assert_array_equal(read_micrograph(tmp_path / "rgb.png", 2.0).image, bytes_)
    jpeg = read_micrograph(tmp_path / "m.jpg", 2.0).image
    np.testing.assert_allclose(jpeg, np.tile(np.arange(37), (24, 1)), atol=2)
    assert read_header(tmp_path / "m.jpg").shape == (24, 37)


def bad_files(folder):
    """Name -> what the message must say."""
    good = with_mrcfile(folder / "good.mrc", IMAGE).read_bytes()
    nan, inf = IMAGE.copy(), IMAGE.copy()
    nan[3, 4], inf[0, 0] = np.nan, np.inf
    with_mrcfile(folder / "nan.mrc", nan)
    with_mrcfile(folder / "inf.mrc", inf)
    with_mrcfile(folder / "constant.mrc", np.full((8, 9), 3.0, np.float32))
    with_mrcfile(folder / "large.mrc", np.float32(1e30) * IMAGE)
    with_mrcfile(folder / "small.mrc", np.float32(1e-30) * IMAGE)
    with_mrcfile(folder / "movie.mrc", np.stack([IMAGE, IMAGE]))
    with_mrcfile(folder / "complex.mrc", IMAGE.astype(np.complex64))
    for name, mode in (("mode101.mrc", 101), ("mode7.mrc", 7)):
        (folder / name).write_bytes(good[:12] + struct.pack("<i", mode) + good[16:])
    (folder / "empty.mrc").write_bytes(b"")
    (folder / "short.mrc").write_bytes(good[:100])
    (folder / "truncated.mrc").write_bytes(good[:-10])
    (folder / "text.mrc").write_text("This is not an image but a longer text.\n" * 99)
    (folder / "negative.mrc").write_bytes(struct.pack("<i", -5) + good[4:])
    (folder / "cut.mrc.gz").write_bytes(gzip.compress(good)[:-30])
    (folder / "not.mrc.gz").write_bytes(b"nothing of the kind" * 99)
    (folder / "cut.mrc.bz2").write_bytes(bz2.compress(good)[:-30])
    (folder / "inner.mrc.gz").write_bytes(gzip.compress(good[:-10]))
    (folder / "text.tif").write_text("no tiff")
    (folder / "header.tif").write_bytes(b"II*\0" + bytes(8))
    (folder / "text.png").write_text("no png")
    Image.fromarray(np.abs(IMAGE).astype(np.uint8)).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:200])
    Image.fromarray(RNG.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(folder / "colour.png")
    tifffile.imwrite(folder / "pages.tif", np.ones((3, 8, 8), np.uint8), photometric="minisblack")
    (folder / "unknown.dm4").write_text("what")
    return {
        "missing.mrc": "no such file", "nan.mrc": "1 of 888 pixels", "inf.mrc": "NaN or infinite",
        "large.mrc": "its values lie from -", "small.mrc": "that float32 can square",
        "constant.mrc": "every pixel is 3", "movie.mrc": "2 sections", "complex.mrc": "mode 4",
        "mode101.mrc": "mode 101", "mode7.mrc": "mode 7", "empty.mrc": "is empty",
        "short.mrc": "100 bytes", "truncated.mrc": "cut short", "text.mrc": "not an MRC",
        "negative.mrc": "not an MRC", "cut.mrc.gz": "cut short or damaged",
        "not.mrc.gz": "damaged", "cut.mrc.bz2": "cut short or damaged",
        "inner.mrc.gz": "cut short", "text.tif": "TIFF", "header.tif": "not a readable TIFF", "text.png": "picture",
        "cut.png": "picture",
        "colour.png": "colour", "pages.tif": "3 pages", "unknown.dm4": "unknown kind",
    }  # fmt: skip


def test_bad_files_are_refused_in_one_sentence_naming_them(tmp_path):
    for name, reason in bad_files(tmp_path).items():
        with pytest.raises(InputError) as caught:
            read_micrograph(tmp_path / name, 1.5)
        message = str(caught.value)
        assert name in message and reason in message and "\n" not in message, message


def test_a_tiff_without_pixels_is_refused(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "m.tif", IMAGE)
    # What tifffile gives for some damaged headers.
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_, **__: np.zeros((0, 0), np.float32))
    with pytest.raises(InputError, match=r"m\.tif: "):
        read_micrograph(tmp_path / "m.tif", 1.5)


def test_damage_anywhere_never_raises_anything_else(tmp_path):
    sources = {}
    for name in ("m.mrc", "m.mrc.gz"):
        sources[name] = with_mrcfile(
            tmp_path / name, IMAGE, compression="gzip" if "gz" in name else None
        )
    write_tiff = tmp_path / "m.tif"
    tifffile.imwrite(write_tiff, IMAGE, compression="zlib")
    Image.fromarray(np.abs(IMAGE).astype(np.uint8)).save(tmp_path / "m.png")
    for path in (*sources.values(), write_tiff, tmp_path / "m.png"):
        whole = path.read_bytes()
        for _ in range(30):
            damaged = bytearray(whole[: RNG.integers(1, len(whole))])
            for place in RNG.integers(0, len(damaged), 4):
                damaged[place] = RNG.integers(256)
            path.write_bytes(damaged)
            try:
                read_micrograph(path, 1.5)
            except InputError as error:
                assert path.name in str(error)


def test_a_failed_write_is_one_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file: expected a folder to write into"):
        write_mrc(tmp_path / "file" / "m.mrc", IMAGE, 1.5)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def project(tmp_path, blocks):
    for name in ("a", "b"):
        (tmp_path / "MotionCorr").mkdir(exist_ok=True)
        write_mrc(tmp_path / "MotionCorr" / f"{name}.mrc", IMAGE, 1.5)
    write_star(tmp_path / "CtfFind" / "job003" / "micrographs_ctf.star", blocks)
    return tmp_path / "CtfFind" / "job003" / "micrographs_ctf.star"


def test_a_relion_31_list_is_found_from_the_project_folder_with_its_pixel_sizes(tmp_path):
    optics = {"rlnOpticsGroup": ["1", "2"], "rlnMicrographPixelSize": ["0.885", "1.1"]}
    rows = {
        "rlnMicrographName": ["MotionCorr/b.mrc", "MotionCorr/a.mrc"],
        "rlnOpticsGroup": ["2", "1"],
    }
    blocks = [StarBlock(name="optics", columns=optics), StarBlock(name="micrographs", columns=rows)]
    star = project(tmp_path, blocks)
    paths = find_micrographs(star)
    assert [path.name for path in paths] == ["b.mrc", "a.mrc"] and all(
        path.is_file() for path in paths
    )
    assert list_pixel_sizes(star) == {paths[0]: 1.1, paths[1]: 0.885}


def test_an_old_list_has_its_pixel_size_from_the_magnification(tmp_path):
    rows = {
        "rlnMicrographName": ["MotionCorr/a.mrc", "MotionCorr/gone.mrc"],
        "rlnMagnification": ["10000", "10000"],
        "rlnDetectorPixelSize": ["1.77", "1.77"],
    }
    star = project(tmp_path, [StarBlock(name="", columns=rows)])
    paths = find_micrographs(star)
    assert list_pixel_sizes(star)[paths[0]] == 1.77
    with pytest.raises(InputError, match=r"gone\.mrc: no such file"):
        read_micrograph(paths[1])


def test_folders_globs_and_lists_of_nothing(tmp_path):
    write_mrc(tmp_path / "z.mrc", IMAGE, 1.5)
    write_mrc(tmp_path / "stack.mrcs", IMAGE, 1.5)
    Image.fromarray(np.abs(IMAGE).astype(np.uint8)).save(tmp_path / "a.png")
    assert [path.name for path in find_micrographs(tmp_path)] == ["a.png", "z.mrc"]
    assert [path.name for path in find_micrographs(tmp_path / "*.mrc")] == ["z.mrc"]
    assert list_pixel_sizes(tmp_path) == {}
    with pytest.raises(InputError, match="nothing_here"):
        find_micrographs(tmp_path / "nothing_here*")
    write_star(tmp_path / "l.star", [StarBlock(name="", columns={"rlnMicrographName": ["x.mrc"]})])
    with pytest.raises(InputError, match=r"l\.star.*x\.mrc"):
        find_micrographs(tmp_path / "l.star")


@pytest.mark.real_data
def test_real_files_read(data):
    tif = read_micrograph(data / "micrographs/other/xmipp_KLH_crop.tif", 2.2)
    assert tif.image.shape == (844, 760)
    with pytest.raises(InputError, match="pixel_size="):
        read_micrograph(data / "micrographs/other/Ucsf_stack_1142_DW.mrc")
    jpeg = next((data / "micrographs/empiar_10017").glob("*.jpg"))
    assert read_header(jpeg).shape == (4096, 4096)
