"""The parameters that all trained estimators share: written, documented and checked once."""

from __future__ import annotations

import inspect
from copy import deepcopy
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self, TypedDict, Unpack

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from zslearn._training._sampling import BatchSampling, EpisodeSampling
from zslearn._training._schedules import Schedule, StepSchedule
from zslearn._training._stopping import HeldOutStopping

__all__ = ["TrainingOptions", "TrainingParameters"]

Precision = Literal["auto", "float32", "bfloat16", "float16"]


class TrainingOptions(TypedDict, total=False):
    """Names and types of the shared parameters, for the constructors of subclasses."""

    max_epochs: int | Literal["auto"]
    batch_size: int
    batch_sampling: BatchSampling
    optimizer: Any
    optimizer_params: dict[str, Any] | None
    learning_rate: float
    learning_rate_schedule: Schedule
    gradient_clip: float | None
    early_stopping: bool | HeldOutStopping
    class_weight: dict[Any, float] | Literal["balanced"] | None
    delta_fade: float | Literal["median"] | None
    precision: Precision
    device: str | torch.device
    callbacks: list[Any] | None
    warm_start: bool
    verbose: int
    random_state: int | np.random.RandomState | None


_DEFAULTS: TrainingOptions = {
    "max_epochs": 20,
    "batch_size": 50,
    "batch_sampling": "shuffled",
    "optimizer": "adam",
    "optimizer_params": None,
    "learning_rate": 1e-3,
    "learning_rate_schedule": "constant",
    "gradient_clip": None,
    "early_stopping": False,
    "class_weight": None,
    "delta_fade": None,
    "precision": "auto",
    "device": "auto",
    "callbacks": None,
    "warm_start": False,
    "verbose": 0,
    "random_state": None,
}

_DOC = """
max_epochs : int or "auto", default={max_epochs!r}
    Passes over the training samples. "auto" takes as many as make 500 steps, between 12 and 40: few
    samples need more passes than many.
batch_size : int, default={batch_size!r}
    The most samples in a batch; batches are of equal size up to one.
batch_sampling : str or EpisodeSampling, default={batch_sampling!r}
    What makes a batch. "shuffled": all samples once an epoch. "balanced": as many samples of each
    class, drawn with replacement from all classes, or from `batch_size` of them where there are
    more; an epoch has as many batches as with "shuffled". "episodes": a few samples of a few
    classes; :class:`~zslearn.model_selection.EpisodeSampling` has the settings.
optimizer : str or callable, default={optimizer!r}
    Name of a torch optimiser, such as "adam", "adamw", "sgd" or "rmsprop", or a callable that makes
    one from parameters and options.
optimizer_params : dict, default={optimizer_params!r}
    Its options besides the learning rate, such as ``{{"weight_decay": 1e-4}}``.
    Options that it does not name are torch's{usual}.
learning_rate : float, default={learning_rate!r}
    Initial learning rate.
learning_rate_schedule : str or StepSchedule, default={learning_rate_schedule!r}
    How the learning rate falls over `max_epochs`: "constant" not at all, "cosine" and "linear" to
    zero, a :class:`~zslearn.model_selection.StepSchedule` at some points of training.
gradient_clip : float, default={gradient_clip!r}
    Largest norm of the gradient.
early_stopping : bool or HeldOutStopping, default={early_stopping!r}
    Whether to find the number of epochs on held-out seen classes, and how:
    :class:`~zslearn.model_selection.HeldOutStopping` has the settings, ``True`` takes its defaults.
class_weight : dict, "balanced" or None, default={class_weight!r}
    How much the samples of a class count, times their `sample_weight`: weights by label, 1 for
    those not named, or "balanced", inversely to the class's share of the samples.
delta_fade : float, "median" or None, default={delta_fade!r}
    Number of training samples from which on a class gets nothing of `delta`: one of n gets
    ``max(0, 1 - n / delta_fade)`` of it. "median" is that of the classes that have some, as
    `class_count_` counts them. ``None``: a class loses all of it with its first sample, and can be
    found less often than before until there are many.
precision : {{"auto", "float32", "bfloat16", "float16"}}, default={precision!r}
    Precision of the products with the features; weights are float32. "auto" takes bfloat16 where
    the hardware multiplies it faster than float32 and the problem is not tiny.
device : {{"auto", "cpu", "cuda", "cuda:i", "mps"}} or torch.device, default={device!r}
    "auto" takes an accelerator if there is one.
callbacks : list of skorch callbacks, default={callbacks!r}
    Called as they are, not copied, so that what one notes can be read after `fit`. Scores of
    predictions are none of theirs: see `early_stopping`.
warm_start : bool, default={warm_start!r}
    Whether `fit` continues from the weights of the last one. Parameters changed in between are
    heeded: another `optimizer` or other options of it begin afresh on these weights.
verbose : int, default={verbose!r}
    1 prints a line an epoch, with every loss term; 2 shows a progress bar. For a bar over a
    whole search, with the epochs inside, set scikit-learn's on the search (version 1.9 or
    later): ``search.set_callbacks(sklearn.callback.ProgressBar())``.
random_state : int, RandomState instance or None, default={random_state!r}
    Determines initial weights, batches and noise. An int makes refits on one CPU equal to the bit.
"""

