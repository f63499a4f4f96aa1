"""DUET: pictures attend to words of attributes, and masked words are filled in from pictures."""

from __future__ import annotations

from copy import deepcopy
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack

from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from zslearn._data._rows import TrainingBatches
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._net import LearnerNet
from zslearn._training._parameters import TrainingOptions
from zslearn._training._schedules import StepSchedule
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning._attribute_pictures import AttributePictureClassifier
from zslearn.finetuning._duet_batches import DUETBatches
from zslearn.finetuning._duet_learner import DUETLearner
from zslearn.finetuning._duet_texts import groups_of, prompt_of, words_of
from zslearn.finetuning._settings import FineTuning
from zslearn.finetuning._vitzsl import rates_in_steps
from zslearn.registry import register_method

__all__ = ["DUETClassifier"]


_WIDTHS = ("width", "n_heads", "inner_dim")
_SHARES = ("mask_probability", "attribute_drop", "attribute_threshold")
# Parameters that are weights of losses, and the learner's names for these.
_LAMBDAS = {
    "lambda_attribute": "attribute",
    "lambda_cal": "cal",
    "lambda_mask": "words",
    "lambda_contrast": "contrast",
    "lambda_class_contrast": "class_contrast",
}
_BACKBONE: dict[str, Any] = {
    "backbone_learning_rate": 3e-5,
    "augmentation": "none",
    "accumulate": 10,
}


def _rates(accumulate: int) -> dict[str, Any]:
    """Parameters by which rates are 0.8 of what they were after epochs 10 and 20 of 30."""
    schedule = StepSchedule(0.8, (10 / 30, 20 / 30))
    return rates_in_steps(schedule, _BACKBONE | {"accumulate": accumulate})


_PRESETS: dict[str, dict[str, Any]] = {
    "cub": {"lambda_mask": 5.0, "lambda_contrast": 0.001, **_rates(10)},
    "sun": {
        "extractor": "swin_base_patch4_window7_224.ms_in22k_ft_in1k",
        "delta": 0.4,
        "batch_size": 8,
        **_rates(7),
    },
    "awa2": {
        "delta": 0.8,
        "batch_size": 10,
        **_rates(5),
    },
}


