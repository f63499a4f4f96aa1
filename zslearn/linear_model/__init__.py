"""Methods on one vector a sample, in seconds, which every other is compared with."""

from zslearn.linear_model._attribute_ridge import AttributeRidgeClassifier
from zslearn.linear_model._eszsl import ESZSLClassifier
from zslearn.linear_model._eszsl_cv import ESZSLClassifierCV
from zslearn.linear_model._probabilities import ConSEClassifier, DAPClassifier
from zslearn.linear_model._prototypes import PrototypeRegressionClassifier
from zslearn.linear_model._prototypes_cv import PrototypeRegressionClassifierCV
from zslearn.linear_model._ranking import ALEClassifier, DeViSEClassifier, SJEClassifier
from zslearn.linear_model._sae import SAEClassifier

__all__ = [
    "ALEClassifier",
    "AttributeRidgeClassifier",
    "ConSEClassifier",
    "DAPClassifier",
    "DeViSEClassifier",
    "ESZSLClassifier",
    "ESZSLClassifierCV",
    "PrototypeRegressionClassifier",
    "PrototypeRegressionClassifierCV",
    "SAEClassifier",
    "SJEClassifier",
]