_ATTRIBUTES = """
classes_ : ndarray of shape (n_classes,)
    Labels of all described classes, sorted.
seen_classes_, unseen_classes_ : ndarray
    Those with and without samples at fit.
class_count_ : ndarray of shape (n_classes,), int64
    Training samples of each class, in the order of `classes_`; those of all calls of
    `partial_fit`, whether or not they came before.
class_attributes_ : ClassAttributes
    The table, its rows in the order of `classes_`.
n_features_in_ : int
    Width of a feature.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, if X was a DataFrame with string column names.
validation_scores_ : list of float
    With `early_stopping`, the area under the seen-unseen curve at each look: after each epoch, or
    as ``HeldOutStopping(evaluate_every=...)`` says.
validation_history_ : skorch History
    With `early_stopping`, the history of the training that was watched, with that area as
    ``valid_ausuc``, NaN between looks. After a refit, ``net_.history`` is that of the refit.
best_epoch_ : int
    With `early_stopping`, the epoch of the best one, counted from 1.
n_iter_ : int
    Epochs trained, with those of all calls of `partial_fit`.
net_ : skorch net
    ``net_.history`` holds the loss terms, ``net_.module_`` is the network in training's terms.
"""


class TrainingParameters(BaseEstimator):
    """Base that holds the shared parameters.

    A subclass names its own in ``__init__``, ends it with ``**training`` and hands these to
    ``super().__init__``. Its signature, constraints and docstring (where ``{training}`` and
    ``{attributes}`` stand) are completed here, with the defaults its ``_training_defaults`` name.
    """

    _training_defaults: ClassVar[TrainingOptions] = {}
    # Parameters that a family of methods shares besides, and their documentation.
    _family_defaults: ClassVar[dict[str, Any]] = {}
    _family_doc: ClassVar[str] = ""
    # What the authors set, by data set.
    _presets: ClassVar[dict[str, dict[str, Any]]] = {}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "batch_sampling": [StrOptions({"shuffled", "balanced", "episodes"}), EpisodeSampling],
        "optimizer": [str, callable],
        "optimizer_params": [dict, None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions({"constant", "cosine", "linear"}), StepSchedule],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean", HeldOutStopping],
        "delta_fade": [Interval(Real, 0, None, closed="neither"), StrOptions({"median"}), None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "precision": [StrOptions({"auto", "float32", "bfloat16", "float16"})],
        "device": [str, torch.device],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "delta": [Interval(Real, None, None, closed="neither")],
    }

    max_epochs: int | Literal["auto"]
    batch_size: int
    batch_sampling: BatchSampling
    optimizer: Any
    optimizer_params: dict[str, Any] | None
    learning_rate: float
    learning_rate_schedule: Schedule
    gradient_clip: float | None
    early_stopping: bool | HeldOutStopping
    class_weight: dict[Any, float] | Literal["balanced"] | None
    delta_fade: float | Literal["median"] | None
    precision: Precision
    device: str | torch.device
    callbacks: list[Any] | None
    warm_start: bool
    verbose: int
    random_state: int | np.random.RandomState | None

    def __init__(self, **training: Unpack[TrainingOptions]) -> None:
        values = {**self._defaults(), **training}
        unknown = training.keys() - self._defaults().keys()
        if unknown:
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                f"{sorted(unknown)[0]!r}"
            )
        for name, value in values.items():
            setattr(self, name, value)

    @classmethod
    def from_preset(cls, preset: str, **params: Any) -> Self:
        """Make an estimator with the settings its authors use on a data set.

        Parameters
        ----------
        preset : str
            Name of the data set, such as "cub"; an unknown name is answered with those there are.
        **params
            Parameters that are set otherwise.

        Returns
        -------
        estimator : object
            Not fitted; ``get_params()`` shows every setting.

        Raises
        ------
        ValueError
            If there are no such settings.
        """
        if preset not in cls._presets:
            raise ValueError(
                f"{cls.__name__} has no preset {preset!r}; it has {sorted(cls._presets) or 'none'}"
            )
        return cls(**{**deepcopy(cls._presets[preset]), **params})

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return {**cls._family_defaults, **_DEFAULTS, **cls._training_defaults}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            inherited |= vars(base).get("_parameter_constraints", {})
        cls._parameter_constraints = inherited
        if "_family_defaults" in vars(cls):  # on top of those of the bases
            above: Any = super(cls, cls)
            own, inherited = cls._family_defaults, above._family_defaults
            new = {name: value for name, value in own.items() if name not in inherited}
            cls._family_defaults = {**new, **inherited, **own}
            if "_family_doc" in vars(cls):
                cls._family_doc = f"{cls._family_doc.strip()}\n{above._family_doc.strip()}"
        if "__init__" in vars(cls):
            cls.__init__.__signature__ = _complete(cls)  # type: ignore[attr-defined]
        if cls.__doc__ and "{training}" in cls.__doc__:
            cls.__doc__ = _document(
                cls.__doc__,
                cls._family_doc,
                cls._defaults(),
                getattr(cls, "_optimizer_options", {}),
            )