@register_method("duet", family="finetuning", input="pictures", paper="AAAI 2023")
class DUETClassifier(AttributePictureClassifier):
    """Cross-modal grounding of attributes, trained end to end [1]_.

    A picture is one token, which attends to a text before attributes are read off it. With a
    language model the text is of words, some of which are masked and to be filled in with the
    picture's help. Without one it is a table of vectors, one an attribute or a group of these: the
    small variant.

    Parameters
    ----------
    extractor : str or TimmRegionExtractor, default="deit_base_distilled_patch16_224.fb_in1k"
        The network, by its name in timm or as an extractor with its settings. A picture's vector is
        what its own classifier would take. Its regions, layer and norm play no part here.
    text_encoder : torch.nn.Module, default=None
        A language model, trained along. ``text_encoder(ids, padding)`` gives hidden states
        (B, L, width) of int64 (B, L) and a mark of padding, bool (B, L); ``pieces(word)`` the ids
        of a word; ``width``, ``vocab_size`` and ``mask_id`` say what they are named after. It is
        copied; ``None`` is the small variant.
    prompt : array-like of shape (L, V), default=None
        What pictures attend to without a language model, such as hidden states of a text by any.
        ``None`` takes the word vectors of the attributes, or of groups the mean, or without these
        a learned vector for each.
    attribute_groups : sequence of str of length K, default=None
        The group of each attribute, such as "color". Words are compared with others of their
        group; without groups with none.
    n_layers : int, default=1
        Cross-modal layers; with 0 there is no text in it, and a linear map to attributes.
    width, n_heads, inner_dim : int, default=768, 12 and 3072
        Of these layers.
    dropout : float, default=0.1
        Within these layers.
    mask_probability : float, default=0.4
        How often the words of a batch are masked.
    attribute_drop : float, default=0.5
        How often an attribute of a class is left out of a text.
    attribute_threshold : float, default=0.5
        A class has those attributes whose value, scaled to 0 to 1 over the table of seen classes,
        is above it: these are the words of its texts.
    lambda_attribute : float, default=0.01
        Weight of the squared error of attributes.
    lambda_cal : float, default=0.001
        Weight of the calibration loss, which keeps probability on unseen classes.
    lambda_mask : float, default=1.0
        Weight of masked words.
    lambda_contrast : float, default=0.01
        Weight of the contrast of masked words.
    lambda_class_contrast : float, default=0.05
        Weight of the contrast of pictures of a class, for which another picture of each one's class
        goes with a batch that is not masked: twice the work. With 0 there are none.
    temperature : float, default=0.05
        Of the contrast of pictures.
    loss_on : {"probability", "logit"}, default="probability"
        What cross entropy is taken of. "probability", a second softmax, is the authors' form: its
        gradients are weak.
    delta : float, default=0.7
        Added to the probabilities of unseen classes where they compete with seen ones.
    delta_scale : {"logit", "probability"}, default="probability"
        What `delta` is added to.
    finetuning : FineTuning, default=None
        How the backbone is trained. ``None`` is as the authors do: at the rate of all else,
        pictures as they are, batches of 7 accumulated to 70, with a cosine for their schedule.
    {training}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    zslearn.nn.DUETHead : The head alone.
    ViTZSLClassifier : A linear map to attributes, nothing else.

    Notes
    -----
    Defaults are the authors' where they agree for all data; ``from_preset`` has the rest. They
    give the layer the 1000 scores of the network's classifier, a linear map of its class token,
    where here it gets the vector itself, of a distilled network the mean of both its tokens; attend
    to padding; and take a new optimiser every epoch, whose last batches
    fall into the next. They keep the epoch that is best on test data; here epochs are found by
    `early_stopping`, `delta` by :class:`~zslearn.calibration.TunedCalibrationClassifierCV`, on
    seen classes. A batch with masked words costs up to seven times one without.

    A language model of the transformers package becomes a `text_encoder` in few lines: ``pieces``
    are the ids that its tokenizer gives without special tokens, and the call is its last hidden
    state with ``attention_mask=(~padding).long()``. :func:`zslearn.save` keeps its weights, and
    :func:`zslearn.load` wants the module again, ``given={"text_encoder": encoder}``.

    References
    ----------
    .. [1] Z. Chen et al., "DUET: Cross-modal semantic grounding for contrastive zero-shot
       learning", AAAI 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.feature_extraction import TimmRegionExtractor
    >>> from zslearn.finetuning import DUETClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(8) % 2
    >>> X = np.random.default_rng(0).integers(0, 256, size=(8, 32, 32, 3), dtype=np.uint8)
    >>> network = TimmRegionExtractor("test_vit", pretrained=False, image_size=32)
    >>> clf = DUETClassifier(network, width=16, n_heads=2, inner_dim=32, max_epochs=1)
    >>> clf.fit(X, y, class_attributes=table).net_.term_names_
    ['ce', 'attribute', 'cal', 'class_contrast']
    """

    _learner_type = DUETLearner
    _training_defaults: ClassVar[TrainingOptions] = {
        "max_epochs": 30,
        "batch_size": 7,
        "learning_rate": 3e-5,
        "learning_rate_schedule": "cosine",
    }
    _finetuning_defaults = _BACKBONE
    _presets = _PRESETS
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "text_encoder": [nn.Module, None],
        "prompt": ["array-like", None],
        "attribute_groups": ["array-like", None],
        "n_layers": [Interval(Integral, 0, None, closed="left")],
        **{key: [Interval(Integral, 1, None, closed="left")] for key in _WIDTHS},
        "dropout": [Interval(Real, 0, 1, closed="left")],
        **{key: [Interval(Real, 0, 1, closed="both")] for key in _SHARES},
        **{key: [Interval(Real, 0, None, closed="left")] for key in _LAMBDAS},
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "loss_on": [StrOptions({"logit", "probability"})],
        "delta_scale": [StrOptions({"logit", "probability"})],
    }

    def __init__(
        self,
        extractor: str | TimmRegionExtractor = "deit_base_distilled_patch16_224.fb_in1k",
        *,
        text_encoder: nn.Module | None = None,
        prompt: ArrayLike | None = None,
        attribute_groups: ArrayLike | None = None,
        n_layers: int = 1,
        width: int = 768,
        n_heads: int = 12,
        inner_dim: int = 3072,
        dropout: float = 0.1,
        mask_probability: float = 0.4,
        attribute_drop: float = 0.5,
        attribute_threshold: float = 0.5,
        lambda_attribute: float = 0.01,
        lambda_cal: float = 0.001,
        lambda_mask: float = 1.0,
        lambda_contrast: float = 0.01,
        lambda_class_contrast: float = 0.05,
        temperature: float = 0.05,
        loss_on: Literal["logit", "probability"] = "probability",
        delta: float = 0.7,
        delta_scale: Literal["logit", "probability"] = "probability",
        finetuning: FineTuning | None = None,
        **training: Unpack[TrainingOptions],
    ) -> None:
        super().__init__(**training)
        self.extractor = extractor
        self.text_encoder = text_encoder
        self.prompt = prompt
        self.attribute_groups = attribute_groups
        self.n_layers = n_layers
        self.width = width
        self.n_heads = n_heads
        self.inner_dim = inner_dim
        self.dropout = dropout
        self.mask_probability = mask_probability
        self.attribute_drop = attribute_drop
        self.attribute_threshold = attribute_threshold
        self.lambda_attribute = lambda_attribute
        self.lambda_cal = lambda_cal
        self.lambda_mask = lambda_mask
        self.lambda_contrast = lambda_contrast
        self.lambda_class_contrast = lambda_class_contrast
        self.temperature = temperature
        self.loss_on = loss_on
        self.delta = delta
        self.delta_scale = delta_scale
        self.finetuning = finetuning

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        if self.width % self.n_heads:
            raise ValueError(
                f"width={self.width} must be a multiple of n_heads={self.n_heads}, each of which "
                "takes an equal part"
            )
        groups = groups_of(self.attribute_groups, classes)
        reads = self.text_encoder is not None
        prompts = bool(self.n_layers) and not reads
        layers = ("n_layers", "width", "n_heads", "inner_dim", "dropout")
        return super()._learner_params(classes) | {
            "prompt": prompt_of(self.prompt, classes, groups) if prompts else None,
            "text_encoder": deepcopy(self.text_encoder),
            "words": words_of(classes, groups, self.attribute_threshold) if reads else None,
            "weights": {"ce": 1.0} | {loss: getattr(self, name) for name, loss in _LAMBDAS.items()},
            "loss_on": self.loss_on,
            "temperature": self.temperature,
            "head": {name: getattr(self, name) for name in layers},
        }

    def _ids_of_words(self) -> list[list[int]]:
        """Read the words of the table with the language model."""
        learner: Any = self.net_.module_
        words = dict.fromkeys([*learner.words.names, *learner.words.group_names])
        return [list(map(int, learner.text_encoder.pieces(word))) for word in words]

    def _get_saved_state(self) -> dict[str, Any]:
        state = super()._get_saved_state()
        if self.text_encoder is not None and hasattr(self, "net_"):
            state["ids_of_words"] = self._ids_of_words()
        return state

    def _set_saved_state(self, state: dict[str, Any]) -> None:
        ids = state.pop("ids_of_words", None)
        super()._set_saved_state(state)
        if ids is not None and ids != self._ids_of_words():
            raise ValueError(
                "text_encoder, as given, has other pieces for the words of the attributes than the "
                "one it was trained with: give it the same vocabulary"
            )

    def _batches(
        self, net: LearnerNet, regions: Any, samples: Samples, classes: DescribedClasses
    ) -> TrainingBatches:
        learner: Any = net.module_
        return DUETBatches(
            regions,
            classes.targets(samples.y),
            self.batch_size,
            net.seed,
            augmentation=self._settings.augmentation,
            learner=learner,
            pairs=self.lambda_class_contrast > 0,
            words=learner.words,
            mask_probability=self.mask_probability,
            attribute_drop=self.attribute_drop,
            **self._batch_options(net, samples, classes),
        )
