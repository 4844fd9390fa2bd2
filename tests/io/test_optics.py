"""Optics of micrographs from RELION tables, old and new."""

import pytest

from jaxpick.io.files import InputError
from jaxpick.io.optics import has_optics, read_optics

NEW = """
data_optics
loop_
_rlnOpticsGroup #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
1 300.0 2.7 0.1
2 200.0 1.4 0.07

data_micrographs
loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
_rlnPhaseShift #6
MotionCorr/job002/a.mrc 2 20100.5 19900.5 30.0 90.0
MotionCorr/job002/b.mrc 1 12000.0 12000.0 0.0 0.0
"""
OLD = """
data_
loop_
_rlnMicrographName #1
_rlnVoltage #2
_rlnDefocusU #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
a.mrc 300.0 15000.0 2.0 0.1
"""


def written(tmp_path, text):
    path = tmp_path / "micrographs.star"
    path.write_text(text)
    return path


def test_new_tables_take_voltage_from_the_optics_group(tmp_path):
    optics = read_optics(written(tmp_path, NEW))
    assert set(optics) == {"a", "b"}
    a = optics["a"]
    assert (a.defocus_u_angstrom, a.defocus_v_angstrom, a.astigmatism_deg) == (20100.5, 19900.5, 30)
    assert (a.voltage_kv, a.spherical_aberration_mm, a.amplitude_contrast) == (200, 1.4, 0.07)
    assert a.phase_shift_deg == 90
    assert optics["b"].voltage_kv == 300


def test_old_tables_hold_all_in_one(tmp_path):
    optics = read_optics(written(tmp_path, OLD))["a"]
    assert optics.defocus_u_angstrom == optics.defocus_v_angstrom == 15000
    assert optics.spherical_aberration_mm == 2.0


def test_only_tables_with_defocus_have_optics(tmp_path):
    assert has_optics(written(tmp_path, NEW))
    bare = written(tmp_path, "data_\nloop_\n_rlnMicrographName #1\na.mrc\n")
    assert not has_optics(bare)
    assert not has_optics("data/*.mrc")
    with pytest.raises(InputError, match="expected columns"):
        read_optics(bare)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OLD.replace("_rlnVoltage", "_rlnOther"), "expected a column _rlnVoltage"),
        (NEW.replace("a.mrc 2 ", "a.mrc 3 "), "optics group 3 is not in its table"),
        (OLD.replace("15000.0", "deep"), "rlnDefocusU"),
    ],
)
def test_incomplete_tables_are_refused_in_a_sentence(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read_optics(written(tmp_path, text))
