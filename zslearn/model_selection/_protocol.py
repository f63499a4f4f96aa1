"""One protocol for all methods: class re-splits, choices on seen classes, results in a file."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from numbers import Integral
from pathlib import Path
from typing import Any

from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from zslearn._log import tell
from zslearn._version import __version__
from zslearn.model_selection._classes import COUNT_OR_FRACTION
from zslearn.model_selection._gzsl_train_test_split import GZSLSplit
from zslearn.model_selection._json_lines import append_line, as_json, read_lines
from zslearn.model_selection._protocol_methods import (
    Method,
    digest,
    read_methods,
)
from zslearn.model_selection._protocol_results import ProtocolResults
from zslearn.model_selection._protocol_scores import CRITERIA, choose, fit_and_judge
from zslearn.model_selection._protocol_tasks import Task, make_splits, make_tasks
from zslearn.model_selection._seen_unseen_kfold import SeenUnseenKFold

__all__ = ["GZSLProtocol"]

_CONSTRAINTS = {
    "classes": [StrOptions({"seen", "all", "proposed"})],
    "n_splits": [Interval(Integral, 1, None, closed="left")],
    "n_seeds": [Interval(Integral, 1, None, closed="left")],
    "n_unseen": COUNT_OR_FRACTION,
    "test_size": COUNT_OR_FRACTION,
    "n_folds": [Interval(Integral, 2, None, closed="left")],
    "criterion": [StrOptions(set(CRITERIA))],
    "epochs": ["array-like", None],
    "budget": [Interval(Integral, 1, None, closed="left"), None],
    "random_state": [Interval(Integral, 0, None, closed="left")],
    "path": [str, os.PathLike, None],
    "verbose": ["verbose"],
}


class GZSLProtocol:
    """Judge zero-shot methods alike: on many class splits, everything chosen on seen classes.

    Which classes are unseen moves the scores of zero-shot learning more than most methods do, so
    one split says little. Here classes are split anew several times; on each split the setting,
    the number of epochs and delta of every method are chosen on groups of *seen* classes that are
    held out in turn, by the same folds and the same criterion for all; then the method is fitted
    once a seed and looks at the test samples once. Every run is a line in a file, from which an
    interrupted comparison goes on.

    Parameters
    ----------
    classes : {"seen", "all", "proposed"}, default="seen"
        Which classes and samples take part, where a published split is given to `run`:

        - "seen": its training samples alone are split again. Nothing of its test samples is looked
          at: whatever is decided by the results, such as a default, has not been chosen on them;
        - "all": all samples of all parts are split again;
        - "proposed": no new splits; the published one, once.

        Without a published split all samples are split, whichever of "seen" and "all" is named.

    n_splits : int, default=8
        Number of class splits. Fewer than about eight leave intervals that say nothing. The first
        splits of a larger number are those of a smaller one, so that more can be added later.

    n_seeds : int, default=3
        Fits on each split, of estimators with a ``random_state``; others are fitted once.

    n_unseen : int or float, default=0.2
        Unseen classes of a split, a count or a fraction. Classes take turns: none is unseen more
        than once more often than another.

    test_size : int or float, default=0.2
        Held-out samples of each seen class, a count or a fraction.

    n_folds : int, default=3
        Groups of seen classes that take turns as the unseen ones while choosing.

    criterion : {"AUSUC", "H", "T1"}, default="AUSUC"
        What settings and epochs are chosen by: the mean over folds of the area under the
        seen-unseen curve, which needs no delta, of H at the best delta common to the folds, or of
        T1.

    epochs : sequence of int, default=None
        Numbers of epochs to choose from, of estimators with a parameter ``max_epochs``, in settings
        that do not name it. ``None`` leaves that to their defaults and settings.

    budget : int, default=None
        The most settings a method may be chosen from; more are refused. ``None`` refuses none.

    random_state : int, default=0
        Determines the splits and the folds.

    path : str or path-like, default=None
        File that runs are appended to, and read from when they are asked for again; in a folder
        that exists. ``None`` keeps them in memory.

    verbose : int, default=0
        Above 0, a line on standard error for each run.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    FileNotFoundError
        If the folder of `path` does not exist.

    See Also
    --------
    ProtocolResults : Tables, paired differences and ranks.
    SeenUnseenKFold : The splits.
    zslearn.calibration.TunedCalibrationClassifierCV : The choice of delta, for one estimator.
    zslearn.registry.list_methods : Methods by name.

    Notes
    -----
    Delta is the one that is best on average over the folds of the chosen setting, exactly, in
    standard deviations of a model's scores, as in
    :class:`~zslearn.calibration.TunedCalibrationClassifierCV`, at no further fit. Folds are told
    of the descriptions of their own classes alone, the final fit of those of the split's unseen
    ones too. ``H_delta_0`` is H without one, as published results of generative methods have it;
    ``H_hindsight`` is that at the delta that is best for the *test* samples: a bound, not a result.

    A run is known by a checksum of the data and its name, the split, the seed, the estimator's
    parameters, those that are left at their defaults too, the settings, this protocol's own, and
    the version of zslearn. What has the same is not computed again, unless named in `refresh`. A
    run that failed is recorded with its error, and tried again next time; the other methods go on.

    "seconds" are of choosing, fitting and predicting. "peak_mib" is how far the anonymous memory
    of this process rose above where it was, in the final fit and prediction, sampled every 2 ms
    (Linux; pages of memory-mapped files do not count): what torch and numpy allocate is in it,
    which tracemalloc would miss. What the process holds already, such as the means of regions and
    the libraries, is not in it. With an accelerator it is the memory there.

    Methods given by name that learn from one vector a sample get the mean of a picture's regions,
    taken once. Estimators of your own get X as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes
    >>> from zslearn.model_selection import GZSLProtocol
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes(rng.random((12, 6)))
    >>> y = np.repeat(np.arange(12), 10)
    >>> X = table.values[y] @ rng.normal(size=(6, 20)) + rng.normal(scale=0.3, size=(120, 20))
    >>> protocol = GZSLProtocol(n_splits=3, n_unseen=0.25)
    >>> settings = {"eszsl": {"gamma": [0.1, 1.0, 10.0]}}
    >>> results = protocol.run(["eszsl", "prototypes"], X, y, table, settings=settings, name="toy")
    >>> len(results.runs)
    6
    >>> [row["method"] for row in results.table()]
    ['eszsl', 'prototypes']
    >>> difference = results.differences("eszsl", metric="T1")[0]
    >>> difference.method, bool(difference.low < difference.estimate < difference.high)
    ('prototypes', True)
    """

    def __init__(
        self,
        *,
        classes: str = "seen",
        n_splits: int = 8,
        n_seeds: int = 3,
        n_unseen: float = 0.2,
        test_size: float = 0.2,
        n_folds: int = 3,
        criterion: str = "AUSUC",
        epochs: Sequence[int] | None = None,
        budget: int | None = None,
        random_state: int = 0,
        path: str | os.PathLike[str] | None = None,
        verbose: int = 0,
    ) -> None:
        self.classes = classes
        self.n_splits = n_splits
        self.n_seeds = n_seeds
        self.n_unseen = n_unseen
        self.test_size = test_size
        self.n_folds = n_folds
        self.criterion = criterion
        self.epochs = epochs
        self.budget = budget
        self.random_state = random_state
        self.path = path
        self.verbose = verbose
        validate_parameter_constraints(
            _CONSTRAINTS, {name: getattr(self, name) for name in _CONSTRAINTS}, type(self).__name__
        )
        if epochs is not None and not all(isinstance(n, Integral) and n >= 1 for n in epochs):
            raise ValueError(f"epochs must be whole numbers of at least 1, found {epochs!r}")
        if path is not None and not Path(path).absolute().parent.is_dir():
            raise FileNotFoundError(
                f"path={str(path)!r}, but there is no folder {Path(path).absolute().parent}; make "
                "it first."
            )

    def run(
        self,
        methods: Any,
        X: Any,
        y: Any,
        class_attributes: Any,
        *,
        settings: Mapping[str, Any] | None = None,
        name: str = "data",
        split: Any = None,
        refresh: Sequence[str] = (),
    ) -> ProtocolResults:
        """Judge methods on a data set.

        Parameters
        ----------
        methods : sequence of str, or dict of str to estimator or None
            Names of registered methods (``zslearn.registry.list_methods``), or names of your own
            and unfitted zero-shot classifiers, which may be pipelines; None stands for the method
            registered under the name.
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Samples of all classes; a memory map or a lazy store is read by batches.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (n_classes, K)
            Descriptions of the classes.
        settings : dict of str to dict or list of dict, default=None
            For each method that has something to choose, a grid (lists of values by parameter) or
            a list of settings (dicts of parameters). Others have their defaults.
        name : str, default="data"
            Name of the data set, in results.
        split : GZSLSplit or sequence of three arrays of int, default=None
            Rows of a published split: to train on, to test on of seen and of unseen classes.
        refresh : sequence of str, default=()
            Methods to run again though the file has their results.

        Returns
        -------
        results : ProtocolResults
            Of these methods on this data set.

        Raises
        ------
        ValueError
            If a method, a setting or the data are wrong, or ``classes="proposed"`` comes without a
            split. What fails in a fit or a prediction is recorded instead.
        """
        given = read_methods(methods, settings, self.budget)
        unknown = sorted(set(refresh) - {method.name for method in given})
        if unknown:
            raise ValueError(f"refresh names {unknown[0]!r}, which is not among the methods.")
        known = self._known()
        if refresh:
            again = [key for key, line in known.items() if line["method"] in refresh]
            for key in again:
                del known[key]
        runs: list[dict[str, Any]] = []
        on_vectors = any(method.on_vectors for method in given)
        for task in make_tasks(self, X, y, class_attributes, name, split, on_vectors):
            for method in given:
                runs += self._judge(task, method, known)
        return ProtocolResults(runs)

    def splits(self, y: Any, split: Any = None) -> list[GZSLSplit]:
        """Make the class splits.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Class labels.
        split : GZSLSplit or sequence of three arrays of int, default=None
            The published split.

        Returns
        -------
        splits : list of GZSLSplit
            Row numbers of the samples to train on, and to test on of seen and of unseen classes.
        """
        return make_splits(self, y, split)

    def _known(self) -> dict[str, dict[str, Any]]:
        """Lines of the file by their keys; of several the last."""
        if self.path is None or not Path(self.path).exists():
            return {}
        lines = read_lines(self.path, "key", type(self).__name__)
        return {line["key"]: line for line in lines}

    def _judge(
        self, task: Task, method: Method, known: dict[str, dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """Yield the runs of a method on a split: those of the file, and those that it lacks."""
        parts = task.identity | {"method": method.name, **method.describe()}
        start = {**task.names, "rows": task.rows, "method": method.name, "version": __version__}
        seeds = range(self.n_seeds if method.random_parameters else 1)
        keys = {seed: digest(parts | {"seed": seed}) for seed in seeds}
        choice: Any = None
        failed: Exception | None = None
        for seed, key in keys.items():
            line = known.get(key)
            if line is None or line.get("error"):
                line = {"kind": "run", "key": key, "time": _now(), **start, "seed": seed}
                try:
                    if failed is None and choice is None:
                        choice = self._choose(method, task, parts, start, known)
                except Exception as error:
                    failed = error  # of all seeds
                try:
                    if failed is not None:
                        raise failed
                    line |= fit_and_judge(method, task, choice, seed)
                except Exception as error:
                    line["error"] = _as_line(error)
                self._write(line, known)
                self._tell(line)
            yield line

    def _choose(
        self,
        method: Method,
        task: Task,
        parts: dict[str, Any],
        start: dict[str, Any],
        known: dict[str, dict[str, Any]],
    ) -> dict[str, Any]:
        key = digest(parts | {"kind": "choice"})
        line = known.get(key)
        if line is None:
            folds = SeenUnseenKFold(self.n_folds, random_state=self.random_state)
            began = time.perf_counter()
            chosen = choose(method, task, epochs=self.epochs, folds=folds, criterion=self.criterion)
            line = {"kind": "choice", "key": key, "time": _now(), **start, **chosen}
            line["seconds"] = time.perf_counter() - began
            self._write(line, known)
        return line

    def _write(self, line: dict[str, Any], known: dict[str, dict[str, Any]]) -> None:
        known[line["key"]] = line
        if self.path is not None:
            text = json.dumps(as_json(line), allow_nan=False)
            append_line(Path(self.path), text.encode() + b"\n")

    def _tell(self, line: dict[str, Any]) -> None:
        if not self.verbose:
            return
        where = f"{line['data']}, split {line['split']}, seed {line['seed']}: {line['method']}"
        if line["error"]:
            tell(f"{where}: {line['error']}", sys.stderr)
            return
        scores = "  ".join(f"{m} {line['scores'][m]:.3f}" for m in ("T1", "H", "AUSUC"))
        seconds = f"{line['seconds']['choose']:.1f} + {line['seconds']['fit']:.1f} s"
        tell(f"{where}: {scores}  ({seconds})", sys.stderr)


def _as_line(error: Exception) -> str:
    text = " ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
    return " ".join(text.split())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
