"""Point groups: orders, identity first, closure, axes."""

import numpy as np
import pytest

from jaxpick.simulate.symmetry import symmetry_group
from jaxpick.spec import SpecError

ORDERS = {"C1": 1, "C7": 7, "C12": 12, "D2": 4, "D7": 14, "T": 12, "O": 24, "I": 60}


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_group_has_its_order_and_is_closed(name, order):
    group = symmetry_group(name)
    assert group.shape == (order, 3, 3)
    np.testing.assert_allclose(group[0], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(group), 1, atol=1e-12)
    products = np.einsum("aij,bjk->abik", group, group).reshape(-1, 9)
    distance = np.abs(products[:, None] - group.reshape(1, -1, 9)).max(axis=-1)
    assert distance.min(axis=1).max() < 1e-9
    apart = np.abs(group.reshape(-1, 1, 9) - group.reshape(1, -1, 9)).max(axis=-1)
    assert (apart + 9 * np.eye(order)).min() > 1e-3


def test_dihedral_axes_are_z_and_x():
    group = symmetry_group("D5")
    z = group @ np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(np.abs(z[:, 2]), 1, atol=1e-12)
    half_turn = np.diag([1.0, -1.0, -1.0])
    assert np.abs(group - half_turn).max(axis=(1, 2)).min() < 1e-9


@pytest.mark.parametrize("name", ["C0", "Q3", "", "D", "I2"])
def test_unknown_group_is_refused(name):
    with pytest.raises(SpecError, match="symmetry"):
        symmetry_group(name)
