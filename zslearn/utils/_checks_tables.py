"""Checks of tables and candidates: what can be asked at prediction."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import numpy as np

from zslearn.attributes import ClassAttributes
from zslearn.utils._toy_problems import (
    Problem,
    assert_close,
    columns_of,
    fitted,
    info_of,
    raises,
    same_bits,
    with_values,
)

__all__: list[str] = []


def check_new_table(name: str, estimator_orig: Any) -> None:
    """Check that a table given at predict replaces the fitted one, and its descriptions count."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    X, table = problem.X, problem.table
    scores = estimator.decision_function(X)
    same_bits(
        estimator.decision_function(X, class_attributes=table),
        scores,
        f"{name}: the fitted table, given again, gives other scores",
    )
    # A class nobody had described, and two known ones whose descriptions are swapped.
    rows = table.index_of(["ant", "bee"])
    values = np.vstack([table.values[rows[::-1]], table.values[rows].mean(axis=0)])
    new = with_values(table, values, ["ant", "bee", "moth"])
    found = estimator.decision_function(X, class_attributes=new)
    assert found.shape == (len(X), 3), f"{name}: scores of 3 new classes have shape {found.shape}"
    assert np.isfinite(found).all(), f"{name}: scores of a new table are not finite"
    predicted = estimator.predict(X, class_attributes=new)
    known = np.isin(predicted, new.labels).all()
    assert known, f"{name}: predicts {set(predicted.tolist())} of a table of {new.labels.tolist()}"
    as_they_were = with_values(table, np.vstack([table.values[rows], values[2]]), new.labels)
    before = estimator.decision_function(X, class_attributes=as_they_were)
    if _scores_apart(estimator_orig):
        swapped = f"{name}: descriptions change places, scores do not"
        assert_close(found[:, [1, 0, 2]], before, swapped, estimator)
    changed = not np.array_equal(found, before)
    assert changed, f"{name}: other descriptions of the classes give the same scores"


def check_new_table_order(name: str, estimator_orig: Any) -> None:
    """Check that the order of the rows of a table given at predict changes nothing."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    table = problem.table.subset(["fly", "ant", "newt", "cat"])
    turned = table.subset(["cat", "newt", "ant", "fly"])
    for method in ("decision_function", "predict_proba", "predict"):
        same_bits(
            getattr(estimator, method)(problem.X, class_attributes=turned),
            getattr(estimator, method)(problem.X, class_attributes=table),
            f"{name}.{method} depends on the order of the rows of class_attributes",
        )


def check_new_table_is_forgotten(name: str, estimator_orig: Any) -> None:
    """Check that predicting with other tables and candidates leaves the estimator as it was."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    before, classes = estimator.decision_function(problem.X), estimator.classes_.copy()
    some = problem.table.subset(["fly", "ant", "newt"])
    estimator.predict(problem.X, class_attributes=some)
    estimator.predict_proba(problem.X[:3], class_attributes=some)
    estimator.predict(problem.X[:3], candidates=["newt", "ant"])
    same_bits(estimator.classes_, classes, f"{name}: predict changes classes_")
    same_bits(
        estimator.decision_function(problem.X), before, f"{name}: predict changes later scores"
    )


def check_copy_with_new_table(name: str, estimator_orig: Any) -> None:
    """Check that with_class_attributes gives a copy that has the classes of its table."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    if not hasattr(estimator, "with_class_attributes"):
        raise SkipTest("no with_class_attributes")
    X, table = problem.X, problem.table
    before = estimator.decision_function(X)
    new = with_values(table, table.values[[5, 2, 0]][:, ::-1], ["yak", "asp", "ant"])
    for given in (new, new.to_frame()):
        changed = estimator.with_class_attributes(given)
        found = (changed.classes_.tolist(), changed.seen_classes_.tolist())
        expected = (["ant", "asp", "yak"], ["ant"])
        assert found == expected, f"{name}.with_class_attributes has classes, seen ones {found}"
        for method in ("decision_function", "predict_proba", "predict"):
            same_bits(
                getattr(changed, method)(X),
                getattr(estimator, method)(X, class_attributes=new),
                f"{name}.with_class_attributes(table).{method} is not that of the table",
            )
        if hasattr(changed, "class_embeddings"):
            message = f"{name}.with_class_attributes has other class_embeddings"
            same_bits(changed.class_embeddings(), estimator.class_embeddings(new), message)
        unseen = changed.predict(X, candidates="unseen").tolist()
        assert set(unseen) <= {"asp", "yak"}, f"{name}.with_class_attributes predicts {unseen}"
    message = f"{name}.with_class_attributes changes the estimator it is called on"
    same_bits(estimator.decision_function(X), before, message)
    changed.fit(X, problem.y, class_attributes=table)
    same_bits(changed.classes_, estimator.classes_, f"{name}: a copy cannot be fitted anew")


def check_new_table_refused(name: str, estimator_orig: Any) -> None:
    """Check that a table of other attributes, or of unnamed classes, is refused by name."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    values, labels = problem.table.values, problem.table.labels
    others = [f"other_{k}" for k in range(values.shape[1])]
    refused = {
        "fewer attributes": ClassAttributes(values[:, :-1], labels=labels),
        "other attributes": ClassAttributes(values, labels=labels, attribute_names=others),
        "a bare array": values,
        "a text": "table.csv",
    }
    for what, table in refused.items():
        for method in ("decision_function", "predict"):
            with raises((TypeError, ValueError), "class_attributes", f"{name}.{method}, {what}"):
                getattr(estimator, method)(problem.X, class_attributes=table)


