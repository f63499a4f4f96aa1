"""Losses, one a module, each usable alone."""

from zslearn.nn.losses._attribute_regression import AttributeRegressionLoss
from zslearn.nn.losses._calibration import CalibrationLoss
from zslearn.nn.losses._conditional_correlation import ConditionalCorrelationLoss
from zslearn.nn.losses._cvsc import CVsCLoss
from zslearn.nn.losses._mutual_distillation import MutualDistillationLoss
from zslearn.nn.losses._semantic_intervention import SemanticInterventionLoss
from zslearn.nn.losses._target_intervention import TargetInterventionLoss

__all__ = [
    "AttributeRegressionLoss",
    "CVsCLoss",
    "CalibrationLoss",
    "ConditionalCorrelationLoss",
    "MutualDistillationLoss",
    "SemanticInterventionLoss",
    "TargetInterventionLoss",
]
