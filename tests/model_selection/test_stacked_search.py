"""StackedGridSearchCV gives what GridSearchCV gives."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._training import _side_by_side
from zslearn.exceptions import NonFiniteLossError, TrainingInterruptedWarning
from zslearn.metrics import ausuc_scorer, get_gzsl_scorer, gzsl_multimetric_scorer
from zslearn.model_selection import RowView, SeenUnseenKFold, StackedGridSearchCV, _stacked_search
from zslearn.nn._network_stack import CVsCNetworkStack

NAMES = np.array(["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"])
GRID = {"lambda_cc": [0.0, 0.5], "learning_rate": [1e-3, 1e-2]}


FAST = CVsCClassifier(max_epochs=8, learning_rate=0.03, attribute_dim=10, random_state=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the test scores")
@parametrize_with_checks([StackedGridSearchCV(FAST, {"alpha": [0.5, 1.0]}, cv=2)])
def test_estimators(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def problem():
    """Eight classes by five attributes, pictures of six of them."""
    rng = np.random.default_rng(0)
    values = np.array([[(c >> k) & 1 for k in range(5)] for c in (1, 2, 4, 8, 16, 6, 24, 19)])
    y = rng.permutation(np.repeat(np.arange(6), 8))
    X = values[y][:, None, :] @ rng.normal(size=(5, 16)) + rng.normal(size=(48, 3, 16)) * 0.3
    return X.astype(np.float16), NAMES[y], ClassAttributes(values, labels=NAMES)


@pytest.fixture(params=[False, True], ids=["legacy", "routing"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


def small(**params):
    options = {"max_epochs": 2, "batch_size": 16, "attribute_dim": 8, "random_state": 0}
    return CVsCClassifier(**options | params)


def both(problem, grid, estimator=None, as_rows=np.asarray, **options):
    """The two searches, fitted."""
    X, y, table = problem
    options = {"cv": SeenUnseenKFold(3, random_state=0)} | options
    estimator = small() if estimator is None else estimator
    kinds = (StackedGridSearchCV, GridSearchCV)
    return [
        kind(clone(estimator), grid, **options).fit(as_rows(X), y, class_attributes=table)
        for kind in kinds
    ]


def assert_same(found, expected):
    results, other = found.cv_results_, expected.cv_results_
    assert results.keys() == other.keys()
    assert list(results)[4:] == list(other)[4:]
    for name in results:
        if name == "params":
            assert results[name] == other[name]
        elif name.startswith("param_"):
            assert results[name].dtype == other[name].dtype
            assert results[name].tolist() == other[name].tolist()  # None where masked
        elif "time" in name:
            assert results[name].shape == other[name].shape
            assert (results[name] >= 0).all()
        else:
            # A rounding error may turn one prediction; exact ranks and means are those of
            # scores that no tie is near.
            np.testing.assert_allclose(results[name], other[name], rtol=1e-4, atol=1e-6)
    for name in ["n_splits_", "multimetric_", "best_index_", "best_params_"]:
        assert hasattr(found, name) == hasattr(expected, name), name
        assert getattr(found, name, None) == getattr(expected, name, None), name
    assert repr(found.scorer_) == repr(expected.scorer_)
    assert hasattr(found, "best_estimator_") == hasattr(expected, "best_estimator_")
    assert hasattr(found, "refit_time_") == hasattr(expected, "refit_time_")


def test_one_metric(problem, routing):
    found, expected = both(problem, GRID, scoring=ausuc_scorer, error_score="raise")
    assert_same(found, expected)
    assert found.best_score_ == pytest.approx(expected.best_score_)
    X = problem[0]
    # Refitted alone, so equal to the bit.
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    assert found.n_features_in_ == 16


def test_several_metrics_in_one_call(problem, routing):
    options = {"scoring": gzsl_multimetric_scorer, "refit": "H", "return_train_score": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # training parts have no unseen class
        assert_same(*both(problem, GRID, **options))


def test_several_named_metrics(problem):
    scoring = {name: get_gzsl_scorer(name) for name in ("ausuc", "gzsl_harmonic_mean")}
    assert_same(*both(problem, GRID, scoring=scoring, refit="ausuc"))


def test_the_estimators_own_score(problem):
    assert_same(*both(problem, GRID))


def test_a_list_of_grids_and_a_callable_refit(problem):
    def second(results):
        return 1

    grids = [{"lambda_cc": [0.0]}, {"alpha": [0.5, 1.0], "max_epochs": [1, 3]}]
    found, expected = both(problem, grids, scoring=ausuc_scorer, refit=second)
    assert_same(found, expected)
    assert found.best_index_ == 1
    assert not hasattr(found, "best_score_")


@pytest.mark.parametrize("scoring", [ausuc_scorer, gzsl_multimetric_scorer])
def test_no_refit(problem, scoring):
    X = problem[0]
    options = {"scoring": scoring, "refit": False}
    for search in both(problem, GRID, **options):
        assert hasattr(search, "best_params_") == (scoring is ausuc_scorer)
        with pytest.raises(AttributeError, match="has no attribute 'predict'"):
            search.predict(X)


def test_lazy_rows(problem):
    assert_same(*both(problem, GRID, scoring=ausuc_scorer, as_rows=RowView))


def test_a_table_as_a_frame(problem):
    X, y, table = problem
    frame = pd.DataFrame(np.array(table.values), index=NAMES)
    cv = SeenUnseenKFold(2, random_state=0)
    search = StackedGridSearchCV(small(), GRID, scoring=ausuc_scorer, cv=cv)
    search.fit(X, y, class_attributes=frame)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_one_pass_serves_all_candidates(problem, monkeypatch):
    served = []
    call = CVsCNetworkStack.__call__

    def counting(stack, *args):
        served.append(len(stack.networks))
        return call(stack, *args)

    monkeypatch.setattr(CVsCNetworkStack, "__call__", counting)
    X, y, table = problem
    cv = SeenUnseenKFold(2, random_state=0)
    search = StackedGridSearchCV(small(), GRID, scoring=ausuc_scorer, cv=cv, refit=False)
    search.fit(X, y, class_attributes=table)
    assert set(served) == {4}
    served.clear()
    monkeypatch.setattr(_stacked_search, "_CANDIDATES_HELD", 3)
    again = clone(search).fit(X, y, class_attributes=table)
    assert set(served) == {3, 1}
    np.testing.assert_allclose(
        again.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"], rtol=1e-4
    )


def test_seeds_have_batches_in_common(problem):
    X, y, table = problem
    cv = SeenUnseenKFold(2, random_state=0)
    options = {"scoring": ausuc_scorer, "cv": cv, "refit": False}
    grid = {"random_state": [3, 4]}
    found = StackedGridSearchCV(small(), grid, **options).fit(X, y, class_attributes=table)
    same = GridSearchCV(small(batch_random_state=3), grid, **options)
    same.fit(X, y, class_attributes=table)
    assert_same(found, same)


WILD = {"optimizer": ["sgd"], "learning_rate": [0.01, 1e30]}


@pytest.mark.parametrize(
    ("scoring", "metric"),
    [(ausuc_scorer, "score"), (gzsl_multimetric_scorer, "H"), ({"a": ausuc_scorer}, "a")],
)
def test_a_candidate_that_diverges(problem, scoring, metric):
    options = {"scoring": scoring, "refit": False, "error_score": -1.0}
    with pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 6"):
        found, expected = both(problem, WILD, **options)
    name = f"mean_test_{metric}"
    assert found.cv_results_[name][1] == -1.0
    np.testing.assert_allclose(found.cv_results_[name], expected.cv_results_[name], rtol=1e-4)


def test_error_score_raise(problem):
    X, y, table = problem
    cv = SeenUnseenKFold(2, random_state=0)
    options = {"scoring": ausuc_scorer, "cv": cv, "error_score": "raise"}
    search = StackedGridSearchCV(small(), WILD, **options)
    with pytest.raises(NonFiniteLossError) as caught:
        search.fit(X, y, class_attributes=table)
    assert caught.value.__notes__ == [
        "Of the candidate {'learning_rate': 1e+30, 'optimizer': 'sgd'}."
    ]


def test_every_fit_failed(problem):
    X, y, table = problem
    search = StackedGridSearchCV(small(), {"lambda_cc": [-1.0]}, cv=SeenUnseenKFold(2))
    with pytest.raises(ValueError, match=r"All the 2 fits failed[\s\S]*'lambda_cc' parameter"):
        search.fit(X, y, class_attributes=table)


def test_ctrl_c_ends_the_search(problem, monkeypatch):
    X, y, table = problem
    steps = []
    step = _side_by_side.SideBySide._step

    def interrupted(training, *args):
        steps.append(1)
        if len(steps) == 5:
            raise KeyboardInterrupt
        step(training, *args)

    monkeypatch.setattr(_side_by_side.SideBySide, "_step", interrupted)
    search = StackedGridSearchCV(small(), GRID, cv=SeenUnseenKFold(2))
    warns = pytest.warns(TrainingInterruptedWarning)
    with warns, pytest.raises(KeyboardInterrupt):
        search.fit(X, y, class_attributes=table)
    assert not hasattr(search, "cv_results_")


def test_what_cannot_be_stacked_is_refused(problem):
    X, y, _ = problem
    pipe = make_pipeline(FunctionTransformer(), small())
    with pytest.raises(TypeError, match="found Pipeline. Use scikit-learn's GridSearchCV"):
        StackedGridSearchCV(pipe, {"cvscclassifier__alpha": [1]}).fit(X, y)
    with pytest.raises(TypeError, match=r"takes no parameter \['sample_weight'\]"):
        StackedGridSearchCV(small(), GRID).fit(X, y, sample_weight=np.ones(len(y)))
    with pytest.raises(ValueError, match="No fits can be made of 4 candidates and 0 folds"):
        StackedGridSearchCV(small(), GRID, cv=[]).fit(X, y)


def test_callbacks_on_the_search_are_refused(problem):
    callback = pytest.importorskip("sklearn.callback")
    search = StackedGridSearchCV(small(), GRID).set_callbacks(callback.ProgressBar())
    with pytest.raises(ValueError, match="Set them on the estimator"):
        search.fit(*problem[:2])


def test_verbose(problem, capsys):
    X, y, table = problem
    cv = SeenUnseenKFold(2, random_state=0)
    StackedGridSearchCV(small(), GRID, cv=cv, verbose=1, refit=False).fit(
        X, y, class_attributes=table
    )
    line = "Fitting 2 folds for each of 4 candidates, totalling 8 fits\n"
    assert capsys.readouterr().out == line
