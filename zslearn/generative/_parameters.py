"""The parameters that methods share that generate features."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from zslearn._data._scaling import SCALINGS
from zslearn._training._estimator import DeepZeroShotClassifier
from zslearn._training._parameters import TrainingOptions
from zslearn.generative._softmax import SoftmaxClassifier

__all__ = ["GenerativeOptions", "GenerativeParameters"]


class GenerativeOptions(TrainingOptions, total=False):
    """Names and types of the parameters that these methods share."""

    n_synthetic: int
    classifier: Any
    classifier_epochs: int
    classifier_learning_rate: float
    unseen_classifier: Literal["joint", "separate"]
    scaling: str | None
    normalize_attributes: bool
    keep_features: bool
    delta: float
    delta_scale: Literal["logit", "probability"]


_DOC = """
n_synthetic : int, default={n_synthetic!r}
    Rows that are generated for each class without samples. Against the samples of a seen class it
    acts as a calibration: twice as many raise the scores of unseen classes by about log 2, as a
    larger `delta` does. Once there are enough rows for a steady classifier, one of the two is
    enough to tune, and `delta` takes no refit.
classifier : scikit-learn classifier, "softmax" or None, default={classifier!r}
    What is fitted to the samples of the seen classes and the rows generated for the others: any
    classifier with ``decision_function`` or ``predict_proba``, a pipeline or a search. ``None`` is
    a :class:`~sklearn.linear_model.LogisticRegression`: the linear softmax of the released codes,
    but trained until it rests, however few rows there are. "softmax" is that of the released codes,
    some epochs of Adam in batches of `n_synthetic` rows or 32 latents, on `device`: quicker, and on
    some data better. It alone is fitted from batches: rows beyond 128 MiB are made again, from the
    samples and with the same noise, whenever they are needed. Any other gets all of them at once
    in float32, 4 bytes for each number that `transform` gives of a sample, for samples and
    generated rows alike: 543 MiB for the 22,057 rows, 6,456 wide, that TF-VAEGAN has of CUB.
classifier_epochs : int, default={classifier_epochs!r}
    Passes of the "softmax" classifier over its rows.
classifier_learning_rate : float, default={classifier_learning_rate!r}
    Learning rate of the "softmax" classifier.
unseen_classifier : {{"joint", "separate"}}, default={unseen_classifier!r}
    What `predict` and `score` ask with ``candidates="unseen"``: the same classifier, or one that is
    fitted to the generated rows alone, as published results have it. Whatever starts from scores
    asks the first: `predict_from_uncalibrated`, scorers, and estimators around this one.
scaling : {{"min_max", "standard", "unit_length", "signed_root"}} or None, default={scaling!r}
    How features are scaled, as learnt from the training samples: "min_max" to between 0 and 1.
normalize_attributes : bool, default={normalize_attributes!r}
    Whether descriptions are scaled to unit length.
keep_features : bool, default={keep_features!r}
    Whether to keep the training samples, as vectors in float32, so that with other tables at
    prediction seen classes are known by them. Without, they are generated then too, and less well
    recognised, of which a warning tells. Saved models hold what is kept.
delta : float, default={delta!r}
    Added to the scores of unseen classes where they compete with seen ones.
delta_scale : {{"logit", "probability"}}, default={delta_scale!r}
    What `delta` is added to.
"""


class GenerativeParameters(DeepZeroShotClassifier):
    """Base that holds these parameters, and their defaults for training."""

    _training_defaults: ClassVar[TrainingOptions] = {
        "batch_size": 64,
        "learning_rate": 1e-4,
        "precision": "float32",
    }
    _optimizer_options: ClassVar[dict[str, Any]] = {"betas": (0.5, 0.999)}
    _family_defaults: ClassVar[dict[str, Any]] = {
        "n_synthetic": 300,
        "classifier": None,
        "classifier_epochs": 25,
        "classifier_learning_rate": 1e-3,
        "unseen_classifier": "joint",
        "scaling": "min_max",
        "normalize_attributes": True,
        "keep_features": False,
        "delta": 0.0,
        "delta_scale": "logit",
    }
    _family_doc = _DOC
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_synthetic": [Interval(Integral, 1, None, closed="left")],
        "classifier": [HasMethods("fit"), StrOptions({"softmax"}), None],
        "classifier_epochs": [Interval(Integral, 1, None, closed="left")],
        "classifier_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "unseen_classifier": [StrOptions({"joint", "separate"})],
        "scaling": [StrOptions({kind for kind in SCALINGS if kind}), None],
        "normalize_attributes": ["boolean"],
        "keep_features": ["boolean"],
        "delta_scale": [StrOptions({"logit", "probability"})],
    }

    n_synthetic: int
    classifier: Any
    classifier_epochs: int
    classifier_learning_rate: float
    unseen_classifier: Literal["joint", "separate"]
    scaling: str | None
    normalize_attributes: bool
    keep_features: bool

    # Rows in a batch of the "softmax" classifier; None takes as many as are generated of a class.
    _softmax_batch: ClassVar[int | None] = None

    def __init__(self, **options: Unpack[GenerativeOptions]) -> None:
        super().__init__(**options)  # type: ignore[misc]

    def _classifier_for(self, device: str) -> Any:
        """Return the classifier that was asked for, not fitted, or None."""
        if not isinstance(self.classifier, str):
            return self.classifier
        return SoftmaxClassifier(
            n_epochs=self.classifier_epochs,
            batch_size=self._softmax_batch or self.n_synthetic,
            learning_rate=self.classifier_learning_rate,
            device=device,
        )
