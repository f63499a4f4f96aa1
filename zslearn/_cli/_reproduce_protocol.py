"""How a row of the paper's tables is fitted and judged: honestly, or by the paper's protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import ParameterGrid

from zslearn._cli._classifier import make_classifier
from zslearn._cli._inputs import EvaluationInputs
from zslearn._cli._published import HONEST, PAPER, PAPER_DELTA, ROWS
from zslearn._cli._reproduce_cache import ResultCache
from zslearn._cli._reproduce_scores import judge
from zslearn.calibration._folds import measure, measure_unit
from zslearn.calibration._response import CalibrationRule, class_scores
from zslearn.metrics import ausuc_score
from zslearn.metrics._gzsl import harmonic_mean
from zslearn.metrics._sweep import FoldCurve, sweep
from zslearn.metrics._units import UNITS
from zslearn.model_selection import RowView, SeenUnseenKFold
from zslearn.model_selection._trained_to import trained_to, uninterrupted

__all__ = ["Choice", "HonestProtocol", "PaperProtocol", "Settings"]

_UNIT = UNITS["std"]
_CURVE = ("first", "last", "lower", "upper", "unseen", "seen")


@dataclass(frozen=True)
class Settings:
    """What a row is fitted with, apart from the terms that it lacks.

    Attributes
    ----------
    parameters : dict
        Parameters of the classifier.
    epochs : tuple of int
        Numbers of epochs to choose from, ascending.
    device : str
    folds : int
        Groups of seen classes that take turns as the unseen ones.
    search : dict of str to list
        Values to choose from besides.
    """

    parameters: dict[str, Any]
    epochs: tuple[int, ...]
    device: str
    folds: int
    search: dict[str, list[Any]]

    def classifier(self, row: str, **more: Any) -> Any:
        """Make the classifier of a row."""
        parameters = self.parameters | more | ROWS[row].parameters
        return make_classifier(
            {"head": "own", "learning_rate_schedule": "constant", **parameters}
        ).set_params(device=self.device)

    def candidates(self, row: str) -> list[dict[str, Any]]:
        """List what a row's setting is chosen from; without the weights of terms that it lacks."""
        grid = {
            name: values for name, values in self.search.items() if name not in ROWS[row].without
        }
        return list(ParameterGrid(grid))


@dataclass(frozen=True)
class Choice:
    """What was chosen for a row on held-out seen classes."""

    parameters: dict[str, Any]
    epochs: int
    delta_in_units: float
    validation_ausuc: float
    validation_h: float
    seconds: float