def _complete(cls: type[TrainingParameters]) -> inspect.Signature:
    """Signature of a constructor with the shared parameters in the place of ``**training``."""
    signature = inspect.signature(cls.__init__)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    if len(own) == len(signature.parameters):
        return signature
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in cls._defaults().items()
        if name not in signature.parameters
    ]
    return signature.replace(parameters=[*own, *shared])


def _document(doc: str, family: str, defaults: dict[str, Any], usual: dict[str, Any]) -> str:
    named = ", ".join(f"{name} {value!r}" for name, value in usual.items())
    note = f"; where the optimiser has them, {named}" if named else ""
    training = f"{family}\n{_DOC.strip()}".format(usual=note, **defaults).strip()
    parts = {"{training}": training, "{attributes}": _ATTRIBUTES.strip()}
    lines = []
    for line in doc.splitlines():
        part = parts.get(line.strip())
        indent = line[: len(line) - len(line.lstrip())]
        if part is None:
            lines.append(line)
        else:
            lines += [(indent + text) if text else "" for text in part.splitlines()]
    return "\n".join(lines)


def epochs_for(max_epochs: int | Literal["auto"], n_batches: int) -> int:
    """Return the number of epochs that a value of the parameter ``max_epochs`` stands for."""
    if not isinstance(max_epochs, str):
        return int(max_epochs)
    return int(min(40, max(12, -(-500 // n_batches))))
