"""Pure torch: the modules and losses of attribute-based zero-shot learning.

Everything here is usable without scikit-learn: a network is an ``nn.Module``, a loss is an
``nn.Module`` in a file of its own.
"""

from zslearn.nn import counterfactual, functional, losses
from zslearn.nn._aligned_autoencoders import AlignedAutoencoders, AlignedLatents
from zslearn.nn._apn import APNNetwork, PrototypeOutput
from zslearn.nn._cegzsl import ClassComparator, ContrastiveEmbedding
from zslearn.nn._conditional import ConditionalMLP, GaussianEncoder
from zslearn.nn._cross_modal import CrossModalLayer
from zslearn.nn._dazle import DAZLENetwork
from zslearn.nn._duet import DUETHead
from zslearn.nn._has import HASNetwork
from zslearn.nn._hsva import HSVANetwork
from zslearn.nn._ieam import IEAMHead, quarter_turns
from zslearn.nn._msdn import MSDNNetwork
from zslearn.nn._mutual_adaption import MutualAdaption
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn._psvma import PSVMAHead, PSVMAOutput
from zslearn.nn._refinement import AttributeDecoder, FeatureRefiner, Feedback
from zslearn.nn._transzero import TransZeroNetwork
from zslearn.nn._vitzsl import ViTZSLHead
from zslearn.nn.losses import (
    APNLoss,
    AttributeDecorrelationLoss,
    AttributeRegressionLoss,
    CalibrationLoss,
    CenterMarginLoss,
    ClassContrastLoss,
    CompactnessLoss,
    ConditionalCorrelationLoss,
    CorrelationAlignmentLoss,
    CriticLoss,
    CVsCLoss,
    DebiasingLoss,
    DiscrepancyLoss,
    GaussianDistanceLoss,
    GradientPenalty,
    HASLoss,
    HASPerturbationLoss,
    MaskedWordLoss,
    MutualDistillationLoss,
    SeenCrossEntropyLoss,
    SemanticInterventionLoss,
    SupervisedContrastiveLoss,
    TargetInterventionLoss,
    VAELoss,
    WeightedL1Loss,
    WordContrastLoss,
)

__all__ = [
    "APNLoss",
    "APNNetwork",
    "AlignedAutoencoders",
    "AlignedLatents",
    "AttributeDecoder",
    "AttributeDecorrelationLoss",
    "AttributeRegressionLoss",
    "CVsCLoss",
    "CVsCNetwork",
    "CVsCOutput",
    "CalibrationLoss",
    "CenterMarginLoss",
    "ClassComparator",
    "ClassContrastLoss",
    "CompactnessLoss",
    "ConditionalCorrelationLoss",
    "ConditionalMLP",
    "ContrastiveEmbedding",
    "CorrelationAlignmentLoss",
    "CriticLoss",
    "CrossModalLayer",
    "DAZLENetwork",
    "DUETHead",
    "DebiasingLoss",
    "DiscrepancyLoss",
    "FeatureRefiner",
    "Feedback",
    "GaussianDistanceLoss",
    "GaussianEncoder",
    "GradientPenalty",
    "HASLoss",
    "HASNetwork",
    "HASPerturbationLoss",
    "HSVANetwork",
    "IEAMHead",
    "MSDNNetwork",
    "MaskedWordLoss",
    "MutualAdaption",
    "MutualDistillationLoss",
    "PSVMAHead",
    "PSVMAOutput",
    "PrototypeOutput",
    "SeenCrossEntropyLoss",
    "SemanticInterventionLoss",
    "SupervisedContrastiveLoss",
    "TargetInterventionLoss",
    "TransZeroNetwork",
    "VAELoss",
    "ViTZSLHead",
    "WeightedL1Loss",
    "WordContrastLoss",
    "counterfactual",
    "functional",
    "losses",
    "quarter_turns",
]
