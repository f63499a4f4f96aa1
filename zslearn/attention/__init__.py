"""Attention over regions guided by attributes: CVsC and its relatives."""

from zslearn.attention._cvsc import CVsCClassifier

__all__ = ["CVsCClassifier"]
