"""A sound toy classifier, and many that each break one promise, with the checks that see it."""

import copy

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from zslearn import ClassAttributes
from zslearn._described_classes import DescribedClasses
from zslearn.base import ZeroShotClassifierMixin, is_row_source

WRONG = {}
BROADLY_WRONG = set()


def caught_by(*checks, among_others=False):
    """Name the checks that fail on a class: all of them, if not told otherwise."""

    def register(cls):
        WRONG[cls] = set(checks)
        if among_others:
            BROADLY_WRONG.add(cls)
        return cls

    return register


class Sound(ZeroShotClassifierMixin, BaseEstimator):
    """Ridge regression from the mean of the regions to the attributes of their class."""

    def __init__(self, *, delta=0.0, random_state=None):
        self.delta = delta
        self.random_state = random_state

    def fit(self, X, y, class_attributes=None):
        with self._fitting_anew():
            self._fit(X, y, class_attributes)
        return self

    def _fit(self, X, y, class_attributes):
        X, y, classes = self._check_fit(X, y, class_attributes)
        F = self._vectors(X)
        noise = check_random_state(self.random_state).normal(scale=1e-3, size=F.shape)
        targets = classes.values[classes.targets(y)]
        self.weights_ = np.linalg.solve(F.T @ F + np.eye(F.shape[1]), (F + noise).T @ targets)
        self._set_classes(classes)

    def _vectors(self, X):
        rows = np.asarray(X[:], dtype=np.float64)
        if not np.isfinite(rows).all():
            raise ValueError("X holds NaN or infinite values")
        return self._pool(rows) if rows.ndim == 3 else rows

    def _pool(self, rows):
        return rows.sum(axis=1) / np.maximum(rows.any(axis=2).sum(axis=1, keepdims=True), 1)

    def _class_scores(self, X, table):
        X = self._check_X(X, reset=False)
        return self._vectors(X) @ self.weights_ @ table.values.T


class Telling(Sound):
    """The same with all capabilities."""

    def predict_attributes(self, X):
        check_is_fitted(self)
        return self._vectors(self._check_X(X, reset=False)) @ self.weights_

    def class_embeddings(self, class_attributes=None):
        check_is_fitted(self)
        return self._described(class_attributes).values

    def attention_maps(self, X, attributes=None):
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        names = self.class_attributes_.attribute_names
        if attributes is not None and not set(attributes) <= set(names):
            raise ValueError("attributes holds unknown names")
        present = X.any(axis=2) if X.ndim == 3 else np.ones((len(X), 1))
        maps = present / present.sum(axis=1, keepdims=True)
        return np.repeat(maps[:, None], len(attributes or names), axis=1)


# -- tables and candidates -------------------------------------------------------------------------


@caught_by("check_new_table", "check_copy_with_new_table")
class IgnoresDescriptions(Sound):
    def _class_scores(self, X, table):
        fitted = self.class_attributes_
        rows = [
            int(np.flatnonzero(fitted.labels == c)[0]) if c in fitted.labels else 0
            for c in table.labels.tolist()
        ]
        return super()._class_scores(X, fitted)[:, rows]


@caught_by(
    "check_new_table_order", "check_new_table", "check_copy_with_new_table", "check_two_classes"
)
class DependsOnOrderOfNewTable(Sound):
    def _described(self, class_attributes):
        if isinstance(class_attributes, ClassAttributes):
            super()._described(class_attributes)
            return class_attributes
        return super()._described(class_attributes)


@caught_by("check_new_table_is_forgotten")
class KeepsNewTable(Sound):
    def _described(self, class_attributes):
        table = super()._described(class_attributes)
        if table.n_classes == 3 and "newt" in table.labels:
            self.class_attributes_ = table
        return table


@caught_by("check_new_table_refused")
class TakesOtherAttributes(Sound):
    def _described(self, class_attributes):
        if isinstance(class_attributes, ClassAttributes):
            names = self.class_attributes_.attribute_names
            return super()._described(
                ClassAttributes(
                    class_attributes.values, labels=class_attributes.labels, attribute_names=names
                )
                if class_attributes.n_attributes == len(names)
                else class_attributes
            )
        return super()._described(class_attributes)


@caught_by("check_table_order")
class DependsOnOrderOfTable(Sound):
    def fit(self, X, y, class_attributes=None):
        super().fit(X, y, class_attributes)
        labels = getattr(class_attributes, "labels", self.classes_)
        self.weights_ += 1e-9 * (labels[0] == "fly")
        return self


