"""Methods that generate features of unseen classes, for any classifier to learn from."""

from zslearn.generative._cadavae import CADAVAEClassifier
from zslearn.generative._cegzsl import CEGZSLClassifier
from zslearn.generative._fclswgan import FCLSWGANClassifier
from zslearn.generative._free import FREEClassifier
from zslearn.generative._fvaegan import FVAEGANClassifier
from zslearn.generative._hsva import HSVAClassifier
from zslearn.generative._tfvaegan import TFVAEGANClassifier

__all__ = [
    "CADAVAEClassifier",
    "CEGZSLClassifier",
    "FCLSWGANClassifier",
    "FREEClassifier",
    "FVAEGANClassifier",
    "HSVAClassifier",
    "TFVAEGANClassifier",
]
