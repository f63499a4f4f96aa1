"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._conditional import ConditionalMLP, GaussianEncoder
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn._refinement import AttributeDecoder, FeatureRefiner, Feedback
from zslearn.nn.losses import (
    CalibrationLoss,
    CenterMarginLoss,
    ConditionalCorrelationLoss,
    CriticLoss,
    CVsCLoss,
    GradientPenalty,
    SemanticInterventionLoss,
    TargetInterventionLoss,
    VAELoss,
    WeightedL1Loss,
)

__all__ = [
    "AttributeDecoder",
    "CVsCLoss",
    "CVsCNetwork",
    "CVsCOutput",
    "CalibrationLoss",
    "CenterMarginLoss",
    "ConditionalCorrelationLoss",
    "ConditionalMLP",
    "CriticLoss",
    "DAZLENetwork",
    "FeatureRefiner",
    "Feedback",
    "GaussianEncoder",
    "GradientPenalty",
    "SemanticInterventionLoss",
    "TargetInterventionLoss",
    "VAELoss",
    "WeightedL1Loss",
    "counterfactual",
    "functional",
    "losses",
]
