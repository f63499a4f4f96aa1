"""Conditional correlation loss, Eqs. 6-7: attributes beyond the annotation cost more."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from zslearn.nn.losses._means import mean_over_images, relative_weights
from zslearn.nn.losses._standardize import Standardized, standardize, standardize_target

__all__ = ["ConditionalCorrelationLoss"]


class ConditionalCorrelationLoss(nn.Module):
    r"""Penalise attributes predicted beyond the annotation more than annotated ones missed.

    .. math::

        L_{cc} = \|\max(s - T_y, 0)\| + \alpha \|\max(T_y - s, 0)\|
        + |\operatorname{spread}(T_y) - \operatorname{spread}(s)|

    A picture shows fewer attributes than its class has, so missing one is a small fault
    (:math:`\alpha < 1`) and inventing one a large fault.

    Parameters
    ----------
    alpha : float, default=0.5
        Weight of annotated attributes that were not predicted. 0.5 in the paper, 1 in the
        authors' released code.
    standardize : bool, default=True
        Compare batch-standardised values (each attribute with zero mean and unit variance over
        the batch). The paper compares raw values, which live on different scales: training
        collapses then. The spread always compares raw values.
    norm : {"mean_squared", "squared", "l2"}, default="mean_squared"
        "l2": Euclidean length an image, as printed. "squared": its square. Both are averaged over
        the batch. "mean_squared": sum of the squares over the batch, divided by one plus the
        number of entries of that sign, as the released code does; its size does not depend on the
        number of attributes.
    spread : {"variance", "std"} or None, default="variance"
        The regulariser. The paper's formula prints var, its text says standard deviation. ``None``
        leaves it out.
    spread_norm : {"absolute", "squared"}, default="absolute"
        How the difference of the two spreads is measured.
    spread_over : {"batch", "image"}, default="batch"
        Whether the spread is taken over all entries of a batch (released code), or over the
        attributes of each image and averaged (the formula, read literally). Unbiased; a single
        entry has no spread.

    See Also
    --------
    CVsCLoss : The weighted sum of all terms.

    Notes
    -----
    ``ConditionalCorrelationLoss(standardize=False, norm="l2", spread_norm="squared",
    spread_over="image")`` is the printed form; ``ConditionalCorrelationLoss(alpha=1.0)`` the
    released one (given the counterfactual, which it standardises together with s).

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import ConditionalCorrelationLoss
    >>> loss = ConditionalCorrelationLoss(standardize=False, norm="squared", spread=None)
    >>> target = torch.tensor([[1.0, 0.0]])
    >>> loss(torch.tensor([[1.0, 1.0]]), target), loss(torch.tensor([[0.0, 0.0]]), target)
    (tensor(1.), tensor(0.5000))
    """

    def __init__(
        self,
        alpha: float = 0.5,
        *,
        standardize: bool = True,
        norm: Literal["mean_squared", "squared", "l2"] = "mean_squared",
        spread: Literal["variance", "std"] | None = "variance",
        spread_norm: Literal["absolute", "squared"] = "absolute",
        spread_over: Literal["batch", "image"] = "batch",
    ) -> None:
        super().__init__()
        _check_choice("norm", norm, ("mean_squared", "squared", "l2"))
        _check_choice("spread", spread, ("variance", "std", None))
        _check_choice("spread_norm", spread_norm, ("absolute", "squared"))
        _check_choice("spread_over", spread_over, ("batch", "image"))
        self.alpha = alpha
        self.standardize = standardize
        self.norm = norm
        self.spread = spread
        self.spread_norm = spread_norm
        self.spread_over = spread_over

    def forward(
        self,
        semantics: Tensor,
        target: Tensor,
        counterfactual: Tensor | None = None,
        *,
        standardized: Standardized | None = None,
        sample_weight: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        semantics : Tensor of shape (B, K)
            Predicted semantic vectors s.
        target : Tensor of shape (B, K)
            Annotated attributes T_y of each image's class.
        counterfactual : Tensor of shape (B, K), default=None
            Counterfactual semantic vectors. Given, s is standardised together with them as one
            batch of 2B, as the released code does.
        standardized : Standardized, default=None
            The same, standardised, where that has been done already.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0. Only ratios matter. They weigh in every mean and
            variance over images, those of the standardisation and of the spread too; the sums and
            the number of entries of "mean_squared" are weighted with a mean of one.

        Returns
        -------
        Tensor of shape ()
            The loss.
        """
        s, t = semantics, target
        if standardized is not None:
            s, t = standardized.semantics, standardized.target
        elif self.standardize:
            joint = s if counterfactual is None else torch.cat([s, counterfactual])
            weights = sample_weight
            if weights is not None and counterfactual is not None:
                weights = torch.cat([weights, weights])
            s = standardize(joint, weights)[: len(s)]
            t = standardize_target(t, sample_weight)
        difference = s - t
        loss = self._size(difference.clamp_min(0), difference > 0, sample_weight)
        missed = self._size((-difference).clamp_min(0), difference < 0, sample_weight)
        loss = loss + self.alpha * missed
        if self.spread is not None:  # of the raw values
            gap = self._spread(target, sample_weight) - self._spread(semantics, sample_weight)
            gap = gap.abs() if self.spread_norm == "absolute" else gap.square()
            loss = loss + mean_over_images(gap, sample_weight if len(gap) > 1 else None)
        return loss

    def _size(self, excess: Tensor, positive: Tensor, weights: Tensor | None) -> Tensor:
        if self.norm == "mean_squared":
            if weights is None:
                return excess.square().sum() / (positive.sum() + 1)
            each = relative_weights(weights).to(excess.dtype)
            return (each @ excess.square()).sum() / ((each @ positive.to(each.dtype)).sum() + 1)
        if self.norm == "squared":
            return mean_over_images(excess.square().sum(dim=1), weights)
        return mean_over_images(torch.linalg.vector_norm(excess, dim=1), weights)

    def _spread(self, x: Tensor, weights: Tensor | None) -> Tensor:
        rows = x.reshape(1, -1) if self.spread_over == "batch" else x
        correction = min(1, rows.shape[1] - 1)
        if weights is None or self.spread_over == "image":
            variance = rows.var(dim=1, correction=correction)
        else:
            mean = mean_over_images(x.mean(dim=1), weights)
            biased = mean_over_images((x - mean).square().mean(dim=1), weights)
            variance = (biased * (x.numel() / (x.numel() - correction)))[None]
        if self.spread == "variance":
            return variance
        positive = variance > 0  # the root has no finite slope at zero
        return torch.where(positive, variance, 1.0).sqrt() * positive

    def extra_repr(self) -> str:
        """Show the parameters."""
        return (
            f"alpha={self.alpha}, standardize={self.standardize}, norm={self.norm!r}, "
            f"spread={self.spread!r}"
        )


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, found {value!r}")
