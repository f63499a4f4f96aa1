"""Scalings of vectors: exact values, and that chunks do not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from zslearn._data._scaling import Scaling, unit_rows


def test_unit_rows_by_hand():
    rows = np.array([[3.0, 4.0], [0.0, 0.0], [1e200, 0.0], [0.0, -1e-200]])
    assert_array_equal(unit_rows(rows), [[0.6, 0.8], [0, 0], [1, 0], [0, -1]])


@given(st.integers(1, 20), st.floats(-1e3, 1e3))
def test_chunks_do_not_matter(step, shift):
    X = np.random.default_rng(0).normal(size=(23, 4)) * [1, 5, 0.1, 0] + shift
    chunks = [X[start : start + step] for start in range(0, 23, step)]
    for kind, reference in (("standard", StandardScaler()), ("min_max", MinMaxScaler())):
        scaled = Scaling.fit(kind, chunks, "scaling")(X)
        assert_allclose(scaled, reference.fit_transform(X), rtol=0, atol=1e-9)


def test_none_and_unit_length_read_nothing():
    def chunks():
        raise AssertionError("read")
        yield

    X = np.array([[3.0, 4.0]])
    assert_array_equal(Scaling.fit(None, chunks(), "scaling")(X), X)
    assert_array_equal(Scaling.fit("unit_length", chunks(), "scaling")(X), [[0.6, 0.8]])


def test_refuses_other_kinds():
    with pytest.raises(ValueError, match="scaling must be one of 'unit_length', 'signed_root'"):
        Scaling.fit("l2", [], "scaling")


@pytest.mark.parametrize("step", [4, 9, 23])
def test_weights_are_repetitions(step):
    rng = np.random.default_rng(1)
    X, times = rng.normal(size=(23, 4)), rng.integers(1, 4, size=23)
    chunks = [X[start : start + step] for start in range(0, 23, step)]
    weighted = Scaling.fit("standard", chunks, "scaling", times.astype(float))
    repeated = Scaling.fit("standard", [X.repeat(times, axis=0)], "scaling")
    assert_allclose(weighted(X), repeated(X), rtol=1e-12, atol=1e-13)
