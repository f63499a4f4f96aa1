"""The battery of checks: a sound estimator passes it, and every wrong one is caught."""

from unittest import SkipTest

import numpy as np
import pytest

from tests.utils import wrong_estimators
from tests.utils.wrong_estimators import WRONG, Sound, Telling
from zslearn import registry
from zslearn._data._grid import OnGrid
from zslearn.utils._toy_problems import Problem
from zslearn.utils.estimator_checks import (
    check_zero_shot_estimator,
    parametrize_with_zero_shot_checks,
    zero_shot_checks,
)

SKIPPED = {"check_precisions", "check_saved", "check_grid"}


def statuses(estimator, **options):
    results = check_zero_shot_estimator(estimator, on_fail="report", **options)
    return {result.check: result.status for result in results}


@pytest.mark.parametrize("cls", [Sound, Telling])
def test_sound_estimators_pass(cls):
    results = check_zero_shot_estimator(cls())
    assert {r.check for r in results if r.status == "skipped"} == SKIPPED
    assert {r.status for r in results if r.check not in SKIPPED} == {"passed"}


@pytest.mark.parametrize("cls", WRONG, ids=lambda cls: cls.__name__)
def test_wrong_estimators_are_caught(cls):
    """By the check that is named for it, and by no other unless all depends on it."""
    found = statuses(cls())
    failed = {check for check, status in found.items() if status == "failed"}
    if cls in wrong_estimators.BROADLY_WRONG:
        assert failed > WRONG[cls]
    else:
        assert failed == WRONG[cls]


def test_every_check_catches_something():
    every = {check.func.__name__ for check in zero_shot_checks(Sound())}
    assert every == set().union(*WRONG.values()) | {"check_saved", "check_grid"}


# -- what is registered is heeded ------------------------------------------------------------------


@pytest.fixture
def own_registry(monkeypatch):
    registry.list_methods()
    monkeypatch.setattr(registry, "_methods", dict(registry._methods))


def register(cls, **details):
    options = {"family": "linear", "input": "regions", "paper": "none", **details}
    return registry.register_method("toy", **options)(cls)


class Known(Sound):
    """A sound one that can be saved."""


class SavesCoarsely(Sound):
    """One that loses digits when it is saved."""

    def _get_saved_state(self):
        return {name: value for name, value in vars(self).items() if name.endswith("_")} | {
            "weights_": self.weights_.round(3),
            "_fitted_on_vectors": self._fitted_on_vectors,
        }

    def _set_saved_state(self, state):
        vars(self).update(state)


@pytest.mark.parametrize(("cls", "failed"), [(Known, set()), (SavesCoarsely, {"check_saved"})])
@pytest.mark.usefixtures("own_registry")
def test_saved_models(cls, failed):
    register(cls)
    found = statuses(cls())
    others = {check for check, status in found.items() if status != "passed"} - failed
    assert others == SKIPPED - {"check_saved"}
    assert (found["check_saved"] == "failed") == bool(failed)


@pytest.mark.usefixtures("own_registry")
def test_scores_that_are_declared_to_depend_on_other_classes():
    cls = wrong_estimators.DependsOnOtherClasses
    register(cls, independent_scores=False)
    assert statuses(cls())["check_scores_apart_from_classes"] == "skipped"
    ignores = wrong_estimators.IgnoresDescriptions
    registry._methods.pop("toy")
    register(ignores, independent_scores=False)
    assert statuses(ignores())["check_new_table"] == "failed"


@pytest.mark.usefixtures("own_registry")
def test_descriptions_in_the_space_of_samples_where_a_method_needs_them():
    class InOneSpace(Sound):
        def _check_fit(self, X, y, class_attributes):
            X, y, classes = super()._check_fit(X, y, class_attributes)
            if class_attributes is not None and classes.table.n_attributes != X.shape[-1]:
                raise ValueError("class_attributes is of another space")
            return X, y, classes

    assert statuses(InOneSpace())["check_scores"] == "failed"
    register(InOneSpace, shared_space=True)
    found = statuses(InOneSpace())
    # A class of a function cannot be pickled.
    assert {name for name, status in found.items() if status == "failed"} == {"check_pickle"}


@pytest.mark.usefixtures("own_registry")
def test_vectors_where_a_method_learns_from_them():
    class OnVectors(Sound):
        def _check_X(self, X, *, reset):
            X = super()._check_X(X, reset=reset)
            if len(X.shape) != 2:
                raise ValueError("X holds regions")
            return X

    assert statuses(OnVectors())["check_scores"] == "failed"
    register(OnVectors, input="vectors")
    found = statuses(OnVectors())
    # A class of a function cannot be pickled.
    assert {c for c, s in found.items() if s == "failed"} == {"check_pickle"}
    assert found["check_single_region"] == "skipped"


