"""Learning rates that fall in steps."""

import numpy as np
import pytest

from zslearn import DAZLEClassifier
from zslearn.model_selection import StepSchedule


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    return rng.normal(size=(24, 2, 5)), np.arange(24) % 2, np.array([[1, 0], [0, 1], [1, 1]])


def rates(problem, schedule, max_epochs=10):
    clf = DAZLEClassifier(
        learning_rate=1.0, learning_rate_schedule=schedule, max_epochs=max_epochs, batch_size=8
    )
    clf.fit(problem[0], problem[1], class_attributes=problem[2])
    return np.array(clf.net_.history[:, "batches", :, "lr"])


def test_rates_of_the_epochs(problem):
    found = rates(problem, StepSchedule(0.5, (2 / 10, 6 / 10)))
    expected = np.repeat([1.0, 0.5, 0.25], [2, 4, 4])
    np.testing.assert_array_equal(found, np.repeat(expected[:, None], 3, axis=1))


@pytest.mark.parametrize("epochs", [20, 25, 30, 50, 80])
def test_points_are_beginnings_of_epochs(epochs):
    """However a share is rounded, the step that begins an epoch has passed it."""
    for epoch in range(1, epochs):
        schedule = StepSchedule(0.1, (epoch / epochs,))
        for n_batches in (1, 7, 300):
            n_steps = epochs * n_batches
            assert schedule((epoch * n_batches) / n_steps) == 0.1
            assert schedule((epoch * n_batches - 1) / n_steps) == 1.0


@pytest.mark.parametrize(
    "schedule",
    [StepSchedule(0.1, (10,)), StepSchedule(0.0), StepSchedule((0.1, 0.2)), StepSchedule((-1.0,))],
)
def test_refused(problem, schedule):
    with pytest.raises(ValueError, match="StepSchedule"):
        rates(problem, schedule)
