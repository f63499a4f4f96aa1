"""Methods that generate features of unseen classes, for any classifier to learn from."""

from zslearn.generative._fclswgan import FCLSWGANClassifier

__all__ = ["FCLSWGANClassifier"]
