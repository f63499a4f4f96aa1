"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._apn import APNNetwork, PrototypeOutput
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._has import HASNetwork
from zslearn.nn._msdn import MSDNNetwork
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn._transzero import TransZeroNetwork
from zslearn.nn.losses import (
    APNLoss,
    AttributeDecorrelationLoss,
    AttributeRegressionLoss,
    CalibrationLoss,
    CompactnessLoss,
    ConditionalCorrelationLoss,
    CVsCLoss,
    HASLoss,
    HASPerturbationLoss,
    MutualDistillationLoss,
    SeenCrossEntropyLoss,
    SemanticInterventionLoss,
    TargetInterventionLoss,
)

__all__ = [
    "APNLoss",
    "APNNetwork",
    "AttributeDecorrelationLoss",
    "AttributeRegressionLoss",
    "CVsCLoss",
    "CVsCNetwork",
    "CVsCOutput",
    "CalibrationLoss",
    "CompactnessLoss",
    "ConditionalCorrelationLoss",
    "DAZLENetwork",
    "HASLoss",
    "HASNetwork",
    "HASPerturbationLoss",
    "MSDNNetwork",
    "MutualDistillationLoss",
    "PrototypeOutput",
    "SeenCrossEntropyLoss",
    "SemanticInterventionLoss",
    "TargetInterventionLoss",
    "TransZeroNetwork",
    "counterfactual",
    "functional",
    "losses",
]
