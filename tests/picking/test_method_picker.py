"""What all pickers share: columns, pixels of the micrograph, the border without picks."""

import dataclasses

import numpy as np
import pytest

from jaxpick.io.files import InputError
from jaxpick.io.nouns import Micrograph
from jaxpick.picking.dense import DecodeSpec
from jaxpick.picking.method_picker import Found, MethodPicker
from jaxpick.picking.picker import ChoosesThreshold, Picker
from jaxpick.preprocess.working import WorkingSpec

MICROGRAPH = Micrograph(
    image=np.random.default_rng(0).normal(size=(120, 160)).astype(np.float32),
    pixel_size_angstrom=2.0,
    name="m.mrc",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corners(MethodPicker):
    """Finds the corners of the working image and its middle; of sizes of its own, if asked."""

    sizes: bool = False

    def find(self, working):
        bottom, right = (side - 1.0 for side in working.image.shape)
        y = np.array([0.0, 0.0, bottom, bottom, bottom / 2])
        x = np.array([0.0, right, 0.0, right, right / 2])
        number = np.arange(5.0)
        return Found(y, x, -number, 10 + number if self.sizes else None, {"number": number})


def found(**settings):
    working = WorkingSpec(diameter_px=10.0, local_share=0.0)
    picker = Corners(
        name="corners", working=working, decode=DecodeSpec(), diameter_angstrom=40.0, **settings
    )
    assert isinstance(picker, Picker) and not isinstance(picker, ChoosesThreshold)
    assert picker.threshold == DecodeSpec().threshold
    return picker.candidates(picker.prepare(MICROGRAPH))


def test_picks_carry_the_micrograph_the_method_and_all_columns():
    picks = found(sizes=True)
    assert (picks.micrograph, picks.method, picks.pixel_size_angstrom) == ("m.mrc", "corners", 2.0)
    np.testing.assert_array_equal(picks.diameter_angstrom, 10 + picks.extra["number"])
    np.testing.assert_array_equal(picks.score, -picks.extra["number"])
    np.testing.assert_array_equal(found().diameter_angstrom, 40.0)


def test_working_pixels_become_pixels_of_the_micrograph():
    """20 pixels of 2 angstrom are 10 of 4: the last working pixel is 2 before the end."""
    picks = found()
    np.testing.assert_allclose(picks.y, [0, 0, 118, 118, 59])
    np.testing.assert_allclose(picks.x, [0, 158, 0, 158, 79])


@pytest.mark.parametrize(("margin", "left"), [(0.0, 5), (2.0, 2), (4.0, 1), (118.0, 1), (118.9, 0)])
def test_a_margin_keeps_what_is_as_far_from_the_border(margin, left):
    """The last corner is 1 pixel from the border, the middle 59, the others none."""
    assert len(found(margin_angstrom=margin)) == left


def test_a_margin_that_leaves_nothing_is_refused():
    with pytest.raises(InputError, match=r"m\.mrc: a margin of 120 angstrom leaves nothing of"):
        found(margin_angstrom=120.0)
