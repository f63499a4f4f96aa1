"""Checks of samples that have different numbers of regions."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import numpy as np

from zslearn.utils._toy_problems import (
    Problem,
    assert_close,
    fitted,
    input_of,
    is_on_grid,
    raises,
    same_bits,
)

__all__: list[str] = []


def check_padding(name: str, estimator_orig: Any) -> None:
    """Check that regions of zeros take no part: scores, attributes and maps are as without."""
    problem = _problem_of_regions(estimator_orig, on_grid=False)
    estimator, X = fitted(estimator_orig, problem), problem.X
    nothing = np.zeros_like(X[:, :2])
    padded = np.concatenate([X[:, :1], nothing, X[:, 1:], nothing], axis=1)
    present = padded.any(axis=(0, 2))
    for method in ("decision_function", "predict_attributes"):
        if hasattr(estimator, method):
            found, expected = (getattr(estimator, method)(given) for given in (padded, X))
            message = f"{name}.{method} is another where there are regions of zeros"
            assert_close(found, expected, message, estimator)
    if hasattr(estimator, "attention_maps"):
        maps = estimator.attention_maps(padded)
        assert not maps[..., ~present].any(), f"{name} attends to regions of zeros"
        message = f"{name}.attention_maps are others where there are regions of zeros"
        assert_close(maps[..., present], estimator.attention_maps(X), message, estimator)


def check_ragged_list(name: str, estimator_orig: Any) -> None:
    """Check that a list of samples with few and many regions is as good as a padded array."""
    problem = _problem_of_regions(estimator_orig, on_grid=False)
    padded = problem.X.copy()
    padded[::3, 2:] = 0
    ragged = [x[: 2 if i % 3 == 0 else None] for i, x in enumerate(problem.X)]
    estimator = fitted(estimator_orig, problem, X=ragged)
    same = fitted(estimator_orig, problem, X=padded)
    for method in ("predict", "decision_function", "predict_attributes", "attention_maps"):
        if hasattr(estimator, method):
            same_bits(
                getattr(estimator, method)(ragged),
                getattr(same, method)(padded),
                f"{name}.{method} of a list of regions is not that of a padded array",
            )


def check_grid(name: str, estimator_orig: Any) -> None:
    """Check that regions on no grid are refused by name, and that some of them may be zeros."""
    problem = _problem_of_regions(estimator_orig, on_grid=True)
    padded = problem.X.copy()
    padded[::3, 2:] = 0
    estimator = fitted(estimator_orig, problem, X=padded)
    if hasattr(estimator, "attention_maps"):
        maps = estimator.attention_maps(padded)
        assert not maps[::3, :, 2:].any(), f"{name} attends to regions of zeros"
    refused = {
        "different numbers of regions": [x[: 1 + i % 4] for i, x in enumerate(problem.X)],
        "regions that form no square": problem.X[:, :3],
    }
    for what, given in refused.items():
        with raises(ValueError, "regions", f"{name}.fit of {what}"):
            fitted(estimator_orig, problem, X=given)
        with raises(ValueError, "regions", f"{name}.predict of {what}"):
            estimator.predict(given)


def _problem_of_regions(estimator: Any, *, on_grid: bool) -> Problem:
    if input_of(estimator) != "regions":
        raise SkipTest(f"takes {input_of(estimator)}, not regions")
    if is_on_grid(estimator) != on_grid:
        raise SkipTest(f"takes regions on {'any grid or none' if on_grid else 'a grid alone'}")
    return Problem.of(estimator)
