"""Metrics of zero-shot learning and scorers for scikit-learn's model selection."""

from zslearn.metrics._bootstrap import BootstrapInterval, bootstrap_interval
from zslearn.metrics._classification import czsl_accuracy_score, per_class_accuracy_score
from zslearn.metrics._curve import (
    BestCalibration,
    SeenUnseenCurve,
    ausuc_score,
    best_calibration,
    seen_unseen_curve,
)
from zslearn.metrics._gzsl import GZSLScores, gzsl_harmonic_mean_score, gzsl_scores
from zslearn.metrics._localization import AttributeLocalization, attribute_localization_score
from zslearn.metrics._scorer import (
    ausuc_scorer,
    czsl_accuracy_scorer,
    get_gzsl_scorer,
    get_gzsl_scorer_names,
    gzsl_harmonic_mean_scorer,
    gzsl_multimetric_scorer,
    seen_accuracy_scorer,
    unseen_accuracy_scorer,
)
from zslearn.metrics._semantic import (
    ClassSemanticError,
    SemanticErrorIncrease,
    class_semantic_error,
    semantic_error_increase,
)

__all__ = [
    "AttributeLocalization",
    "BestCalibration",
    "BootstrapInterval",
    "ClassSemanticError",
    "GZSLScores",
    "SeenUnseenCurve",
    "SemanticErrorIncrease",
    "attribute_localization_score",
    "ausuc_score",
    "ausuc_scorer",
    "best_calibration",
    "bootstrap_interval",
    "class_semantic_error",
    "czsl_accuracy_score",
    "czsl_accuracy_scorer",
    "get_gzsl_scorer",
    "get_gzsl_scorer_names",
    "gzsl_harmonic_mean_score",
    "gzsl_harmonic_mean_scorer",
    "gzsl_multimetric_scorer",
    "gzsl_scores",
    "per_class_accuracy_score",
    "seen_accuracy_scorer",
    "seen_unseen_curve",
    "semantic_error_increase",
    "unseen_accuracy_scorer",
]
