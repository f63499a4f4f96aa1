"""PSVMA: attributes and regions adapt to each other before and after a transformer's last block."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Unpack

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._training._learner import Batch
from zslearn._training._parameters import TrainingOptions
from zslearn._training._sampling import EpisodeSampling
from zslearn._training._schedules import StepSchedule
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning._attribute_pictures import (
    AttributePictureClassifier,
    AttributePictureLearner,
)
from zslearn.finetuning._settings import FineTuning
from zslearn.finetuning._token_backbone import TokenBackbone
from zslearn.finetuning._vitzsl import rates_in_steps
from zslearn.nn import PSVMAHead, PSVMAOutput
from zslearn.nn.functional import normalize_rows
from zslearn.nn.losses import AttributeRegressionLoss, DebiasingLoss, SeenCrossEntropyLoss
from zslearn.registry import register_method

__all__ = ["PSVMAClassifier", "PSVMALearner"]

# Attributes to a group where nothing is known of them: about as many as in the authors' data.
_OF_GROUP = 11


class PSVMALearner(AttributePictureLearner):
    """Backbone, head and the three losses."""

    stores = False
    divides_batches = True
    head: PSVMAHead

    def __init__(
        self,
        n_features: int,
        attribute_vectors: Tensor | None,
        n_groups: int | None,
        attribute_dim: int,
        weights: dict[str, float],
        head: dict[str, Any],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        n_attributes = self.class_attributes.shape[1]
        learned = attribute_vectors is None
        if attribute_vectors is None:
            attribute_vectors = torch.randn(n_attributes, attribute_dim)
        squeeze = max(1, n_attributes // (n_groups or max(1, round(n_attributes / _OF_GROUP))))
        n_regions = _n_regions(self.backbone)
        head = head | {"train_attribute_vectors": learned or head["train_attribute_vectors"]}
        width = self.backbone.n_features
        self.head = PSVMAHead(attribute_vectors, width, n_regions, squeeze, **head)
        self.weights = weights
        self.loss, self.regression = SeenCrossEntropyLoss(), AttributeRegressionLoss()
        self.debiasing = DebiasingLoss()

    def adapt(self, X: Tensor) -> PSVMAOutput:
        """Compute what the head makes of pixels."""
        backbone = self.backbone
        with backbone.autocast():
            h = backbone.run(backbone.embed(X), 0, backbone.depth - 1)
        dtype = next(backbone.parameters()).dtype
        regions = backbone.split(h.to(dtype))[1]
        return self.head(regions, lambda adapted: last_block(backbone, adapted).to(dtype))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute cross entropy, regression of the largest products, and debiasing."""
        output = self.adapt(batch.X)
        scores = batch.whole(self.head.class_scores(output.semantics, self.class_attributes))
        described = normalize_rows(self.class_attributes)[batch.y]
        terms = {"ce": self.loss(scores, batch.y, self.unseen, batch.weights)}
        if self.weights["attribute"]:
            most = output.products.amax(dim=3)
            losses = [self.regression(batch.whole(m), described, batch.weights) for m in most]
            terms["attribute"] = torch.stack(losses).sum()
        if self.weights["debiasing"] and bool(self.unseen.any()):
            terms["debiasing"] = self.debiasing(scores, self.unseen, batch.weights)
        rest = [self.weights[name] * term for name, term in terms.items() if name != "ce"]
        return {"loss": sum(rest, terms["ce"]), **terms}

    def attribute_scores(self, X: Tensor) -> Tensor:
        """Semantic vectors (B, K) of unit length."""
        return self.head.directions(self.adapt(X).semantics)

    def attention_maps(self, X: Tensor, attributes: Tensor) -> Tensor:
        """Shares (B, k, R) of regions in what attributes see first behind the last block."""
        return self.adapt(X).products[2][:, attributes].softmax(dim=2)

    def class_embeddings(self, table: Tensor) -> Tensor:
        """Rows of a table of unit length, times the scale."""
        return self.head.scale.detach() * self.head.directions(table.to(self.head.scale.dtype))