class OnSquares(OnGrid, Sound):
    """One that takes regions on a grid alone."""

    grid = None


@pytest.mark.usefixtures("own_registry")
def test_regions_on_a_grid():
    register(OnSquares, on_grid=True)
    found = statuses(OnSquares())
    assert {c for c, s in found.items() if s == "failed"} == set()
    assert found["check_padding"] == found["check_ragged_list"] == "skipped"
    assert found["check_grid"] == "passed"
    registry._methods.pop("toy")
    register(Known, on_grid=True)
    assert statuses(Known())["check_grid"] == "failed"


@pytest.mark.usefixtures("own_registry")
def test_pictures_where_a_method_learns_from_them():
    register(Known, input="pictures")
    problem = Problem.of(Known())
    assert problem.X.shape == (45, 32, 32, 3)
    assert problem.X.dtype == np.uint8
    assert problem.narrower(2).X.shape == (45, 32, 30, 3)
    # What the class shows: its mean picture is another than that of the next class.
    means = [problem.X[problem.y == label].mean(axis=0) for label in np.unique(problem.y)]
    noise = problem.X[problem.y == problem.y[0]].std(axis=0).mean()
    assert np.abs(means[0] - means[1]).mean() > noise
    (check,) = (c for c in zero_shot_checks(Known()) if c.func.__name__ == "check_row_source")
    with pytest.raises(SkipTest, match="takes pictures"):
        check(Known())


# -- running them ----------------------------------------------------------------------------------


def test_the_first_failure_is_raised():
    with pytest.raises(AssertionError, match=r"ScoresBySample\.score is 0\.\d+, not 0\.\d+"):
        check_zero_shot_estimator(wrong_estimators.ScoresBySample())


def test_expected_failures():
    estimator = wrong_estimators.ScoresBySample()
    expected = {"check_score_is_per_class": "by sample"}
    results = check_zero_shot_estimator(estimator, expected_failed_checks=expected)
    (result,) = (r for r in results if r.check in expected)
    assert (result.status, result.reason) == ("xfail", "by sample")
    assert isinstance(result.error, AssertionError)


def test_an_expected_failure_that_passes_is_a_failure():
    expected = {"check_score_is_per_class": "by sample"}
    with pytest.raises(AssertionError, match="check_score_is_per_class: passed, though.*by sample"):
        check_zero_shot_estimator(Sound(), expected_failed_checks=expected)


def test_bad_arguments():
    with pytest.raises(
        ValueError, match="expected_failed_checks names .'check_nothing'.*there are"
    ):
        check_zero_shot_estimator(Sound(), expected_failed_checks={"check_nothing": ""})
    with pytest.raises(ValueError, match="on_fail must be 'raise' or 'report', found 'warn'"):
        check_zero_shot_estimator(Sound(), on_fail="warn")
    with pytest.raises(TypeError, match="must be an instance of an estimator, found <class"):
        check_zero_shot_estimator(Sound)


def test_the_estimator_itself_is_left_alone():
    estimator = Sound(delta=0.5)
    check_zero_shot_estimator(estimator)
    assert vars(estimator) == vars(Sound(delta=0.5))


def test_parametrized_tests_have_names_and_marks():
    reason = {"check_scores": "some reason"}
    mark = parametrize_with_zero_shot_checks(
        [Sound(), Sound(delta=0.5)],
        expected_failed_checks=lambda estimator: reason if estimator.delta else {},
    )
    names, parameters = mark.mark.args
    assert names == ("estimator", "check")
    ids = [parameter.id for parameter in parameters]
    assert len(set(ids)) == len(ids) == 2 * len(zero_shot_checks(Sound()))
    assert "Sound(delta=0.5)-check_new_table" in ids
    marked = [parameter for parameter in parameters if parameter.marks]
    assert [parameter.id for parameter in marked] == ["Sound(delta=0.5)-check_scores"]
    assert marked[0].marks[0].kwargs == {"reason": "some reason", "strict": True}
    estimator, check = parameters[0].values
    check(estimator)


def test_every_check_says_what_it_checks():
    for check in zero_shot_checks(Sound()):
        assert check.func.__doc__.startswith("Check that ")
        assert "\n" not in check.func.__doc__
