"""Checks of scores and predictions: what follows from what."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import numpy as np
from sklearn.exceptions import NotFittedError

from zslearn.utils._toy_problems import (
    Problem,
    assert_close,
    columns_of,
    fitted,
    input_of,
    is_fitted,
    raises,
    seeded_clone,
    with_values,
)

__all__: list[str] = []

_CAPABILITIES = ("predict_attributes", "class_embeddings", "attention_maps")


def check_scores(name: str, estimator_orig: Any) -> None:
    """Check that scores, probabilities and predictions agree, and have the shapes they promise."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    X, n_classes = problem.X, len(problem.labels)
    scores = estimator.decision_function(X)
    assert scores.shape == (len(X), n_classes), f"{name}: scores have shape {scores.shape}"
    assert scores.dtype.kind == "f", f"{name}: scores have dtype {scores.dtype}"
    assert np.isfinite(scores).all(), f"{name}: scores are not finite"
    _check_agreement(name, estimator, X)
    delta = _delta_parameter(estimator_orig)
    if delta is not None:
        for value in (-0.7, 0.7, np.inf):
            _check_agreement(name, estimator.set_params(**{delta: value}), X)


def _check_agreement(name: str, estimator: Any, X: Any) -> None:
    """Check that scores, probabilities and predictions agree, whatever the calibration."""
    scores, predicted = estimator.decision_function(X), estimator.predict(X).tolist()
    best = estimator.classes_[scores.argmax(axis=1)].tolist()
    assert best == predicted, f"{name}: the best score by decision_function is not predicted"
    shares = estimator.predict_proba(X)
    assert shares.shape == scores.shape, f"{name}: probabilities have shape {shares.shape}"
    assert shares.min() >= 0, f"{name}: probabilities are negative"
    assert_close(shares.sum(axis=1), np.ones(len(X)), f"{name}: probabilities do not sum to one")
    raised = np.take_along_axis(shares, scores.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert_close(raised, shares.max(axis=1), f"{name}: the best score is not the most probable")
    if hasattr(estimator, "predict_from_uncalibrated"):
        raw = estimator.uncalibrated_scores(X)
        for candidates in (None, "seen", "unseen", ["cat", "dog"]):
            found = estimator.predict_from_uncalibrated(raw, candidates=candidates)
            expected = estimator.predict(X, candidates=candidates)
            agree = found.tolist() == expected.tolist()
            assert agree, (
                f"{name}.predict_from_uncalibrated is not predict, candidates={candidates!r}"
            )


def check_two_classes(name: str, estimator_orig: Any) -> None:
    """Check that two classes share one score, as scikit-learn has it, and are predicted by it."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    pair = problem.table.subset(["fly", "cat"])
    scores = estimator.decision_function(problem.X, class_attributes=pair)
    assert scores.shape == (len(problem.X),), f"{name}: scores of a pair have shape {scores.shape}"
    shares = estimator.predict_proba(problem.X, class_attributes=pair)
    assert shares.shape == (len(problem.X), 2), f"{name}: probabilities of a pair: {shares.shape}"
    agree = np.array_equal(shares[:, 1] > shares[:, 0], scores > 0)
    assert agree, f"{name}: a positive score is not that of the second of two classes"
    found = estimator.predict(problem.X, class_attributes=pair)
    labels = np.array(sorted(pair.labels.tolist()))
    agree = found.tolist() == labels[(scores > 0).astype(int)].tolist()
    assert agree, f"{name}: the score of two classes is not that of what is predicted"
    if hasattr(estimator, "predict_from_uncalibrated"):
        raw = estimator.uncalibrated_scores(problem.X, class_attributes=pair)
        again = estimator.predict_from_uncalibrated(raw, class_attributes=pair)
        agree = found.tolist() == again.tolist()
        assert agree, f"{name}.predict_from_uncalibrated of two classes is not predict"


def check_samples_apart(name: str, estimator_orig: Any) -> None:
    """Check that what is said of a sample depends neither on the others nor on their order."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    X = problem.X
    order = np.random.default_rng(0).permutation(len(X))
    for method in ("decision_function", *_present(estimator, "predict_attributes")):
        values = getattr(estimator, method)(X)
        turned = getattr(estimator, method)(X[order])
        message = f"{name}.{method} depends on the order of samples"
        assert_close(turned, values[order], message, estimator)
        alone = np.concatenate([getattr(estimator, method)(X[i : i + 1]) for i in range(8)])
        message = f"{name}.{method} of one sample alone is another than among others"
        # On the scale of all values: a row of small ones comes of as large terms.
        assert_close(np.r_[alone, values[8:]], values, message, estimator)


def check_delta_sweep(name: str, estimator_orig: Any) -> None:
    """Check that delta moves predictions as adding it to the unseen classes' scores does."""
    parameter = _delta_parameter(estimator_orig)
    if parameter is None:
        raise SkipTest("no parameter delta")
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    X = problem.X
    if hasattr(estimator, "calibration_scores"):
        scores = estimator.calibration_scores(estimator.uncalibrated_scores(X))
    else:
        scores = columns_of(estimator.set_params(**{parameter: 0.0}).decision_function(X))
    gaps = scores[:, ~problem.unseen].max(axis=1) - scores[:, problem.unseen].max(axis=1)
    switches = np.unique(gaps)
    grid = np.r_[switches[0] - 1, (switches[1:] + switches[:-1]) / 2, switches[-1] + 1, 0.0]
    grid = grid[np.abs(grid[:, None] - switches).min(axis=1) > 1e-9]  # ties are anybody's
    for delta in grid.tolist():
        found = estimator.set_params(**{parameter: delta}).predict(X)
        expected = problem.labels[(scores + delta * problem.unseen).argmax(axis=1)]
        wrong = np.count_nonzero(found != expected)
        assert not wrong, (
            f"{name}: {wrong} predictions with {parameter}={delta} are not those of a sum"
        )
        one_side = estimator.predict(X, candidates="unseen")
        best = problem.labels[np.where(problem.unseen, scores, -np.inf).argmax(axis=1)]
        agree = one_side.tolist() == best.tolist()
        assert agree, f"{name}: {parameter} has a say among unseen classes alone"


def check_score_is_per_class(name: str, estimator_orig: Any) -> None:
    """Check that score is the mean over classes of the share of recognised samples."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    rows = np.r_[np.flatnonzero(problem.y == "ant"), np.flatnonzero(problem.y != "ant")[:20]]
    X, y = problem.X[rows], problem.y[rows]
    for candidates in (None, "seen"):
        right = estimator.predict(X, candidates=candidates) == y
        expected = np.mean([right[y == label].mean() for label in np.unique(y)])
        found = estimator.score(X, y, candidates=candidates)
        assert abs(found - expected) < 1e-12, f"{name}.score is {found}, not {expected}"


def check_capabilities(name: str, estimator_orig: Any) -> None:
    """Check that attribute scores, class embeddings and maps are absent, or right."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    X, table = problem.X, problem.table
    n_attributes = table.n_attributes
    there = _present(estimator, *_CAPABILITIES)
    before = _present(seeded_clone(estimator_orig), *_CAPABILITIES)
    assert there == before, f"{name} has {before} before fit, and {there} after"
    if "predict_attributes" in there:
        semantics = estimator.predict_attributes(X)
        shape = semantics.shape
        assert shape == (len(X), n_attributes), f"{name}.predict_attributes has shape {shape}"
        assert np.isfinite(semantics).all(), f"{name}.predict_attributes is not finite"
    if "class_embeddings" in there:
        shape = estimator.class_embeddings().shape
        assert shape == (8, n_attributes), f"{name}.class_embeddings has shape {shape}"
    if {"predict_attributes", "class_embeddings"} <= set(there):
        new = with_values(table, table.values[[5, 2, 0]][:, ::-1], ["yak", "asp", "ant"])
        for given in (None, new):
            assert_close(
                semantics @ estimator.class_embeddings(given).T,
                estimator.uncalibrated_scores(X, class_attributes=given),
                f"{name}: predict_attributes @ class_embeddings.T is not uncalibrated_scores",
                estimator,
            )
    if "attention_maps" in there:
        maps = estimator.attention_maps(X)
        n_regions = {2: 1, 3: X.shape[1], 4: maps.shape[-1]}[X.ndim]
        right = maps.shape == (len(X), n_attributes, n_regions)
        assert right, f"{name}.attention_maps has shape {maps.shape}"
        assert maps.min() >= 0, f"{name}.attention_maps are negative"
        ones = np.ones(maps.shape[:2])
        assert_close(maps.sum(-1), ones, f"{name}.attention_maps do not sum to one", estimator)
        few = estimator.attention_maps(X, [table.attribute_names[k] for k in (4, 1)])
        message = f"{name}.attention_maps of some attributes are not theirs"
        assert_close(few, maps[:, [4, 1]], message, estimator)
        with raises(ValueError, "attributes", f"{name}.attention_maps of an unknown attribute"):
            estimator.attention_maps(X, ["no such attribute"])


def check_not_fitted(name: str, estimator_orig: Any) -> None:
    """Check that an estimator that is not fitted says so."""
    problem = Problem.of(estimator_orig)
    estimator = seeded_clone(estimator_orig)
    assert not is_fitted(estimator), f"{name} counts as fitted before fit"
    methods = ("predict", "predict_proba", "decision_function", *_CAPABILITIES)
    for method in _present(estimator, *methods):
        arguments = () if method == "class_embeddings" else (problem.X,)
        with raises(NotFittedError, "fit", f"{name}.{method} before fit"):
            getattr(estimator, method)(*arguments)


def check_features_refused(name: str, estimator_orig: Any) -> None:
    """Check that features of another width or rank, or not finite, are refused by name."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    X = problem.X
    gaps = X.astype(np.float32)
    gaps[3, ..., 0] = np.nan
    refused = {
        "fewer features": X[..., :-1],
        "not-a-number": gaps,
        "infinity": np.where(np.isnan(gaps), np.inf, gaps),
        "no samples": X[:0],
        "four dimensions": X.reshape(len(X), -1, 2, 2),
    }
    if input_of(estimator_orig) == "regions":
        refused["one vector a sample, where there were regions"] = X[:, 0]
    for what, given in refused.items():
        errors = (ValueError, TypeError) if given.ndim == 4 else ValueError
        with raises(errors, "X |features|sample|scores|regions", f"{name}.predict of {what}"):
            estimator.predict(given)


def _present(estimator: Any, *methods: str) -> list[str]:
    return [method for method in methods if hasattr(estimator, method)]


def _delta_parameter(estimator: Any) -> str | None:
    """Name of the parameter that calibrates an estimator, if it has one."""
    names = estimator.get_params()
    if "delta" in names:
        return "delta"
    inner = [f"{name}__delta" for name in ("estimator", "classifier") if f"{name}__delta" in names]
    return inner[0] if inner and hasattr(estimator, "delta") else None
