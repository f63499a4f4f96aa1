"""IEAM-ZSL: ViT-ZSL beside a second task, to tell how far pictures were turned."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

import torch
from sklearn.utils._param_validation import Interval, Options
from torch import Tensor
from torch.nn.functional import cross_entropy

from zslearn._described_classes import DescribedClasses
from zslearn._training._learner import Batch
from zslearn._training._parameters import TrainingOptions
from zslearn._training._schedules import StepSchedule
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning._settings import FineTuning
from zslearn.finetuning._vitzsl import ViTZSLClassifier, ViTZSLLearner, rates_in_steps
from zslearn.nn import IEAMHead, quarter_turns
from zslearn.registry import register_method

__all__ = ["IEAMClassifier", "IEAMLearner"]


class IEAMLearner(ViTZSLLearner):
    """Backbone, both heads, and pictures turned by quarters in every step."""

    head: IEAMHead
    head_type = IEAMHead

    def __init__(self, lambda_rotation: float, n_rotations: int, **options: Any) -> None:
        super().__init__(**options)
        self.lambda_rotation, self.n_rotations = lambda_rotation, n_rotations
        self.stores = not lambda_rotation
        if not lambda_rotation:  # without its task, no weight that never moves
            self.head.rotation.requires_grad_(False)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the cross entropies of classes and of angles."""
        if not self.lambda_rotation:
            return super().training_step(batch)
        n, X, share = len(batch.X), batch.X, batch.share
        if self.n_rotations == 1:
            angles = torch.randint(4, (len(batch.y),), generator=batch.generator, device=X.device)
            angles = angles if share is None else angles[share.rows]
        else:
            angles = torch.arange(4, device=X.device).repeat_interleave(n)
            X = X.repeat(4, 1, 1, 1)
        vectors = self.vectors(torch.cat([batch.X, quarter_turns(X, angles)]))
        ce = self.class_loss(vectors[:n], batch)
        scores = self.head.angle_scores(vectors[n:]).unflatten(0, (-1, n)).transpose(0, 1)
        angles = batch.whole(angles.view(-1, n).T)
        rotation = cross_entropy(batch.whole(scores).flatten(0, 1), angles.flatten())
        return {"loss": ce + self.lambda_rotation * rotation, "ce": ce, "rotation": rotation}


# A tenth after epoch 10 of 50.
_RATES = rates_in_steps(StepSchedule(0.1, (10 / 50,)), ViTZSLClassifier._finetuning_defaults)


@register_method("ieam", family="finetuning", input="pictures", paper="GCPR 2021")
class IEAMClassifier(ViTZSLClassifier):
    """ViT-ZSL that also learns to tell how far pictures were turned [1]_.

    Parameters
    ----------
    extractor : str or TimmRegionExtractor, default="vit_large_patch16_224.orig_in21k"
        The network, as for :class:`ViTZSLClassifier`. Its pictures must be square.
    lambda_rotation : float, default=1.0
        Weight of the cross entropy of the angles; with 0 it is :class:`ViTZSLClassifier`.
    n_rotations : {1, 4}, default=1
        Turned copies of each picture in a step: one by an angle drawn anew each time, as in the
        authors' code, or all four, as in their paper.
    delta : float, default=0.9
        Added to the probabilities of unseen classes where they compete with seen ones.
    delta_scale : {"logit", "probability"}, default="probability"
        What `delta` is added to.
    finetuning : FineTuning, default=None
        How the backbone is trained, as for :class:`ViTZSLClassifier`.
    {training}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    ViTZSLClassifier : Without the second task.
    zslearn.nn.IEAMHead : The heads alone.

    Notes
    -----
    Defaults are the authors' for CUB and AWA2, but for the schedule of the rates, which
    ``from_preset`` has as well: a tenth after epoch 10. Their
    code flips pictures after they were turned, which makes half of the labels of quarter turns
    wrong; here they are flipped first. A turned copy costs as much as a picture.

    References
    ----------
    .. [1] F. Alamri, A. Dutta, "Implicit and explicit attention for zero-shot learning", GCPR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.feature_extraction import TimmRegionExtractor
    >>> from zslearn.finetuning import IEAMClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(8) % 2
    >>> X = np.random.default_rng(0).integers(0, 256, size=(8, 32, 32, 3), dtype=np.uint8)
    >>> network = TimmRegionExtractor("test_vit", pretrained=False, image_size=32)
    >>> clf = IEAMClassifier(network, max_epochs=1, random_state=0)
    >>> clf.fit(X, y, class_attributes=table).net_.term_names_
    ['ce', 'rotation']
    """

    _learner_type = IEAMLearner
    _training_defaults: ClassVar[TrainingOptions] = {
        **ViTZSLClassifier._training_defaults,
        "max_epochs": 50,
        "batch_size": 16,
    }
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        name: {**settings, **_RATES} for name, settings in ViTZSLClassifier._presets.items()
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda_rotation": [Interval(Real, 0, None, closed="left")],
        "n_rotations": [Options(int, {1, 4})],
    }

    def __init__(
        self,
        extractor: str | TimmRegionExtractor = "vit_large_patch16_224.orig_in21k",
        *,
        lambda_rotation: float = 1.0,
        n_rotations: Literal[1, 4] = 1,
        delta: float = 0.9,
        delta_scale: Literal["logit", "probability"] = "probability",
        finetuning: FineTuning | None = None,
        **training: Unpack[TrainingOptions],
    ) -> None:
        super().__init__(
            extractor, delta=delta, delta_scale=delta_scale, finetuning=finetuning, **training
        )
        self.lambda_rotation = lambda_rotation
        self.n_rotations = n_rotations

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        weights = {"lambda_rotation": self.lambda_rotation, "n_rotations": self.n_rotations}
        return super()._learner_params(classes) | weights
