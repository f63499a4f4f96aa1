"""The results of a search as tables: settings, scores of folds, and which setting was chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._table_checks import quote_some
from zslearn.metrics import get_gzsl_scorer

_METRIC_NAMES = {
    "ausuc": "AUSUC",
    "czsl_accuracy": "T1",
    "gzsl_harmonic_mean": "H",
    "seen_accuracy": "S",
    "unseen_accuracy": "U",
}


class _Unset:
    """Value of a parameter that a candidate leaves as the estimator has it."""

    def __repr__(self) -> str:
        return "default"


UNSET = _Unset()

# Values of a parameter, each with the candidates that have it.
Line = list[tuple[Any, NDArray[np.intp]]]


class SearchResults:
    """Candidates and scores of a search, checked.

    Parameters
    ----------
    source : dict, DataFrame or fitted search
    """

    def __init__(self, source: Any) -> None:
        self.search: Any = None
        results = source
        if hasattr(source, "fit"):
            self.search = source
            results = getattr(source, "cv_results_", None)
            if results is None:
                raise TypeError(
                    f"this {type(source).__name__} has no cv_results_: give a search, after fit."
                )
        if not hasattr(results, "keys"):
            raise TypeError(
                "cv_results must be the cv_results_ of a search or the fitted search, found "
                f"{type(results).__name__}"
            )
        self.results = {str(key): results[key] for key in results.keys()}  # noqa: SIM118
        keys = {match for key in self.results if (match := re.match(r"split(\d+)_test_(.+)$", key))}
        if not keys:
            raise ValueError(
                "cv_results holds no scores of folds (split0_test_...): give the whole cv_results_ "
                "of a search."
            )
        self.n_splits = 1 + max(int(match[1]) for match in keys)
        self.metrics = sorted({match[2] for match in keys}, key=_metric_order)
        self.params: dict[str, list[Any]] = {
            key.removeprefix("param_"): self._param_values(key)
            for key in self.results
            if key.startswith("param_")
        }
        self.metric_names = self._name_single_metric()

    def _param_values(self, key: str) -> list[Any]:
        column: Any = np.ma.array(self.results[key], dtype=object, copy=True)
        masked = np.ma.getmaskarray(column)
        default = UNSET
        if self.search is not None:
            known = self.search.estimator.get_params()
            default = known.get(key.removeprefix("param_"), UNSET)
        # A data frame made of the results has NaN where they are masked.
        return [
            default if hidden or (isinstance(value, float) and np.isnan(value)) else value
            for value, hidden in zip(column.data, masked, strict=True)
        ]

    def _name_single_metric(self) -> dict[str, str]:
        scorer = getattr(self.search, "scorer_", None)
        if self.metrics == ["score"]:
            for name, letter in _METRIC_NAMES.items():
                if scorer is get_gzsl_scorer(name):
                    return {"score": letter}
        return {}

    def splits(self, metric: str) -> NDArray[np.float64]:
        """Scores (n_candidates, n_splits) of a metric."""
        columns = [self.results[f"split{i}_test_{metric}"] for i in range(self.n_splits)]
        return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])

    def resolve_metrics(self, metrics: Sequence[str] | str | None) -> list[str]:
        """Metrics to show, in the order asked for."""
        if metrics is None:
            usual = [metric for metric in ("T1", "H") if metric in self.metrics]
            return usual or self.metrics
        wanted = [metrics] if isinstance(metrics, str) else list(metrics)
        absent = [metric for metric in wanted if metric not in self.metrics]
        if absent or not wanted:
            raise ValueError(
                f"metrics={metrics!r}, but the search measured {quote_some(self.metrics)}"
                + (
                    ' ("score" is what a search with a single metric calls it).'
                    if self.metrics == ["score"]
                    else "."
                )
            )
        return wanted

    def resolve_params(self, params: Sequence[str] | str | None) -> list[str]:
        """Full names of the parameters to show."""
        varying = [
            name for name, values in self.params.items() if len(set(map(value_key, values))) > 1
        ]
        if params is None:
            found = [name for name in varying if _short_name(name).startswith("lambda_")]
            if not found:
                raise ValueError(
                    "of no lambda_... has the search tried more than one value; "
                    + (
                        f"with params= choose of those that vary: {quote_some(varying)}."
                        if varying
                        else "nor of any other parameter."
                    )
                )
            return found
        wanted = [params] if isinstance(params, str) else list(params)
        if not wanted:
            raise ValueError(f"params is empty; those that vary are {quote_some(varying)}.")
        return [self._resolve(name, varying) for name in wanted]

    def _resolve(self, name: str, varying: list[str]) -> str:
        name = name.removeprefix("param_")
        matches = [name] if name in self.params else []
        matches = matches or [full for full in self.params if _short_name(full) == name]
        if len(matches) != 1 or matches[0] not in varying:
            if len(matches) > 1:
                found = f"is the end of {quote_some(matches)}: give one of these names"
            elif matches:
                found = f"has the value {self.params[matches[0]][0]!r} in all settings"
            else:
                found = "is not a parameter of the search"
            raise ValueError(
                f"{name!r} {found}; parameters that vary are {quote_some(varying) or 'none'}."
            )
        return matches[0]

    def choose(self, select_by: str | None, shown: Sequence[str]) -> tuple[str | None, int | None]:
        """Metric that chooses between settings, and the chosen one; None for what is not known."""
        if select_by is not None and select_by not in self.metrics:
            raise ValueError(
                f"select_by={select_by!r}, but the search measured {quote_some(self.metrics)}."
            )
        refit = getattr(self.search, "refit", None)
        choice = getattr(self.search, "best_index_", None)
        if select_by is None and choice is not None:
            if isinstance(refit, str) and refit in self.metrics:
                return refit, int(choice)
            if callable(refit):
                return None, int(choice)
            return self.metrics[0], int(choice)
        by = select_by or ("H" if "H" in self.metrics else shown[0])
        means = self.splits(by).mean(axis=1)
        return by, None if np.isnan(means).all() else int(np.nanargmax(means))

    def rows_along(
        self,
        param: str,
        others: str | Mapping[str, Any],
        by: str | None,
        choice: int | None,
    ) -> tuple[Line, dict[str, Any] | str]:
        """Candidates for each value of a parameter, and where the other parameters are held."""
        rivals = [
            name
            for name, values in self.params.items()
            if name != param and len(set(map(value_key, values))) > 1
        ]
        allowed = np.array([value is not UNSET for value in self.params[param]])
        if isinstance(others, Mapping):
            allowed &= self._fixed(others, param, rivals)
            others = "chosen"
        if others not in ("chosen", "best", "mean"):
            raise ValueError(
                "others must be 'chosen', 'best', 'mean' or a dict of parameters and values, found "
                f"{others!r}"
            )
        means = self._objective(by, choice)
        if others == "mean" or not rivals:
            rows = self._by_value(param, np.flatnonzero(allowed))
            held: dict[str, Any] | str = "mean" if rivals else {}
        elif others == "best":
            rows = self._by_value(param, np.flatnonzero(allowed))
            rows = [(value, group[[_argmax_of(means[group])]]) for value, group in rows]
            held = "best"
        else:
            rows = self._at_one_setting(param, rivals, allowed, means, choice)
            held = {name: self.params[name][rows[0][1][0]] for name in rivals} if rows else {}
        if len(rows) < 2:
            raise ValueError(
                f"with the other parameters held, one value of {param!r} was tried at most, as is "
                "usual where values are drawn at random: others='best' or others='mean' shows all "
                "values."
            )
        return rows, held

    def _objective(self, by: str | None, choice: int | None) -> NDArray[np.float64]:
        if by is not None:
            return self.splits(by).mean(axis=1)
        # A function chose: what it prefers among the rest is unknown.
        means = self.splits("H" if "H" in self.metrics else self.metrics[0]).mean(axis=1)
        means[choice] = np.inf
        return means

    def _fixed(self, others: Mapping[str, Any], param: str, rivals: list[str]) -> NDArray[np.bool_]:
        allowed = np.ones(len(self.params[param]), dtype=bool)
        for name, value in others.items():
            full = self._resolve(name, rivals)
            matches = np.array(
                [value_key(tried) == value_key(value) for tried in self.params[full]]
            )
            if not matches.any():
                tried = list({value_key(tried): tried for tried in self.params[full]}.values())
                raise ValueError(
                    f"others holds {name!r}: {value!r}, but the search tried {quote_some(tried)}."
                )
            allowed &= matches
        return allowed

    def _by_value(self, param: str, rows: NDArray[np.intp]) -> Line:
        """Group candidates by their value of a parameter, ascending where that has a meaning."""
        groups: dict[Any, list[int]] = {}
        values: dict[Any, Any] = {}
        for row in rows.tolist():
            value = self.params[param][row]
            groups.setdefault(value_key(value), []).append(row)
            values.setdefault(value_key(value), value)
        keys = list(groups)
        if all(isinstance(key, float) for key in keys):
            keys.sort()
        return [(values[key], np.array(groups[key])) for key in keys]

    def _at_one_setting(
        self,
        param: str,
        rivals: list[str],
        allowed: NDArray[np.bool_],
        means: NDArray[np.float64],
        choice: int | None,
    ) -> Line:
        settings: dict[Any, list[int]] = {}
        for row in np.flatnonzero(allowed).tolist():
            settings.setdefault(
                tuple(value_key(self.params[name][row]) for name in rivals), []
            ).append(row)
        lines = [self._by_value(param, np.array(rows)) for rows in settings.values()]
        lines = [line for line in lines if len(line) > 1]
        if not lines:
            return []

        def worth(line: Line) -> tuple[bool, float]:
            rows = np.concatenate([group for _, group in line])
            best = np.max(np.nan_to_num(means[rows], nan=-np.inf))
            return bool(choice is not None and choice in rows), float(best)

        return max(lines, key=worth)


def _argmax_of(means: NDArray[np.float64]) -> int:
    return 0 if np.isnan(means).all() else int(np.nanargmax(means))


def value_key(value: Any) -> Any:
    """Return what makes two values of a parameter the same."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return float(value)
    return repr(value)


def _short_name(name: str) -> str:
    return name.rpartition("__")[2]


def _metric_order(metric: str) -> tuple[int, str]:
    usual = ("T1", "U", "S", "H", "AUSUC")
    return (usual.index(metric) if metric in usual else len(usual)), metric
