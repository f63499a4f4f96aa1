"""A scorer that writes down what it finds, so that an interrupted search leaves its scores."""

from __future__ import annotations

import inspect
import json
import math
import os
import time
import warnings
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import _num_samples

from zslearn._wrapped import final_estimator
from zslearn.metrics import get_gzsl_scorer, get_gzsl_scorer_names
from zslearn.model_selection._json_lines import append_line, as_json, read_lines

__all__ = ["ScoreLog"]


class ScoreLog:
    """Scorer that passes on another's scores and appends each of them to a file.

    A search that is interrupted, or whose machine goes down, keeps nothing of the folds it has
    finished. With its scorer wrapped in this, each fold is a line of JSON in a file as soon as it
    is scored, whichever process has scored it.

    Parameters
    ----------
    scorer : str or callable
        The scorer to log: a callable ``scorer(estimator, X, y)`` that returns a number or a dict
        of numbers, a name for :func:`zslearn.metrics.get_gzsl_scorer`, or one for
        :func:`sklearn.metrics.get_scorer`.

    path : str or path-like
        The file to append to, in a folder that exists. It is made here, empty, if it is missing.
        Take a new one for each search: nothing tells the lines of two searches apart.

    Attributes
    ----------
    scorer : callable
        The scorer that is logged.
    path : Path
        The file, absolute, so that workers started elsewhere find it.

    Raises
    ------
    ValueError
        If there is no scorer of that name, or a metric of scikit-learn, such as
        ``accuracy_score``, is given for a scorer.
    TypeError
        If ``scorer`` is neither a name nor callable.
    OSError
        If ``path`` cannot be written to.

    See Also
    --------
    zslearn.metrics.get_gzsl_scorer : Scorers of zero-shot classifiers.

    Notes
    -----
    A line is an object with these keys:

    - "time", when the score was known (ISO 8601, UTC), and "score_time", how many seconds the
      scorer took;
    - "estimator", the name of its class, and "params", its parameters **that differ from their
      defaults**, those of nested estimators as "name__parameter". What JSON does not have is
      written as its ``repr``, an estimator as the name of its class;
    - "scores", a dict as returned, or {"score": ...} of a single number;
    - "part", which tells the folds apart, and training parts, which searches score with
      ``return_train_score=True``, from test parts: "n_samples"; "unseen_classes", the labels in
      ``y`` that the estimator was not fitted on, or null if it is no classifier; and "checksum", a
      checksum of the labels, the same for every candidate of a search on the same fold. A
      training part has no unseen classes; a test part of a class-disjoint fold has some.

    A table of them is ``pandas.json_normalize(ScoreLog.read(path))``. There a parameter is NaN
    where it has its default, which ``groupby`` leaves out: fill it in first.

    A line is appended by a single write, so the lines of several workers do not mix, except on
    network file systems that cannot append. If one cannot be written, because the disk is full,
    say, there is a warning and the score is returned all the same: within a search, an error
    would count as a failed fold.

    Nothing is read back by the search: what is in the file is not skipped when it runs again.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from zslearn.model_selection import ScoreLog
    >>> y = np.repeat([0, 1], 10)
    >>> X = 10.0 * y.reshape(20, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = ScoreLog("accuracy", f"{folder}/search.jsonl")
    ...     search = GridSearchCV(LogisticRegression(), {"C": [0.1, 10]}, cv=2, scoring=log)
    ...     _ = search.fit(X, y)
    ...     lines = ScoreLog.read(log.path)
    >>> len(lines)
    4
    >>> lines[0]["estimator"], lines[0]["params"], lines[0]["scores"]
    ('LogisticRegression', {'C': 0.1}, {'score': 1.0})
    >>> lines[0]["part"]["n_samples"], lines[0]["part"]["unseen_classes"]
    (10, [])
    """

    def __init__(self, scorer: str | Callable[..., Any], path: str | os.PathLike[str]) -> None:
        self.scorer = _check_scorer(scorer)
        self.path = Path(path).absolute()
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"path={str(path)!r}, but there is no folder {self.path.parent}; make it first."
            )
        # Before hours of training, not after: a path that cannot be written to fails here.
        append_line(self.path, b"")

    def __call__(self, estimator: Any, X: Any, y: Any = None, **params: Any) -> Any:
        """Score a fitted estimator and log the score.

        Parameters
        ----------
        estimator : object
            Fitted estimator, as the scorer takes it.
        X : array-like of shape (n_samples, ...)
            Samples.
        y : array-like of shape (n_samples,), default=None
            True labels.
        **params : dict
            Passed to the scorer, such as ``sample_weight``.

        Returns
        -------
        score : float or dict of str to float
            What the scorer returns.
        """
        start = time.perf_counter()
        known = () if y is None else (y,)
        scores = self.scorer(estimator, X, *known, **params)
        seconds = time.perf_counter() - start
        try:
            record = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "score_time": seconds,
                "estimator": type(estimator).__name__,
                "params": _changed_params(estimator),
                "scores": _as_finite(scores),
                "part": _describe_part(estimator, X, y),
            }
            append_line(self.path, json.dumps(record, allow_nan=False).encode() + b"\n")
        except Exception as error:
            # Raised, it would make a search drop the score.
            warnings.warn(
                f"A score could not be written to {self.path}: {error!r}. The search goes on "
                "without this line.",
                UserWarning,
                stacklevel=2,
            )
        return scores

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.scorer!r}, {str(self.path)!r})"

    def get_metadata_routing(self) -> Any:
        """Return the request of the scorer that is logged.

        Returns
        -------
        routing : MetadataRequest
            Set it on that scorer, before it is wrapped:
            ``ScoreLog(scorer.set_score_request(sample_weight=True), path)``.
        """
        return get_routing_for_object(self.scorer)

    @staticmethod
    def read(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
        """Read what has been logged so far, also while a search is running.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        lines : list of dict
            In the order in which scores were finished, with the keys named in the Notes. A score
            that is not finite is NaN.

        Raises
        ------
        ValueError
            If the file is not such a log.

        Warns
        -----
        UserWarning
            If the writing of a line was cut off, as by a full disk. Such lines are left out.
        """
        lines = read_lines(path, "scores", "ScoreLog")
        for record in lines:
            scores = record["scores"].items()
            record["scores"] = {name: math.nan if x is None else x for name, x in scores}
        return lines

    def _accept_sample_weight(self) -> bool:
        # Asked by scikit-learn where sample weights are given and routing is off.
        if hasattr(self.scorer, "_accept_sample_weight"):
            return bool(self.scorer._accept_sample_weight())
        return "sample_weight" in inspect.signature(self.scorer).parameters


def _check_scorer(scorer: str | Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(scorer, str):
        names = get_gzsl_scorer_names()
        if scorer in names:
            return get_gzsl_scorer(scorer)
        if scorer not in get_scorer_names():
            raise ValueError(
                f"scorer={scorer!r} is not a scorer's name. Give one of {names}, or of "
                "sklearn.metrics.get_scorer_names()."
            )
    elif not callable(scorer):
        raise TypeError(
            f"scorer must be a name or a callable scorer(estimator, X, y); found a "
            f"{type(scorer).__name__}. For several metrics at once give a scorer that returns a "
            "dict, such as 'gzsl_multimetric'."
        )
    checked: Callable[..., Any] = check_scoring(scoring=scorer)
    return checked


def _changed_params(estimator: Any) -> dict[str, Any]:
    """Return the parameters that differ from their defaults, nested ones too."""
    if not hasattr(estimator, "get_params"):
        return {}
    signature = inspect.signature(type(estimator).__init__).parameters
    changed = {}
    for name, value in estimator.get_params(deep=False).items():
        # By repr, as scikit-learn's own printing compares: == is an array for arrays.
        if name not in signature or repr(value) != repr(signature[name].default):
            changed[name] = as_json(value)
    for name, value in estimator.get_params(deep=True).items():
        if "__" not in name and hasattr(value, "get_params") and not isinstance(value, type):
            nested = _changed_params(value).items()
            changed |= {f"{name}__{inner}": given for inner, given in nested}
    return changed


def _as_finite(scores: Any) -> dict[str, float | None]:
    if not isinstance(scores, Mapping):
        scores = {"score": scores}
    numbers = {str(name): float(score) for name, score in scores.items()}
    return {name: x if math.isfinite(x) else None for name, x in numbers.items()}


def _describe_part(estimator: Any, X: Any, y: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"n_samples": int(_num_samples(X)), "unseen_classes": None}
    if y is None:
        return part | {"checksum": None}
    labels = np.asarray(y)
    model = final_estimator(estimator)
    classes = getattr(model, "seen_classes_", getattr(model, "classes_", None))
    if classes is not None and labels.ndim == 1:
        unseen = sorted(set(labels.tolist()) - set(np.asarray(classes).tolist()))
        part["unseen_classes"] = as_json(unseen)
    # Of the values, not of the bytes: strings in object arrays, and integers of any width.
    return part | {"checksum": f"{zlib.crc32(repr(labels.tolist()).encode()):08x}"}
