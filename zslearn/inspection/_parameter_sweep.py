"""What a search found along one parameter: means over folds, their errors and the choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zslearn.inspection._search_results import Line, SearchResults
from zslearn.inspection._value_axis import is_number

__all__ = ["ParameterSweep"]


class ParameterSweep(NamedTuple):
    """What a search found along one parameter, as :class:`LambdaSweepDisplay` draws it.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        Values of the parameter that were tried, ascending; of dtype object if they are no numbers.
    mean : dict of str to ndarray of shape (n_values,)
        For each metric its mean over the folds, NaN where a fold has no score.
    standard_error : dict of str to ndarray of shape (n_values,)
        For each metric the standard error of that mean, NaN for a single fold.
    best : object
        The value of the chosen setting, where the sweep has that setting; otherwise the value
        with the largest mean of `best_by`. ``None`` if no value has a mean.
    best_by : str or None
        The metric that chose; ``None`` if it was a function given to the search.
    others : dict of str to object, or {"best", "mean"}
        Where the other parameters that vary were held, or how they were summarised.
    n_missing : int
        Number of fits shown here of which some metric is NaN, as of fits that failed.
    n_fits : int
        Number of fits shown here: settings times folds.
    """

    values: NDArray[Any]
    mean: dict[str, NDArray[np.float64]]
    standard_error: dict[str, NDArray[np.float64]]
    best: Any
    best_by: str | None
    others: dict[str, Any] | str
    n_missing: int
    n_fits: int


def summarise_sweep(
    results: SearchResults,
    param: str,
    rows: Line,
    others: dict[str, Any] | str,
    metrics: Sequence[str],
    by: str | None,
    choice: int | None,
) -> ParameterSweep:
    """Find mean and standard error over folds at each value, and which value was chosen."""
    values, groups = [value for value, _ in rows], [group for _, group in rows]
    mean, standard_error = {}, {}
    missing = np.zeros((sum(map(len, groups)), results.n_splits), dtype=bool)
    for metric in {*metrics, *([by] if by else [])}:
        splits = results.splits(metric)
        if metric in metrics:
            missing |= np.isnan(splits[np.concatenate(groups)])
        folds = np.stack([splits[group].mean(axis=0) for group in groups])
        mean[metric] = folds.mean(axis=1)
        spread = folds.std(axis=1, ddof=1) if folds.shape[1] > 1 else np.full(len(folds), np.nan)
        standard_error[metric] = spread / np.sqrt(folds.shape[1])
    best = None
    chosen = [i for i, group in enumerate(groups) if choice is not None and choice in group]
    if chosen:
        best = values[chosen[0]]
    elif by is not None and not np.isnan(mean[by]).all():
        best = values[int(np.nanargmax(mean[by]))]
    numeric = all(is_number(value) for value in values)
    array = np.empty(len(values), dtype=np.float64 if numeric else object)
    array[:] = values
    return ParameterSweep(
        values=array,
        mean={metric: mean[metric] for metric in metrics},
        standard_error={metric: standard_error[metric] for metric in metrics},
        best=best,
        best_by=by,
        others=others,
        n_missing=int(missing.sum()),
        n_fits=missing.size,
    )
