"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._apn import APNNetwork, PrototypeOutput
from zslearn.nn._conditional import ConditionalMLP, GaussianEncoder
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._has import HASNetwork
from zslearn.nn._msdn import MSDNNetwork
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn._refinement import AttributeDecoder, FeatureRefiner, Feedback
from zslearn.nn._transzero import TransZeroNetwork
from zslearn.nn.losses import (
    APNLoss,
    AttributeDecorrelationLoss,
    AttributeRegressionLoss,
    CalibrationLoss,
    CenterMarginLoss,
    CompactnessLoss,
    ConditionalCorrelationLoss,
    CriticLoss,
    CVsCLoss,
    GradientPenalty,
    HASLoss,
    HASPerturbationLoss,
    MutualDistillationLoss,
    SeenCrossEntropyLoss,
    SemanticInterventionLoss,
    TargetInterventionLoss,
    VAELoss,
    WeightedL1Loss,
)

__all__ = [
    "APNLoss",
    "APNNetwork",
    "AttributeDecoder",
    "AttributeDecorrelationLoss",
    "AttributeRegressionLoss",
    "CVsCLoss",
    "CVsCNetwork",
    "CVsCOutput",
    "CalibrationLoss",
    "CenterMarginLoss",
    "CompactnessLoss",
    "ConditionalCorrelationLoss",
    "ConditionalMLP",
    "CriticLoss",
    "DAZLENetwork",
    "FeatureRefiner",
    "Feedback",
    "GaussianEncoder",
    "GradientPenalty",
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
    "VAELoss",
    "WeightedL1Loss",
    "counterfactual",
    "functional",
    "losses",
]