@caught_by("check_table_as_frame")
class TakesNoFrames(Sound):
    def fit(self, X, y, class_attributes=None):
        if hasattr(class_attributes, "columns"):
            raise TypeError("class_attributes must be a ClassAttributes")
        return super().fit(X, y, class_attributes)


@caught_by("check_candidates")
class ForgetsCandidatesOfNewTable(Sound):
    def _candidate_columns(self, candidates, table):
        columns = super()._candidate_columns(candidates, table)
        return columns if table is self.class_attributes_ else np.arange(table.n_classes)


@caught_by("check_candidates_refused")
class DropsUnknownCandidates(Sound):
    def _candidate_columns(self, candidates, table):
        if isinstance(candidates, list):
            candidates = [c for c in candidates if c in table.labels] or None
        return super()._candidate_columns(candidates, table)


@caught_by("check_scores_apart_from_classes")
class DependsOnOtherClasses(Sound):
    def _class_scores(self, X, table):
        scores = super()._class_scores(X, table)
        return scores - scores.mean(axis=1, keepdims=True)


# -- scores ----------------------------------------------------------------------------------------


@caught_by("check_scores")
class ProbabilitiesOfNothing(Sound):
    def predict_proba(self, X, class_attributes=None):
        return super().predict_proba(X, class_attributes) * 0.999


@caught_by("check_two_classes")
class TwoColumnsForTwoClasses(Sound):
    def decision_function(self, X, class_attributes=None):
        scores = super().decision_function(X, class_attributes)
        return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


@caught_by("check_scores")
class ScoresWithoutCalibration(Sound):
    def decision_function(self, X, class_attributes=None):
        scores = self.uncalibrated_scores(X, class_attributes)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores


@caught_by("check_copy_with_new_table")
class DescribesItselfAnew(Sound):
    def with_class_attributes(self, class_attributes):
        table = self._described(class_attributes)
        self._describe_anew(DescribedClasses(table, np.isin(table.labels, self.seen_classes_)))
        return self


@caught_by("check_samples_apart")
class DependsOnCompany(Sound):
    def _class_scores(self, X, table):
        scores = super()._class_scores(X, table)
        return scores - 1e-3 * scores.mean(axis=0)


@caught_by("check_delta_sweep", "check_scores")
class CalibratesByHalf(Sound):
    def _decide(self, scores, table, columns):
        twin = Sound(delta=self.delta / 2)
        twin.seen_classes_ = self.seen_classes_
        return twin._decide(scores, table, columns)


@caught_by("check_score_is_per_class")
class ScoresBySample(Sound):
    def score(self, X, y, sample_weight=None, candidates=None):
        return accuracy_score(y, self.predict(X, candidates=candidates))


@caught_by("check_capabilities")
class EmbeddingsOfUnitLength(Telling):
    def class_embeddings(self, class_attributes=None):
        values = super().class_embeddings(class_attributes)
        return values / np.linalg.norm(values, axis=1, keepdims=True)


@caught_by("check_capabilities")
class MapsWithoutSum(Telling):
    def attention_maps(self, X, attributes=None):
        return 1.001 * super().attention_maps(X, attributes)


@caught_by("check_capabilities")
class TellsOnceFitted(Telling):
    @available_if(lambda self: hasattr(self, "weights_"))
    def predict_attributes(self, X):
        return super().predict_attributes(X)


@caught_by("check_not_fitted")
class GuessesUnfitted(Sound):
    def predict(self, X, *, candidates=None, class_attributes=None):
        if not hasattr(self, "weights_"):
            return np.zeros(len(X))
        return super().predict(X, candidates=candidates, class_attributes=class_attributes)


@caught_by("check_features_refused")
class PredictsFromGaps(Sound):
    def _class_scores(self, X, table):
        X = self._check_X(X, reset=False)
        return super()._class_scores(np.nan_to_num(np.asarray(X[:]), posinf=0.0), table)


# -- fit -------------------------------------------------------------------------------------------


@caught_by("check_fitted_attributes")
class ForgetsTheUnseen(Sound):
    def _set_classes(self, classes):
        super()._set_classes(classes)
        self.unseen_classes_ = self.unseen_classes_[::-1]


@caught_by("check_parameters_unchanged")
class ChangesParameters(Sound):
    def __init__(self, *, delta=0.0, random_state=None, note=""):
        super().__init__(delta=delta, random_state=random_state)
        self.note = note

    def _fit(self, X, y, class_attributes):
        super()._fit(X, y, class_attributes)
        self.note = "fitted"


