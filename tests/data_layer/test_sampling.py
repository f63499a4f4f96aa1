"""The rows that make batches."""

import numpy as np
import pytest

from zslearn._data._sampling import RowsByClass, ShuffledRows

TARGETS = np.array([3, 1, 1, 7, 3, 1, 3, 3, 1, 3])  # 4, 5 and 1 rows of classes 1, 3 and 7


def drawn(plan, seed=0):
    return plan.draw(np.random.default_rng(seed))


def test_shuffled_rows_are_a_permutation_in_even_batches():
    plan = ShuffledRows(10, 4)
    batches = drawn(plan)
    assert [len(rows) for rows in batches] == [4, 3, 3]
    assert (len(plan), plan.largest) == (3, 4)
    expected = np.random.default_rng(0).permutation(10)
    assert np.concatenate(batches).tolist() == expected.tolist()


def test_shuffled_rows_come_as_often_as_they_count():
    weights = np.array([1.0, 3.0, 0.5, 0.5, 5.0])
    times = sum(
        np.bincount(np.concatenate(drawn(ShuffledRows(5, 2, weights), seed)), minlength=5)
        for seed in range(200)
    )
    np.testing.assert_allclose(times / 200, weights / 2, atol=0.1)


@pytest.mark.parametrize("n_classes", [1, 2, 3])
@pytest.mark.parametrize("replace", [True, False])
def test_batches_have_as_many_rows_of_each_of_some_classes(n_classes, replace):
    plan = RowsByClass(TARGETS, n_classes, 4, 50, replace=replace)
    batches = drawn(plan)
    assert (len(plan), len(batches), plan.largest) == (50, 50, 4 * n_classes)
    twice = set()
    for rows in batches:
        labels, counts = np.unique(TARGETS[rows], return_counts=True)
        assert len(labels) == n_classes
        assert (counts == 4).all()
        values, times = np.unique(rows, return_counts=True)
        twice |= set(TARGETS[values[times > 1]].tolist())
    # Only the class of a single row has to repeat it.
    assert twice == ({1, 3, 7} if replace else {7})


def test_every_row_of_a_class_and_every_class_is_as_likely():
    plan = RowsByClass(TARGETS, 2, 1, 30_000, replace=True)
    counts = np.bincount(np.concatenate(drawn(plan)), minlength=10)
    sizes = np.bincount(TARGETS)[TARGETS]
    np.testing.assert_allclose(counts / 20_000 * sizes, 1, atol=0.06)


def test_there_are_no_more_classes_than_have_rows():
    plan = RowsByClass(TARGETS, 16, 2, 3, replace=False)
    assert plan.largest == 6
    assert {len(rows) for rows in drawn(plan)} == {6}


def test_the_generator_decides():
    plan = RowsByClass(TARGETS, 2, 3, 4, replace=False)
    first, again, other = (np.stack(drawn(plan, seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
