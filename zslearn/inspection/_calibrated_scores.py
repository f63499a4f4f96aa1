"""The class scores of any fitted zero-shot classifier, with the rule by which it predicts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from zslearn._scored_prediction import ScoredPrediction
from zslearn._table_checks import quote_some
from zslearn._wrapped import final_estimator
from zslearn.calibration._response import CalibrationRule, class_scores


class CalibratedScores(NamedTuple):
    """Uncalibrated scores of some samples, and the calibration of the classifier they are of."""

    rule: CalibrationRule
    scores: NDArray[np.floating]  # (n, n_classes), columns in the sorted order of rule.classes_
    is_own_rule: bool  # whether the rule is that of the classifier, or just the largest score

    def predict(self, candidates: Any = None) -> NDArray[Any]:
        """Predict what the classifier predicts among the candidates."""
        return self.rule.predict_from_uncalibrated(self.scores, candidates=candidates)

    def on_delta_scale(self, candidates: Any = None) -> NDArray[np.float64]:
        """Scores of the candidates, sorted by label, on the scale that delta is added to."""
        return self.rule.calibration_scores(self.scores, candidates=candidates)


def calibration_rule(estimator: Any, class_attributes: Any = None) -> tuple[CalibrationRule, bool]:
    """Rule by which a fitted classifier decides, for its own classes or those of another table.

    The classifier may be inside pipelines, searches and frozen estimators. One that is not of this
    package takes the largest score, as far as is known: the second value is then False.
    """
    final = final_estimator(estimator)
    is_own = isinstance(final, ScoredPrediction)
    delta, scale = 0.0, "logit"
    if is_own:
        check_is_fitted(final)
        delta, scale = final._delta_and_scale()
    rule = CalibrationRule(delta, scale).fit(estimator)
    if is_own:
        rule.shares_of_ = final._delta_shares
    if class_attributes is not None:
        rule.class_attributes_ = rule._described(class_attributes)
        rule.classes_ = rule.class_attributes_.labels
        rule.unseen_classes_ = np.setdiff1d(rule.classes_, rule.seen_classes_)
    return rule, is_own


def calibrated_scores(estimator: Any, X: Any, class_attributes: Any = None) -> CalibratedScores:
    """Score samples by one call of the estimator."""
    rule, is_own = calibration_rule(estimator, class_attributes)
    return CalibratedScores(rule, class_scores(estimator, X, class_attributes), is_own)


def refuse_undescribed(y: NDArray[Any], rule: CalibrationRule, name: str) -> None:
    """Raise if samples are of classes that cannot be predicted."""
    undescribed = np.setdiff1d(y, rule.classes_)
    if len(undescribed):
        raise ValueError(
            f"y holds {len(undescribed)} class(es) that {name} has no description of, so it "
            f"cannot predict them: {quote_some(undescribed)}. Describe all classes, at fit or here "
            "in class_attributes=, or leave their samples out."
        )
