"""DAZLE as a scikit-learn classifier."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._training._learner import Batch
from zslearn._training._parameters import TrainingOptions
from zslearn.attention._attribute_classifier import AttributeClassifier
from zslearn.attention._attribute_learner import CalibratedLearner, tensors_of
from zslearn.attention._prototype_head import PrototypeHead
from zslearn.nn import DAZLENetwork
from zslearn.nn.functional import find_padding
from zslearn.registry import register_method

__all__ = ["DAZLEClassifier"]


def _released(max_epochs: int, momentum: float = 0.9) -> dict[str, Any]:
    """Make settings of the authors; balanced batches as everywhere but on CUB."""
    return {
        "lambda_cal": 0.1,
        "optimizer": "rmsprop",
        "optimizer_params": {"momentum": momentum, "weight_decay": 1e-4},
        "learning_rate": 1e-4,
        "batch_size": 50,
        "batch_sampling": "balanced",
        "max_epochs": max_epochs,
    }


class DAZLELearner(CalibratedLearner):
    """Network and loss of DAZLE in training's terms."""

    divides_batches = True

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        unseen: Tensor,
        lambda_cal: float,
        ce_classes: str,
        **options: Any,
    ) -> None:
        network = DAZLENetwork(class_attributes.shape[1], n_features, **options)
        super().__init__(network, class_attributes, unseen, lambda_cal, ce_classes)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute cross entropy and calibration."""
        by_class = self.class_embeddings(self.class_attributes)
        u = batch.whole(self.network(batch.X, batch.padding))
        return self.class_terms(u @ by_class.to(u.dtype).T, batch)

    def attribute_gates(self, X: Tensor) -> Tensor:
        """Gates (B, K) of the attributes."""
        gates: Tensor = self.network.attribute_gates(X, find_padding(X))
        return gates


def _has_gates(estimator: Any) -> bool:
    if hasattr(estimator, "net_"):
        return estimator.net_.module_.network.gate_weight is not None
    return bool(estimator.gate)


@register_method("dazle", family="attention", input="regions", paper="CVPR 2020")
class DAZLEClassifier(AttributeClassifier):
    """Dense attribute-based attention with gates [1]_.

    Each attribute attends to the regions of a picture; what it finds is scored and gated, and a
    class is as likely as its description agrees with the gated scores.

    Parameters
    ----------
    lambda_cal : float, default=0.1
        Weight of the calibration loss, which keeps probability on unseen classes.
    ce_classes : {"all", "seen"}, default="all"
        The classes of the cross entropy; all in every run the authors released.
    gate : bool, default=True
        Whether attributes are gated. The authors leave it out on SUN.
    normalize_vectors : bool, default=False
        Whether attribute vectors have unit length at every use, as on AWA2, or only at the start.
    delta : float, default=2.0
        Added to the scores of unseen classes where they compete with seen ones, as the authors do.
    head : {"auto", "prototypes", "own"} or PrototypeHead, default="own"
        How classes are scored once the network is trained: by prototypes of what it predicts and
        of pooled features, or by its own products of predicted and described attributes.
        :class:`~zslearn.attention.PrototypeHead` has the settings.
    {training}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    CVsCClassifier : A relative with causal terms.
    zslearn.nn.DAZLENetwork : The network alone.

    Notes
    -----
    The defaults are the authors' for CUB; ``from_preset`` takes "cub", "sun" or "awa2". Their code
    reports the epoch that is best on test data; here the number of epochs is a parameter, or found
    by `early_stopping`. On CUB each of their steps draws its pictures afresh; here an epoch takes
    each once. Its ranking loss, which no released run uses, is left out.

    The descriptions of unseen classes take part in training: in the cross entropy as classes
    without samples, and in the calibration loss.

    References
    ----------
    .. [1] D. Huynh, E. Elhamifar, "Fine-grained generalized zero-shot learning via dense
       attribute-based attention", CVPR 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import DAZLEClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(60) % 2
    >>> X = table[y][:, None, :] + np.random.default_rng(0).normal(scale=0.1, size=(60, 4, 2))
    >>> clf = DAZLEClassifier(random_state=0).fit(X, y, class_attributes=table)
    >>> clf.unseen_classes_, clf.attention_maps(X[:1]).shape
    (array([2]), (1, 2, 4))
    """

    _learner_type = DAZLELearner
    _training_defaults: ClassVar[TrainingOptions] = {"optimizer": "rmsprop", "learning_rate": 1e-4}
    _optimizer_options: ClassVar[dict[str, Any]] = {"momentum": 0.9, "weight_decay": 1e-4}
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "cub": _released(20) | {"batch_sampling": "shuffled"},
        "sun": _released(100) | {"gate": False},
        "awa2": _released(20, momentum=0.0) | {"normalize_vectors": True},
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda_cal": [Interval(Real, 0, None, closed="left")],
        "ce_classes": [StrOptions({"all", "seen"})],
        "gate": ["boolean"],
        "normalize_vectors": ["boolean"],
    }

    def __init__(
        self,
        *,
        lambda_cal: float = 0.1,
        ce_classes: Literal["all", "seen"] = "all",
        gate: bool = True,
        normalize_vectors: bool = False,
        delta: float = 2.0,
        head: Literal["auto", "prototypes", "own"] | PrototypeHead = "own",
        **training: Unpack[TrainingOptions],
    ) -> None:
        super().__init__(**training)
        self.lambda_cal = lambda_cal
        self.ce_classes = ce_classes
        self.gate = gate
        self.normalize_vectors = normalize_vectors
        self.delta = delta
        self.head = head

    @available_if(_has_gates)
    def attribute_gates(self, X: Any) -> NDArray[np.float32]:
        """Tell how much each attribute counts in a picture; absent with ``gate=False``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.

        Returns
        -------
        gates : ndarray of shape (n_samples, n_attributes), float32
            Between 0 and 1; `predict_attributes` gives scores times these.
        """
        return self._by_attribute(X, lambda learner, dtype: learner.attribute_gates)

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        return {
            **tensors_of(classes),
            "lambda_cal": self.lambda_cal,
            "ce_classes": self.ce_classes,
            "gate": self.gate,
            "normalize": self.normalize_vectors,
        }
