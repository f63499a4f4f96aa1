"""Classifiers of pictures, whose networks are trained from the pixels on."""

from zslearn.finetuning._duet import DUETClassifier
from zslearn.finetuning._fine_tuned_classifier import FineTunedClassifier
from zslearn.finetuning._ieam import IEAMClassifier
from zslearn.finetuning._psvma import PSVMAClassifier
from zslearn.finetuning._settings import FineTuning
from zslearn.finetuning._token_backbone import TokenBackbone
from zslearn.finetuning._vitzsl import ViTZSLClassifier

__all__ = [
    "DUETClassifier",
    "FineTunedClassifier",
    "FineTuning",
    "IEAMClassifier",
    "PSVMAClassifier",
    "TokenBackbone",
    "ViTZSLClassifier",
]
