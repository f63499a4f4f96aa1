"""HSVA as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor
from torch.nn.functional import cross_entropy

from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._learner import OptimizerFactory
from zslearn._training._parameters import TrainingOptions
from zslearn.generative._latent import LatentClassifier, LatentLearner, LatentOptions, WarmUp
from zslearn.generative._learner import Draws
from zslearn.nn import CorrelationAlignmentLoss, DiscrepancyLoss, HSVANetwork
from zslearn.nn._conditional import frozen
from zslearn.registry import register_method

__all__ = ["HSVAClassifier"]


class HSVALearner(LatentLearner):
    """Networks and losses of HSVA in training's terms."""

    undivided_because = (
        "its networks standardise by the batch they see, and its losses compare distributions of a "
        "batch"
    )
    table_buffers = ("class_attributes", "seen_number", "unseen_rows")
    network: HSVANetwork
    seen_number: Tensor
    unseen_rows: Tensor

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        normalize_attributes: bool,
        *,
        n_classes: int,
        seen_number: Tensor,
        unseen: Tensor,
        noise_dim: int,
        warm_ups: Any,
        discrepancy: Any,
        n_projections: int,
        classifier_rate: float,
        **widths: Any,
    ) -> None:
        network = HSVANetwork(n_features, class_attributes.shape[1], n_classes, **widths)
        super().__init__(class_attributes, normalize_attributes, network, noise_dim, warm_ups)
        self.register_buffer("seen_number", seen_number)
        self.register_buffer("unseen_rows", torch.nonzero(unseen)[:, 0])
        self.discrepancy = DiscrepancyLoss(discrepancy)
        self.correlation = CorrelationAlignmentLoss()
        self.n_projections, self.rate = n_projections, classifier_rate

    def phases(self, step: int) -> Sequence[str]:
        """All of them, on one batch; the encoders learn twice to make the classifiers agree."""
        return "classify", "maximise", "minimise", "minimise", "align"

    def optimizers_of(self, phase: str) -> Sequence[str]:
        """Which networks move."""
        return {
            "classify": ("classifiers", "structure"),
            "maximise": ("classifiers",),
            "minimise": ("structure",),
            "align": ("decoders", "encoder", "structure"),
        }[phase]

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """One for the coarse encoders, whose moments all phases share, and one for each other."""
        net = self.network
        structure = [*net.structure_x.parameters(), *net.structure_a.parameters()]
        classifiers = list(net.classifiers.parameters())
        decoders = [*net.decode_x.parameters(), *net.decode_a.parameters()]
        return {
            "structure": make(structure),
            "encoder": make(net.encode.parameters()),
            "decoders": make(decoders),
            # As options of the group, which optimisers without amsgrad pass over.
            "classifiers": make([{"params": classifiers, "amsgrad": False, "lr": self.rate}]),
        }

    def step(self, phase: str, x: Tensor, a: Tensor, y: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Loss of a phase; batch normalisation takes a sample that is alone twice."""
        if len(x) == 1:
            x, a, y = x.expand(2, -1), a.expand(2, -1), y.expand(2)
        if phase == "align":
            return self._align(x, a, draws)
        if phase == "minimise":
            with frozen(self.network.classifiers):
                apart = self._disagreement(self._logits(x, a), draws)
            return {"loss": self.weights()["distance"] * apart}
        if phase == "classify":
            ce = self._cross_entropy(self._logits(x, a), y)
            return {"loss": ce, "ce": ce}
        with frozen(self.network.structure_x, self.network.structure_a):
            logits = self._logits(x, a)
        apart = self._disagreement(logits, draws)
        loss = self._cross_entropy(logits, y) - self.weights()["distance"] * apart
        return {"loss": loss, "discrepancy": apart}

    def _logits(self, x: Tensor, a: Tensor) -> list[list[Tensor]]:
        """Of each classifier, of features and then of descriptions: these are normalised apart."""
        net = self.network
        return [
            [classify(h) for classify in net.classifiers]
            for h in (net.structure_x(x), net.structure_a(a))
        ]

    def _cross_entropy(self, logits: list[list[Tensor]], y: Tensor) -> Tensor:
        target = self.seen_number[y]
        return torch.stack([cross_entropy(one, target) for of in logits for one in of]).sum()

    def _disagreement(self, logits: list[list[Tensor]], draws: Draws) -> Tensor:
        """Discrepancy of the two classifiers, of features and of descriptions."""
        terms = []
        for first, second in logits:
            directions = None
            if self.discrepancy.kind == "swd":
                directions = draws.normal(first.shape[1], self.n_projections)
            terms.append(self.discrepancy(first, second, directions))
        return torch.stack(terms).sum()

    def _align(self, x: Tensor, a: Tensor, draws: Draws) -> dict[str, Tensor]:
        out, terms = self.alignment(x, a, draws)
        if len(self.unseen_rows):
            drawn = draws.integers(0, len(self.unseen_rows), len(x))
            others = self.describe(self.class_attributes)[self.unseen_rows[drawn]]
            terms["correlation"] = self.correlation(out.z_x, self.synthesize(others, draws))
        risen = [w * terms[name] for name, w in self.weights().items() if name in terms]
        return {"loss": sum(risen, terms["reconstruction"]), **terms}


@register_method(
    "hsva", family="generative", input="vectors", paper="NeurIPS 2021", independent_scores=False
)
class HSVAClassifier(LatentClassifier):
    """Hierarchical adaptation of features and descriptions, structure before distribution [1]_.

    Features and descriptions are first encoded so that two classifiers of the seen classes agree
    about them: the classifiers learn to disagree, the encoders to leave them no room. Gaussian
    latents of what they encode are then aligned, and used, as by :class:`CADAVAEClassifier`.

    Parameters
    ----------
    omega : float, default=8.0
        Weight of the distance of the two posteriors and of the classifiers' discrepancy.
    lambda_coral : float, default=None
        Weight of the difference between the covariances of latents of samples and of descriptions
        of unseen classes, which is maximised. It has no bound, so that a large weight can diverge;
        ``None`` takes `omega`, as released.
    discrepancy : {{"swd", "mcd"}}, default="swd"
        How the classifiers are compared: by sorted projections, or sample by sample.
    n_projections : int, default=128
        Random directions of "swd".
    beta_warm_up : tuple of two float, default=(0.0, 0.45)
        Shares of `max_epochs` between which `beta` rises from 0 (of the fewest that "auto" may
        take, 12). The defaults are the authors' epochs, of 200.
    ca_warm_up : tuple of two float, default=(0.105, 0.375)
        Those of `lambda_ca`.
    omega_warm_up : tuple of two float, default=(0.0, 0.125)
        Those of `omega` and `lambda_coral`.
    structure_dim : int, default=512
        Width in which the classifiers compare; 2048 in presets.
    hidden_dim : int, default=512
        Hidden width of the coarse encoders and the decoders; 4096 in presets.
    encoder_dim : int, default=512
        Hidden width of the encoder of latents; 2048 in presets.
    classifier_dim : int, default=512
        Hidden width of the two classifiers.
    discriminator_learning_rate : float, default=1e-3
        Learning rate of the two classifiers.
    {training}

    Attributes
    ----------
    {attributes}
    final_classifier_ : object
        ``final_classifier_.classifier`` is the fitted `classifier`.
    validation_delta_ : float
        With `early_stopping`, the delta with the best harmonic mean on the held-out samples after
        the best epoch: ``set_params(delta=...)`` takes it without another training.
    trained_classes_ : ndarray
        Labels that the network's two classifiers tell apart.

    See Also
    --------
    CADAVAEClassifier : The same without the first step.
    zslearn.nn.HSVANetwork : The network alone.

    Notes
    -----
    Descriptions of unseen classes take part in training, each as often as the others. (The released
    code draws them as often as test pictures have them, and reports the epoch that is best on test
    data.) Terms in the history have no weights. Nearly all work is four passes through the wide
    encoders a batch. Widths and `max_epochs` are not the authors', which presets have and which are
    meant for a graphics card; with these, a fit on 1,100 pictures of CUB takes about three minutes
    of a CPU.

    References
    ----------
    .. [1] S. Chen, G.-S. Xie, Y. Liu, Q. Peng, B. Sun, H. Li, X. You, L. Shao, "HSVA: Hierarchical
       semantic-visual adaptation for zero-shot learning", NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import HSVAClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(60) % 2
    >>> X = table[y] + np.random.default_rng(0).normal(scale=0.1, size=(60, 2))
    >>> clf = HSVAClassifier(structure_dim=8, hidden_dim=8, max_epochs=2, random_state=0)
    >>> clf.fit(X, y, class_attributes=table).transform(X).shape
    (60, 64)
    """

    _learner_type = HSVALearner
    _rate_parameters: ClassVar[tuple[str, ...]] = ("discriminator_learning_rate",)
    _family_defaults: ClassVar[dict[str, Any]] = {"noise_scale": 0.1}
    _training_defaults: ClassVar[TrainingOptions] = {
        **LatentClassifier._training_defaults,
        "max_epochs": 100,
    }
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        name: {
            **{"structure_dim": 2048, "hidden_dim": 4096, "encoder_dim": 2048},
            **{"max_epochs": 500, "classifier": "softmax"},
            "beta_warm_up": (0.0, 0.18),
            "ca_warm_up": (0.042, 0.15),
            "omega_warm_up": (0.0, 0.05),
            **more,
        }
        for name, more in {
            "cub": {"classifier_epochs": 24},
            "sun": {"classifier_epochs": 22, "latent_dim": 128},
            "awa2": {"classifier_epochs": 51},
        }.items()
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "omega": [Interval(Real, 0, None, closed="left")],
        "lambda_coral": [Interval(Real, 0, None, closed="left"), None],
        "discrepancy": [StrOptions({"swd", "mcd"})],
        "beta_warm_up": [tuple, list],
        "ca_warm_up": [tuple, list],
        "omega_warm_up": [tuple, list],
        "discriminator_learning_rate": [Interval(Real, 0, None, closed="neither")],
        **{
            name: [Interval(Integral, 1, None, closed="left")]
            for name in (
                *("n_projections", "structure_dim", "hidden_dim"),
                *("encoder_dim", "classifier_dim"),
            )
        },
    }

    trained_classes_: NDArray[Any]

    def __init__(
        self,
        *,
        omega: float = 8.0,
        lambda_coral: float | None = None,
        discrepancy: Literal["swd", "mcd"] = "swd",
        n_projections: int = 128,
        beta_warm_up: tuple[float, float] = (0.0, 0.45),
        ca_warm_up: tuple[float, float] = (0.105, 0.375),
        omega_warm_up: tuple[float, float] = (0.0, 0.125),
        structure_dim: int = 512,
        hidden_dim: int = 512,
        encoder_dim: int = 512,
        classifier_dim: int = 512,
        discriminator_learning_rate: float = 1e-3,
        **options: Unpack[LatentOptions],
    ) -> None:
        super().__init__(**options)
        self.omega = omega
        self.lambda_coral = lambda_coral
        self.discrepancy = discrepancy
        self.n_projections = n_projections
        self.beta_warm_up = beta_warm_up
        self.ca_warm_up = ca_warm_up
        self.omega_warm_up = omega_warm_up
        self.structure_dim = structure_dim
        self.hidden_dim = hidden_dim
        self.encoder_dim = encoder_dim
        self.classifier_dim = classifier_dim
        self.discriminator_learning_rate = discriminator_learning_rate

    def _before_training(
        self, samples: Samples, classes: DescribedClasses, *, more: bool = False
    ) -> None:
        super()._before_training(samples, classes, more=more)
        if more and np.setdiff1d(samples.y, self.trained_classes_).size:
            raise ValueError(
                f"warm_start=True continues with the classes {self.trained_classes_.tolist()[:5]} "
                "and so on, which the network's classifiers know, but y holds others: set "
                "warm_start=False to start anew."
            )
        if not more:
            self.trained_classes_ = np.unique(samples.y)

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        known = self.trained_classes_
        number = np.minimum(np.searchsorted(known, classes.labels), len(known) - 1)
        names = ("discrepancy", "n_projections")
        widths = ("structure_dim", "hidden_dim", "encoder_dim", "classifier_dim")
        return {
            **super()._learner_params(classes),
            "n_classes": len(known),
            "seen_number": torch.from_numpy(number),
            "unseen": torch.from_numpy(~classes.seen),
            "classifier_rate": self.discriminator_learning_rate,
            **{name: getattr(self, name) for name in (*names, *widths)},
        }

    def _learner_warm_ups(self) -> dict[str, WarmUp]:
        away = self.omega if self.lambda_coral is None else self.lambda_coral
        return {
            "kl": self._warm_up("beta_warm_up", self.beta),
            "cross_reconstruction": self._warm_up("ca_warm_up", self.lambda_ca),
            "distance": self._warm_up("omega_warm_up", self.omega),
            # Maximised, hence below zero.
            "correlation": self._warm_up("omega_warm_up", -away),
        }
