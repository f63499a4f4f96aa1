import numpy as np
import pytest

from zslearn import ClassAttributes
from zslearn.inspection._class_order import class_order


@pytest.mark.parametrize("seed", range(5))
def test_classes_along_an_arc_are_in_its_order(seed):
    """Gaps differ, so that neighbours are joined in some other order than along the arc."""
    place = np.random.default_rng(seed).permutation(9)
    angles = np.deg2rad(np.array([0, 3, 10, 14, 30, 35, 41, 70, 78]))[place]
    table = ClassAttributes(np.column_stack([np.cos(angles), np.sin(angles)]))
    found = place[class_order(np.arange(9), "similarity", table)]
    assert found.tolist() in (list(range(9)), list(range(9))[::-1])
