"""The walls of the house, read from the source: who imports whom, who says what."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "jaxpick"
# A room imports from itself and from rooms before it.
ORDER = (
    "typing",
    "pytrees",
    "spec",
    "rngs",
    "parallel",
    "numerics",
    "physics",
    "simulate",
    "io",
    "preprocess",
    "models",
    "losses",
    "picking",
    "train",
    "weights",
    "methods",
    "evaluate",
)
FORBIDDEN = {
    "jaxpick": ("hydra", "omegaconf", "matplotlib", "experiments"),
    "jaxpick/physics": ("flax",),
    "jaxpick/simulate": ("flax",),
    "jaxpick/models": ("jaxpick.simulate",),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Names of the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def code(path):
    """Names and attributes that a file uses; comments and text do not count."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {
        getattr(n, "id", None) or getattr(n, "attr", None) or getattr(n, "arg", "") for n in nodes
    }


def test_every_room_has_its_place():
    rooms = {room(path) for path in FILES} - {"__init__"}
    assert rooms <= set(ORDER), f"no place in the order for {sorted(rooms - set(ORDER))}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_import_from_rooms_before_them(path):
    if room(path) == "__init__":
        return
    mine = ORDER.index(room(path))
    others = {name.split(".")[1] for name in imports(path) if name.startswith("jaxpick.")}
    late = sorted(other for other in others & set(ORDER) if ORDER.index(other) > mine)
    assert not late, f"{room(path)} imports {', '.join(late)}, which comes after it"


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_forbidden_imports(folder):
    for path in (ROOT / folder).rglob("*.py"):
        for name in imports(path):
            for forbidden in FORBIDDEN[folder]:
                assert name != forbidden and not name.startswith(f"{forbidden}."), (path, name)


def test_only_the_parallel_room_knows_of_devices():
    for path in FILES:
        if room(path) != "parallel":
            assert not {"Mesh", "make_mesh", "shard_map", "pmap"} & code(path), path


def test_only_io_and_weights_open_files():
    for path in FILES:
        if room(path) not in ("io", "weights"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w.])open\(|\.open\(|np\.(load|save\w*)\(", text), path
            assert not {"mrcfile", "gemmi", "tifffile", "PIL", "h5py"} & {
                name.split(".")[0] for name in imports(path)
            }, path


def test_hydra_is_imported_in_files_of_its_name():
    for path in (ROOT / "experiments").glob("*.py"):
        if not path.name.startswith("_hydra"):
            names = {name.split(".")[0] for name in imports(path)}
            assert not names & {"hydra", "omegaconf"}, path


def lines_of_code(path):
    """Number of lines without blank ones, comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    prose = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            prose |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(
        bool(t.strip()) and not t.strip().startswith("#") and n not in prose for n, t in lines
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_readable(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_weights_that_ship_share_no_name_with_a_module():
    """A folder without code beside a module of its name would take its place once it got some."""
    weights = PACKAGE / "weights"
    folders = {path.name for path in weights.iterdir() if path.is_dir()}
    assert {"topaz", "unet"} <= folders
    assert not folders & {path.stem for path in weights.glob("*.py")}


EXPERIMENTS = sorted((ROOT / "experiments").glob("[!_]*.py"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_experiments_stay_short(path):
    """An experiment that is longer hides code of the library's."""
    assert lines_of_code(path) <= 120
