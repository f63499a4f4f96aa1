"""APN as a scikit-learn classifier of regions."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval, StrOptions

from zslearn._data._grid import resolve_grid
from zslearn._described_classes import DescribedClasses
from zslearn._training._parameters import TrainingOptions
from zslearn.attention._apn_learner import APNLearner
from zslearn.attention._attribute_classifier import AttributeClassifier
from zslearn.attention._attribute_groups import groups_of
from zslearn.attention._attribute_learner import tensors_of
from zslearn.attention._prototype_head import PrototypeHead
from zslearn.registry import register_method

__all__ = ["APNClassifier"]


_LAMBDAS = (
    "lambda_attribute",
    "lambda_decorrelation",
    "lambda_local",
    "lambda_local_attribute",
    "lambda_local_decorrelation",
    "lambda_compactness",
)


def _preset(weights: Sequence[float], **params: Any) -> dict[str, Any]:
    """Name settings as released; weights are in the order of their names above."""
    named = dict(zip(_LAMBDAS, weights, strict=True))
    return {**named, "loss_on": "probability", "decorrelation": "group", **params}


@register_method("apn", family="attention", input="regions", paper="NeurIPS 2020")
class APNClassifier(AttributeClassifier):
    """Attribute prototypes beside a global head [1]_, on frozen regions.

    A global head reads attributes off the pooled regions; prototypes, one an attribute, are
    compared with every region, and the most similar one tells the attribute. Regions are taken as
    the backbone gives them: unlike with other methods, they are not scaled to unit length.

    Parameters
    ----------
    lambda_attribute, lambda_local_attribute : float, default=0.01 and 0.1
        Weights of the squared error of attributes by the global head and by prototypes.
    lambda_local : float, default=1.0
        Weight of the cross entropy by prototypes; that of the global head has weight 1.
    lambda_decorrelation, lambda_local_decorrelation : float, default=5e-5 and 4e-4
        Weights of the decorrelation of attribute groups in the global head and in prototypes. The
        authors' 0.04 for prototypes belongs to the form "group"; by channel it leaves no maps.
    lambda_compactness : float, default=0.0
        Weight of the compactness of maps, a sum over images, attributes and regions. It shapes
        nothing but the maps, and needs regions of a grid.
    attribute_groups : "names", array-like or None, default="names"
        Label of the group of each attribute, or a boolean table of shape (n_attributes, n_groups).
        "names" takes what stands before "::" in the names, as in "has_bill_shape::curved"; where
        there is none, and for ``None``, all are one group.
    pooling : {"mean", "max"}, default="mean"
        Of the global head. The released code takes "max" on CUB.
    predict_from : {"global", "prototypes", "both"}, default="global"
        What attributes, and by them classes, are predicted by: the global head as released,
        prototypes, or the mean of both.
    loss_on : {"logit", "probability"}, default="logit"
        What cross entropy is taken of. "probability", a second softmax, is that of the released
        code: its gradients are weak.
    decorrelation : {"channel", "group"}, default="channel"
        Whether groups compete for features channel by channel, or are kept short as a whole, as
        in the released code.
    grid : tuple of (int, int), default=None
        Rows and columns of the regions, for the compactness. ``None`` takes what a store knows,
        or a square.
    delta : float, default=0.7
        Added to unseen classes where they compete with seen ones, on the scale `delta_scale`
        names. The authors take 0.7 on CUB and AWA2, 0.4 on SUN.
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
    grid_ : tuple of (int, int) or None
        The grid, where there is a weight for the compactness.

    See Also
    --------
    HASClassifier : The same heads, and adversarial samples.
    zslearn.nn.APNNetwork : The network alone.

    Notes
    -----
    What APN gains over its global head comes from training the backbone through both heads. On
    frozen regions they share no weights: the global head is trained as if there were no
    prototypes, these give maps and a second opinion (`predict_from`), and results are those of a
    linear attribute model. Published numbers come from backbones trained on the seen classes and
    are not comparable.

    `attention_maps` are the softmax over regions of the similarities. ``from_preset("cub")``,
    "sun" and "awa2" have the authors' settings, with the learning rate of their heads. Their
    groups, which have to be given, are parts of the bird on CUB
    (:func:`~zslearn.datasets.cub_attribute_parts` tells these) and kinds of attributes on SUN.

    References
    ----------
    .. [1] W. Xu, Y. Xian, J. Wang, B. Schiele, Z. Akata, "Attribute prototype network for
       zero-shot learning", NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import APNClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(60) % 2
    >>> X = table[y][:, None, :] + np.random.default_rng(0).normal(scale=0.1, size=(60, 4, 2))
    >>> clf = APNClassifier(random_state=0).fit(X, y, class_attributes=table)
    >>> clf.unseen_classes_, clf.attention_maps(X[:1]).shape
    (array([2]), (1, 2, 4))
    """

    grid_: tuple[int, int] | None

    _learner_type = APNLearner
    _unit_length = False
    _training_defaults: ClassVar[TrainingOptions] = {"max_epochs": 30, "batch_size": 64}
    _optimizer_options: ClassVar[dict[str, Any]] = {"betas": (0.5, 0.999)}
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "cub": _preset((0.01, 5e-5, 1, 0.1, 0.04, 1e-9), pooling="max", learning_rate=1e-4),
        "sun": _preset((1e-4, 1e-3, 1, 0.05, 0.005, 2e-7), delta=0.4, learning_rate=1e-3),
        "awa2": _preset((1e-4, 5e-4, 1, 0.01, 5e-7, 0), attribute_groups=None, learning_rate=1e-4),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: [Interval(Real, 0, None, closed="left")] for name in _LAMBDAS},
        "attribute_groups": [StrOptions({"names"}), "array-like", None],
        "pooling": [StrOptions({"mean", "max"})],
        "predict_from": [StrOptions({"global", "prototypes", "both"})],
        "loss_on": [StrOptions({"logit", "probability"})],
        "decorrelation": [StrOptions({"channel", "group"})],
        "grid": [tuple, list, None],
        "delta_scale": [StrOptions({"logit", "probability"})],
    }

    def __init__(
        self,
        *,
        lambda_attribute: float = 0.01,
        lambda_local_attribute: float = 0.1,
        lambda_local: float = 1.0,
        lambda_decorrelation: float = 5e-5,
        lambda_local_decorrelation: float = 4e-4,
        lambda_compactness: float = 0.0,
        attribute_groups: Any = "names",
        pooling: Literal["mean", "max"] = "mean",
        predict_from: Literal["global", "prototypes", "both"] = "global",
        loss_on: Literal["logit", "probability"] = "logit",
        decorrelation: Literal["channel", "group"] = "channel",
        grid: tuple[int, int] | None = None,
        delta: float = 0.7,
        delta_scale: Literal["logit", "probability"] = "probability",
        head: Literal["auto", "prototypes", "own"] | PrototypeHead = "own",
        **training: Unpack[TrainingOptions],
    ) -> None:
        super().__init__(**training)
        self.lambda_attribute = lambda_attribute
        self.lambda_local_attribute = lambda_local_attribute
        self.lambda_local = lambda_local
        self.lambda_decorrelation = lambda_decorrelation
        self.lambda_local_decorrelation = lambda_local_decorrelation
        self.lambda_compactness = lambda_compactness
        self.attribute_groups = attribute_groups
        self.pooling = pooling
        self.predict_from = predict_from
        self.loss_on = loss_on
        self.decorrelation = decorrelation
        self.grid = grid
        self.delta = delta
        self.delta_scale = delta_scale
        self.head = head

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        checked = super()._check_X(X, reset=reset)
        if reset:
            self._learn_grid(checked.shape[1] if len(checked.shape) == 3 else 1, X)
        return checked

    def _learn_grid(self, n_regions: int, X: Any) -> None:
        compact = self.lambda_compactness > 0
        self.grid_ = resolve_grid(self.grid, n_regions, X) if compact else None

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        described = tensors_of(classes)
        groups = groups_of(classes.table.attribute_names, self.attribute_groups)
        loss = {name: getattr(self, name) for name in (*_LAMBDAS, "decorrelation", "loss_on")}
        return {
            "class_attributes": described["class_attributes"],
            "unseen": described["unseen"],
            "network": {"pooling": self.pooling, "predict_from": self.predict_from},
            "loss": {**loss, "groups": groups, "grid": self.grid_},
        }
