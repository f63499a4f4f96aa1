"""What methods share whose classes meet in the latent space of aligned autoencoders."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple, Unpack

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._parameters import TrainingOptions
from zslearn.generative._base import FeatureGeneratingClassifier, GenerativeOptions
from zslearn.generative._learner import Draws, FeatureGeneratingLearner
from zslearn.nn import AlignedLatents, GaussianDistanceLoss, VAELoss
from zslearn.nn._aligned_autoencoders import LatentPair

__all__ = ["LatentClassifier", "LatentLearner", "LatentOptions", "WarmUp"]

# Epochs that a warm-up is a share of where max_epochs is "auto": the fewest that it may take.
_FEWEST = 12


class WarmUp(NamedTuple):
    """A weight that rises from 0 to `top` between two epochs, counted from 0.

    Attributes
    ----------
    top : float
    start, end : float
    """

    top: float
    start: float
    end: float

    def at(self, epoch: int) -> float:
        """Weight in an epoch."""
        if self.end <= self.start:
            return self.top if epoch >= self.start else 0.0
        share = (epoch - self.start) / (self.end - self.start)
        return self.top * min(max(share, 0.0), 1.0)


class LatentLearner(FeatureGeneratingLearner):
    """Aligned autoencoders, with weights of the terms that rise as training goes on.

    Parameters
    ----------
    class_attributes : Tensor of shape (n_classes, n_attributes)
    normalize_attributes : bool
    network : LatentPair
    noise_dim : int
        1 for one number a row, or the width of a latent.
    warm_ups : mapping of str to WarmUp
        By the name of the term.
    """

    def __init__(
        self,
        class_attributes: Tensor,
        normalize_attributes: bool,
        network: LatentPair,
        noise_dim: int,
        warm_ups: Mapping[str, WarmUp],
    ) -> None:
        super().__init__(class_attributes, normalize_attributes)
        self.network = network
        self.noise_dim = noise_dim
        self.warm_ups = dict(warm_ups)
        self.vae_loss = VAELoss("l1", "sum")
        self.distance = GaussianDistanceLoss()
        # On the device, where steps that are replayed find the current ones.
        self.register_buffer("_weights", torch.zeros(len(warm_ups)), persistent=False)
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Set the weights of an epoch."""
        values = [warm_up.at(epoch) for warm_up in self.warm_ups.values()]
        self.get_buffer("_weights").copy_(torch.tensor(values, dtype=torch.float64))

    def weights(self) -> dict[str, Tensor]:
        """Weights of the epoch by the name of the term."""
        return dict(zip(self.warm_ups, self.get_buffer("_weights").unbind(), strict=True))

    def alignment(
        self, x: Tensor, a: Tensor, draws: Draws
    ) -> tuple[AlignedLatents, dict[str, Tensor]]:
        """Latents of both, and the terms of aligned autoencoders without weights, summed."""
        noise_x, noise_a = (draws.normal(len(x), self.noise_dim) for _ in range(2))
        out: AlignedLatents = self.network(x, a, noise_x, noise_a)
        of_x = self.vae_loss(out.x_from_x, x, out.mean_x, out.log_var_x)
        of_a = self.vae_loss(out.a_from_a, a, out.mean_a, out.log_var_a)
        crossed = (out.x_from_a - x).abs().sum() + (out.a_from_x - a).abs().sum()
        distance = self.distance(out.mean_x, out.log_var_x, out.mean_a, out.log_var_a)
        return out, {
            "reconstruction": of_x["reconstruction"] + of_a["reconstruction"],
            "kl": of_x["kl"] + of_a["kl"],
            "cross_reconstruction": crossed,
            "distance": distance,
        }

    def represent(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Latents of samples: drawn, or the means."""
        posterior = self.network.feature_posterior(x.to(self.get_buffer("_weights").dtype))
        if draws is None:
            return posterior[0]
        return self.network.draw(posterior, draws.normal(len(x), self.noise_dim))

    def synthesize(self, a: Tensor, draws: Draws) -> Tensor:
        """Draw latents of descriptions."""
        noise = draws.normal(len(a), self.noise_dim)
        return self.network.draw(self.network.attribute_posterior(a), noise)


class LatentOptions(GenerativeOptions, total=False):
    """Names and types of the parameters that these methods share."""

    latent_dim: int
    latent_noise: Literal["shared", "independent"]
    noise_scale: float
    beta: float
    lambda_ca: float
    n_real: int | None


_DOC = """
latent_dim : int, default={latent_dim!r}
    Width of the latent space, in which the classifier works.
latent_noise : {{"shared", "independent"}}, default={latent_noise!r}
    One random number for all coordinates of a latent, as released, or one for each, as printed.
noise_scale : float, default={noise_scale!r}
    Noise is multiplied by ``exp(noise_scale * v)`` with v the logarithm of the variance: 0.5 is the
    standard deviation, as printed; the default is as released.
beta : float, default={beta!r}
    Weight of the divergence of posteriors from the standard normal.
lambda_ca : float, default={lambda_ca!r}
    Weight of what is decoded from the latent of the other kind.
n_real : int or None, default={n_real!r}
    Latents of each seen class that the classifier is fitted to, with noise, of samples chosen at
    random and taken again where there are fewer. ``None`` takes those of all samples once. Against
    `n_synthetic` it acts as a calibration. With a number, classes count alike there, or as a dict
    `class_weight` says: "balanced" they are, and other weights count within a class.
"""


class LatentClassifier(FeatureGeneratingClassifier):
    """Base of estimators whose learner is a `LatentLearner`.

    Warm-ups are pairs of shares of `max_epochs`.
    """

    _training_defaults: ClassVar[TrainingOptions] = {
        "max_epochs": 100,
        "batch_size": 50,
        "learning_rate": 1.5e-4,
        "precision": "float32",
    }
    _optimizer_options: ClassVar[dict[str, Any]] = {"amsgrad": True}
    _softmax_batch = 32
    # Weights depend on max_epochs: a short training is not the beginning of a longer one.
    _warms_up = True
    _family_defaults: ClassVar[dict[str, Any]] = {
        "latent_dim": 64,
        "latent_noise": "shared",
        "noise_scale": 1.0,
        "beta": 0.25,
        "lambda_ca": 2.37,
        "n_real": 200,
        "n_synthetic": 400,
    }
    _family_doc = _DOC
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "latent_noise": [StrOptions({"shared", "independent"})],
        "noise_scale": [Interval(Real, 0, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "lambda_ca": [Interval(Real, 0, None, closed="left")],
        "n_real": [Interval(Integral, 1, None, closed="left"), None],
    }

    latent_dim: int
    latent_noise: Literal["shared", "independent"]
    noise_scale: float
    beta: float
    lambda_ca: float
    n_real: int | None

    def __init__(self, **options: Unpack[LatentOptions]) -> None:
        super().__init__(**options)  # type: ignore[misc]

    def _warm_up(self, name: str, top: float) -> WarmUp:
        """Turn the shares of a parameter into epochs."""
        shares = getattr(self, name)
        if (
            not isinstance(shares, tuple | list)
            or len(shares) != 2
            or not all(isinstance(share, Real) for share in shares)
            or not 0 <= shares[0] <= shares[1]
        ):
            raise ValueError(
                f"{name} must be two shares of max_epochs, the start and the end of the rise, such "
                f"as (0.2, 0.8), found {shares!r}"
            )
        epochs = _FEWEST if self.max_epochs == "auto" else self.max_epochs
        return WarmUp(float(top), shares[0] * epochs, shares[1] * epochs)

    def _least_epochs(self) -> int:
        """Epochs until all weights have risen."""
        rises = self._learner_warm_ups().values()
        return math.ceil(max((rise.end for rise in rises if rise.top), default=0))

    @abstractmethod
    def _learner_warm_ups(self) -> dict[str, WarmUp]:
        """Return how the weights of terms rise, by their names."""

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        return {
            "class_attributes": torch.tensor(classes.values, dtype=torch.float32),
            "normalize_attributes": self.normalize_attributes,
            "latent_dim": self.latent_dim,
            "noise_dim": 1 if self.latent_noise == "shared" else self.latent_dim,
            "noise_scale": self.noise_scale,
            "warm_ups": self._learner_warm_ups(),
        }

    def _chosen(self, samples: Samples, seed: int) -> Samples:
        """Choose as many samples of each class, some of them again where there are fewer."""
        if self.n_real is None:
            return samples
        rng, index = np.random.RandomState(seed), []
        for label in np.unique(samples.y):
            of_class = rng.permutation(np.flatnonzero(samples.y == label))
            index.append(np.resize(of_class, self.n_real))
        if samples.weights is not None:  # of a class, what was asked for by name
            labels, of_each = np.unique(samples.y, return_inverse=True)
            means = np.bincount(of_each, samples.weights) / np.bincount(of_each)
            if isinstance(self.class_weight, dict):
                means /= [self.class_weight.get(label, 1.0) for label in labels.tolist()]
            samples = replace(samples, weights=samples.weights / means[of_each])
        return samples.part(np.sort(np.concatenate(index)))
