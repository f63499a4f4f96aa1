"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._aligned_autoencoders import AlignedAutoencoders, AlignedLatents
from zslearn.nn._cegzsl import ClassComparator, ContrastiveEmbedding
from zslearn.nn._conditional import ConditionalMLP, GaussianEncoder
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._hsva import HSVANetwork
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn._refinement import AttributeDecoder, FeatureRefiner, Feedback
from zslearn.nn.losses import (
    CalibrationLoss,
    CenterMarginLoss,
    ConditionalCorrelationLoss,
    CorrelationAlignmentLoss,
    CriticLoss,
    CVsCLoss,
    DiscrepancyLoss,
    GaussianDistanceLoss,
    GradientPenalty,
    SemanticInterventionLoss,
    SupervisedContrastiveLoss,
    TargetInterventionLoss,
    VAELoss,
    WeightedL1Loss,
)

__all__ = [
    "AlignedAutoencoders",
    "AlignedLatents",
    "AttributeDecoder",
    "CVsCLoss",
    "CVsCNetwork",
    "CVsCOutput",
    "CalibrationLoss",
    "CenterMarginLoss",
    "ClassComparator",
    "ConditionalCorrelationLoss",
    "ConditionalMLP",
    "ContrastiveEmbedding",
    "CorrelationAlignmentLoss",
    "CriticLoss",
    "DAZLENetwork",
    "DiscrepancyLoss",
    "FeatureRefiner",
    "Feedback",
    "GaussianDistanceLoss",
    "GaussianEncoder",
    "GradientPenalty",
    "HSVANetwork",
    "SemanticInterventionLoss",
    "SupervisedContrastiveLoss",
    "TargetInterventionLoss",
    "VAELoss",
    "WeightedL1Loss",
    "counterfactual",
    "functional",
    "losses",
]
