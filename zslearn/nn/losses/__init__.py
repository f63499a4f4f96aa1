"""Losses, one a module, each usable alone."""

from zslearn.nn.losses._calibration import CalibrationLoss
from zslearn.nn.losses._center_margin import CenterMarginLoss
from zslearn.nn.losses._conditional_correlation import ConditionalCorrelationLoss
from zslearn.nn.losses._correlation_alignment import CorrelationAlignmentLoss
from zslearn.nn.losses._critic import CriticLoss
from zslearn.nn.losses._cvsc import CVsCLoss
from zslearn.nn.losses._discrepancy import DiscrepancyLoss
from zslearn.nn.losses._gaussian_distance import GaussianDistanceLoss
from zslearn.nn.losses._gradient_penalty import GradientPenalty
from zslearn.nn.losses._semantic_intervention import SemanticInterventionLoss
from zslearn.nn.losses._supervised_contrastive import SupervisedContrastiveLoss
from zslearn.nn.losses._target_intervention import TargetInterventionLoss
from zslearn.nn.losses._vae import VAELoss
from zslearn.nn.losses._weighted_l1 import WeightedL1Loss

__all__ = [
    "CVsCLoss",
    "CalibrationLoss",
    "CenterMarginLoss",
    "ConditionalCorrelationLoss",
    "CorrelationAlignmentLoss",
    "CriticLoss",
    "DiscrepancyLoss",
    "GaussianDistanceLoss",
    "GradientPenalty",
    "SemanticInterventionLoss",
    "SupervisedContrastiveLoss",
    "TargetInterventionLoss",
    "VAELoss",
    "WeightedL1Loss",
]
