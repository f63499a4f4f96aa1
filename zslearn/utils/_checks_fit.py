"""Checks of fit: what it leaves behind, and what it does not."""

from __future__ import annotations

import sys
import warnings
from typing import Any
from unittest import SkipTest

import numpy as np

from zslearn.attributes import ClassAttributes
from zslearn.utils._toy_problems import (
    CountingRows,
    Problem,
    assert_close,
    fitted,
    fitted_attributes,
    input_of,
    is_fitted,
    raises,
    same_bits,
    seeded_clone,
    skip_pictures,
)

__all__: list[str] = []


def check_fitted_attributes(name: str, estimator_orig: Any) -> None:
    """Check that the attributes of a fit are there, sorted, disjoint and complete."""
    problem = Problem.of(estimator_orig)
    estimator = seeded_clone(estimator_orig)
    returned = estimator.fit(problem.X, problem.y, class_attributes=problem.table)
    assert returned is estimator, f"{name}.fit returns {type(returned).__name__}, not self"
    expected = {
        "classes_": problem.labels,
        "seen_classes_": problem.labels[~problem.unseen],
        "unseen_classes_": problem.labels[problem.unseen],
    }
    for attribute, labels in expected.items():
        found = getattr(estimator, attribute, None)
        assert isinstance(found, np.ndarray), f"{name}.{attribute} is {type(found).__name__}"
        same = found.tolist() == labels.tolist()
        assert same, f"{name}.{attribute} is {found.tolist()}, not {labels.tolist()}"
    table = estimator.class_attributes_
    same = isinstance(table, ClassAttributes) and table == problem.table.subset(problem.labels)
    assert same, f"{name}.class_attributes_ is not the table sorted by label"
    if input_of(estimator_orig) == "pictures":
        return
    found = estimator.n_features_in_
    assert found == problem.X.shape[-1], f"{name}.n_features_in_ is {found}"


def check_parameters_unchanged(name: str, estimator_orig: Any) -> None:
    """Check that neither parameters nor data are changed by fit and predict."""
    problem = Problem.of(estimator_orig)
    estimator = seeded_clone(estimator_orig)
    before = estimator.get_params()
    shown = {key: repr(value) for key, value in before.items()}
    X, y, values = problem.X.copy(), problem.y.copy(), problem.table.values.copy()
    estimator.fit(X, y, class_attributes=problem.table).predict(X)
    after = estimator.get_params()
    # An estimator inside another is the same object, and not fitted.
    changed = [
        key
        for key, value in before.items()
        if after.get(key, estimator) is not value or repr(value) != shown[key]
    ]
    assert after.keys() == before.keys(), f"{name}: fit adds or removes parameters"
    assert not changed, f"{name}: fit changes the parameters {changed}"
    inner = before.get("estimator")
    assert inner is None or not is_fitted(inner), f"{name}: fit fits the estimator it was given"
    same_bits(X, problem.X, f"{name}: fit changes X")
    same_bits(y, problem.y, f"{name}: fit changes y")
    same_bits(problem.table.values, values, f"{name}: fit changes class_attributes")


def check_refit(name: str, estimator_orig: Any) -> None:
    """Check that a fit forgets the one before."""
    first, second = Problem.of(estimator_orig), Problem.of(estimator_orig, seed=1).narrower(2)
    kept = np.isin(second.y, ["ant", "bee", "dog", "eel"])
    table = second.table.subset(["ant", "bee", "cat", "dog", "eel", "wasp"])
    X, y = second.X[kept], second.y[kept]
    estimator = fitted(estimator_orig, first).fit(X, y, class_attributes=table)
    anew = fitted(estimator_orig, first, X=X, y=y, class_attributes=table)
    same_bits(estimator.classes_, anew.classes_, f"{name}: classes_ after a second fit")
    same_bits(
        estimator.decision_function(X),
        anew.decision_function(X),
        f"{name}: scores after a second fit are not those of a new estimator",
    )
    left, expected = fitted_attributes(estimator), fitted_attributes(anew)
    assert left == expected, f"{name}: a second fit leaves {left}, a new one {expected}"


def check_seeds(name: str, estimator_orig: Any) -> None:
    """Check that fits from the same seed are equal to the bit, and draw from no global source."""
    problem = Problem.of(estimator_orig)
    np.random.seed(0)  # noqa: NPY002 - the global source is what this is about
    state = _global_states()
    first = fitted(estimator_orig, problem)
    assert state == _global_states(), f"{name}: fit draws from a global source of random numbers"
    np.random.seed(1)  # noqa: NPY002
    second = fitted(estimator_orig, problem)
    same_bits(
        second.decision_function(problem.X),
        first.decision_function(problem.X),
        f"{name}: two fits from the same seed differ",
    )
    if "random_state" in estimator_orig.get_params():
        sources = [np.random.RandomState(3) for _ in range(2)]
        pair = [seeded_clone(estimator_orig).set_params(random_state=s) for s in sources]
        for one in pair:
            one.fit(problem.X, problem.y, class_attributes=problem.table)
        same_bits(
            pair[0].decision_function(problem.X),
            pair[1].decision_function(problem.X),
            f"{name}: two fits from equal RandomState objects differ",
        )


