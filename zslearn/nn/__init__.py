"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._cegzsl import ClassComparator, ContrastiveEmbedding
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn.losses import (
    CalibrationLoss,
    ConditionalCorrelationLoss,
    CorrelationAlignmentLoss,
    CVsCLoss,
    DiscrepancyLoss,
    GaussianDistanceLoss,
    SemanticInterventionLoss,
    SupervisedContrastiveLoss,
    TargetInterventionLoss,
)

__all__ = [
    "CVsCLoss",
    "CVsCNetwork",
    "CVsCOutput",
    "CalibrationLoss",
    "ClassComparator",
    "ConditionalCorrelationLoss",
    "ContrastiveEmbedding",
    "CorrelationAlignmentLoss",
    "DAZLENetwork",
    "DiscrepancyLoss",
    "GaussianDistanceLoss",
    "SemanticInterventionLoss",
    "SupervisedContrastiveLoss",
    "TargetInterventionLoss",
    "counterfactual",
    "functional",
    "losses",
]
