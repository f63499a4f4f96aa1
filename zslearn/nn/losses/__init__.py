"""Losses, one a module, each usable alone."""

from zslearn.nn.losses._apn import APNLoss
from zslearn.nn.losses._attribute_regression import AttributeRegressionLoss
from zslearn.nn.losses._calibration import CalibrationLoss
from zslearn.nn.losses._center_margin import CenterMarginLoss
from zslearn.nn.losses._class_contrast import ClassContrastLoss
from zslearn.nn.losses._compactness import CompactnessLoss
from zslearn.nn.losses._conditional_correlation import ConditionalCorrelationLoss
from zslearn.nn.losses._correlation_alignment import CorrelationAlignmentLoss
from zslearn.nn.losses._critic import CriticLoss
from zslearn.nn.losses._cvsc import CVsCLoss
from zslearn.nn.losses._debiasing import DebiasingLoss
from zslearn.nn.losses._decorrelation import AttributeDecorrelationLoss
from zslearn.nn.losses._discrepancy import DiscrepancyLoss
from zslearn.nn.losses._gaussian_distance import GaussianDistanceLoss
from zslearn.nn.losses._gradient_penalty import GradientPenalty
from zslearn.nn.losses._has import HASLoss
from zslearn.nn.losses._has_perturbation import HASPerturbationLoss
from zslearn.nn.losses._masked_word import MaskedWordLoss
from zslearn.nn.losses._mutual_distillation import MutualDistillationLoss
from zslearn.nn.losses._seen_cross_entropy import SeenCrossEntropyLoss
from zslearn.nn.losses._semantic_intervention import SemanticInterventionLoss
from zslearn.nn.losses._supervised_contrastive import SupervisedContrastiveLoss
from zslearn.nn.losses._target_intervention import TargetInterventionLoss
from zslearn.nn.losses._vae import VAELoss
from zslearn.nn.losses._weighted_l1 import WeightedL1Loss
from zslearn.nn.losses._word_contrast import WordContrastLoss

__all__ = [
    "APNLoss",
    "AttributeDecorrelationLoss",
    "AttributeRegressionLoss",
    "CVsCLoss",
    "CalibrationLoss",
    "CenterMarginLoss",
    "ClassContrastLoss",
    "CompactnessLoss",
    "ConditionalCorrelationLoss",
    "CorrelationAlignmentLoss",
    "CriticLoss",
    "DebiasingLoss",
    "DiscrepancyLoss",
    "GaussianDistanceLoss",
    "GradientPenalty",
    "HASLoss",
    "HASPerturbationLoss",
    "MaskedWordLoss",
    "MutualDistillationLoss",
    "SeenCrossEntropyLoss",
    "SemanticInterventionLoss",
    "SupervisedContrastiveLoss",
    "TargetInterventionLoss",
    "VAELoss",
    "WeightedL1Loss",
    "WordContrastLoss",
]
