"""Centres of classes, near to their own samples and far from those of others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CenterMarginLoss"]


class CenterMarginLoss(nn.Module):
    r"""Distance to the own centre against that to another, with a margin [1]_.

    .. math::

        L = \frac1B \sum_b \max\bigl(0, \Delta + \gamma \|\mu_b - m_{y_b}\|^2
        - (1 - \gamma) \|\mu_b - m_{o_b}\|^2\bigr)

    Parameters
    ----------
    margin : float, default=200.0
        :math:`\Delta`.
    own_weight : float, default=0.8
        :math:`\gamma`, of the own centre against the other.

    See Also
    --------
    zslearn.nn.FeatureRefiner : Gives the means.

    References
    ----------
    .. [1] S. Chen et al., "FREE: Feature refinement for generalized zero-shot learning", ICCV 2021.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import CenterMarginLoss
    >>> centres = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    >>> CenterMarginLoss(margin=2.0, own_weight=0.5)(torch.zeros(1, 2), torch.tensor([1]), centres)
    tensor(6.5000)
    """

    def __init__(self, margin: float = 200.0, own_weight: float = 0.8) -> None:
        super().__init__()
        self.margin, self.own_weight = margin, own_weight

    def forward(
        self, mean: Tensor, y: Tensor, centers: Tensor, offset: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        mean : Tensor of shape (B, K)
            The means of samples.
        y : Tensor of shape (B,), int64
            Their classes.
        centers : Tensor of shape (S, K)
            Centres of the classes.
        offset : Tensor of shape (B,), int64, default=None
            The other class is as many after the own one, around the end; ``None`` takes the one
            whose centre is nearest of those that are not the own.

        Returns
        -------
        Tensor of shape ()
            At least 0.
        """
        own = (mean - centers[y]).square().sum(dim=1)
        if offset is None:
            with torch.no_grad():
                apart = torch.cdist(mean, centers)
                apart = apart.scatter(1, y[:, None], torch.inf)
                other = apart.argmin(dim=1)
        else:
            other = (y + offset) % len(centers)
        away = (mean - centers[other]).square().sum(dim=1)
        return torch.relu(self.margin + self.own_weight * own - (1 - self.own_weight) * away).mean()
