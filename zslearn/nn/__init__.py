"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._conditional import ConditionalMLP, GaussianEncoder
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn.losses import (
    CalibrationLoss,
    ConditionalCorrelationLoss,
    CriticLoss,
    CVsCLoss,
    GradientPenalty,
    SemanticInterventionLoss,
    TargetInterventionLoss,
    VAELoss,
)

__all__ = [
    "CVsCLoss",
    "CVsCNetwork",
    "CVsCOutput",
    "CalibrationLoss",
    "ConditionalCorrelationLoss",
    "ConditionalMLP",
    "CriticLoss",
    "DAZLENetwork",
    "GaussianEncoder",
    "GradientPenalty",
    "SemanticInterventionLoss",
    "TargetInterventionLoss",
    "VAELoss",
    "counterfactual",
    "functional",
    "losses",
]
