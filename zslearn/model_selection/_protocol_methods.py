"""The methods that a protocol judges: an estimator, and the settings it is chosen from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from zslearn._wrapped import final_estimator
from zslearn.model_selection._json_lines import as_json
from zslearn.model_selection._row_view import RowView
from zslearn.registry import list_methods, make, method_info

__all__ = ["Method", "digest", "fit_described", "mean_regions", "read_methods", "uncalibrated"]

_CHUNK = 256  # rows of regions that are averaged at a time


@dataclass(frozen=True)
class Method:
    """What is judged under one name.

    Attributes
    ----------
    name : str
    estimator : estimator
        Unfitted.
    settings : list of dict
        Parameters to choose from; a single empty one where there is nothing to choose.
    on_vectors : bool
        Whether it takes the mean of a picture's regions anyway.
    """

    name: str
    estimator: Any
    settings: list[dict[str, Any]]
    on_vectors: bool

    @property
    def random_parameters(self) -> list[str]:
        """Names of the parameters that hold random states, of estimators inside too."""
        names = self.estimator.get_params(deep=True)
        return [name for name in names if name.rpartition("__")[2] == "random_state"]

    @property
    def has_epochs(self) -> bool:
        """Whether the number of epochs is a parameter."""
        return "max_epochs" in self.estimator.get_params(deep=False)

    def make(self, setting: Mapping[str, Any], seed: int) -> Any:
        """Make the unfitted estimator of a setting."""
        estimator = clone(self.estimator).set_params(**clone(dict(setting), safe=False))
        return estimator.set_params(**dict.fromkeys(self.random_parameters, seed))

    def describe(self) -> dict[str, Any]:
        """All that its results depend on, in what JSON can hold."""
        return {
            "estimator": _describe(self.estimator),
            "settings": [
                {name: _describe(value) for name, value in setting.items()}
                for setting in self.settings
            ],
        }


def read_methods(methods: Any, settings: Any, budget: int | None) -> list[Method]:
    """Check what the user named or gave."""
    if isinstance(methods, str):
        methods = [methods]
    if not isinstance(methods, Mapping):
        given = list(methods)
        wrong = [method for method in given if not isinstance(method, str)]
        if wrong:
            raise TypeError(
                f"methods holds a {type(wrong[0]).__name__}; give names of list_methods(), or a "
                "dict of names to estimators."
            )
        methods = dict.fromkeys(given)
    if not methods:
        raise ValueError(f"methods is empty; give some of {', '.join(list_methods())}.")
    settings = dict(settings or {})
    unknown = sorted(set(settings) - set(methods))
    if unknown:
        raise ValueError(
            f"settings are given for {unknown[0]!r}, which is not among the methods "
            f"{', '.join(map(str, methods))}."
        )
    return [_read(name, methods[name], settings.get(name), budget) for name in methods]


def _read(name: str, estimator: Any, settings: Any, budget: int | None) -> Method:
    on_vectors = False
    if estimator is None:
        on_vectors = method_info(name).input == "vectors"
        estimator = make(name)
    elif isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise TypeError(
            f"methods[{name!r}] must be an unfitted estimator, or None for the method registered "
            f"under that name; found {estimator!r}."
        )
    candidates = _as_settings(name, settings)
    if budget is not None and len(candidates) > budget:
        raise ValueError(
            f"settings[{name!r}] holds {len(candidates)} settings, more than the budget of "
            f"{budget} that every method has; leave some out, or raise budget for all."
        )
    known = estimator.get_params(deep=True)
    for setting in candidates:
        wrong = sorted(set(setting) - set(known))
        if wrong:
            raise ValueError(
                f"settings[{name!r}] names {wrong[0]!r}, but {type(estimator).__name__} has the "
                f"parameters {', '.join(sorted(known))}."
            )
    return Method(name, estimator, candidates, on_vectors)


def _as_settings(name: str, settings: Any) -> list[dict[str, Any]]:
    if settings is None:
        return [{}]
    if isinstance(settings, Mapping):
        candidates = list(ParameterGrid(dict(settings)))
    elif isinstance(settings, Iterable) and not isinstance(settings, str):
        candidates = list(settings)
        if not all(isinstance(setting, Mapping) for setting in candidates):
            raise TypeError(
                f"settings[{name!r}] must be a grid (a dict of lists) or a list of dicts of "
                f"parameters; found {settings!r}."
            )
    else:
        raise TypeError(
            f"settings[{name!r}] must be a grid (a dict of lists) or a list of dicts of "
            f"parameters; found a {type(settings).__name__}."
        )
    if not candidates:
        raise ValueError(f"settings[{name!r}] is empty; leave it out for the defaults alone.")
    return [dict(setting) for setting in candidates]


def _describe(value: Any) -> Any:
    if hasattr(value, "get_params") and not isinstance(value, type):
        params = {name: _describe(x) for name, x in sorted(value.get_params(deep=False).items())}
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **params}
    if isinstance(value, list | tuple):
        return [_describe(item) for item in value]
    if callable(value):  # without the address in its repr
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}"
    return as_json(value)


def digest(parts: Any) -> str:
    """Short checksum of what JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def mean_regions(X: Any) -> Any:
    """Mean of each picture's regions, once for all methods that take it; vectors as they are."""
    if len(X.shape) == 2:
        return X
    starts = range(0, X.shape[0], _CHUNK)
    means: Sequence[NDArray[np.float64]] = [
        np.asarray(RowView(X)[i : i + _CHUNK]).astype(np.float64).mean(axis=1) for i in starts
    ]
    return np.concatenate(means)


def fit_described(estimator: Any, X: Any, y: NDArray[Any], table: Any) -> Any:
    """Fit with the table; in a pipeline it goes to the last step."""
    key, step = "class_attributes", estimator
    prefix = ""
    while hasattr(step, "steps"):
        last, step = step.steps[-1]
        prefix += f"{last}__"
    return estimator.fit(X, y, **{prefix + key: table})


def uncalibrated(estimator: Any, X: Any) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Scores of samples without any delta, a column a class, and the sorted labels of the classes.

    Scores that come with a delta, added to all unseen classes alike, do as well: neither the curve
    nor the choice of another delta depends on it.
    """
    classes = np.asarray(final_estimator(estimator).classes_)
    for method in ("uncalibrated_scores", "decision_function", "predict_proba"):
        if hasattr(estimator, method):
            scores = np.asarray(getattr(estimator, method)(X), dtype=np.float64)
            break
    else:
        raise TypeError(
            f"{type(estimator).__name__} has neither decision_function nor predict_proba, which "
            "give the class scores that a protocol judges by."
        )
    if method == "predict_proba":
        scores = np.log(np.maximum(scores, np.finfo(np.float64).tiny))
    if scores.ndim == 1:
        scores = np.column_stack([-scores / 2, scores / 2])
    if not np.isfinite(scores).all():
        raise ValueError(
            f"the scores of {type(estimator).__name__} hold NaN or infinite values; check that its "
            "training has not diverged."
        )
    order = np.argsort(classes)
    return scores[:, order], classes[order]
