"""Discovery: every public estimator and display, each once."""

import inspect

import pytest
from sklearn.base import BaseEstimator, is_classifier

from zslearn import inspection
from zslearn.utils.discovery import all_displays, all_estimators


def test_all_estimators():
    found = all_estimators()
    names = [name for name, _ in found]
    assert names == sorted(set(names))
    assert {
        "CVsCClassifier",
        "FixedCalibrationClassifier",
        "TunedCalibrationClassifierCV",
        "SeedEnsembleClassifier",
        "PatchDictionaryExtractor",
        "TimmRegionExtractor",
    } <= set(names)
    for name, cls in found:
        assert cls.__name__ == name
        assert issubclass(cls, BaseEstimator)
        assert not inspect.isabstract(cls)
        assert not any(part.startswith("sklearn") for part in cls.__module__.split("."))
    assert "CVsCObjective" not in names  # parameters, not an estimator


def test_type_filter():
    classifiers, transformers = (
        dict(all_estimators("classifier")),
        dict(all_estimators("transformer")),
    )
    assert set(classifiers) | set(transformers) == set(dict(all_estimators()))
    both = {"CVsCClassifier", "DAZLEClassifier", "FCLSWGANClassifier"}
    assert both <= set(classifiers) & set(transformers)
    assert is_classifier(classifiers["CVsCClassifier"]())
    assert hasattr(transformers["PatchDictionaryExtractor"], "transform")
    with pytest.raises(ValueError, match="type_filter must be .* found 'regressor'"):
        all_estimators("regressor")


def test_all_displays():
    expected = sorted(name for name in inspection.__all__ if name.endswith("Display"))
    assert [name for name, _ in all_displays()] == expected
    assert all(hasattr(cls, "plot") for _, cls in all_displays())