def check_precisions(name: str, estimator_orig: Any) -> None:
    """Check that lower precision, where there is a choice, gives nearly the same scores."""
    if "precision" not in estimator_orig.get_params():
        raise SkipTest("no parameter precision")
    problem = Problem.of(estimator_orig)
    estimator = seeded_clone(estimator_orig).set_params(precision="float32")
    estimator.fit(problem.X, problem.y, class_attributes=problem.table)
    scores = estimator.decision_function(problem.X)
    estimator.set_params(precision="bfloat16")
    found = estimator.decision_function(problem.X)
    assert_close(found, scores, f"{name}: scores in bfloat16 are others", estimator)
    estimator.fit(problem.X, problem.y, class_attributes=problem.table)
    finite = np.isfinite(estimator.decision_function(problem.X)).all()
    assert finite, f"{name}: scores are not finite after training in bfloat16"


def check_failed_fit(name: str, estimator_orig: Any) -> None:
    """Check that a fit that is refused names its reason and leaves nothing of itself."""
    problem = Problem.of(estimator_orig)
    X, y, table = problem.X, problem.y, problem.table
    gaps, stranger = X.astype(np.float32), y.astype(object)
    gaps[-1, ..., 0] = np.nan
    stranger[0] = "dragon"
    refused: dict[str, tuple[str, dict[str, Any]]] = {
        "not-a-number in X": ("X|NaN", {"X": gaps}),
        "infinity in X": ("X|inf", {"X": np.where(np.isnan(gaps), np.inf, gaps)}),
        "too few labels": ("samples", {"y": y[:-1]}),
        "no labels": ("y", {"y": None}),
        "a label without a description": ("dragon", {"y": stranger.astype(str)}),
        "a bare table": ("class_attributes", {"class_attributes": table.values}),
        "a path as table": ("class_attributes", {"class_attributes": "table.csv"}),
    }
    for what, (words, changes) in refused.items():
        given = {"X": X, "y": y, "class_attributes": table, **changes}
        for earlier in (False, True):
            estimator = fitted(estimator_orig, problem) if earlier else seeded_clone(estimator_orig)
            before = estimator.decision_function(X) if earlier else None
            with raises((TypeError, ValueError), words, f"{name}.fit with {what}"):
                estimator.fit(given["X"], given["y"], class_attributes=given["class_attributes"])
            if earlier and is_fitted(estimator):
                message = f"{name} after a refused fit with {what} is not as it was before"
                same_bits(estimator.decision_function(X), before, message)
            else:
                _check_unfitted(f"{name} after a refused fit with {what}", estimator)


def check_interrupt(name: str, estimator_orig: Any) -> None:
    """Check that an interrupted fit leaves an estimator that is not fitted, or usable."""
    skip_pictures(estimator_orig)
    problem = Problem.of(estimator_orig)
    whole = CountingRows(problem.X)
    expected = fitted(estimator_orig, problem, X=whole).decision_function(problem.X)
    for read in sorted({0, whole.reads // 2, whole.reads - 1}):
        estimator = fitted(estimator_orig, problem.narrower(1))
        rows = CountingRows(problem.X, fail_at=read)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator.fit(rows, problem.y, class_attributes=problem.table)
        except KeyboardInterrupt:
            pass
        situation = f"{name} interrupted at read {read} of {whole.reads}"
        if is_fitted(estimator):
            scores = estimator.decision_function(problem.X)
            usable = scores.shape == expected.shape and np.isfinite(scores).all()
            assert usable, f"{situation} counts as fitted, but has no scores"
        else:
            _check_unfitted(situation, estimator)
        estimator.fit(problem.X, problem.y, class_attributes=problem.table)
        found = estimator.decision_function(problem.X)
        assert_close(found, expected, f"{situation} is not trained anew by the next fit", estimator)


def check_ordinary_classifier(name: str, estimator_orig: Any) -> None:
    """Check that without a table it is a classifier of the classes in y."""
    problem = Problem.of(estimator_orig)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no other class can be predicted
        estimator = fitted(estimator_orig, problem, class_attributes=None)
    seen = np.unique(problem.y).tolist()
    assert estimator.classes_.tolist() == seen, f"{name}: classes_ are not those of y"
    assert estimator.seen_classes_.tolist() == seen, f"{name}: seen_classes_ are not those of y"
    assert not len(estimator.unseen_classes_), f"{name}: there are unseen classes without a table"
    shape = estimator.decision_function(problem.X).shape
    assert shape == (len(problem.y), len(seen)), f"{name}: scores have shape {shape}"
    known = np.isin(estimator.predict(problem.X), seen).all()
    assert known, f"{name}: predictions are not among the labels of y"
    with raises(ValueError, "unseen", f"{name}.predict of unseen classes where there are none"):
        estimator.predict(problem.X, candidates="unseen")


def _check_unfitted(situation: str, estimator: Any) -> None:
    assert not is_fitted(estimator), f"{situation} counts as fitted"
    left = fitted_attributes(estimator)
    assert not left, f"{situation} has the attributes {left}"


def _global_states() -> tuple[Any, ...]:
    """Return the states of global sources of random numbers."""
    torch: Any = sys.modules.get("torch")
    numbers = np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002
    return numbers, None if torch is None else torch.get_rng_state().numpy().tobytes()
