"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._apn import APNNetwork, PrototypeOutput
from zslearn.nn._cross_modal import CrossModalLayer
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._duet import DUETHead
from zslearn.nn._has import HASNetwork
from zslearn.nn._ieam import IEAMHead, quarter_turns
from zslearn.nn._mutual_adaption import MutualAdaption
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn._psvma import PSVMAHead, PSVMAOutput
from zslearn.nn._vitzsl import ViTZSLHead
from zslearn.nn.losses import (
    APNLoss,
    AttributeDecorrelationLoss,
    AttributeRegressionLoss,
    CalibrationLoss,
    ClassContrastLoss,
    CompactnessLoss,
    ConditionalCorrelationLoss,
    CVsCLoss,
    DebiasingLoss,
    HASLoss,
    HASPerturbationLoss,
    MaskedWordLoss,
    SeenCrossEntropyLoss,
    SemanticInterventionLoss,
    TargetInterventionLoss,
    WordContrastLoss,
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
    "ClassContrastLoss",
    "CompactnessLoss",
    "ConditionalCorrelationLoss",
    "CrossModalLayer",
    "DAZLENetwork",
    "DUETHead",
    "DebiasingLoss",
    "HASLoss",
    "HASNetwork",
    "HASPerturbationLoss",
    "IEAMHead",
    "MaskedWordLoss",
    "MutualAdaption",
    "PSVMAHead",
    "PSVMAOutput",
    "PrototypeOutput",
    "SeenCrossEntropyLoss",
    "SemanticInterventionLoss",
    "TargetInterventionLoss",
    "ViTZSLHead",
    "WordContrastLoss",
    "counterfactual",
    "functional",
    "losses",
    "quarter_turns",
]