def last_block(backbone: TokenBackbone, regions: Tensor) -> Tensor:
    """Regions after the last block, which sees the learned prefix and the positions once more."""
    network = backbone.network
    prefix = [
        token.expand(len(regions), -1, -1)
        for name in ("cls_token", "reg_token")
        if (token := getattr(network, name, None)) is not None
    ]
    with backbone.autocast():
        if getattr(network, "no_embed_class", False):
            h = torch.cat([*prefix, regions + network.pos_embed], dim=1)
        else:
            h = torch.cat([*prefix, regions], dim=1) + network.pos_embed
        return backbone.split(backbone.run(h, backbone.depth - 1))[1]


def _n_regions(backbone: TokenBackbone) -> int:
    """Regions of a picture, of a vision transformer with learned positions."""
    network = backbone.network
    positions = getattr(network, "pos_embed", None)
    tokens_there_are = all(
        getattr(network, name, None) is None for name in ("dist_token", "global_pos")
    )
    if not backbone.has_tokens or positions is None or not tokens_there_are:
        raise ValueError(
            "extractor must name a plain vision transformer with learned positions, such as "
            f"'vit_base_patch16_224', whose last block PSVMA feeds anew; found "
            f"{type(network).__name__}"
        )
    prefix = 0 if getattr(network, "no_embed_class", False) else backbone.n_prefix_tokens
    return int(positions.shape[1]) - prefix


_BACKBONE: dict[str, Any] = {"backbone_learning_rate": 1e-3, "augmentation": "crop"}


def _rates(epochs: int) -> dict[str, Any]:
    """Parameters by which all rates are a tenth after epoch 4 and every five after that."""
    falls = tuple(epoch / epochs for epoch in range(4, epochs, 5))
    return rates_in_steps(StepSchedule(0.1, falls), _BACKBONE)


