"""The results of a protocol: tables, paired differences, ranks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from zslearn.metrics._validation import validate_params
from zslearn.model_selection._json_lines import read_lines
from zslearn.model_selection._protocol_statistics import (
    AverageRanks,
    PairedDifference,
    class_interval,
    rank_methods,
    split_interval,
)

__all__ = ["ProtocolResults"]

METRICS = ("T1", "U", "S", "H", "H_delta_0", "H_hindsight", "AUSUC")
_ERRORS = ("semantic_error", "semantic_error_seen", "semantic_error_unseen")
_BY_CLASS = ("T1", "U", "S", "H")

Block = tuple[str, str, int]  # data set, which classes, split


class ProtocolResults:
    """What came of judging methods: a run for each data set, split, seed and method.

    Parameters
    ----------
    runs : iterable of dict
        Lines of a file, in the form of the Notes. Of several of the same data set, classes, split,
        seed and method the last counts.

    Attributes
    ----------
    runs : list of dict
        Runs that have scores.
    failures : list of dict
        Runs that have an error in their place.

    See Also
    --------
    GZSLProtocol : Makes them.
    zslearn.inspection.CriticalDifferenceDisplay : A figure of the ranks.

    Notes
    -----
    A run is a dict with these keys: "data", "classes", "split", "seed" and "method"; "rows", a
    checksum of the split; "version" of zslearn; "chosen" ("setting", "epochs", "delta" and what
    they reached on held-out classes); "scores" (T1, U, S, H, H_delta_0, H_hindsight, AUSUC and, of
    methods that predict attributes, semantic errors); "accuracies" (of each class of the test
    samples); "seconds" ("choose", "fit", "predict"); "peak_mib"; "samples" (to train on, of seen
    and of unseen classes to test on); and "error".

    Everywhere, the mean over seeds is taken first, then over splits.

    Examples
    --------
    >>> from zslearn.model_selection import ProtocolResults
    >>> def run(method, split, T1):
    ...     scores = dict.fromkeys(["U", "S", "H", "H_hindsight", "AUSUC"], 0.0) | {"T1": T1}
    ...     names = {"data": "zoo", "classes": "seen", "split": split, "seed": 0}
    ...     return {**names, "method": method, "scores": scores, "error": None}
    >>> pairs = [(0.5, 0.6), (0.3, 0.4), (0.4, 0.6)]
    >>> runs = [run("old", s, a) for s, (a, b) in enumerate(pairs)]
    >>> runs += [run("new", s, b) for s, (a, b) in enumerate(pairs)]
    >>> difference = ProtocolResults(runs).differences("old", metric="T1")[0]
    >>> print(f"{difference.estimate:.3f}, {difference.low:.3f} to {difference.high:.3f}")
    0.133, -0.010 to 0.277
    """

    def __init__(self, runs: Iterable[dict[str, Any]]) -> None:
        latest: dict[Any, dict[str, Any]] = {}
        for run in runs:
            latest[(*_block(run), run["method"], run["seed"])] = run
        self.runs = [run for run in latest.values() if not run.get("error")]
        self.failures = [run for run in latest.values() if run.get("error")]
        modes: dict[str, set[str]] = {}
        for run in self.runs:
            modes.setdefault(run["data"], set()).add(run["classes"])
        self._several = {data for data, found in modes.items() if len(found) > 1}
        self._by_method: dict[str, dict[Block, list[dict[str, Any]]]] = {}
        for run in self.runs:
            blocks = self._by_method.setdefault(run["method"], {})
            blocks.setdefault(_block(run), []).append(run)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ProtocolResults:
        """Read a file that a protocol has written, also while it is running.

        Parameters
        ----------
        path : str or path-like
            The ``path`` of the protocol.

        Returns
        -------
        results : ProtocolResults
            Of all methods and data sets in it.

        Raises
        ------
        ValueError
            If the file is not such a file.

        Warns
        -----
        UserWarning
            If the writing of a line was cut off. Such lines are left out.
        """
        lines = read_lines(path, "key", "GZSLProtocol")
        return cls(line for line in lines if line.get("kind") == "run")

    def __add__(self, other: ProtocolResults) -> ProtocolResults:
        return ProtocolResults([*self.runs, *self.failures, *other.runs, *other.failures])

    @property
    def methods(self) -> list[str]:
        """Names of the methods that have results."""
        return list(self._by_method)

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets that have results.

        One that was split in several ways counts as several: "cub (seen)", "cub (proposed)".
        """
        return list(dict.fromkeys(self._label(_block(run)) for run in self.runs))

    def only(
        self, *, methods: Sequence[str] | None = None, data: Sequence[str] | None = None
    ) -> ProtocolResults:
        """Leave out other methods or data sets.

        Parameters
        ----------
        methods : sequence of str, default=None
            Methods to keep; None keeps all.
        data : sequence of str, default=None
            Data sets to keep; None keeps all.

        Returns
        -------
        results : ProtocolResults
            Those of the methods on the data sets.
        """
        return ProtocolResults(
            run
            for run in [*self.runs, *self.failures]
            if (methods is None or run["method"] in methods)
            and (data is None or run["data"] in data)
        )

    def table(self) -> list[dict[str, Any]]:
        """Give means and standard deviations over splits.

        Returns
        -------
        rows : list of dict
            One for each data set and method, with keys "data", "method", "splits" and "seeds"
            (counts; of seeds the largest of any split), each metric and its standard deviation
            over splits under the name with ``_std`` behind it (NaN of a single split); and medians
            over runs of the seconds of choosing ("choose"), fitting ("fit") and predicting
            ("predict"), and of "peak_mib". NaN stands for what a method does not have, such as a
            semantic error.
        """
        rows = []
        for data in self.datasets:
            for method, blocks in self._by_method.items():
                mine = [runs for block, runs in blocks.items() if self._label(block) == data]
                if not mine:
                    continue
                row: dict[str, Any] = {"data": data, "method": method, "splits": len(mine)}
                row["seeds"] = max(map(len, mine))
                for metric in (*METRICS, *_ERRORS):
                    values = [_mean(runs, metric) for runs in mine]
                    row[metric] = float(np.mean(values))
                    several = len(values) > 1
                    row[f"{metric}_std"] = float(np.std(values, ddof=1)) if several else np.nan
                for part in ("choose", "fit", "predict"):
                    seconds = [run.get("seconds", {}).get(part, np.nan) for r in mine for run in r]
                    row[part] = float(np.median(seconds))
                peaks = [run.get("peak_mib") or np.nan for runs in mine for run in runs]
                row["peak_mib"] = float(np.median(peaks))
                rows.append(row)
        return rows

    @validate_params(
        {
            "metric": [StrOptions({*METRICS, *_ERRORS})],
            "over": [StrOptions({"splits", "classes"})],
            "confidence_level": [Interval(Real, 0, 1, closed="neither")],
            "n_resamples": [Interval(Integral, 2, None, closed="left")],
            "random_state": ["random_state"],
        }
    )
    def differences(
        self,
        reference: str,
        *,
        metric: str = "AUSUC",
        over: str = "splits",
        confidence_level: float = 0.95,
        n_resamples: int = 1000,
        random_state: int | np.random.RandomState | None = 0,
    ) -> list[PairedDifference]:
        r"""Paired differences of all methods to one of them, with intervals.

        Parameters
        ----------
        reference : str
            The method that the others are compared with.
        metric : str, default="AUSUC"
            T1, U, S, H, H_delta_0, H_hindsight, AUSUC or a semantic error.
        over : {"splits", "classes"}, default="splits"
            Where the interval comes from:

            - "splits": Student's interval of the differences on the splits. Of several data sets
              together, each counts the same, and freedom is counted as Welch does;
            - "classes": classes are drawn with replacement, the same in all splits of a data set,
              and the percentiles taken. Of T1, U, S and H, the deltas held fixed.
        confidence_level : float, default=0.95
            Coverage aimed at.
        n_resamples : int, default=1000
            Draws of classes.
        random_state : int, RandomState instance or None, default=0
            Source of the draws.

        Returns
        -------
        differences : list of PairedDifference
            For each method but the reference, one for each data set on which both have the metric
            and, where these are several, one for all (data None).

        Raises
        ------
        ValueError
            If the reference has no results, or an interval over classes of another metric is
            asked for.

        Notes
        -----
        The splits of a data set share classes and samples, as folds of a cross-validation do, so
        the interval over splits is rather too narrow for what other classes would give. The
        one over classes is not narrowed by making more splits of the same classes.
        """
        self._check_method(reference, "reference")
        if over == "classes" and metric not in _BY_CLASS:
            raise ValueError(
                f"over='classes' has no interval of {metric}: accuracies of classes give those of "
                f"{', '.join(_BY_CLASS)}. Take over='splits'."
            )
        found, theirs = [], self._by_method[reference]
        for method in self.methods:
            mine = self._by_method[method]
            shared: dict[str | None, list[list[Block]]] = {}
            for block in mine:
                if block in theirs and not np.isnan(_mean(mine[block] + theirs[block], metric)):
                    shared.setdefault(self._label(block), [[]])[0].append(block)
            if method == reference or not shared:
                continue
            if len(shared) > 1:
                shared[None] = [groups[0] for groups in shared.values()]
            for data, groups in shared.items():
                if over == "splits":
                    differences = [
                        np.array([_mean(mine[b], metric) - _mean(theirs[b], metric) for b in group])
                        for group in groups
                    ]
                    interval = split_interval(differences, confidence_level)
                else:
                    pairs = [
                        [(_accuracies(mine[b]), _accuracies(theirs[b])) for b in group]
                        for group in groups
                    ]
                    rng = check_random_state(random_state)
                    interval = class_interval(pairs, metric, confidence_level, n_resamples, rng)
                n_splits = sum(map(len, groups))
                found.append(PairedDifference(data, method, metric, *interval, n_splits))
        return found

    @validate_params(
        {
            "metric": [StrOptions({*METRICS, *_ERRORS})],
            "methods": ["array-like", None],
            "alpha": [Interval(Real, 0, 1, closed="neither")],
        }
    )
    def ranks(
        self, *, metric: str = "AUSUC", methods: Sequence[str] | None = None, alpha: float = 0.05
    ) -> AverageRanks:
        r"""Average ranks over data sets and splits, with Friedman's and Nemenyi's tests.

        Parameters
        ----------
        metric : str, default="AUSUC"
            Larger is better, smaller of semantic errors.
        methods : sequence of str, default=None
            At least two of the methods; None takes all. Only splits on which all of them have
            results count.
        alpha : float, default=0.05
            Level of the critical difference.

        Returns
        -------
        ranks : AverageRanks
            Best first.

        Raises
        ------
        ValueError
            If there are fewer than two methods, or no split has results of all of them.

        Notes
        -----
        With k methods and N pairs of a data set and a split, ranks that differ by
        :math:`q_\alpha \sqrt{k (k + 1) / (6 N)}` or more are told apart, where :math:`q_\alpha`
        is the Studentised range over :math:`\sqrt 2` [1]_. The test takes the N pairs for
        independent, which splits of one data set are not: it is a guide, not a proof.

        References
        ----------
        .. [1] J. Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR
           2006.
        """
        chosen = list(self.methods if methods is None else methods)
        for method in chosen:
            self._check_method(method, "methods")
        if len(chosen) < 2:
            raise ValueError(f"ranks need at least two methods, found {len(chosen)}.")
        of_each = [self._by_method[method] for method in chosen]
        blocks = [block for block in of_each[0] if all(block in of for of in of_each)]
        if not blocks:
            raise ValueError(
                f"there is no split on which all of {', '.join(chosen)} have results; name fewer "
                "in methods."
            )
        sign = -1.0 if metric in _ERRORS else 1.0
        scores: NDArray[np.float64] = np.array(
            [[sign * _mean(of[block], metric) for of in of_each] for block in blocks]
        )
        for method, values in zip(chosen, scores.T, strict=True):
            if np.isnan(values).any():
                raise ValueError(f"{metric} is not known of {method!r}; leave it out of methods.")
        return rank_methods(metric, chosen, scores, alpha)

    def to_markdown(self, reference: str | None = None, *, metric: str = "AUSUC") -> str:
        """Render tables for a page.

        Parameters
        ----------
        reference : str, default=None
            The method that others are compared with; None leaves out differences.
        metric : str, default="AUSUC"
            By which rows are ordered, and methods compared and ranked.

        Returns
        -------
        text : str
            A table for each data set, then differences, ranks and failures, where there are any.
        """
        from zslearn.model_selection._protocol_markdown import render

        return render(self, reference, metric)

    def _label(self, block: Block) -> str:
        data, classes, _ = block
        return f"{data} ({classes})" if data in self._several else data

    def _check_method(self, method: str, argument: str) -> None:
        if method not in self._by_method:
            raise ValueError(
                f"{argument}: {method!r} has no results; there are those of "
                f"{', '.join(self.methods) or 'no method'}."
            )


def _block(run: dict[str, Any]) -> Block:
    return run["data"], run["classes"], run["split"]


def _accuracies(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [run["accuracies"] for run in runs]


def _mean(runs: list[dict[str, Any]], metric: str) -> float:
    """Mean over seeds; NaN of what the method does not have."""
    return float(np.mean([run["scores"].get(metric, np.nan) for run in runs]))
