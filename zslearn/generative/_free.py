"""FREE as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._learner import OptimizerFactory
from zslearn._training._parameters import TrainingOptions
from zslearn.generative._adversarial import published
from zslearn.generative._learner import Draws, numbers_among
from zslearn.generative._vaegan import VAEGANClassifier, VAEGANLearner, VAEGANOptions
from zslearn.nn import CenterMarginLoss, FeatureRefiner, WeightedL1Loss
from zslearn.nn._conditional import frozen
from zslearn.registry import register_method

__all__ = ["FREEClassifier"]


class FREELearner(VAEGANLearner):
    """Networks and losses of FREE in training's terms.

    With `released`, rows for the classifier are with noise where draws are given, as in the
    authors' code, which draws it anew at every prediction.
    """

    table_buffers = ("class_attributes", "seen_number")
    seen_number: Tensor

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        normalize_attributes: bool,
        *,
        seen_number: Tensor,
        n_seen: int,
        lambda_center: float,
        lambda_rec: float,
        center_margin: float,
        own_center_weight: float,
        other_center: str,
        refiner_output: Any,
        refiner_learning_rate: float,
        freeze_refiner: bool,
        released: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(n_features, class_attributes, normalize_attributes, **shared)
        width = class_attributes.shape[1]
        self.refiner = FeatureRefiner(n_features, width, shared["hidden_dim"], refiner_output)
        self.centers = nn.Parameter(torch.randn(n_seen, width))
        self.register_buffer("seen_number", seen_number)
        self.center_margin = CenterMarginLoss(center_margin, own_center_weight)
        self.reconstruction = WeightedL1Loss()
        self.lambda_center, self.lambda_rec = lambda_center, lambda_rec
        self.nearest = other_center == "nearest" or n_seen == 1
        self.refiner_rate, self.freeze_refiner = refiner_learning_rate, freeze_refiner
        self.released = released

    def phases(self, step: int) -> Sequence[str]:
        """Name the refiner, the critic, and on the last of several steps the generator."""
        return ("refiner", *super().phases(step))

    def optimizers_of(self, phase: str) -> Sequence[str]:
        """Name those of all networks that a step moves."""
        if phase == "refiner":
            return ("refiner", "centers")
        moving = super().optimizers_of(phase)
        return moving if phase == "critic" or self.freeze_refiner else (*moving, "refiner")

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """One for each network, and one for the centres."""
        return {
            **super().configure_optimizers(make),
            "refiner": make(self.refiner.parameters(), lr=self.refiner_rate),
            "centers": make([self.centers]),
        }

    def step(self, phase: str, x: Tensor, a: Tensor, y: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Loss of refiner and centres, of the critic, or of the generator's step."""
        if phase == "critic":
            return self.critic_step(x, a, draws)
        if phase == "generator":
            terms, fake = self.generator_step(x, a, draws)
            with frozen(*[self.refiner] * self.freeze_refiner):
                again = self.reconstruction(self.refiner(fake, draws.normal(*a.shape))[1], a)
            loss = terms.pop("loss") + self.lambda_rec * again
            return {"loss": loss, **terms, "cycle_generated": again}
        mean, described, _ = self.refiner(x, draws.normal(*a.shape))
        n_seen = len(self.centers)
        offset = None if self.nearest else draws.integers(1, n_seen, len(x))
        margin = self.center_margin(mean, self.seen_number[y], self.centers, offset)
        cycle = self.reconstruction(described, a)
        loss = self.lambda_center * margin + self.lambda_rec * cycle
        return {"loss": loss, "center_margin": margin, "cycle": cycle}

    def synthesize(self, a: Tensor, draws: Draws) -> Tensor:
        """Generate features, and refine them."""
        return self.represent(super().synthesize(a, draws))

    def represent(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Features, the hidden layer of the refiner, and the description it gives."""
        x = x.to(self.penalty_weight.dtype)
        width = self.centers.shape[1]
        noise = None
        if self.released and draws is not None:
            noise = draws.normal(len(x), width)
        _, described, hidden = self.refiner(x, noise)
        return torch.cat([x, hidden, described], dim=1)


@register_method(
    "free", family="generative", input="vectors", paper="ICCV 2021", independent_scores=False
)
class FREEClassifier(VAEGANClassifier):
    """Generated features, refined with those of the samples by a network of their own [1]_.

    The refiner goes from features to descriptions. Its means stay near a learned centre of their
    class and away from another; descriptions, hidden layer and features train the classifier.

    Parameters
    ----------
    lambda_center : float, default=0.5
        Weight of the centres' margin loss.
    lambda_rec : float, default=0.001
        Weight of descriptions, of real and of generated features.
    center_margin : float, default=200.0
        By how much the other centre is to be further off, in squared length.
    own_center_weight : float, default=0.8
        Weight of the own centre against the other.
    other_center : {"random", "nearest"}, default="random"
        Which other centre.
    refiner_output : {"sigmoid", "normalized"}, default="sigmoid"
        Whether descriptions are between 0 and 1, as released, or of unit length like those they
        are compared with.
    refiner_learning_rate : float, default=1e-4
        Learning rate of the refiner.
    freeze_refiner : bool, default=False
        Whether the refiner is trained on real features alone.
    {training}

    Attributes
    ----------
    {attributes}
    final_classifier_ : object
        ``final_classifier_.classifier`` is the fitted `classifier`.
    validation_delta_ : float
        With `early_stopping`, the delta with the best harmonic mean on the held-out samples after
        the best epoch: ``set_params(delta=...)`` takes it without another training.
    center_labels_ : ndarray
        Labels of the classes that have a centre.

    See Also
    --------
    FVAEGANClassifier : The method without a refiner.
    zslearn.nn.FeatureRefiner : The refiner.
    zslearn.nn.losses.CenterMarginLoss : The loss of its means.

    Notes
    -----
    Unlike in the released code, the gradient of the centres is that of one step, not the sum of
    all since training began; a random other centre is never the own one; and descriptions are
    without noise outside the losses, so that predictions are the same at every call.

    Widths, learning rate and `max_epochs` are not the authors', which presets have and which
    are meant for a graphics card: they were tried on a re-split of the training classes of CUB,
    1,100 pictures of 30 classes, where a fit takes about a minute of a CPU.

    Rows are as wide as features, hidden layer and attributes together: so the default classifier is
    the one that has them by the batch.

    References
    ----------
    .. [1] S. Chen, W. Wang, B. Xia, Q. Peng, X. You, F. Zheng, L. Shao, "FREE: Feature refinement
       for generalized zero-shot learning", ICCV 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import FREEClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(60) % 2
    >>> X = table[y] + np.random.default_rng(0).normal(scale=0.1, size=(60, 2))
    >>> clf = FREEClassifier(hidden_dim=16, max_epochs=2, random_state=0)
    >>> clf.fit(X, y, class_attributes=table).transform(X).shape  # 2 + 16 + 2
    (60, 20)
    """

    _learner_type = FREELearner
    _rate_parameters: ClassVar[tuple[str, ...]] = (
        *VAEGANClassifier._rate_parameters,
        "refiner_learning_rate",
    )
    _training_defaults: ClassVar[TrainingOptions] = {
        **VAEGANClassifier._training_defaults,
        "max_epochs": 60,
    }
    _family_defaults: ClassVar[dict[str, Any]] = {
        "critic_iter": 1,
        "n_synthetic": 700,
        "classifier": "softmax",
    }
    _presets: ClassVar[dict[str, dict[str, Any]]] = published(
        max_epochs=1002,
        cub={"adversarial_noise": "posterior"},
        sun={
            "adversarial_noise": "posterior",
            "gamma_adv": 1.0,
            "learning_rate": 2e-4,
            "batch_size": 512,
            "center_margin": 120.0,
            "lambda_rec": 0.1,
            "n_synthetic": 300,
            "classifier_learning_rate": 5e-4,
            "max_epochs": 1202,
        },
        awa2={
            "adversarial_noise": "posterior",
            "learning_rate": 1e-5,
            "center_margin": 50.0,
            "own_center_weight": 0.5,
            "other_center": "nearest",
            "freeze_refiner": True,
            "n_synthetic": 4600,
            "max_epochs": 802,
        },
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda_center": [Interval(Real, 0, None, closed="left")],
        "lambda_rec": [Interval(Real, 0, None, closed="left")],
        "center_margin": [Interval(Real, 0, None, closed="left")],
        "own_center_weight": [Interval(Real, 0, 1, closed="both")],
        "other_center": [StrOptions({"random", "nearest"})],
        "refiner_output": [StrOptions({"sigmoid", "normalized"})],
        "refiner_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "freeze_refiner": ["boolean"],
    }

    center_labels_: NDArray[Any]

    def __init__(
        self,
        *,
        lambda_center: float = 0.5,
        lambda_rec: float = 0.001,
        center_margin: float = 200.0,
        own_center_weight: float = 0.8,
        other_center: Literal["random", "nearest"] = "random",
        refiner_output: Literal["sigmoid", "normalized"] = "sigmoid",
        refiner_learning_rate: float = 1e-4,
        freeze_refiner: bool = False,
        **options: Unpack[VAEGANOptions],
    ) -> None:
        super().__init__(**options)
        self.lambda_center = lambda_center
        self.lambda_rec = lambda_rec
        self.center_margin = center_margin
        self.own_center_weight = own_center_weight
        self.other_center = other_center
        self.refiner_output = refiner_output
        self.refiner_learning_rate = refiner_learning_rate
        self.freeze_refiner = freeze_refiner

    def _before_training(
        self, samples: Samples, classes: DescribedClasses, *, more: bool = False
    ) -> None:
        super()._before_training(samples, classes, more=more)
        labels = np.unique(samples.y)
        if more and len(new := np.setdiff1d(labels, self.center_labels_)):
            raise ValueError(
                f"y has classes without a centre, such as {new[:3].tolist()}: with warm_start=True "
                "training goes on with the classes of the last fit. Set warm_start=False."
            )
        if not more:
            self.center_labels_ = labels

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        names = (
            *("lambda_center", "lambda_rec", "center_margin", "own_center_weight", "other_center"),
            *("refiner_output", "refiner_learning_rate", "freeze_refiner"),
        )
        return {
            **super()._learner_params(classes),
            **{name: getattr(self, name) for name in names},
            "seen_number": numbers_among(self.center_labels_, classes),
            "n_seen": len(self.center_labels_),
        }
