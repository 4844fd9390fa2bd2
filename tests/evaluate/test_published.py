"""Published picks and human annotators on real micrographs: the figures that others found.

The published figures for beta-galactosidase are over twenty micrographs, of which ten or fewer
are at hand, so they are met to within 0.02.
"""

import pytest

from jaxpick.evaluate import EvaluateSpec, evaluate
from jaxpick.io.coordinates import read_picks

BETA_GALACTOSIDASE = EvaluateSpec(
    diameter_angstrom=191.0, pixel_size_angstrom=1.77, missing_picks="leave_out", bootstrap=0
)
PUBLISHED_F1 = {
    "peer_REPIC_crYOLO": 0.899,
    "peer_CASSPER_Bgal_crYOLo": 0.846,
    "relion_tutorial_class2d_selected": 0.857,
    "peer_REPIC_topaz": 0.788,
    "peer_CASSPER_BGAL_CASSPER": 0.765,
    "peer_CASSPER_Bgal_Gatm": 0.527,
    "peer_REPIC_deepPicker": 0.339,
}


@pytest.fixture(scope="module")
def truth(data):
    """CryoPPP's particles of the ten micrographs."""
    return read_picks(f"{data}/coordinates/empiar_10017/Falcon*.csv")


@pytest.mark.real_data
@pytest.mark.parametrize("picker", sorted(PUBLISHED_F1))
def test_published_pickers_on_beta_galactosidase(data, truth, picker):
    picks = read_picks(data / "coordinates" / "empiar_10017" / "other" / picker)
    metrics = evaluate(picks, truth, spec=BETA_GALACTOSIDASE).metrics
    assert metrics["f1"] == pytest.approx(PUBLISHED_F1[picker], abs=0.02)


@pytest.mark.real_data
def test_the_unlabelled_margin_of_beta_galactosidase(truth):
    spec = EvaluateSpec(
        diameter_angstrom=191.0,
        pixel_size_angstrom=1.77,
        margin_px=131.0,
        image_shape=(4096, 4096),
        bootstrap=0,
    )
    metrics = evaluate(truth, truth, spec=spec).metrics
    assert metrics["true"] == 6297 and metrics["f1"] == 1.0


@pytest.mark.real_data
def test_two_human_annotators_of_apoferritin(data):
    """The stated F1 of 0.957 tells no tolerance: it lies between those of 0.2 and 0.5 diameters."""
    folder = data / "coordinates" / "empiar_10146"
    spec = EvaluateSpec(diameter_angstrom=125.0, pixel_size_angstrom=1.5, bootstrap=0)
    first = read_picks(f"{folder}/*.csv")
    metrics = evaluate(read_picks(folder / "second_annotator"), first, spec=spec).metrics
    assert metrics["true"] == 1180
    tight, wide = (metrics["by_radius_fraction"][name]["f1"] for name in ("0.2", "0.5"))
    assert tight < 0.957 < wide < 0.97
