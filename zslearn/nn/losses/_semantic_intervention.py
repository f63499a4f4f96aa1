"""Semantic causal intervention, Eqs. 8-9: features must matter to the semantic vector."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from zslearn.nn.losses._means import mean_over_images
from zslearn.nn.losses._standardize import Standardized

__all__ = ["SemanticInterventionLoss"]


class SemanticInterventionLoss(nn.Module):
    r"""Make the effect of the attribute features on the semantic vector match the annotation.

    .. math::

        L_{sci} = J(s - \bar s) - w \sum_k (s_k - \bar s_k), \qquad
        J = \operatorname{distance}(T_y,\; s - \bar s)

    where :math:`\bar s` is the semantic vector under the counterfactual intervention.

    Parameters
    ----------
    standardize : bool, default=True
        Standardise s and its counterfactual together as one batch of 2B, and T_y on its own,
        before comparing (the released form). The paper compares raw values.
    norm : {"mean_absolute", "squared", "l2"}, default="mean_absolute"
        The distance J: mean absolute difference over all entries (released), or the squared or
        plain Euclidean length an image, averaged over the batch (as printed).
    effect_weight : float, default=0.0
        Weight w of the effect itself. Positive maximises the effect, as the paper's text
        says. The paper's formula prints the opposite sign (-1 here); the released code has no
        such term.

    See Also
    --------
    CVsCLoss : The weighted sum of all terms.

    Notes
    -----
    ``SemanticInterventionLoss(standardize=False, norm="l2", effect_weight=-1.0)`` is Eq. 9 as
    printed.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import SemanticInterventionLoss
    >>> loss = SemanticInterventionLoss(standardize=False)
    >>> s, other = torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 1.0]])
    >>> loss(s, other, torch.tensor([[1.0, 0.0]]))
    tensor(0.5000)
    """

    def __init__(
        self,
        *,
        standardize: bool = True,
        norm: Literal["mean_absolute", "squared", "l2"] = "mean_absolute",
        effect_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if norm not in ("mean_absolute", "squared", "l2"):
            raise ValueError(
                f"norm must be one of 'mean_absolute', 'squared', 'l2', found {norm!r}"
            )
        self.standardize = standardize
        self.norm = norm
        self.effect_weight = effect_weight

    def forward(
        self,
        semantics: Tensor,
        counterfactual: Tensor,
        target: Tensor,
        *,
        standardized: Standardized | None = None,
        sample_weight: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        semantics, counterfactual : Tensor of shape (B, K)
            Semantic vectors without and with the intervention.
        target : Tensor of shape (B, K)
            Annotated attributes T_y of each image's class.
        standardized : Standardized, default=None
            The same, standardised, where that has been done already.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0. Only ratios matter;
            they weigh in the standardisation, too.

        Returns
        -------
        Tensor of shape ()
            The loss.
        """
        if standardized is None and self.standardize:
            standardized = Standardized.of(semantics, counterfactual, target, sample_weight)
        if standardized is not None:
            semantics, counterfactual, target = standardized
        effect = semantics - counterfactual
        gap = target - effect
        if self.norm == "mean_absolute":
            each = gap.abs()  # equal weights give the mean of all entries
            loss = each.mean() if sample_weight is None else each.mean(dim=1)
        elif self.norm == "squared":
            loss = gap.square().sum(dim=1)
        else:
            loss = torch.linalg.vector_norm(gap, dim=1)
        loss = mean_over_images(loss, sample_weight) if loss.ndim else loss
        if self.effect_weight:
            total = mean_over_images(effect.sum(dim=1), sample_weight)
            loss = loss - self.effect_weight * total
        return loss

    def extra_repr(self) -> str:
        """Show the parameters."""
        return (
            f"standardize={self.standardize}, norm={self.norm!r}, "
            f"effect_weight={self.effect_weight}"
        )