class HonestProtocol:
    """Choose on held-out seen classes, fit on trainval, look at the test pictures once.

    Groups of seen classes take turns as the unseen ones. On each fold a model is trained once and
    looked at after every number of epochs to choose from. The number with the largest mean area
    under the seen-unseen curve is taken, and with it the delta with the largest mean H, found
    exactly, in standard deviations of the scores: what TunedCalibrationClassifierCV does.

    Parameters
    ----------
    inputs : EvaluationInputs
    settings : Settings
    cache : ResultCache
    bar : tqdm
        Counts epochs.
    """

    def __init__(
        self, inputs: EvaluationInputs, settings: Settings, cache: ResultCache, bar: Any
    ) -> None:
        self.inputs, self.settings, self.cache, self.bar = inputs, settings, cache, bar
        self.y = inputs.y[inputs.trainval]

    def n_epochs(self, rows: Sequence[str], n_seeds: int) -> int:
        """Count the epochs of all trainings, at most."""
        fits = sum(len(self.settings.candidates(row)) * self.settings.folds for row in rows)
        return (fits + n_seeds * len(rows)) * self.settings.epochs[-1]

    def run(self, row: str, n_seeds: int) -> tuple[Choice, list[dict[str, Any]]]:
        """Choose, fit and judge a row."""
        choice = self.choose(row)
        found = [self.cache.get(f"{row}-seed{seed}") for seed in range(n_seeds)]
        missing = [seed for seed, run in enumerate(found) if run is None]
        self.bar.update((n_seeds - len(missing)) * self.settings.epochs[-1])
        for seed in missing:
            self.bar.set_description(f"{ROWS[row].title}: seed {seed}")
            run = self._fit_and_judge(row, choice, seed)
            self.cache.put(f"{row}-seed{seed}", run)
            found[seed] = run
        return choice, [run for run in found if run is not None]

    def choose(self, row: str) -> Choice:
        """Choose the epochs, delta and what else is searched."""
        best: Choice | None = None
        for number, candidate in enumerate(self.settings.candidates(row)):
            folds = list(self._measure_folds(row, number, candidate))
            seconds = float(sum(fold["seconds"] for fold in folds))
            for epochs in self.settings.epochs:
                area = float(np.mean([fold[f"{epochs}_ausuc"] for fold in folds]))
                if best is None or area > best.validation_ausuc:
                    curves = [_load_curve(fold, epochs) for fold in folds]
                    found = sweep(curves, harmonic_mean)
                    best = Choice(candidate, epochs, found.delta, area, found.score, seconds)
        assert best is not None
        return best

    def _measure_folds(
        self, row: str, number: int, candidate: dict[str, Any]
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """Area and curve of each fold after each number of epochs."""
        inputs, settings = self.inputs, self.settings
        table = inputs.table.subset(np.unique(self.y))  # the truly unseen have no part in it
        splits = SeenUnseenKFold(settings.folds, random_state=0).split(self.y, self.y)
        for fold, (train, test) in enumerate(splits):
            name = f"{row}-choice{number}-fold{fold}"
            found = self.cache.get_arrays(name)
            if found is None:
                self.bar.set_description(f"{ROWS[row].title}: choosing, fold {fold + 1}")
                found = {}
                start, before = time.perf_counter(), 0
                X_train = RowView(inputs.X, inputs.trainval[train])
                X_test = RowView(inputs.X, inputs.trainval[test])
                clf = settings.classifier(row, **candidate, random_state=fold)
                steps = trained_to(clf, settings.epochs, X_train, self.y[train], table)
                for epochs, fitted in steps:
                    known = {"classes": fitted.classes_, "seen_classes": fitted.seen_classes_}
                    scores = class_scores(fitted, X_test)
                    area = ausuc_score(self.y[test], scores, **known)
                    seen = measure(fitted, X_test, self.y[test], X_train, _UNIT, keep=False)
                    curve = FoldCurve.from_switches(seen.switches, seen.unit)
                    found |= _dump_curve(curve, epochs) | {f"{epochs}_ausuc": np.array(area)}
                    self.bar.update(epochs - before)
                    before = epochs
                found["seconds"] = np.array(time.perf_counter() - start)
                self.cache.put_arrays(name, found)
            else:
                self.bar.update(settings.epochs[-1])
            yield found

    def _fit_and_judge(self, row: str, choice: Choice, seed: int) -> dict[str, Any]:
        inputs = self.inputs
        X = RowView(inputs.X, inputs.trainval)
        parameters = {**choice.parameters, "max_epochs": choice.epochs, "random_state": seed}
        model = self.settings.classifier(row, **parameters)
        start = time.perf_counter()
        with uninterrupted():
            model.fit(X, self.y, class_attributes=inputs.table)
        seconds = time.perf_counter() - start
        rule = CalibrationRule().fit(model)
        unit = measure_unit(model, X, rule, rule.classes_, _UNIT)
        delta = float(unit.from_units(np.array([choice.delta_in_units]))[0])
        run = judge(model, inputs, delta)
        self.bar.update(self.settings.epochs[-1])
        known = {"selection": HONEST, "seed": seed, "epochs": choice.epochs}
        return {**known, "fit_seconds": seconds, **run}


class PaperProtocol:
    """What the paper's numbers rest on: the best epoch on the test pictures, a fixed delta.

    After each number of epochs the model is judged on the test pictures. T1 is that of the epoch
    where it is highest; U, S, H and the rest are those of the epoch where H is highest. So the
    results are maxima over test scores, and not estimates of how well the method generalises.

    Parameters
    ----------
    inputs : EvaluationInputs
    settings : Settings
    cache : ResultCache
    bar : tqdm
        Counts epochs.
    """

    def __init__(
        self, inputs: EvaluationInputs, settings: Settings, cache: ResultCache, bar: Any
    ) -> None:
        self.inputs, self.settings, self.cache, self.bar = inputs, settings, cache, bar

    def n_epochs(self, rows: Sequence[str], n_seeds: int) -> int:
        """Count the epochs of all trainings."""
        return n_seeds * len(rows) * self.settings.epochs[-1]

    def run(self, row: str, n_seeds: int) -> tuple[None, list[dict[str, Any]]]:
        """Fit a row and judge it after each number of epochs, on the test pictures."""
        runs = []
        for seed in range(n_seeds):
            name = f"{row}-seed{seed}"
            run = self.cache.get(name)
            if run is None:
                self.bar.set_description(f"{ROWS[row].title}: seed {seed}")
                run = self._fit_and_judge(row, seed)
                self.cache.put(name, run)
            else:
                self.bar.update(self.settings.epochs[-1])
            runs.append(run)
        return None, runs

    def _fit_and_judge(self, row: str, seed: int) -> dict[str, Any]:
        inputs, settings = self.inputs, self.settings
        X, y = RowView(inputs.X, inputs.trainval), inputs.y[inputs.trainval]
        clf = settings.classifier(row, random_state=seed)
        start, before = time.perf_counter(), 0
        by_t1: dict[str, Any] | None = None
        by_h: dict[str, Any] | None = None
        for epochs, fitted in trained_to(clf, settings.epochs, X, y, inputs.table):
            run = {"epochs": epochs, **judge(fitted, inputs, PAPER_DELTA)}
            by_t1 = run if by_t1 is None or run["T1"] > by_t1["T1"] else by_t1
            by_h = run if by_h is None or run["H"] > by_h["H"] else by_h
            self.bar.update(epochs - before)
            before = epochs
        assert by_t1 is not None
        assert by_h is not None
        classes = {**by_h["classes"], "T1": by_t1["classes"]["T1"]}
        return {
            "selection": PAPER,
            **by_h,
            "T1": by_t1["T1"],
            "classes": classes,
            "seed": seed,
            "epochs_t1": by_t1["epochs"],
            "fit_seconds": time.perf_counter() - start,  # with the looks at the test pictures
        }


def _dump_curve(curve: FoldCurve, epochs: int) -> dict[str, NDArray[Any]]:
    return {f"{epochs}_{name}": np.asarray(value) for name, value in asdict(curve).items()}


def _load_curve(arrays: dict[str, NDArray[Any]], epochs: int) -> FoldCurve:
    values = {name: arrays[f"{epochs}_{name}"] for name in _CURVE}
    return FoldCurve(**values, neutral=float(arrays[f"{epochs}_neutral"]))
