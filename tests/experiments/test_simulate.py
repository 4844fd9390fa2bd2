"""The simulate command: files of the contract, the same ones after an interruption, truth that others can read."""

import dataclasses
import json

import gemmi
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import simulate
from jaxpick.io.micrographs import read_micrograph
from jaxpick.simulate.orientations import view_directions
from jaxpick.simulate.phantoms import PhantomSpec
from jaxpick.simulate.priors import (
    ContaminantsPrior,
    DetectorPrior,
    PixelAngstrom,
    Priors,
    ScenePrior,
)
from jaxpick.simulate.rotations import fibonacci_views_deg
from jaxpick.spec import SpecError, as_plain, build


def small(out, count):
    """Small fields of one molecule, with few options, so that they compile quickly."""
    priors = Priors(
        pixel=PixelAngstrom(pixel_angstrom=(8.0, 8.0)),
        scene=ScenePrior(empty_probability=0.0, coverage=(0.2, 0.3)),
        contaminants=ContaminantsPrior(amount=0.0),
        detector=DetectorPrior(gain_probability=0.0),
    )
    simulator = simulate.SimulatorSpec(
        num_phantoms=1, phantoms=PhantomSpec(mass_kda=(300.0, 400.0)), num_views=12, priors=priors
    )
    return simulate.SimulateSpec(
        out=str(out), count=count, seed=3, size=(96, 128), max_particles=48, simulator=simulator
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated")
    assert simulate.run(small(out, 2)) == 0
    return out


def test_files_of_the_contract_are_there(folder):
    names = [f"simulated_0000{i}.mrc" for i in range(2)]
    assert sorted(path.name for path in (folder / "micrographs").iterdir()) == names
    assert sorted(path.name for path in (folder / "masks").iterdir()) == names
    summary = json.loads((folder / "simulate.json").read_text())
    assert summary["total"] == sum(summary["particles"].values()) > 0
    assert build(simulate.SimulateSpec, json.loads((folder / "config.json").read_text())) == small(
        folder, 2
    )


def test_star_is_read_by_gemmi_and_lies_inside_the_masks(folder):
    table = gemmi.cif.read(str(folder / "particles.star")).find_block("particles")
    names = list(table.find_loop("_rlnMicrographName"))
    x = np.array([float(value) for value in table.find_loop("_rlnCoordinateX")])
    y = np.array([float(value) for value in table.find_loop("_rlnCoordinateY")])
    assert set(names) == {f"micrographs/simulated_0000{i}.mrc" for i in range(2)}
    assert np.all((x >= -0.5) & (x <= 127.5) & (y >= -0.5) & (y <= 95.5))
    mask = read_micrograph(folder / "masks" / "simulated_00000.mrc").image
    mine = np.array(names) == "micrographs/simulated_00000.mrc"
    # A ring's centre may be empty, so the disc around each centre is asked, not the centre itself.
    for column, row in zip(x[mine], y[mine], strict=True):
        r, c = int(row), int(column)
        assert (mask[max(r - 8, 0) : r + 9, max(c - 8, 0) : c + 9] == 1).any()


def test_height_and_contrast_are_in_the_truth(folder):
    record = json.loads((folder / "truth" / "simulated_00000.json").read_text())
    columns = {name: np.asarray(values) for name, values in record["columns"].items()}
    table = gemmi.cif.read(str(folder / "particles.star")).find_block("particles")
    scale = [float(value) for value in table.find_loop("_rlnCtfScalefactor")]
    np.testing.assert_allclose(scale[: len(columns["contrast"])], columns["contrast"], rtol=1e-4)
    assert 0.5 <= min(scale) <= max(scale) <= 1.2
    assert len(columns["z_angstrom"]) == len(columns["x"])
    # Particles at one interface only, layer 0 on top.
    top = columns["z_angstrom"][columns["layer"] == 0]
    assert len(top) > 0 and np.median(top) >= -20 and np.abs(columns["z_angstrom"]).max() < 600
    # RELION takes a table with z for a tomogram's.
    assert not list(table.find_loop("_rlnCoordinateZ"))


def test_interrupted_run_ends_with_the_same_files(folder, tmp_path):
    simulate.run(small(tmp_path, 1))
    simulate.run(small(tmp_path, 2))
    for part in ("micrographs/simulated_00001.mrc", "masks/simulated_00001.mrc", "particles.star"):
        assert (tmp_path / part).read_bytes() == (folder / part).read_bytes()


def test_exact_poses_are_not_those_of_the_bank(folder, tmp_path):
    spec = small(tmp_path, 1)
    exact = dataclasses.replace(spec.simulator, exact_poses=True)
    assert simulate.run(dataclasses.replace(spec, simulator=exact)) == 0
    angles, places = [], []
    for where in (folder, tmp_path):
        table = gemmi.cif.read(str(where / "particles.star")).find_block("particles")
        columns = (
            "MicrographName",
            "CoordinateX",
            "CoordinateY",
            "AngleRot",
            "AngleTilt",
            "AnglePsi",
        )
        rows = [list(row) for row in table.find("_rln", list(columns))]
        numbers = np.array([row[1:] for row in rows if "00000" in row[0]], float)
        places.append(numbers[:, :2])
        angles.append(numbers[:, 2:])
    np.testing.assert_allclose(places[0], places[1], atol=1e-3)
    np.testing.assert_allclose(angles[0][:, 2], angles[1][:, 2], atol=1e-3)
    assert len(np.unique(angles[0][:, :2], axis=0)) <= 12 < len(np.unique(angles[1][:, :2], axis=0))
    # The bank's view is, of its twelve, the nearest to the exact direction.
    coarse, exact = (np.asarray(view_directions(jnp.asarray(angle[:, :2]))) for angle in angles)
    views = np.asarray(view_directions(jnp.asarray(fibonacci_views_deg(12))))
    cosines = (exact @ views.T).max(axis=1)
    np.testing.assert_allclose(np.sum(coarse * exact, axis=1), cosines, atol=1e-4)


def test_pixel_size_is_in_the_header(folder):
    assert read_micrograph(
        folder / "micrographs" / "simulated_00000.mrc"
    ).pixel_size_angstrom == pytest.approx(8.0)


def test_impossible_settings_are_refused(tmp_path):
    settings = as_plain(small(tmp_path, 1))
    with pytest.raises(SpecError, match="count: expected 1 or more"):
        build(simulate.SimulateSpec, settings | {"count": 0})
    dirty = {"simulator": {}, "max_distractors": 1}
    with pytest.raises(SpecError, match=r"^max_distractors: expected 2 or more"):
        build(simulate.SimulateSpec, settings | dirty)
