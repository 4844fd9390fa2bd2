"""What a card lets one say of training and test data; silence is never read as a clean test."""

import json

import pytest

from jaxpick.evaluate.overlap import TestData, training_overlap
from jaxpick.weights.shipped import FOLDER

PHANTOM = TestData(phantom_seed=7)
PROTEIN = TestData(molecules=("6CVM", "4V1W"), micrographs=("a.mrc", "b.mrc"))
LABELLED = {"data": {"train": ["x/a.mrc"], "validation": ["c.mrc"]}, "config": {}}


@pytest.mark.parametrize(
    ("card", "record", "test", "start"),
    [
        ({}, {}, PROTEIN, "learns nothing"),
        ({"method": "topaz"}, {}, PROTEIN, "unknown"),
        ({"data": {"left_out": ["6CVM", "4v1w"], "structures": "all"}}, {}, PROTEIN, "none: 6CVM"),
        ({"data": {"left_out": ["6CVM"], "structures": "all"}}, {}, PROTEIN, "unknown: 4V1W"),
        ({"data": {"structures": "none"}}, {}, PROTEIN, "none: no structures"),
        ({"data": {"structures": "all"}}, {}, TestData(), "unknown: the molecule"),
        ({"data": {"phantoms": "64 (seed 7)"}}, {}, PHANTOM, "shared: phantoms"),
        ({"data": {"phantoms": "64 (seed 77)"}}, {}, PHANTOM, "none: trained on phantoms"),
        ({"method": "unet"}, LABELLED, PROTEIN, "shared: 1 of 2 micrographs"),
    ],
)
def test_statements(card, record, test, start):
    assert training_overlap(card, record, test).startswith(start)


def test_a_training_of_ones_own_is_read_from_its_record():
    def record(seed):
        specimens = {"num_phantoms": 8, "phantom_seed": seed, "structures": None}
        return {"config": {"specimens": specimens}, "data": {}}

    assert training_overlap({"method": "unet"}, record(7), PHANTOM).startswith("shared")
    assert training_overlap({"method": "unet"}, record(8), PHANTOM).startswith("none")


@pytest.mark.parametrize("method", [path.parent.name for path in FOLDER.glob("*/weights.json")])
def test_the_cards_that_ship_say_enough(method):
    from experiments._data_sets import HELD_OUT_PHANTOMS

    card = json.loads((FOLDER / method / "weights.json").read_text())
    for seed in HELD_OUT_PHANTOMS:
        said = training_overlap(card, {}, TestData(phantom_seed=seed))
        assert said.startswith("none: trained on phantoms of seeds")
