"""Ensembles of zero-shot classifiers."""

from zslearn.ensemble._seeds import SeedEnsembleClassifier

__all__ = ["SeedEnsembleClassifier"]
