"""The notebooks run from first cell to last at a small size, and show what they say.

No Jupyter: a notebook is JSON, its cells are executed one after another in one namespace. They
share a folder, so that micrographs are simulated once.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from jaxpick.picking.picker import Picker  # noqa: E402

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = {path.stem[0]: path for path in sorted(FOLDER.glob("*.ipynb"))}


def cells(number, kind):
    notebook = json.loads(NOTEBOOKS[number].read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture
def execute(folder, monkeypatch):
    """Return a function that runs a notebook and gives its names and the number of its figures."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("JAXPICK_NOTEBOOKS", "small")

    def run(number):
        names, num_figures = {"__name__": "notebook"}, 0
        plt.close("all")
        with matplotlib.rc_context():
            for place, cell in enumerate(cells(number, "code")):
                source = "".join(cell["source"])
                exec(compile(source, f"{NOTEBOOKS[number].name}, cell {place}", "exec"), names)
                for figure in plt.get_fignums():
                    plt.figure(figure).canvas.draw()
                    num_figures += 1
                plt.close("all")
        return names, num_figures

    return run


def test_there_are_five():
    assert list(NOTEBOOKS) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_notebook_is_clean(number):
    """No outputs of somebody's machine, one heading, links that lead somewhere."""
    assert all(not c["outputs"] and c["execution_count"] is None for c in cells(number, "code"))
    prose = ["".join(cell["source"]) for cell in cells(number, "markdown")]
    assert prose[0].startswith(f"# {number}. ")
    for link in re.findall(r"\]\((\S+?)\)", "\n".join(prose)):
        assert (FOLDER / link).is_file(), link
    code = "\n".join("".join(cell["source"]) for cell in cells(number, "code"))
    assert "/home/" not in code and "/tmp" not in code and "plt.show" not in code


@pytest.mark.parametrize("number", ["1", "2", "3", "4"])
def test_notebooks_define_nothing_worth_keeping(number):
    code = "\n".join("".join(cell["source"]) for cell in cells(number, "code"))
    assert not re.search(r"^\s*(def|class) ", code, re.MULTILINE)


@pytest.mark.slow
def test_a_micrograph_is_made_step_by_step(execute):
    names, num_figures = execute("1")
    assert num_figures == 7
    # Dark protein, and the more electrons the less noise.
    mass = np.asarray(names["molecules"].potential)[names["middle"]] > 100
    perfect = np.asarray(names["perfect"])
    assert perfect[mass].mean() < perfect[~mass].mean()
    noise = [float(names["shots"][dose].std()) for dose in (5, 20, 60)]
    assert noise[0] > 1.5 * noise[1] > 1.5 * noise[2]
    assert names["wanted"].sum() > 0 and {"ice_crystal", "aggregate"} <= set(names["present"])
    # The zeros of the transfer are where the power's are.
    assert names["agreement"] > 0.3


def test_micrographs_are_picked_and_a_threshold_is_chosen(execute, folder):
    names, num_figures = execute("3")
    assert num_figures == 3
    assert len(names["candidates"]) == len(names["truth"]) == 2
    assert names["named"]["best_f1"]["f1"] > 0.8
    assert names["highest_of_noise"] < names["chosen"] < np.quantile(names["scores"], 0.99)
    boxes = list((folder / "notebook_data" / "boxes").glob("*.box"))
    assert len(boxes) == 2
    total = sum(len(path.read_text().splitlines()) for path in boxes)
    assert total == (names["scores"] >= names["chosen"]).sum()


def test_a_method_is_added(execute):
    names, num_figures = execute("5")
    assert num_figures == 2 and isinstance(names["disc"], Picker)
    assert float(abs(names["template"].sum())) < 1e-5
    figures = {name: outcome.metrics for name, outcome in names["outcomes"].items()}
    assert figures["disc"]["average_precision"] > 0.7
    # Scores are in standard deviations of noise: none of 2.6e5 pixels is six from the mean.
    assert names["of_noise"].max() < 6.0 and len(names["of_noise"]) > 100


@pytest.mark.slow
def test_a_picker_is_trained(execute, folder):
    names, num_figures = execute("2")
    assert num_figures == 2 and len(names["candidates"]) == 2
    assert (folder / "notebook_data" / "unet" / "weights" / "weights.npz").is_file()
    assert len(names["loss"]) == 2 and np.isfinite([value for _, value in names["loss"]]).all()


@pytest.mark.slow
def test_methods_are_compared(execute, folder):
    names, num_figures = execute("4")
    assert num_figures == 2
    assert [row["method"] for row in names["table"]] == ["unet", "log", "consensus"]
    assert (folder / "notebook_data" / "comparison" / "report.html").is_file()
    assert 0 < names["chance"] < 1
