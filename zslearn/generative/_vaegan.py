"""What methods share whose generator is the decoder of a variational autoencoder too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._training._learner import Batch, OptimizerFactory
from zslearn._training._optimizers import optimizer_options
from zslearn.generative._adversarial import (
    AdversarialClassifier,
    AdversarialLearner,
    AdversarialOptions,
)
from zslearn.generative._learner import Draws
from zslearn.nn import GaussianEncoder, VAELoss
from zslearn.nn._conditional import frozen

__all__ = ["VAEGANClassifier", "VAEGANLearner", "VAEGANOptions"]


class VAEGANLearner(AdversarialLearner):
    """An encoder, a generator that decodes too, and a critic.

    Parameters
    ----------
    gamma_adv, adaptive_penalty, adversarial_noise
        As in `VAEGANClassifier`.
    encoder_betas : tuple of float or None
        None where the optimiser has none.
    gamma_critic : float, default=None
        Weight of the critic's loss, where it is not `gamma_adv`.
    **shared
        What `AdversarialLearner` takes.

    Attributes
    ----------
    penalty_weight, penalty_sum : Tensor of shape ()
        The weight there is now, and the sum of penalties since the generator last moved.
    """

    bounded = True
    penalty_weight: Tensor
    penalty_sum: Tensor

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        normalize_attributes: bool,
        *,
        gamma_adv: float,
        adaptive_penalty: bool,
        adversarial_noise: str,
        encoder_betas: tuple[float, float] | None,
        gamma_critic: float | None = None,
        **shared: Any,
    ) -> None:
        scale = gamma_adv if gamma_critic is None else gamma_critic
        super().__init__(
            n_features,
            class_attributes,
            normalize_attributes,
            output="sigmoid",
            scale=scale,
            **shared,
        )
        self.gamma_adv, self.adaptive_penalty = gamma_adv, adaptive_penalty
        self.from_prior = adversarial_noise == "prior"
        self.encoder_betas = encoder_betas
        hidden = [shared["hidden_dim"], 2 * self.noise_dim]
        self.encoder = GaussianEncoder(
            n_features, class_attributes.shape[1], hidden, self.noise_dim
        )
        self.vae_loss = VAELoss("bce", "mean")
        self.register_buffer("penalty_weight", torch.tensor(float(shared["lambda_gp"])))
        self.register_buffer("penalty_sum", torch.tensor(0.0))

    def optimizers_of(self, phase: str) -> Sequence[str]:
        """Name encoder and generator where the latter moves."""
        return ("encoder", "generator") if phase == "generator" else (phase,)

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """One for each network."""
        own = {} if self.encoder_betas is None else {"betas": tuple(self.encoder_betas)}
        return {
            **super().configure_optimizers(make),
            "encoder": make(self.encoder.parameters(), **own),
        }

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the terms of a phase, and note the penalty of the batch."""
        terms = super().training_step(batch)
        if self.adaptive_penalty and "gradient_penalty" in terms:
            self.penalty_sum.add_(terms["gradient_penalty"].detach())
        return terms

    def step(self, phase: str, x: Tensor, a: Tensor, y: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Loss of the critic, or of encoder and generator."""
        if phase == "critic":
            return self.critic_step(x, a, draws)
        return self.generator_step(x, a, draws)[0]

    def logits(self, latent: Tensor, a: Tensor) -> Tensor:
        """Features of latents or noise, before the logistic function."""
        values: Tensor = self.generator.out(self.generator.hidden_values(latent, a))
        return values

    def encode(self, x: Tensor, a: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Draw latents of samples; also their means and log variances."""
        mean, log_variance = self.encoder(x, a)
        noise = draws.normal(len(x), self.noise_dim)
        return mean + (log_variance / 2).exp() * noise, mean, log_variance

    def critic_step(
        self, x: Tensor, a: Tensor, draws: Draws, feedback: bool = False
    ) -> dict[str, Tensor]:
        """Loss of the critic, on what it will judge of the generator."""
        with torch.no_grad():
            if self.from_prior:
                latent = draws.normal(len(a), self.noise_dim)
            else:
                latent = self.encode(x, a, draws)[0]
            fake = torch.sigmoid(self.decode(latent, a, feedback))
        alpha = draws.uniform(len(x), 1)
        return self.critic_loss(self.critic, x, fake, a, alpha, self.penalty_weight)

    def generator_step(
        self, x: Tensor, a: Tensor, draws: Draws, feedback: bool = False
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Loss of encoder and generator, and the generated features."""
        if self.adaptive_penalty:
            self._adapt()
        latent, mean, log_variance = self.encode(x, a, draws)
        decoded = self.decode(latent, a, feedback)
        vae = self.vae_loss(decoded, x, mean, log_variance)
        fake = torch.sigmoid(decoded)
        if self.from_prior:
            fake = self.from_noise(draws.normal(len(a), self.noise_dim), a, feedback, fake)
        with frozen(self.critic):
            adversarial = -self.critic(fake, a).mean()
        loss = vae.pop("loss") + self.gamma_adv * adversarial
        return {"loss": loss, "adversarial": adversarial, **vae}, fake

    def decode(self, latent: Tensor, a: Tensor, feedback: bool) -> Tensor:
        """Features of latents before the logistic function, with feedback where there is some."""
        return self.logits(latent, a)

    def from_noise(self, noise: Tensor, a: Tensor, feedback: bool, decoded: Tensor) -> Tensor:
        """Features of noise, beside those decoded in the same step."""
        return torch.sigmoid(self.decode(noise, a, feedback))

    def _adapt(self) -> None:
        """Raise or lower the weight of the penalty, by its mean over the critic's steps."""
        mean = self.penalty_sum / self.critic_iter
        weight = self.penalty_weight
        raised = torch.where(mean > 1.05, weight * 1.1, weight)
        weight.copy_(torch.where(mean < 1.001, weight / 1.1, raised))
        self.penalty_sum.zero_()


class VAEGANOptions(AdversarialOptions, total=False):
    """Names and types of the parameters that these methods share."""

    gamma_adv: float
    adaptive_penalty: bool
    adversarial_noise: Literal["prior", "posterior"]
    encoder_betas: tuple[float, float]


_DOC = """
gamma_adv : float, default={gamma_adv!r}
    Weight of the adversarial losses against that of the autoencoder.
adversarial_noise : {{"prior", "posterior"}}, default={adversarial_noise!r}
    What the critic judges: features of plain noise, as in the paper, or of encoded samples, as in
    the released code on CUB, SUN and AWA2. Features of unseen classes are made of plain noise.
adaptive_penalty : bool, default={adaptive_penalty!r}
    Whether the weight of the gradient penalty, from `lambda_gp` on, is raised by a tenth where the
    mean penalty is above 1.05 and lowered where it is below 1.001, before each step of the
    generator: so the released code, of which no paper speaks.
encoder_betas : tuple of float, default={encoder_betas!r}
    Of the encoder's optimiser, if it has betas; the others have (0.5, 0.999).
"""


class VAEGANClassifier(AdversarialClassifier):
    """Base of estimators whose learner is a `VAEGANLearner`."""

    _family_defaults: ClassVar[dict[str, Any]] = {
        "gamma_adv": 10.0,
        "adversarial_noise": "prior",
        "adaptive_penalty": False,
        "encoder_betas": (0.9, 0.999),
    }
    _family_doc = _DOC
    _rate_parameters: ClassVar[tuple[str, ...]] = ("encoder_betas",)
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "gamma_adv": [Interval(Real, 0, None, closed="left")],
        "adversarial_noise": [StrOptions({"prior", "posterior"})],
        "adaptive_penalty": ["boolean"],
        "encoder_betas": [tuple, list],
    }

    gamma_adv: float
    adaptive_penalty: bool
    adversarial_noise: Literal["prior", "posterior"]
    encoder_betas: tuple[float, float]

    def __init__(self, **options: Unpack[VAEGANOptions]) -> None:
        super().__init__(**options)  # type: ignore[misc]

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        betas = self.encoder_betas
        if len(betas) != 2 or not all(isinstance(b, Real) and 0 <= b < 1 for b in betas):
            raise ValueError(
                f"encoder_betas must be two numbers from 0 to below 1, found {betas!r}"
            )
        known = optimizer_options(self.optimizer, {"betas": self.encoder_betas}, None)
        return {
            **super()._learner_params(classes),
            "gamma_adv": self.gamma_adv,
            "adaptive_penalty": self.adaptive_penalty,
            "adversarial_noise": self.adversarial_noise,
            "encoder_betas": known.get("betas"),
        }
