"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._cross_modal import CrossModalLayer
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._duet import DUETHead
from zslearn.nn._ieam import IEAMHead, quarter_turns
from zslearn.nn._mutual_adaption import MutualAdaption
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn._psvma import PSVMAHead, PSVMAOutput
from zslearn.nn._vitzsl import ViTZSLHead
from zslearn.nn.losses import (
    CalibrationLoss,
    ConditionalCorrelationLoss,
    CVsCLoss,
    SemanticInterventionLoss,
    TargetInterventionLoss,
)

__all__ = [
    "CVsCLoss",
    "CVsCNetwork",
    "CVsCOutput",
    "CalibrationLoss",
    "ConditionalCorrelationLoss",
    "CrossModalLayer",
    "DAZLENetwork",
    "DUETHead",
    "IEAMHead",
    "MutualAdaption",
    "PSVMAHead",
    "PSVMAOutput",
    "SemanticInterventionLoss",
    "TargetInterventionLoss",
    "ViTZSLHead",
    "counterfactual",
    "functional",
    "losses",
    "quarter_turns",
]
