"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._msdn import MSDNNetwork
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn._transzero import TransZeroNetwork
from zslearn.nn.losses import (
    AttributeRegressionLoss,
    CalibrationLoss,
    ConditionalCorrelationLoss,
    CVsCLoss,
    MutualDistillationLoss,
    SemanticInterventionLoss,
    TargetInterventionLoss,
)

__all__ = [
    "AttributeRegressionLoss",
    "CVsCLoss",
    "CVsCNetwork",
    "CVsCOutput",
    "CalibrationLoss",
    "ConditionalCorrelationLoss",
    "DAZLENetwork",
    "MSDNNetwork",
    "MutualDistillationLoss",
    "SemanticInterventionLoss",
    "TargetInterventionLoss",
    "TransZeroNetwork",
    "counterfactual",
    "functional",
    "losses",
]
