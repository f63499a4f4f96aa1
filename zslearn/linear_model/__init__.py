"""Methods on one vector a sample, in seconds, which every other is compared with."""

from zslearn.linear_model._attribute_ridge import AttributeRidgeClassifier
from zslearn.linear_model._cosine import CosineClassifier
from zslearn.linear_model._eszsl import ESZSLClassifier
from zslearn.linear_model._eszsl_cv import ESZSLClassifierCV
from zslearn.linear_model._gfzsl import GFZSLClassifier
from zslearn.linear_model._latem import LatEmClassifier
from zslearn.linear_model._probabilities import ConSEClassifier, DAPClassifier
from zslearn.linear_model._prototypes import PrototypeRegressionClassifier
from zslearn.linear_model._prototypes_cv import PrototypeRegressionClassifierCV
from zslearn.linear_model._ranking import ALEClassifier, DeViSEClassifier, SJEClassifier
from zslearn.linear_model._sae import SAEClassifier
from zslearn.linear_model._sae_cv import SAEClassifierCV

__all__ = [
    "ALEClassifier",
    "AttributeRidgeClassifier",
    "ConSEClassifier",
    "CosineClassifier",
    "DAPClassifier",
    "DeViSEClassifier",
    "ESZSLClassifier",
    "ESZSLClassifierCV",
    "GFZSLClassifier",
    "LatEmClassifier",
    "PrototypeRegressionClassifier",
    "PrototypeRegressionClassifierCV",
    "SAEClassifier",
    "SAEClassifierCV",
    "SJEClassifier",
]
