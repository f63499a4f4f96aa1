"""HAS as a scikit-learn classifier of regions."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval, StrOptions

from zslearn._described_classes import DescribedClasses
from zslearn._training._parameters import TrainingOptions
from zslearn.attention._attribute_classifier import AttributeClassifier
from zslearn.attention._attribute_learner import tensors_of
from zslearn.attention._has_learner import HASLearner
from zslearn.attention._prototype_head import PrototypeHead
from zslearn.registry import register_method

__all__ = ["HASClassifier"]


_LOSS = ("lambda_attribute", "lambda_local", "lambda_local_attribute")
_PERTURBATION = ("lambda_entropy", "lambda_map_entropy", "lambda_latent", "lambda_map")


def _preset(weights: Sequence[float], pursued: Sequence[float], **params: Any) -> dict[str, Any]:
    """Name settings as released; weights are in the order of their names above."""
    named = dict(zip((*_LOSS, *_PERTURBATION), (*weights, *pursued), strict=True))
    return {**named, "loss_on": "probability", "max_epochs": 60, **params}


@register_method("has", family="attention", input="regions", paper="ACM MM 2023")
class HASClassifier(AttributeClassifier):
    """Global and local prototypes, trained on adversarial samples too [1]_, on frozen regions.

    A global head and prototypes read attributes off regions, and classes are told by the global
    head. A share of the steps is followed by one on samples whose regions have been changed along
    gradients: confused in class, faithful in the mean region, with other attribute maps. Regions
    are taken as the backbone gives them, not scaled to unit length.

    Parameters
    ----------
    pooling : {"max", "mean"}, default="max"
        Of the global head: the largest product over regions, as the authors have it on CUB, or
        the mean, as on SUN and AWA2.
    lambda_attribute, lambda_local_attribute : float, default=0.01 and 0.1
        Weights of the squared error of attributes by the global head and by prototypes.
    lambda_local : float, default=1.0
        Weight of the cross entropy by prototypes; that of the global head has weight 1.
    loss_on : {"logit", "probability"}, default="logit"
        What cross entropy is taken of. "probability", a second softmax, is that of the released
        code: its gradients are weak.
    adversarial_share : float, default=0.5
        Share of steps that are followed by one on adversarial samples, which costs as much as four
        others; with 0 there are none.
    n_adversarial_steps : int, default=3
        Gradient steps that make such a sample.
    epsilon : float, default=5/255
        Each of several steps changes a feature by a quarter of `epsilon` of the range of features
        in the batch, a single one by `epsilon` of it.
    lambda_entropy, lambda_map_entropy, lambda_latent, lambda_map : float
        Weights, 0.1, -1.0, 3.0 and 1e-4 by default, of what these steps pursue; see
        :class:`~zslearn.nn.losses.HASPerturbationLoss`.
    delta : float, default=0.4
        Added to unseen classes where they compete with seen ones, on the scale `delta_scale`
        names. The authors choose theirs on test data.
    delta_scale : {"logit", "probability"}, default="probability"
        Whether `delta` is added to scores or to probabilities, as the authors do.
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
    APNClassifier : The same heads without adversarial samples.
    zslearn.nn.HASNetwork : The network alone.

    Notes
    -----
    The authors change pixels, and train the backbone; here regions stand for pixels. On frozen
    regions the two heads share no weights and meet in the adversarial samples alone. Published
    numbers come from backbones trained on the seen classes, with `delta` and the epoch chosen on
    test data, and are not comparable. ``from_preset("cub")``, "sun" and "awa2" have the authors'
    settings, with the rate at which they train the heads alone. It stays, where theirs falls to a
    hundredth or a tenth once the backbone is trained along, as
    ``FineTunedClassifier.from_preset("has_cub")`` does: on frozen regions nothing would be
    learned after that.

    References
    ----------
    .. [1] Z. Chen, P. Zhang, J. Li, S. Wang, Z. Huang, "Zero-shot learning by harnessing
       adversarial samples", ACM Multimedia 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import HASClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(60) % 2
    >>> X = table[y][:, None, :] + np.random.default_rng(0).normal(scale=0.1, size=(60, 4, 2))
    >>> clf = HASClassifier(random_state=0).fit(X, y, class_attributes=table)
    >>> clf.unseen_classes_, clf.attention_maps(X[:1]).shape
    (array([2]), (1, 2, 4))
    """

    _learner_type = HASLearner
    _unit_length = False
    _training_defaults: ClassVar[TrainingOptions] = {"max_epochs": 30, "batch_size": 64}
    _optimizer_options: ClassVar[dict[str, Any]] = {"betas": (0.5, 0.999)}
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "cub": _preset((0.01, 1, 0.1), (0.1, -1, 3, 1e-4), learning_rate=1e-4),
        "sun": _preset(
            (1e-4, 1, 0.05), (1, 0.1, 0.1, 0.1), pooling="mean", epsilon=2 / 255, learning_rate=1e-3
        ),
        "awa2": _preset(
            (1e-4, 1, 0.01),
            (1, -0.1, 0.1, 1e-4),
            pooling="mean",
            epsilon=4 / 255,
            learning_rate=1e-4,
        ),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: [Interval(Real, 0, None, closed="left")] for name in _LOSS},
        **{name: [Interval(Real, None, None, closed="neither")] for name in _PERTURBATION},
        "pooling": [StrOptions({"max", "mean"})],
        "loss_on": [StrOptions({"logit", "probability"})],
        "adversarial_share": [Interval(Real, 0, 1, closed="both")],
        "n_adversarial_steps": [Interval(Integral, 1, None, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "delta_scale": [StrOptions({"logit", "probability"})],
    }

    def __init__(
        self,
        *,
        pooling: Literal["max", "mean"] = "max",
        lambda_attribute: float = 0.01,
        lambda_local_attribute: float = 0.1,
        lambda_local: float = 1.0,
        loss_on: Literal["logit", "probability"] = "logit",
        adversarial_share: float = 0.5,
        n_adversarial_steps: int = 3,
        epsilon: float = 5 / 255,
        lambda_entropy: float = 0.1,
        lambda_map_entropy: float = -1.0,
        lambda_latent: float = 3.0,
        lambda_map: float = 1e-4,
        delta: float = 0.4,
        delta_scale: Literal["logit", "probability"] = "probability",
        head: Literal["auto", "prototypes", "own"] | PrototypeHead = "own",
        **training: Unpack[TrainingOptions],
    ) -> None:
        super().__init__(**training)
        self.pooling = pooling
        self.lambda_attribute = lambda_attribute
        self.lambda_local_attribute = lambda_local_attribute
        self.lambda_local = lambda_local
        self.loss_on = loss_on
        self.adversarial_share = adversarial_share
        self.n_adversarial_steps = n_adversarial_steps
        self.epsilon = epsilon
        self.lambda_entropy = lambda_entropy
        self.lambda_map_entropy = lambda_map_entropy
        self.lambda_latent = lambda_latent
        self.lambda_map = lambda_map
        self.delta = delta
        self.delta_scale = delta_scale
        self.head = head

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        described = tensors_of(classes)
        return {
            "class_attributes": described["class_attributes"],
            "unseen": described["unseen"],
            "pooling": self.pooling,
            "loss": {name: getattr(self, name) for name in (*_LOSS, "loss_on")},
            "perturbation": {name: getattr(self, name) for name in (*_PERTURBATION, "loss_on")},
            "adversarial_share": self.adversarial_share,
            "n_steps": self.n_adversarial_steps,
            "epsilon": self.epsilon,
        }
