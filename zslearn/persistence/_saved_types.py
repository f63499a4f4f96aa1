"""The classes that files may name: a fixed table, nothing is imported because a file says so."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

from zslearn.registry import list_methods, method_info

__all__ = ["LEFT_OUT", "class_of", "is_called", "name_of", "parameter_names", "register_saved_type"]

# Name in files, and the module that has it under the last part of that name. Methods have the names
# of the registry.
_HOMES = {
    "CVsCObjective": "zslearn.attention",
    "ClassSums": "zslearn._data._vectors",
    "DescriptionKernel": "zslearn._data._prototypes",
    "FixedCalibrationClassifier": "zslearn.calibration",
    "EpisodeSampling": "zslearn._training._sampling",
    "FinalClassifier": "zslearn.generative._final_classifier",
    "FineTunedClassifier": "zslearn.finetuning",
    "FineTuning": "zslearn.finetuning",
    "FittedBackbone": "zslearn.feature_extraction._fitted_backbone",
    "FittedHead": "zslearn.attention._prototype_head",
    "HeadSums": "zslearn.attention._prototype_head",
    "HeldOutStopping": "zslearn._training._stopping",
    "ImageClassifier": "zslearn.feature_extraction",
    "Layout": "zslearn.feature_extraction._timm_backbone",
    "NetworkRecipe": "zslearn.feature_extraction._timm_models",
    "PatchDictionaryExtractor": "zslearn.feature_extraction",
    "PredefinedSeenUnseenSplit": "zslearn.model_selection",
    "HeadChoice": "zslearn.attention._head_choice",
    "PrototypeHead": "zslearn.attention",
    "PrototypeRule": "zslearn._data._prototypes",
    "RejectionClassifierCV": "zslearn.calibration",
    "Samples": "zslearn._sample_weights",
    "Scaling": "zslearn._data._scaling",
    "SeedEnsembleClassifier": "zslearn.ensemble",
    "SeenUnseenKFold": "zslearn.model_selection",
    "SkippedImage": "zslearn.feature_extraction",
    "SoftmaxClassifier": "zslearn.generative._softmax",
    "StepSchedule": "zslearn._training._schedules",
    "TimmRegionExtractor": "zslearn.feature_extraction",
    "TunedCalibrationClassifierCV": "zslearn.calibration",
    "WordVectors": "zslearn.feature_extraction",
    "sklearn.decomposition.PCA": "sklearn.decomposition",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": "sklearn.discriminant_analysis",
    "sklearn.frozen.FrozenEstimator": "sklearn.frozen",
    "sklearn.linear_model.LogisticRegression": "sklearn.linear_model",
    "sklearn.linear_model.Ridge": "sklearn.linear_model",
    "sklearn.pipeline.Pipeline": "sklearn.pipeline",
    "sklearn.preprocessing.MaxAbsScaler": "sklearn.preprocessing",
    "sklearn.preprocessing.MinMaxScaler": "sklearn.preprocessing",
    "sklearn.preprocessing.Normalizer": "sklearn.preprocessing",
    "sklearn.preprocessing.RobustScaler": "sklearn.preprocessing",
    "sklearn.preprocessing.StandardScaler": "sklearn.preprocessing",
    "sklearn.svm.LinearSVC": "sklearn.svm",
}
# Parameters that are left out with a warning, and what they hold.
LEFT_OUT = {"callbacks": "code", "memory": "a folder of pickles on this machine"}

_registered: dict[str, type] = {}


def register_saved_type(name: str, cls: type) -> type:
    """Let `save` and `load` handle a class of your own.

    An estimator is saved as the parameters of its constructor and all its other attributes, and
    loaded by calling the class with the former; if it has the methods ``_get_saved_state()`` and
    ``_set_saved_state(state)``, the dict that the first returns, of what can be saved, stands in
    for the other attributes. Dataclasses and named tuples are called with their fields, but for
    those with ``compare=False``, which are left out. Other objects are their attributes, and given
    them without a call.

    Parameters
    ----------
    name : str
        What files call it: the name of your package, a dot, and that of the class.
    cls : type
        The class; it must be registered before `load` as before `save`.

    Returns
    -------
    cls : type
        The same class.

    Raises
    ------
    ValueError
        If the name has no dot, or belongs to another class.
    TypeError
        If `name` is no string or `cls` no class.

    See Also
    --------
    save : Writes a file.
    load : Reads it.

    Notes
    -----
    Registering a class means that a file may have it made with any values. Register none whose
    constructor does more than keep them.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from zslearn.persistence import register_saved_type
    >>> @dataclass(frozen=True)
    ... class Schedule:
    ...     warm_up: int
    ...     peak: float
    >>> register_saved_type("mypackage.Schedule", Schedule).__name__
    'Schedule'
    """
    if not isinstance(name, str) or not isinstance(cls, type):
        raise TypeError(f"register_saved_type takes a name and a class, found {name!r} and {cls!r}")
    if not re.fullmatch(r"\w+(\.\w+)+", name):
        raise ValueError(f"name must be two words or more with dots between them, found {name!r}")
    there = _registered.get(name, cls)
    same = (there.__module__, there.__qualname__) == (cls.__module__, cls.__qualname__)
    if name in _HOMES or not same:  # a class that is defined again replaces itself
        raise ValueError(f"{name!r} is the name of another class; give {cls.__name__} its own.")
    _registered[name] = cls
    return cls


def class_of(name: str) -> type | None:
    """Return the class that files call by a name, or None."""
    if name in _registered:
        return _registered[name]
    home = _HOMES.get(name)
    if home is not None:
        return getattr(import_module(home), name.rpartition(".")[2], None)
    return _methods().get(name)


def name_of(cls: type) -> str | None:
    """Return what files call a class, or None."""
    for name, registered in _registered.items():
        if registered is cls:
            return name
    for name in _HOMES:
        if name.rpartition(".")[2] == cls.__name__ and class_of(name) is cls:
            return name
    return next((name for name, method in _methods().items() if method is cls), None)


def _methods() -> dict[str, type]:
    """Return the registered zero-shot methods."""
    return {name: method_info(name).estimator for name in list_methods()}


def is_called(cls: type) -> bool:
    """Whether objects of a class are made by a call with their parameters."""
    return hasattr(cls, "get_params") or is_dataclass(cls) or issubclass(cls, tuple)


def parameter_names(cls: type) -> list[str]:
    """Return the parameters of the constructor that are saved."""
    if not is_called(cls):
        return []
    caches = {f.name for f in fields(cls) if not f.compare} if is_dataclass(cls) else set()
    parameters: Any = inspect.signature(cls).parameters.values()
    return [
        p.name
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in caches
    ]
