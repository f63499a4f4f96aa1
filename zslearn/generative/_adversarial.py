"""What methods with a generator and a critic share."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Unpack

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._learner import OptimizerFactory
from zslearn._training._parameters import TrainingOptions
from zslearn.generative._base import FeatureGeneratingClassifier, GenerativeOptions
from zslearn.generative._learner import Draws, FeatureGeneratingLearner
from zslearn.nn import ConditionalMLP, CriticLoss

__all__ = ["AdversarialClassifier", "AdversarialLearner", "AdversarialOptions", "published"]


def published(*, max_epochs: int, **presets: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Complete presets by what the authors of all these methods have in common."""
    shared = {"hidden_dim": 4096, "learning_rate": 1e-4, "classifier": "softmax"}
    return {name: {**shared, "max_epochs": max_epochs, **own} for name, own in presets.items()}


class AdversarialLearner(FeatureGeneratingLearner):
    """A generator and a critic; the critic takes several steps for one of the generator.

    Each step of the critic is on a new batch, that of the generator on the last of these.

    Parameters
    ----------
    n_features : int
    output : str
        The generator's.
    scale : float
        Weight of the critic's loss.
    **shared
        `class_attributes`, `normalize_attributes`, and the parameters these methods share.
    """

    divides_batches = True

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        normalize_attributes: bool,
        *,
        hidden_dim: int,
        noise_dim: int | None,
        critic_iter: int,
        lambda_gp: float,
        output: Any,
        scale: float = 1.0,
    ) -> None:
        super().__init__(class_attributes, normalize_attributes)
        width = class_attributes.shape[1]
        self.noise_dim = noise_dim or width
        self.critic_iter = critic_iter
        self.generator = ConditionalMLP(
            self.noise_dim, width, hidden_dim, n_features, output=output
        )
        self.critic = ConditionalMLP(n_features, width, hidden_dim, 1)
        self.critic_loss = CriticLoss(lambda_gp, scale)

    def phases(self, step: int) -> Sequence[str]:
        """Name the critic on every step, and the generator on the last of several."""
        last = step % self.critic_iter == self.critic_iter - 1
        return ("critic", "generator") if last else ("critic",)

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """One for each network."""
        return {
            "critic": make(self.critic.parameters()),
            "generator": make(self.generator.parameters()),
        }

    def synthesize(self, a: Tensor, draws: Draws) -> Tensor:
        """Generate features, one vector for each description."""
        features: Tensor = self.generator(draws.normal(len(a), self.noise_dim), a)
        return features


class AdversarialOptions(GenerativeOptions, total=False):
    """Names and types of the parameters that these methods share."""

    hidden_dim: int
    noise_dim: int | None
    critic_iter: int
    lambda_gp: float


_DOC = """
hidden_dim : int, default={hidden_dim!r}
    Width of the hidden layers. The authors' 4096, which presets have, is meant for a graphics card.
noise_dim : int, default={noise_dim!r}
    Width of the noise; ``None`` takes the number of attributes.
critic_iter : int, default={critic_iter!r}
    Steps of the critic, each on a batch of its own, for one of the generator. So many passes over
    the samples, as `max_epochs` counts them, are one epoch of the released codes.
lambda_gp : float, default={lambda_gp!r}
    Weight of the gradient penalty.
"""


class AdversarialClassifier(FeatureGeneratingClassifier):
    """Base of estimators whose learner is an `AdversarialLearner`."""

    _family_defaults: ClassVar[dict[str, Any]] = {
        "hidden_dim": 512,
        "noise_dim": None,
        "critic_iter": 5,
        "lambda_gp": 10.0,
    }
    _family_doc = _DOC
    _training_defaults: ClassVar[TrainingOptions] = {
        **FeatureGeneratingClassifier._training_defaults,
        "learning_rate": 1e-3,
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_dim": [Interval(Integral, 1, None, closed="left")],
        "noise_dim": [Interval(Integral, 1, None, closed="left"), None],
        "critic_iter": [Interval(Integral, 1, None, closed="left")],
        "lambda_gp": [Interval(Real, 0, None, closed="left")],
    }

    hidden_dim: int
    noise_dim: int | None
    critic_iter: int
    lambda_gp: float

    def __init__(self, **options: Unpack[AdversarialOptions]) -> None:
        super().__init__(**options)  # type: ignore[misc]

    def _after_training(self, samples: Samples, *, more: bool = False) -> None:
        if self.net_.steps_ < self.critic_iter:
            warnings.warn(
                f"The generator has not been trained: that takes critic_iter={self.critic_iter} "
                f"batches, and there were {self.net_.steps_}. Raise max_epochs, or lower "
                "critic_iter or batch_size.",
                ConvergenceWarning,
                stacklevel=4,
            )
        super()._after_training(samples, more=more)

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        return {
            "class_attributes": torch.tensor(classes.values, dtype=torch.float32),
            "normalize_attributes": self.normalize_attributes,
            "hidden_dim": self.hidden_dim,
            "noise_dim": self.noise_dim,
            "critic_iter": self.critic_iter,
            "lambda_gp": self.lambda_gp,
        }
