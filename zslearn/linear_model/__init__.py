"""Methods on one vector a sample: closed forms, in seconds, which every other is compared with."""

from zslearn.linear_model._eszsl import ESZSLClassifier
from zslearn.linear_model._prototypes import PrototypeRegressionClassifier

__all__ = ["ESZSLClassifier", "PrototypeRegressionClassifier"]