@register_method("psvma", family="finetuning", input="pictures", paper="CVPR 2023")
class PSVMAClassifier(AttributePictureClassifier):
    """Progressive semantic-visual mutual adaption, trained end to end [1]_.

    Prototypes of attributes ask the regions of a picture and regions ask the prototypes, before
    and after the last block of a vision transformer, by the same weights.

    Parameters
    ----------
    extractor : str or TimmRegionExtractor, default="vit_base_patch16_224.orig_in21k_ft_in1k"
        The network, by its name in timm or as an extractor with its settings; a vision transformer
        with learned positions. Its layer and norm play no part here.
    lambda_attribute : float, default=0.5
        Weight of the squared error of the largest products of attributes with regions.
    lambda_debiasing : float, default=0.001
        Weight of :class:`~zslearn.nn.losses.DebiasingLoss`; the descriptions of unseen classes
        then take part in training.
    scale : float, default=25.0
        Of the cosines that are the scores.
    train_scale : bool, default=False
        Whether the scale is learned.
    n_groups : int, default=None
        Groups of attributes, 28, 4 and 9 on CUB, SUN and AWA2: the gate's squeeze is as wide as
        there are attributes to a group. ``None`` takes groups of about 11.
    mix_dim : int, default=512
        Width of the layers that mix regions.
    attribute_dim : int, default=300
        Width of attribute vectors where the class table has no word vectors.
    train_attribute_vectors : bool, default=False
        Whether word vectors are learned; without them, vectors always are.
    delta : float, default=1.5
        Added to the scores of unseen classes where they compete with seen ones.
    finetuning : FineTuning, default=None
        How the backbone is trained. ``None`` is as the authors do: at the rate of the head, of
        random parts of pictures, flipped, with a cosine for their schedule.
    {training}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    zslearn.nn.PSVMAHead : The head alone.
    FineTunedClassifier : Trains any classifier of regions with its backbone.

    Notes
    -----
    Defaults are the authors' for CUB, but for the 300 batches of an epoch and the schedule of the
    rates; ``from_preset`` has these too, and the settings for SUN and AWA2. They keep the epoch
    that is best on test data and choose `delta` by unknown means; here both are found on seen
    classes, by `early_stopping` and :class:`~zslearn.calibration.TunedCalibrationClassifierCV`.
    They normalise pictures by mean and deviation of ImageNet, here the network's own are used.
    Largest products are compared with rows of unit length, whatever the length of those given.

    References
    ----------
    .. [1] M. Liu et al., "Progressive semantic-visual mutual adaption for generalized zero-shot
       learning", CVPR 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.feature_extraction import TimmRegionExtractor
    >>> from zslearn.finetuning import PSVMAClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(8) % 2
    >>> X = np.random.default_rng(0).integers(0, 256, size=(8, 32, 32, 3), dtype=np.uint8)
    >>> network = TimmRegionExtractor("test_vit", pretrained=False, image_size=32)
    >>> clf = PSVMAClassifier(network, max_epochs=1, random_state=0)
    >>> clf.fit(X, y, class_attributes=table).net_.term_names_
    ['ce', 'attribute', 'debiasing']
    """

    _learner_type = PSVMALearner
    _training_defaults: ClassVar[TrainingOptions] = {
        "max_epochs": 25,
        "batch_size": 32,
        "batch_sampling": "episodes",
        "optimizer": "sgd",
        "learning_rate_schedule": "cosine",
    }
    _optimizer_options: ClassVar[dict[str, Any]] = {"momentum": 0.9, "weight_decay": 1e-4}
    _finetuning_defaults = _BACKBONE
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "cub": {
            "n_groups": 28,
            "batch_sampling": EpisodeSampling(n_batches=300),
            **_rates(25),
        },
        "sun": {
            **_rates(25),
            "lambda_debiasing": 0.02,
            "n_groups": 4,
            "batch_sampling": EpisodeSampling(n_shot=3, n_batches=300),
        },
        "awa2": {
            **_rates(20),
            "lambda_debiasing": 0.1,
            "n_groups": 9,
            "batch_sampling": EpisodeSampling(n_shot=3, n_batches=300),
            "max_epochs": 20,
            "delta": 3.5,
        },
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda_attribute": [Interval(Real, 0, None, closed="left")],
        "lambda_debiasing": [Interval(Real, 0, None, closed="left")],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "train_scale": ["boolean"],
        "n_groups": [Interval(Integral, 1, None, closed="left"), None],
        "mix_dim": [Interval(Integral, 1, None, closed="left")],
        "attribute_dim": [Interval(Integral, 1, None, closed="left")],
        "train_attribute_vectors": ["boolean"],
    }

    def __init__(
        self,
        extractor: str | TimmRegionExtractor = "vit_base_patch16_224.orig_in21k_ft_in1k",
        *,
        lambda_attribute: float = 0.5,
        lambda_debiasing: float = 0.001,
        scale: float = 25.0,
        train_scale: bool = False,
        n_groups: int | None = None,
        mix_dim: int = 512,
        attribute_dim: int = 300,
        train_attribute_vectors: bool = False,
        delta: float = 1.5,
        finetuning: FineTuning | None = None,
        **training: Unpack[TrainingOptions],
    ) -> None:
        super().__init__(**training)
        self.extractor = extractor
        self.lambda_attribute = lambda_attribute
        self.lambda_debiasing = lambda_debiasing
        self.scale = scale
        self.train_scale = train_scale
        self.n_groups = n_groups
        self.mix_dim = mix_dim
        self.attribute_dim = attribute_dim
        self.train_attribute_vectors = train_attribute_vectors
        self.delta = delta
        self.finetuning = finetuning

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        vectors = classes.table.word_vectors
        head = ("scale", "train_scale", "mix_dim", "train_attribute_vectors")
        return super()._learner_params(classes) | {
            "attribute_vectors": None if vectors is None else torch.tensor(vectors),
            "n_groups": self.n_groups,
            "attribute_dim": self.attribute_dim,
            "weights": {"attribute": self.lambda_attribute, "debiasing": self.lambda_debiasing},
            "head": {name: getattr(self, name) for name in head},
        }
