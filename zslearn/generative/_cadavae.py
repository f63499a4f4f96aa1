"""CADA-VAE as a scikit-learn classifier."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Unpack

from sklearn.utils._param_validation import Interval
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn.generative._latent import LatentClassifier, LatentLearner, LatentOptions, WarmUp
from zslearn.generative._learner import Draws
from zslearn.nn import AlignedAutoencoders
from zslearn.registry import register_method

__all__ = ["CADAVAEClassifier"]


class CADAVAELearner(LatentLearner):
    """Networks and losses of CADA-VAE in training's terms."""

    divides_batches = True
    terms_are = "sums"

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        normalize_attributes: bool,
        *,
        noise_dim: int,
        warm_ups: Any,
        **widths: Any,
    ) -> None:
        network = AlignedAutoencoders(n_features, class_attributes.shape[1], **widths)
        super().__init__(class_attributes, normalize_attributes, network, noise_dim, warm_ups)

    def step(self, phase: str, x: Tensor, a: Tensor, y: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Weighted sum of reconstructions, divergences and distances."""
        _, terms = self.alignment(x, a, draws)
        risen = (weight * terms[name] for name, weight in self.weights().items())
        return {"loss": sum(risen, terms["reconstruction"]), **terms}


@register_method(
    "cada_vae", family="generative", input="vectors", paper="CVPR 2019", independent_scores=False
)
class CADAVAEClassifier(LatentClassifier):
    """Autoencoders of features and descriptions with one latent space [1]_.

    Either is encoded as a Gaussian and decoded from the latent of the other as well; distances of
    the two Gaussians draw them together. A classifier of latents is then fitted to those of samples
    of the seen classes and those drawn from the descriptions of the others.

    Parameters
    ----------
    lambda_da : float, default=8.13
        Weight of the distance of the two posteriors.
    beta_warm_up : tuple of two float, default=(0.0, 0.93)
        Shares of `max_epochs` between which `beta` rises from 0 (of the fewest that "auto" may
        take, 12). The defaults are the authors' for 100 epochs.
    ca_warm_up : tuple of two float, default=(0.21, 0.75)
        Those of `lambda_ca`.
    da_warm_up : tuple of two float, default=(0.06, 0.22)
        Those of `lambda_da`.
    encoder_dims : tuple of two int, default=(1560, 1450)
        Hidden widths of the encoders of features and of descriptions.
    decoder_dims : tuple of two int, default=(1660, 665)
        Those of the decoders.
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
    HSVAClassifier : Aligns coarse structure first.
    zslearn.nn.AlignedAutoencoders : The network alone.

    Notes
    -----
    Terms in the history have no weights: the loss rises while its weights do. The method trains on
    a CPU as published.

    References
    ----------
    .. [1] E. Schönfeld, S. Ebrahimi, S. Sinha, T. Darrell, Z. Akata, "Generalized zero- and
       few-shot learning via aligned variational autoencoders", CVPR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import CADAVAEClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(60) % 2
    >>> X = table[y] + np.random.default_rng(0).normal(scale=0.1, size=(60, 2))
    >>> clf = CADAVAEClassifier(latent_dim=4, max_epochs=2, random_state=0)
    >>> clf = clf.fit(X, y, class_attributes=table)
    >>> rows, labels = clf.synthesize(n=5)
    >>> rows.shape, labels
    ((5, 4), array([2, 2, 2, 2, 2]))
    """

    _learner_type = CADAVAELearner
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        name: {"classifier": "softmax", "classifier_epochs": epochs}
        for name, epochs in (("cub", 23), ("sun", 21), ("awa2", 29))
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda_da": [Interval(Real, 0, None, closed="left")],
        "beta_warm_up": [tuple, list],
        "ca_warm_up": [tuple, list],
        "da_warm_up": [tuple, list],
        "encoder_dims": [tuple, list],
        "decoder_dims": [tuple, list],
    }

    def __init__(
        self,
        *,
        lambda_da: float = 8.13,
        beta_warm_up: tuple[float, float] = (0.0, 0.93),
        ca_warm_up: tuple[float, float] = (0.21, 0.75),
        da_warm_up: tuple[float, float] = (0.06, 0.22),
        encoder_dims: tuple[int, int] = (1560, 1450),
        decoder_dims: tuple[int, int] = (1660, 665),
        **options: Unpack[LatentOptions],
    ) -> None:
        super().__init__(**options)
        self.lambda_da = lambda_da
        self.beta_warm_up = beta_warm_up
        self.ca_warm_up = ca_warm_up
        self.da_warm_up = da_warm_up
        self.encoder_dims = encoder_dims
        self.decoder_dims = decoder_dims

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        for name in ("encoder_dims", "decoder_dims"):
            dims = tuple(getattr(self, name))
            if len(dims) != 2 or not all(
                isinstance(n, Integral) and not isinstance(n, bool) and int(n) > 0 for n in dims
            ):
                raise ValueError(
                    f"{name} must be two widths, of the network of features and of that of "
                    f"descriptions, such as (1560, 1450), found {dims!r}"
                )
        return {
            **super()._learner_params(classes),
            "encoder_dims": self.encoder_dims,
            "decoder_dims": self.decoder_dims,
        }

    def _learner_warm_ups(self) -> dict[str, WarmUp]:
        return {
            "kl": self._warm_up("beta_warm_up", self.beta),
            "cross_reconstruction": self._warm_up("ca_warm_up", self.lambda_ca),
            "distance": self._warm_up("da_warm_up", self.lambda_da),
        }
