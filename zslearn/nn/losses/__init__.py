"""Losses, one a module, each usable alone."""

from zslearn.nn.losses._calibration import CalibrationLoss
from zslearn.nn.losses._class_contrast import ClassContrastLoss
from zslearn.nn.losses._conditional_correlation import ConditionalCorrelationLoss
from zslearn.nn.losses._cvsc import CVsCLoss
from zslearn.nn.losses._debiasing import DebiasingLoss
from zslearn.nn.losses._masked_word import MaskedWordLoss
from zslearn.nn.losses._seen_cross_entropy import SeenCrossEntropyLoss
from zslearn.nn.losses._semantic_intervention import SemanticInterventionLoss
from zslearn.nn.losses._target_intervention import TargetInterventionLoss
from zslearn.nn.losses._word_contrast import WordContrastLoss

__all__ = [
    "CVsCLoss",
    "CalibrationLoss",
    "ClassContrastLoss",
    "ConditionalCorrelationLoss",
    "DebiasingLoss",
    "MaskedWordLoss",
    "SeenCrossEntropyLoss",
    "SemanticInterventionLoss",
    "TargetInterventionLoss",
    "WordContrastLoss",
]
