"""Methods that generate features of unseen classes, for any classifier to learn from."""

from zslearn.generative._fclswgan import FCLSWGANClassifier
from zslearn.generative._free import FREEClassifier
from zslearn.generative._fvaegan import FVAEGANClassifier
from zslearn.generative._tfvaegan import TFVAEGANClassifier

__all__ = ["FCLSWGANClassifier", "FREEClassifier", "FVAEGANClassifier", "TFVAEGANClassifier"]
