"""Many settings of an estimator on the same data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from joblib import Parallel, delayed
from sklearn.base import clone

__all__ = ["fit_many"]


def fit_many(
    estimator: Any,
    settings: Iterable[Mapping[str, Any]],
    X: Any,
    y: Any,
    *,
    class_attributes: Any = None,
    n_jobs: int | None = None,
) -> list[Any]:
    """Fit an estimator with each of many settings, over one copy of the data.

    For error bars (``settings=[{"random_state": seed} for seed in range(5)]``), sweeps
    (``settings=ParameterGrid({"lambda_cc": [0.0, 0.5, 1.0]})``), ensembles, or any mixture.

    Parameters
    ----------
    estimator : estimator
        A zero-shot classifier, such as :class:`zslearn.CVsCClassifier`. It is not fitted itself.
    settings : iterable of m mappings of parameter names to values
        Each names the parameters in which a fit differs from `estimator`.
    X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
        As in the estimator's ``fit``.
    y : array-like of shape (n_samples,)
        Class labels.
    class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
        As in the estimator's ``fit``.
    n_jobs : int, default=None
        Number of fits at a time, in threads of this process, which share its cores; ``None`` means
        1 unless in a ``joblib.parallel_config`` context. Fits on one graphics card take turns.

    Returns
    -------
    fitted : list of m estimators
        In the order of `settings`: each equal to what ``clone(estimator).set_params(**setting)
        .fit(X, y, class_attributes=class_attributes)`` would be.

    Raises
    ------
    ValueError
        If there is no setting, or `X`, `y` or `class_attributes` is refused.
    NonFiniteLossError
        If the loss of some setting becomes NaN or infinite. A note on the error (``__notes__``,
        shown below a traceback) names the setting.

    See Also
    --------
    sklearn.model_selection.ParameterGrid : All combinations of some values.

    Notes
    -----
    Deep estimators keep a copy of the features as training reads them, scaled and in its precision,
    where memory allows; here it is made once and shared by all settings that need the same one.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes, CVsCClassifier
    >>> from zslearn.model_selection import fit_many
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]])
    >>> y = rng.integers(0, 4, size=200)
    >>> X = table.values[y] + rng.normal(scale=0.1, size=(200, 3))
    >>> seeds = [{"random_state": seed} for seed in range(3)]
    >>> fitted = fit_many(CVsCClassifier(), seeds, X, y, class_attributes=table)
    >>> [one.random_state for one in fitted]
    [0, 1, 2]
    >>> scores = [one.score(X, y, candidates="seen") for one in fitted]
    >>> f"{np.mean(scores):.1f} +- {np.std(scores, ddof=1):.1f}"
    '1.0 +- 0.0'
    """
    settings = [dict(setting) for setting in settings]
    if not settings:
        raise ValueError("settings holds no setting; give at least one, such as {}")
    estimators = [clone(estimator).set_params(**clone(s, safe=False)) for s in settings]
    shared = _share(estimator, X)
    # Left out where there is none, for estimators that know of no table.
    described = {} if class_attributes is None else {"class_attributes": class_attributes}

    def fit(number: int) -> Any:
        try:
            return estimators[number].fit(shared, y, **described)
        except Exception as error:
            error.add_note(f"In fit_many, setting {number}: {settings[number]!r}.")
            raise

    fits = (delayed(fit)(number) for number in range(len(settings)))
    return list(Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")(fits))


def _share(estimator: Any, X: Any) -> Any:
    """Rows that remember what a fit made of them, for estimators that read rows by batches."""
    if hasattr(X, "columns") or not hasattr(estimator, "_learner_type") or not hasattr(X, "shape"):
        return X
    from zslearn._data._rows import SharedRows  # torch, only where it is needed

    return X if len(X.shape) not in (2, 3) else SharedRows(X)
