"""MSDN as a scikit-learn classifier."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._training._learner import Batch
from zslearn._training._parameters import TrainingOptions
from zslearn.attention._attribute_classifier import AttributeClassifier
from zslearn.attention._attribute_learner import CalibratedLearner, tensors_of
from zslearn.attention._prototype_head import PrototypeHead
from zslearn.nn import MSDNNetwork, MutualDistillationLoss
from zslearn.registry import register_method

__all__ = ["MSDNClassifier"]


def _released(
    max_epochs: int, lambda_cal: float, lambda_distill: float, share: float, momentum: float = 0.9
) -> dict[str, Any]:
    """Make settings of the authors; balanced batches as everywhere but on CUB."""
    return {
        "optimizer": "rmsprop",
        "optimizer_params": {"momentum": momentum, "weight_decay": 1e-4},
        "learning_rate": 1e-4,
        "batch_size": 50,
        "batch_sampling": "balanced",
        "max_epochs": max_epochs,
        "lambda_cal": lambda_cal,
        "lambda_distill": lambda_distill,
        "visual_to_attribute_weight": share,
    }


class MSDNLearner(CalibratedLearner):
    """Network and loss of MSDN in training's terms."""

    divides_batches = True

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        unseen: Tensor,
        lambda_cal: float,
        lambda_distill: float,
        distillation: str,
        ce_classes: str,
        **options: Any,
    ) -> None:
        network = MSDNNetwork(class_attributes.shape[1], n_features, **options)
        super().__init__(network, class_attributes, unseen, lambda_cal, ce_classes)
        self.lambda_distill = lambda_distill
        self.distillation = MutualDistillationLoss(distillation)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the terms of both sub-nets, and their distillation."""
        by_class = self.class_embeddings(self.class_attributes)
        both = batch.whole(self.network.sub_nets(batch.X, batch.padding))
        first, second = (both @ by_class.to(both.dtype).T).unbind(dim=1)
        terms, others = self.class_terms(first, batch), self.class_terms(second, batch)
        distill = self.distillation(first, second, self.unseen, batch.weights)
        terms["loss"] = terms["loss"] + others.pop("loss") + self.lambda_distill * distill
        return {**terms, **{f"visual_{n}": one for n, one in others.items()}, "distill": distill}


@register_method("msdn", family="attention", input="regions", paper="CVPR 2022")
class MSDNClassifier(AttributeClassifier):
    """Mutually semantic distillation network [1]_.

    One sub-net scores attributes by what they find where they attend to a picture, another by the
    attributes that its regions attend to. They share the attribute vectors and teach each other;
    classes are scored by both.

    Parameters
    ----------
    lambda_cal : float, default=0.1
        Weight of the calibration loss, which keeps probability on unseen classes, in each sub-net.
    lambda_distill : float, default=1e-3
        Weight of the distillation loss.
    distillation : {"logits", "probabilities"}, default="logits"
        What the sub-nets are to agree in besides the divergence of their probabilities: class
        scores, as the authors released it, or the probabilities themselves.
        :class:`~zslearn.nn.MutualDistillationLoss` has the formulas.
    visual_to_attribute_weight : float, default=0.1
        Share of the second sub-net in attribute scores, and so in class scores, between 0 and 1.
        With 0, as the authors have it on AWA2, predictions are those of the first sub-net alone,
        in half the time.
    ce_classes : {"all", "seen"}, default="all"
        The classes of the cross entropies; all in every run the authors released.
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
    DAZLEClassifier : Without a gate, the first sub-net alone.
    zslearn.nn.MSDNNetwork : The network alone.

    Notes
    -----
    The defaults are the authors' for CUB; ``from_preset`` takes "cub", "sun" or "awa2". Left out of
    what their code does: it reports the epoch that is best on test data, and U, S, H and T1 of
    different epochs and runs; here the number of epochs is a parameter, or found by
    `early_stopping`, and one model answers. On CUB each of their steps draws its pictures afresh;
    here an epoch takes each once. They compute a gate that nothing uses, which is left out.

    The descriptions of unseen classes take part in training: in the cross entropies as classes
    without samples, and in the calibration losses.

    References
    ----------
    .. [1] S. Chen, Z. Hong, G.-S. Xie, et al., "MSDN: Mutually semantic distillation network for
       zero-shot learning", CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import MSDNClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(60) % 2
    >>> X = table[y][:, None, :] + np.random.default_rng(0).normal(scale=0.1, size=(60, 4, 2))
    >>> clf = MSDNClassifier(random_state=0).fit(X, y, class_attributes=table)
    >>> clf.unseen_classes_, clf.attention_maps(X[:1]).shape
    (array([2]), (1, 2, 4))
    >>> MSDNClassifier.from_preset("sun").batch_sampling
    'balanced'
    """

    _learner_type = MSDNLearner
    _training_defaults: ClassVar[TrainingOptions] = {
        "max_epochs": 30,
        "optimizer": "rmsprop",
        "learning_rate": 1e-4,
    }
    _optimizer_options: ClassVar[dict[str, Any]] = {"momentum": 0.9, "weight_decay": 1e-4}
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "cub": _released(30, 0.1, 1e-3, 0.1) | {"batch_sampling": "shuffled"},
        "sun": _released(70, 1e-4, 1e-2, 0.3),
        "awa2": _released(50, 0.12, 1e-7, 0.0, momentum=0.0) | {"normalize_vectors": True},
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda_cal": [Interval(Real, 0, None, closed="left")],
        "lambda_distill": [Interval(Real, 0, None, closed="left")],
        "distillation": [StrOptions({"logits", "probabilities"})],
        "visual_to_attribute_weight": [Interval(Real, 0, 1, closed="both")],
        "ce_classes": [StrOptions({"all", "seen"})],
        "normalize_vectors": ["boolean"],
    }

    def __init__(
        self,
        *,
        lambda_cal: float = 0.1,
        lambda_distill: float = 1e-3,
        distillation: Literal["logits", "probabilities"] = "logits",
        visual_to_attribute_weight: float = 0.1,
        ce_classes: Literal["all", "seen"] = "all",
        normalize_vectors: bool = False,
        delta: float = 2.0,
        head: Literal["auto", "prototypes", "own"] | PrototypeHead = "own",
        **training: Unpack[TrainingOptions],
    ) -> None:
        super().__init__(**training)
        self.lambda_cal = lambda_cal
        self.lambda_distill = lambda_distill
        self.distillation = distillation
        self.visual_to_attribute_weight = visual_to_attribute_weight
        self.ce_classes = ce_classes
        self.normalize_vectors = normalize_vectors
        self.delta = delta
        self.head = head

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        return {
            **tensors_of(classes),
            "lambda_cal": self.lambda_cal,
            "lambda_distill": self.lambda_distill,
            "distillation": self.distillation,
            "visual_to_attribute_weight": self.visual_to_attribute_weight,
            "ce_classes": self.ce_classes,
            "normalize": self.normalize_vectors,
        }