def check_table_order(name: str, estimator_orig: Any) -> None:
    """Check that the order of the rows of the table given to fit changes nothing."""
    problem = Problem.of(estimator_orig)
    turned = problem.table.subset(problem.table.labels[::-1])
    same_bits(
        fitted(estimator_orig, problem, class_attributes=turned).decision_function(problem.X),
        fitted(estimator_orig, problem).decision_function(problem.X),
        f"{name}: scores depend on the order of the rows of class_attributes in fit",
    )


def check_table_as_frame(name: str, estimator_orig: Any) -> None:
    """Check that a data frame indexed by class label is as good a table, in fit and in predict."""
    try:
        import pandas  # noqa: F401
    except ImportError:
        raise SkipTest("pandas is not installed") from None
    problem = Problem.of(estimator_orig)
    frame = problem.table.to_frame()
    expected = fitted(estimator_orig, problem).decision_function(problem.X)
    estimator = fitted(estimator_orig, problem, class_attributes=frame)
    found = estimator.decision_function(problem.X)
    same_bits(found, expected, f"{name}: a data frame in fit gives other scores")
    found = estimator.decision_function(problem.X, class_attributes=frame)
    same_bits(found, expected, f"{name}: a data frame in decision_function gives other scores")


def check_candidates(name: str, estimator_orig: Any) -> None:
    """Check that the best candidate is predicted, in whatever order they are given."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    X, labels = problem.X, problem.labels
    scores = columns_of(estimator.decision_function(X))
    choices = {"seen": ~problem.unseen, "unseen": problem.unseen}
    for candidates, marked in choices.items():
        best = labels[np.where(marked, scores, -np.inf).argmax(axis=1)]
        for given in (candidates, labels[marked], labels[marked][::-1].tolist()):
            found = estimator.predict(X, candidates=given)
            agree = found.tolist() == best.tolist()
            assert agree, f"{name}: candidates={given!r} are not the best by decision_function"
    everything = estimator.predict(X)
    for given in ("all", labels[::-1], [*labels, labels[0]]):
        found = estimator.predict(X, candidates=given).tolist()
        assert found == everything.tolist(), f"{name}: candidates={given!r} differ from None"
    single = estimator.predict(X, candidates=["cat"]).tolist()
    assert single == ["cat"] * len(X), f"{name}: a single candidate is not what is predicted"
    some = problem.table.subset(["fly", "ant", "cat"])
    for candidates, there in (("unseen", {"cat"}), ("seen", {"ant", "fly"})):
        found = set(estimator.predict(X, candidates=candidates, class_attributes=some).tolist())
        assert found <= there, f"{name}: candidates={candidates!r} of a new table gives {found}"


def check_candidates_refused(name: str, estimator_orig: Any) -> None:
    """Check that candidates that are none are refused by name."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    refused = {
        "an unknown word": "novel",
        "an unknown label": ["dragon"],
        "no label": [],
        "a mask": problem.unseen,
        "a table": problem.table,
        "rows of labels": [["cat"], ["dog"]],
    }
    for what, candidates in refused.items():
        words = "candidates|described" if what == "an unknown label" else "candidates"
        with raises((TypeError, ValueError), words, f"{name}.predict with candidates {what}"):
            estimator.predict(problem.X, candidates=candidates)


def check_scores_apart_from_classes(name: str, estimator_orig: Any) -> None:
    """Check that the score of a class is the same whatever other classes are in the table."""
    if not _scores_apart(estimator_orig):
        raise SkipTest("registered with independent_scores=False")
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    scores_of = getattr(estimator, "uncalibrated_scores", estimator.decision_function)
    scores = scores_of(problem.X)
    for chosen in (["ant", "cat", "dog"], ["cat", "newt", "wasp"], ["ant", "bee", "eel", "fly"]):
        assert_close(
            scores_of(problem.X, class_attributes=problem.table.subset(chosen)),
            scores[:, np.isin(problem.labels, chosen)],
            f"{name}: scores of {chosen} depend on the other classes of the table",
            estimator,
        )


def _scores_apart(estimator: Any) -> bool:
    info = info_of(estimator)
    return info is None or info.independent_scores
