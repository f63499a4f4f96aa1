"""Checks of what data come as and models are kept as."""

from __future__ import annotations

import copy
import pickle
import tempfile
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
from sklearn.base import clone

from zslearn.persistence import load, save
from zslearn.utils._toy_problems import (
    CountingRows,
    Problem,
    assert_close,
    fitted,
    info_of,
    input_of,
    is_fitted,
    same_bits,
    seeded_clone,
    skip_pictures,
)

__all__: list[str] = []


def check_label_types(name: str, estimator_orig: Any) -> None:
    """Check that labels may be text, objects, integers or whole numbers as floats."""
    problem = Problem.of(estimator_orig)
    expected = fitted(estimator_orig, problem).decision_function(problem.X)
    best = fitted(estimator_orig, problem).predict(problem.X)
    kinds = {
        "objects": (lambda label, _: label, object),
        "integers": (lambda _, i: 3 * i - 5, np.int64),
        "unsigned integers": (lambda _, i: 2 * i, np.uint8),
        "whole numbers as floats": (lambda _, i: float(i - 2), np.float64),
    }
    for kind, (rename, dtype) in kinds.items():
        names = {label: rename(label, i) for i, label in enumerate(problem.labels.tolist())}
        renamed = problem.relabelled(names, dtype)
        estimator = fitted(estimator_orig, renamed)
        scores = estimator.decision_function(renamed.X)
        same_bits(scores, expected, f"{name}: labels that are {kind} change the scores")
        found = estimator.predict(renamed.X)
        wanted = [names[label] for label in best.tolist()]
        assert found.tolist() == wanted, f"{name}: labels that are {kind} are predicted wrongly"
        same = found.dtype == estimator.classes_.dtype
        assert same, f"{name}: predicts {found.dtype}, classes_ are {estimator.classes_.dtype}"
        usual = dtype is object or found.dtype == dtype
        assert usual, f"{name}: labels are {np.dtype(dtype)}, predictions {found.dtype}"


def check_boolean_labels(name: str, estimator_orig: Any) -> None:
    """Check that the labels of two classes may be False and True."""
    problem = Problem.of(estimator_orig)
    kept = np.isin(problem.y, ["ant", "bee"])
    X, y = problem.X[kept], problem.y[kept] == "bee"
    text, table = problem.y[kept], problem.table.subset(["bee", "ant"])
    renamed = type(table)(table.values, labels=[True, False])
    estimator = fitted(estimator_orig, problem, X=X, y=y, class_attributes=renamed)
    named = fitted(estimator_orig, problem, X=X, y=text, class_attributes=table)
    found = estimator.predict(X)
    assert found.dtype == bool, f"{name}: labels are bool, predictions {found.dtype}"
    agree = found.tolist() == (named.predict(X) == "bee").tolist()
    assert agree, f"{name}: boolean labels are predicted otherwise than names"


def check_feature_types(name: str, estimator_orig: Any) -> None:
    """Check that the same numbers of another dtype give the same scores."""
    skip_pictures(estimator_orig)
    problem = Problem.of(estimator_orig)
    expected = fitted(estimator_orig, problem).decision_function(problem.X)
    for dtype in (np.float16, np.float64):
        X = problem.X.astype(dtype)
        estimator = fitted(estimator_orig, problem, X=X)
        message = f"{name}: X of {np.dtype(dtype)} gives other scores than of float32"
        assert_close(estimator.decision_function(X), expected, message, estimator)


def check_single_region(name: str, estimator_orig: Any) -> None:
    """Check that a vector a sample is as good as one region a sample."""
    if input_of(estimator_orig) != "regions":
        raise SkipTest(f"takes {input_of(estimator_orig)}, not regions")
    problem = Problem.of(estimator_orig)
    regions, vectors = problem.X[:, :1], problem.X[:, 0]
    estimator = fitted(estimator_orig, problem, X=vectors)
    scores = fitted(estimator_orig, problem, X=regions).decision_function(regions)
    for given in (regions, vectors):
        message = f"{name}: X of shape {given.shape} gives other scores than {regions.shape}"
        assert_close(estimator.decision_function(given), scores, message, estimator)


def check_memory_map(name: str, estimator_orig: Any) -> None:
    """Check that features on disk are as good as those in memory, to the bit."""
    problem = Problem.of(estimator_orig)
    with tempfile.TemporaryDirectory() as folder:
        kinds = (np.uint8,) if problem.X.dtype == np.uint8 else (np.float16, np.float32)
        for dtype in kinds:
            X = problem.X.astype(dtype)
            path = Path(folder) / f"{np.dtype(dtype)}.npy"
            np.save(path, X)
            mapped = np.load(path, mmap_mode="r")
            same_bits(
                fitted(estimator_orig, problem, X=mapped).decision_function(mapped),
                fitted(estimator_orig, problem, X=X).decision_function(X),
                f"{name}: a memory map of {X.dtype} gives other scores than an array",
            )
            del mapped


def check_row_source(name: str, estimator_orig: Any) -> None:
    """Check that rows read on demand, as from a feature store, are as good as an array."""
    skip_pictures(estimator_orig)
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem, X=CountingRows(problem.X))
    expected = fitted(estimator_orig, problem).decision_function(problem.X)
    for rows in (CountingRows(problem.X), problem.X):
        message = f"{name}: a lazy source of rows gives other scores than an array"
        assert_close(estimator.decision_function(rows), expected, message, estimator)


def check_saved(name: str, estimator_orig: Any) -> None:
    """Check that an estimator that was saved and loaded predicts as before, to the bit."""
    if info_of(estimator_orig) is None:
        raise SkipTest("its method is not registered")
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save(estimator, path)
        loaded = load(path)
    _check_copy(name, "saved and loaded", loaded, estimator, problem)


def check_pickle(name: str, estimator_orig: Any) -> None:
    """Check that copies, pickled or in memory, predict as the original does, to the bit."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    pickled = pickle.loads(pickle.dumps(estimator))
    _check_copy(name, "pickled", pickled, estimator, problem)
    _check_copy(name, "copied", copy.deepcopy(estimator), estimator, problem)


def check_clone(name: str, estimator_orig: Any) -> None:
    """Check that a clone of a fitted estimator is not fitted, and fits to the same."""
    problem = Problem.of(estimator_orig)
    estimator = fitted(estimator_orig, problem)
    copied = clone(estimator)
    assert not is_fitted(copied), f"{name}: a clone of a fitted estimator is fitted"
    copied = seeded_clone(copied)
    copied.fit(problem.X, problem.y, class_attributes=problem.table)
    found = copied.decision_function(problem.X)
    same_bits(found, estimator.decision_function(problem.X), f"{name}: a clone fits to others")


def _check_copy(name: str, how: str, found: Any, estimator: Any, problem: Problem) -> None:
    assert type(found) is type(estimator), f"{name} {how} is a {type(found).__name__}"
    same_bits(found.classes_, estimator.classes_, f"{name} {how} has other classes_")
    same = found.class_attributes_ == estimator.class_attributes_
    assert same, f"{name} {how} has another class_attributes_"
    for method in ("decision_function", "predict", "predict_attributes", "attention_maps"):
        if hasattr(estimator, method):
            same_bits(
                getattr(found, method)(problem.X),
                getattr(estimator, method)(problem.X),
                f"{name} {how}: {method}",
            )
