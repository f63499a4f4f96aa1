"""Zero-shot learning with the scikit-learn API.

Fit an estimator on pictures of some classes and a table that describes all classes by
attributes; predict classes it has no picture of.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zslearn._version import __version__

if TYPE_CHECKING:
    from zslearn._show_versions import show_versions
    from zslearn.attention import (
        APNClassifier,
        CVsCClassifier,
        DAZLEClassifier,
        HASClassifier,
        MSDNClassifier,
        TransZeroClassifier,
    )
    from zslearn.attributes import ClassAttributes
    from zslearn.generative import (
        CADAVAEClassifier,
        CEGZSLClassifier,
        FCLSWGANClassifier,
        FREEClassifier,
        FVAEGANClassifier,
        HSVAClassifier,
        TFVAEGANClassifier,
    )
    from zslearn.linear_model import (
        ALEClassifier,
        AttributeRidgeClassifier,
        ConSEClassifier,
        CosineClassifier,
        DAPClassifier,
        DeViSEClassifier,
        ESZSLClassifier,
        ESZSLClassifierCV,
        GFZSLClassifier,
        LatEmClassifier,
        PrototypeRegressionClassifier,
        PrototypeRegressionClassifierCV,
        SAEClassifier,
        SAEClassifierCV,
        SJEClassifier,
    )
    from zslearn.persistence import load, save

# Imported on first use: `import zslearn` must not load torch.
_HOMES = {
    "ALEClassifier": "zslearn.linear_model",
    "APNClassifier": "zslearn.attention",
    "AttributeRidgeClassifier": "zslearn.linear_model",
    "CADAVAEClassifier": "zslearn.generative",
    "CEGZSLClassifier": "zslearn.generative",
    "CVsCClassifier": "zslearn.attention",
    "ClassAttributes": "zslearn.attributes",
    "ConSEClassifier": "zslearn.linear_model",
    "CosineClassifier": "zslearn.linear_model",
    "DAPClassifier": "zslearn.linear_model",
    "DAZLEClassifier": "zslearn.attention",
    "DeViSEClassifier": "zslearn.linear_model",
    "ESZSLClassifier": "zslearn.linear_model",
    "ESZSLClassifierCV": "zslearn.linear_model",
    "FCLSWGANClassifier": "zslearn.generative",
    "FREEClassifier": "zslearn.generative",
    "FVAEGANClassifier": "zslearn.generative",
    "GFZSLClassifier": "zslearn.linear_model",
    "HASClassifier": "zslearn.attention",
    "HSVAClassifier": "zslearn.generative",
    "LatEmClassifier": "zslearn.linear_model",
    "MSDNClassifier": "zslearn.attention",
    "PrototypeRegressionClassifier": "zslearn.linear_model",
    "PrototypeRegressionClassifierCV": "zslearn.linear_model",
    "SAEClassifier": "zslearn.linear_model",
    "SAEClassifierCV": "zslearn.linear_model",
    "SJEClassifier": "zslearn.linear_model",
    "TransZeroClassifier": "zslearn.attention",
    "TFVAEGANClassifier": "zslearn.generative",
    "load": "zslearn.persistence",
    "save": "zslearn.persistence",
    "show_versions": "zslearn._show_versions",
}
_SUBPACKAGES = (
    "attention",
    "attributes",
    "base",
    "calibration",
    "datasets",
    "ensemble",
    "exceptions",
    "feature_extraction",
    "generative",
    "finetuning",
    "inspection",
    "linear_model",
    "metrics",
    "model_selection",
    "nn",
    "persistence",
    "registry",
    "utils",
)

__all__ = [
    "ALEClassifier",
    "APNClassifier",
    "AttributeRidgeClassifier",
    "CADAVAEClassifier",
    "CEGZSLClassifier",
    "CVsCClassifier",
    "ClassAttributes",
    "ConSEClassifier",
    "CosineClassifier",
    "DAPClassifier",
    "DAZLEClassifier",
    "DeViSEClassifier",
    "ESZSLClassifier",
    "ESZSLClassifierCV",
    "FCLSWGANClassifier",
    "FREEClassifier",
    "FVAEGANClassifier",
    "GFZSLClassifier",
    "HASClassifier",
    "HSVAClassifier",
    "LatEmClassifier",
    "MSDNClassifier",
    "PrototypeRegressionClassifier",
    "PrototypeRegressionClassifierCV",
    "SAEClassifier",
    "SAEClassifierCV",
    "SJEClassifier",
    "TFVAEGANClassifier",
    "TransZeroClassifier",
    "__version__",
    "load",
    "save",
    "show_versions",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _SUBPACKAGES:
        return import_module(f"zslearn.{name}")
    raise AttributeError(f"module 'zslearn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES])