@caught_by("check_parameters_unchanged", among_others=True)
class ChangesFeatures(Sound):
    def _fit(self, X, y, class_attributes):
        super()._fit(X, y, class_attributes)
        X[0] = 0


@caught_by("check_refit")
class RemembersFormerFits(Sound):
    def _fit(self, X, y, class_attributes):
        super()._fit(X, y, class_attributes)
        if self.n_features_in_ == 6:
            self.weights_ = self.weights_ + getattr(self, "_fits", 0)
        self._fits = 1


@caught_by("check_seeds")
class DrawsFromGlobalSource(Sound):
    def _fit(self, X, y, class_attributes):
        np.random.rand()  # noqa: NPY002
        super()._fit(X, y, class_attributes)


@caught_by("check_failed_fit", "check_interrupt")
class LeavesAttributes(Sound):
    def fit(self, X, y, class_attributes=None):
        self._fit(X, y, class_attributes)
        return self


@caught_by("check_failed_fit")
class DropsRowsWithGaps(Sound):
    def _vectors(self, X):
        return np.nan_to_num(super()._vectors(X[:] if is_row_source(X) else X))

    def _fit(self, X, y, class_attributes):
        if isinstance(X, np.ndarray) and y is not None and len(X) == len(y):
            whole = np.isfinite(X.reshape(len(X), -1)).all(axis=1)
            X, y = X[whole], y[whole]
        super()._fit(X, y, class_attributes)


@caught_by("check_interrupt")
class FitsByHalf(Sound):
    def _fit(self, X, y, class_attributes):
        try:
            super()._fit(X, y, class_attributes)
        except KeyboardInterrupt:
            self.weights_ = np.zeros((X.shape[-1], 0))


@caught_by("check_ordinary_classifier")
class NeedsTable(Sound):
    def _fit(self, X, y, class_attributes):
        if class_attributes is None:
            raise ValueError("class_attributes is needed")
        super()._fit(X, y, class_attributes)


@caught_by("check_precisions")
class WrongInLowPrecision(Sound):
    def __init__(self, *, delta=0.0, precision="float32", random_state=None):
        super().__init__(delta=delta, random_state=random_state)
        self.precision = precision

    def _class_scores(self, X, table):
        scores = super()._class_scores(X, table)
        return scores.astype("float16") * 1.1 if self.precision == "bfloat16" else scores


@caught_by("check_padding")
class TakesPaddingForRegions(Sound):
    def _pool(self, rows):
        return rows.mean(axis=1)


@caught_by("check_padding")
class AttendsToPadding(Telling):
    def attention_maps(self, X, attributes=None):
        maps = super().attention_maps(X, attributes)
        return np.full_like(maps, 1 / maps.shape[2])


@caught_by("check_ragged_list")
class KnowsNoLists(Sound):
    def _fit(self, X, y, class_attributes):
        if isinstance(X, list):
            raise ValueError("X must be an array")
        super()._fit(X, y, class_attributes)


# -- data and models -------------------------------------------------------------------------------


@caught_by("check_label_types", "check_boolean_labels")
class LabelsAsText(Sound):
    def predict(self, X, *, candidates=None, class_attributes=None):
        found = super().predict(X, candidates=candidates, class_attributes=class_attributes)
        return found.astype(str)


@caught_by("check_feature_types")
class ComputesInDtypeOfX(Sound):
    def _vectors(self, X):
        rows = np.asarray(X[:])
        super()._vectors(rows)
        return self._pool(rows).astype(rows.dtype) if rows.ndim == 3 else rows


@caught_by("check_single_region")
class OneRegionIsAnother(Sound):
    def _vectors(self, X):
        return super()._vectors(X) * (1.01 if len(X.shape) == 2 else 1)


@caught_by("check_memory_map")
class ReadsDiskCoarsely(Sound):
    def _check_X(self, X, *, reset):
        found = super()._check_X(X, reset=reset)
        return found.round(2) if isinstance(X, np.memmap) else found


@caught_by("check_row_source", "check_interrupt")
class ReadsLazyRowsBackwards(Sound):
    def _vectors(self, X):
        rows = super()._vectors(X)
        return rows[::-1] if is_row_source(X) else rows


@caught_by("check_pickle", "check_copy_with_new_table")
class PicklesCoarsely(Sound):
    def __getstate__(self):
        state = dict(super().__getstate__())
        if "weights_" in state:
            state["weights_"] = state["weights_"].astype(np.float32).astype(np.float64)
        return state


@caught_by("check_clone")
class ClonesItsFit(Sound):
    def __sklearn_clone__(self):
        return copy.deepcopy(self)
