"""The grid of regions: given, known to a store, or a square; else refused with what to do."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator

from zslearn._data._grid import OnGrid, known_grid, refuse_padding, resolve_grid
from zslearn._data._rows import SharedRows
from zslearn.base import ZeroShotClassifierMixin
from zslearn.feature_extraction import FeatureStoreWriter
from zslearn.model_selection import RowView


class Gridded(OnGrid, ZeroShotClassifierMixin, BaseEstimator):
    def __init__(self, grid=None):
        self.grid = grid

    def grid_of(self, X):
        self._check_X(X, reset=True)
        return self.grid_


@pytest.fixture
def store(tmp_path):
    shape = {"n_total": 4, "n_regions": 6, "n_features": 3, "metadata": {}}
    with FeatureStoreWriter(tmp_path, **shape, grid_shape=(2, 3)) as writer:
        writer.append(np.ones((3, 6, 3)), skipped={1: "broken"})
    return writer.store()


def test_a_square_is_found_and_a_vector_is_one_cell():
    assert Gridded().grid_of(np.ones((2, 49, 5))) == (7, 7)
    assert Gridded().grid_of(np.ones((2, 5))) == (1, 1)
    assert Gridded((2, 3)).grid_of(np.ones((2, 6, 5))) == (2, 3)
    assert Gridded([3, 2]).grid_of(torch.ones(2, 6, 5)) == (3, 2)


def test_stores_and_their_views_know_their_grid(store):
    for X in (store, store[:2], store[[0, 2]], RowView(store[1:], [0]), SharedRows(store[:2])):
        assert known_grid(X) == ((2, 3), False)
        assert Gridded().grid_of(X) == (2, 3)
    assert known_grid(np.ones((2, 6, 3))[:1]) == (None, False)
    with pytest.raises(ValueError, match=r"grid=\(3, 3\) has 9 cells, but X has 6 regions"):
        Gridded((3, 3)).grid_of(store)


def test_a_store_without_grid_is_refused(tmp_path):
    shape = {"n_total": 1, "n_regions": 4, "n_features": 3, "metadata": {}}
    with FeatureStoreWriter(tmp_path, **shape, grid_shape=None) as writer:
        writer.append(np.ones((1, 4, 3)))
    with pytest.raises(ValueError, match=r"4 regions of X lie on no grid: pass grid=\(rows, col"):
        Gridded().grid_of(writer.store())
    assert Gridded((1, 4)).grid_of(writer.store()) == (1, 4)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (None, "The 6 regions of X form no square: pass grid="),
        ((2, 2), r"grid=\(2, 2\) has 4 cells, but X has 6 regions"),
        ((-2, -3), "6 cells, but X has 6 regions"),
        ((6,), r"grid=\(6,\) must be two numbers"),
        (("a", 2), "must be two numbers"),
    ],
)
def test_what_is_no_grid_is_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        resolve_grid(grid, 6)


def test_prediction_is_on_the_grid_of_the_fit(store):
    estimator = Gridded((3, 2))
    estimator.grid_of(np.ones((2, 6, 3)))
    estimator._check_X(np.ones((2, 6, 3)), reset=False)
    for X in (store[:1], np.ones((2, 4, 3))):
        with pytest.raises(ValueError, match=r"fitted on a grid of \(3, 2\): extract"):
            estimator._check_X(X, reset=False)


def test_regions_on_no_grid_are_refused():
    with pytest.raises(ValueError, match="different numbers of regions, but Gridded needs"):
        Gridded().grid_of([np.ones((4, 3)), np.ones((2, 3))])
    assert Gridded().grid_of([np.ones((4, 3)), np.ones((4, 3))]) == (2, 2)
    refuse_padding(None)
    with pytest.raises(ValueError, match="regions of zeros, in 1 of the 2 samples"):
        refuse_padding(torch.tensor([[False, False], [True, False]]))
