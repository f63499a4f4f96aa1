"""TF-VAEGAN as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._learner import OptimizerFactory
from zslearn._training._parameters import TrainingOptions
from zslearn.generative._adversarial import published
from zslearn.generative._learner import Draws
from zslearn.generative._vaegan import VAEGANClassifier, VAEGANLearner, VAEGANOptions
from zslearn.nn import AttributeDecoder, Feedback, WeightedL1Loss
from zslearn.nn._conditional import frozen
from zslearn.registry import register_method

__all__ = ["TFVAEGANClassifier"]


class TFVAEGANLearner(VAEGANLearner):
    """Networks and losses of TF-VAEGAN in training's terms.

    Every other pass over the samples is with feedback. With `released`, features of noise get the
    feedback of those decoded in the same step, as by a slip of the released code.
    """

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        normalize_attributes: bool,
        *,
        lambda_rec: float,
        feedback_weight: float,
        synthesis_feedback_weight: float,
        feedback_learning_rate: float,
        decoder_learning_rate: float,
        freeze_decoder: bool,
        concatenate_attributes: bool,
        pass_length: int,
        reconstruction: str = "weighted_l1",
        released: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(n_features, class_attributes, normalize_attributes, **shared)
        hidden_dim = shared["hidden_dim"]
        self.decoder = AttributeDecoder(n_features, class_attributes.shape[1], hidden_dim)
        self.feedback = Feedback(hidden_dim)
        self.reconstruction = WeightedL1Loss(weighted=reconstruction == "weighted_l1")
        self.lambda_rec, self.feedback_weight = lambda_rec, feedback_weight
        self.synthesis_weight = synthesis_feedback_weight
        self.rates = {"feedback": feedback_learning_rate, "decoder": decoder_learning_rate}
        self.freeze_decoder, self.concatenates = freeze_decoder, concatenate_attributes
        self.pass_length, self.released = pass_length, released

    def phases(self, step: int) -> Sequence[str]:
        """Name the decoder, the critic, and on the last of several steps the generator."""
        with_feedback = step // self.pass_length % 2
        names = ["decoder", *super().phases(step)]
        return [f"{n}_feedback" if with_feedback and n != "decoder" else n for n in names]

    def optimizers_of(self, phase: str) -> Sequence[str]:
        """Name those of all networks that a generator's step moves."""
        first = phase.removesuffix("_feedback")
        if first != "generator":
            return (first,)
        moving = ["encoder", "generator"]
        moving += [] if self.freeze_decoder else ["decoder"]
        return moving if first == phase else [*moving, "feedback"]

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """One for each network."""
        return {
            **super().configure_optimizers(make),
            "feedback": make(self.feedback.parameters(), lr=self.rates["feedback"]),
            "decoder": make(self.decoder.parameters(), lr=self.rates["decoder"]),
        }

    def step(self, phase: str, x: Tensor, a: Tensor, y: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Loss of the decoder, the critic, or all that the generator's step moves."""
        name, _, feedback = phase.partition("_")
        if name == "decoder":
            decoding = self.reconstruction(self.decoder(x)[0], a)
            return {"loss": self.lambda_rec * decoding, "decoding": decoding}
        if name == "critic":
            return self.critic_step(x, a, draws, bool(feedback))
        terms, fake = self.generator_step(x, a, draws, bool(feedback))
        with frozen(*[self.decoder] * self.freeze_decoder):
            again = self.reconstruction(self.decoder(fake)[0], a)
        loss = terms.pop("loss") + self.lambda_rec * again
        return {"loss": loss, **terms, "decoding_generated": again}

    def decode(
        self, latent: Tensor, a: Tensor, feedback: bool, weight: float | None = None
    ) -> Tensor:
        """Features of latents before the logistic function, with feedback where it is wanted."""
        hidden = self.generator.hidden_values(latent, a)
        if feedback:
            with torch.no_grad():
                first = self.generator.output_of(hidden)
            hidden = hidden + self._fed_back(first, weight)
        values: Tensor = self.generator.out(hidden)
        return values

    def from_noise(self, noise: Tensor, a: Tensor, feedback: bool, decoded: Tensor) -> Tensor:
        """Features of noise, beside those decoded in the same step."""
        if not (feedback and self.released):
            return super().from_noise(noise, a, feedback, decoded)
        hidden = self.generator.hidden_values(noise, a) + self._fed_back(decoded)
        return self.generator.output_of(hidden)

    def _fed_back(self, features: Tensor, weight: float | None = None) -> Tensor:
        with torch.no_grad():
            seen = self.decoder.hidden_values(features)
        fed: Tensor = self.feedback(seen)
        return (self.feedback_weight if weight is None else weight) * fed

    def synthesize(self, a: Tensor, draws: Draws) -> Tensor:
        """Generate features with feedback, and what the decoder sees in them."""
        noise = draws.normal(len(a), self.noise_dim)
        features = torch.sigmoid(self.decode(noise, a, True, self.synthesis_weight))
        return self.represent(features)

    def represent(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Features, attributes decoded from them, and the hidden layer between."""
        x = x.to(self.penalty_weight.dtype)
        attributes, hidden = self.decoder(x)
        parts = [x, attributes, hidden] if self.concatenates else [x, hidden]
        return torch.cat(parts, dim=1)


@register_method(
    "tfvaegan", family="generative", input="vectors", paper="ECCV 2020", independent_scores=False
)
class TFVAEGANClassifier(VAEGANClassifier):
    """Features generated with feedback from a decoder of attributes [1]_.

    A decoder goes from features back to attributes. Its hidden layer is fed back to the generator,
    which then makes its features a second time, and stands beside features in the classifier.

    Parameters
    ----------
    lambda_rec : float, default=0.01
        Weight of decoded attributes, of real and of generated features.
    feedback_weight : float, default=1.0
        What the feedback is multiplied by before it is added to the generator's hidden layer.
    synthesis_feedback_weight : float, default=None
        The same where features of unseen classes are made; ``None`` takes `feedback_weight`.
    feedback_learning_rate : float, default=1e-5
        Learning rate of the feedback.
    decoder_learning_rate : float, default=1e-4
        Learning rate of the decoder.
    reconstruction : {{"weighted_l1", "l1"}}, default="weighted_l1"
        How decoded attributes are compared with true ones: absolute differences weighed as in the
        released code, or as they are.
    freeze_decoder : bool, default=False
        Whether the decoder is trained on real features alone.
    concatenate_attributes : bool, default=True
        Whether the classifier gets decoded attributes too, as in the released code.
    {training}

    Attributes
    ----------
    {attributes}
    final_classifier_ : object
        ``final_classifier_.classifier`` is the fitted `classifier`.
    validation_delta_ : float
        With `early_stopping`, the delta with the best harmonic mean on the held-out samples after
        the best epoch: ``set_params(delta=...)`` takes it without another training.

    See Also
    --------
    FVAEGANClassifier : The method without a decoder.
    zslearn.nn.Feedback : The network in between.

    Notes
    -----
    Passes over the samples with and without feedback take turns; `critic_iter` of either are one
    of the released code, whose epochs have one of each.

    Widths, learning rate, `critic_iter` and `max_epochs` are not the authors', which presets have
    and which are meant for a graphics card: they were tried on a re-split of the training classes
    of CUB, 1,100 pictures of 30 classes, where a fit takes about a minute of a CPU.

    Rows are as wide as features, attributes and hidden layer together: so the default classifier is
    the one that has them by the batch.

    References
    ----------
    .. [1] S. Narayan, A. Gupta, F. S. Khan, C. G. M. Snoek, L. Shao, "Latent embedding feedback
       and discriminative features for zero-shot classification", ECCV 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import TFVAEGANClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(60) % 2
    >>> X = table[y] + np.random.default_rng(0).normal(scale=0.1, size=(60, 2))
    >>> clf = TFVAEGANClassifier(hidden_dim=16, max_epochs=2, random_state=0)
    >>> clf.fit(X, y, class_attributes=table).transform(X).shape  # 2 + 2 + 16
    (60, 20)
    """

    _learner_type = TFVAEGANLearner
    _rate_parameters: ClassVar[tuple[str, ...]] = (
        *VAEGANClassifier._rate_parameters,
        *("feedback_learning_rate", "decoder_learning_rate"),
    )
    _training_defaults: ClassVar[TrainingOptions] = {
        **VAEGANClassifier._training_defaults,
        "max_epochs": 60,
    }
    _family_defaults: ClassVar[dict[str, Any]] = {"critic_iter": 1, "classifier": "softmax"}
    _presets: ClassVar[dict[str, dict[str, Any]]] = published(
        max_epochs=3000,
        cub={"critic_iter": 5, "adversarial_noise": "posterior"},
        sun={
            "critic_iter": 5,
            "gamma_adv": 1.0,
            "learning_rate": 1e-3,
            "feedback_weight": 0.1,
            "synthesis_feedback_weight": 0.01,
            "feedback_learning_rate": 1e-4,
            "adversarial_noise": "posterior",
            "n_synthetic": 400,
            "classifier_learning_rate": 5e-4,
            "max_epochs": 4000,
        },
        awa2={
            "critic_iter": 5,
            "learning_rate": 1e-5,
            "lambda_rec": 0.1,
            "feedback_weight": 0.01,
            "feedback_learning_rate": 1e-4,
            "adversarial_noise": "posterior",
            "freeze_decoder": True,
            "n_synthetic": 1800,
            "max_epochs": 1200,
        },
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda_rec": [Interval(Real, 0, None, closed="left")],
        "feedback_weight": [Interval(Real, None, None, closed="neither")],
        "synthesis_feedback_weight": [Interval(Real, None, None, closed="neither"), None],
        "feedback_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "decoder_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "reconstruction": [StrOptions({"weighted_l1", "l1"})],
        "freeze_decoder": ["boolean"],
        "concatenate_attributes": ["boolean"],
    }

    pass_length_: int

    def __init__(
        self,
        *,
        lambda_rec: float = 0.01,
        feedback_weight: float = 1.0,
        synthesis_feedback_weight: float | None = None,
        feedback_learning_rate: float = 1e-5,
        decoder_learning_rate: float = 1e-4,
        reconstruction: Literal["weighted_l1", "l1"] = "weighted_l1",
        freeze_decoder: bool = False,
        concatenate_attributes: bool = True,
        **options: Unpack[VAEGANOptions],
    ) -> None:
        super().__init__(**options)
        self.lambda_rec = lambda_rec
        self.feedback_weight = feedback_weight
        self.synthesis_feedback_weight = synthesis_feedback_weight
        self.feedback_learning_rate = feedback_learning_rate
        self.decoder_learning_rate = decoder_learning_rate
        self.reconstruction = reconstruction
        self.freeze_decoder = freeze_decoder
        self.concatenate_attributes = concatenate_attributes

    def _before_training(
        self, samples: Samples, classes: DescribedClasses, *, more: bool = False
    ) -> None:
        super()._before_training(samples, classes, more=more)
        self.pass_length_ = -(-len(samples.y) // self.batch_size) * self.critic_iter

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        again = self.synthesis_feedback_weight
        return {
            **super()._learner_params(classes),
            "lambda_rec": self.lambda_rec,
            "feedback_weight": self.feedback_weight,
            "synthesis_feedback_weight": self.feedback_weight if again is None else again,
            "feedback_learning_rate": self.feedback_learning_rate,
            "decoder_learning_rate": self.decoder_learning_rate,
            "reconstruction": self.reconstruction,
            "freeze_decoder": self.freeze_decoder,
            "concatenate_attributes": self.concatenate_attributes,
            "pass_length": self.pass_length_,
        }
