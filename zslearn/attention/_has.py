"""HAS as a scikit-learn classifier of regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._training._learner import Batch, OptimizerFactory
from zslearn._training._parameters import TrainingOptions
from zslearn.attention._attribute_classifier import AttributeClassifier
from zslearn.attention._attribute_learner import AttributeLearner, tensors_of
from zslearn.attention._prototype_head import PrototypeHead
from zslearn.nn import HASLoss, HASNetwork, HASPerturbationLoss
from zslearn.nn._sign_descent import descend_by_sign
from zslearn.registry import register_method

__all__ = ["HASClassifier"]


class HASLearner(AttributeLearner):
    """Network and losses of HAS in training's terms; a share of steps is followed by another."""

    weighs_samples = True

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        unseen: Tensor,
        pooling: Literal["max", "mean"],
        loss: dict[str, Any],
        perturbation: dict[str, Any],
        adversarial_share: float,
        n_steps: int,
        epsilon: float,
    ) -> None:
        network = HASNetwork(class_attributes.shape[1], n_features, pooling=pooling)
        super().__init__(network, class_attributes, unseen)
        self.loss = HASLoss(**loss)
        self.perturbation = HASPerturbationLoss(**perturbation)
        self.share, self.n_steps, self.epsilon = adversarial_share, n_steps, epsilon

    def phases(self, step: int) -> Sequence[str]:
        """Every so many steps, as evenly as the share allows, one on adversarial samples more."""
        if int((step + 1) * self.share) > int(step * self.share):
            return ("main", "adversarial")
        return ("main",)

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """One optimiser takes both kinds of steps."""
        one = make(self.parameters())
        return {"main": one, "adversarial": one} if self.share else {"main": one}

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the loss of the samples, or of adversarial ones made of them."""
        table = self.class_embeddings(self.class_attributes)
        is_adversarial = batch.phase == "adversarial"
        X = self.perturbed(batch, table) if is_adversarial else batch.X
        output = self.network.heads(X, batch.padding)
        terms: dict[str, Tensor] = self.loss(output, table, batch.y, self.unseen, batch.weights)
        return {"loss": terms["loss"]} if is_adversarial else terms

    def perturbed(
        self,
        batch: Batch,
        table: Tensor,
        regions_of: Callable[[Tensor], Tensor] = lambda X: X,
        limits: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Change samples by steps of `epsilon` of their range in all; padding stays.

        They are regions, or what `regions_of` makes regions of, within limits that are the range.
        """
        X, padding = batch.X, batch.padding
        low, high = limits or (X.amin(), X.amax())
        step = (high - low) * (self.epsilon / (4 if self.n_steps > 1 else 1))
        if padding is not None:
            step = step * ~padding[..., None]
        with torch.no_grad():
            before = self.network.pooled(regions_of(X), padding)

        def objective(x: Tensor) -> Tensor:
            regions = regions_of(x)
            output = self.network.heads(regions, padding)
            pooled = self.network.pooled(regions, padding)
            terms = self.perturbation(output, pooled, before, table, batch.y, self.unseen)
            loss: Tensor = terms["loss"]
            return loss

        return descend_by_sign(objective, X, step, self.n_steps, *(limits or ()))


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
    settings, with the learning rate of their heads.

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
