"""Intervals of paired differences over splits and over classes, and ranks of methods."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, rankdata, studentized_range
from scipy.stats import t as student

__all__ = ["AverageRanks", "PairedDifference", "class_interval", "rank_methods", "split_interval"]

Interval = tuple[float, float, float]


class PairedDifference(NamedTuple):
    """How much better a method is than the reference on the same splits.

    Attributes
    ----------
    data : str or None
        The data set; None is the mean over all of them, each counting the same.
    method : str
        What is compared.
    metric : str
        In what.
    estimate : float
        Mean over splits of the difference, method minus reference, of means over seeds.
    low : float
        Lower end of the interval; NaN where there is a single split.
    high : float
        Upper end.
    n_splits : int
        Splits on which both have results.
    """

    data: str | None
    method: str
    metric: str
    estimate: float
    low: float
    high: float
    n_splits: int


class AverageRanks(NamedTuple):
    """Average ranks of methods over splits of data sets, best first.

    Attributes
    ----------
    metric : str
        By what they are ranked.
    methods : tuple of str
        From the best rank to the worst.
    ranks : ndarray of shape (n_methods,)
        Their average ranks; 1 is the best.
    critical_difference : float
        Two methods whose ranks differ by less cannot be told apart (Nemenyi's test).
    statistic : float
        Friedman's statistic; NaN for two methods.
    p_value : float
        Of Friedman's test that all methods are alike; NaN for two methods.
    n_blocks : int
        Pairs of a data set and a split on which all the methods have results.
    alpha : float
        Level of the critical difference.
    """

    metric: str
    methods: tuple[str, ...]
    ranks: NDArray[np.float64]
    critical_difference: float
    statistic: float
    p_value: float
    n_blocks: int
    alpha: float


def split_interval(groups: Sequence[NDArray[np.float64]], confidence_level: float) -> Interval:
    """Mean of the means of groups of differences, with Student's interval (Welch's of several).

    Each group holds the differences on the splits of one data set.
    """
    estimate = float(np.mean([np.mean(group) for group in groups]))
    if min(map(len, groups)) < 2:
        return estimate, np.nan, np.nan
    variances = np.array([np.var(g, ddof=1) / len(g) for g in groups]) / len(groups) ** 2
    total = variances.sum()
    if not total:
        return estimate, estimate, estimate
    freedom = total**2 / np.sum(variances**2 / np.array([len(g) - 1 for g in groups]))
    half = float(student.ppf((1 + confidence_level) / 2, freedom) * np.sqrt(total))
    return estimate, estimate - half, estimate + half


def class_interval(
    groups: Sequence[Sequence[tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]]],
    metric: str,
    confidence_level: float,
    n_resamples: int,
    rng: np.random.RandomState,
) -> Interval:
    """Mean difference, with the percentile interval of resampled classes.

    A group holds, for each split of a data set, the ``classes`` of the runs of the method and of
    the reference. A class drawn twice counts twice in every split of its data set, whether it is
    seen or unseen there: splits share classes, and are no independent draws of them.
    """
    estimates, draws = [], []
    for splits in groups:
        labels = sorted({label for mine, _ in splits for label in mine[0]["labels"]}, key=str)
        place = {label: c for c, label in enumerate(labels)}
        n = len(labels)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(np.float64)
        weights = np.vstack([np.ones(n), weights])  # the data as they are come first
        differences = []
        for mine, other in splits:
            columns = [place[label] for label in mine[0]["labels"]]
            of = weights[:, columns]
            differences.append(_weighted(mine, of, metric) - _weighted(other, of, metric))
        with warnings.catch_warnings():  # of a draw without an unseen class of any split
            warnings.simplefilter("ignore", RuntimeWarning)
            mean = np.nanmean(differences, axis=0)
        estimates.append(mean[0])
        draws.append(mean[1:])
    tail = (1 - confidence_level) / 2
    low, high = np.nanquantile(np.mean(draws, axis=0), [tail, 1 - tail])
    return float(np.mean(estimates)), float(low), float(high)


def _weighted(
    runs: Sequence[Mapping[str, Any]], weights: NDArray[np.float64], metric: str
) -> NDArray[np.float64]:
    """Mean over seeds of a metric, for each row of class multiplicities."""
    unseen = np.array(runs[0]["unseen"])
    values = []
    for run in runs:
        accuracy = np.array(run["accuracy"])
        sides = {
            "T1": (unseen, np.array(run["T1"])),
            "U": (unseen, accuracy[unseen]),
            "S": (~unseen, accuracy[~unseen]),
        }
        with np.errstate(invalid="ignore", divide="ignore"):
            means = {
                name: weights[:, side] @ shares / weights[:, side].sum(axis=1)
                for name, (side, shares) in sides.items()
            }
            u, s = means["U"], means["S"]
            means["H"] = np.where(u + s == 0, 0.0, 2 * u * s / (u + s))
        values.append(means[metric])
    return np.asarray(np.mean(values, axis=0))


def rank_methods(
    metric: str, methods: Sequence[str], scores: NDArray[np.float64], alpha: float
) -> AverageRanks:
    """Rank methods (columns) within each block (row) of scores; ties share their ranks."""
    n_blocks, k = scores.shape
    ranks = rankdata(-scores, axis=1).mean(axis=0)
    statistic = p_value = np.nan
    if k > 2:
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # all methods tie everywhere
            statistic, p_value = map(float, friedmanchisquare(*scores.T))
    quantile = studentized_range.ppf(1 - alpha, k, np.inf) / np.sqrt(2)
    order = np.argsort(ranks, kind="stable")
    return AverageRanks(
        metric,
        tuple(methods[i] for i in order),
        ranks[order],
        float(quantile * np.sqrt(k * (k + 1) / (6 * n_blocks))),
        statistic,
        p_value,
        n_blocks,
        alpha,
    )
