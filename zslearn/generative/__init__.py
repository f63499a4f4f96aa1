"""Methods that generate features of unseen classes, for any classifier to learn from."""

from zslearn.generative._cadavae import CADAVAEClassifier
from zslearn.generative._cegzsl import CEGZSLClassifier
from zslearn.generative._fclswgan import FCLSWGANClassifier
from zslearn.generative._hsva import HSVAClassifier

__all__ = ["CADAVAEClassifier", "CEGZSLClassifier", "FCLSWGANClassifier", "HSVAClassifier"]
