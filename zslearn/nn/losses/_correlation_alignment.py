"""Correlation alignment: how far the covariances of two samples are apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CorrelationAlignmentLoss"]


class CorrelationAlignmentLoss(nn.Module):
    r"""Mean squared difference of two covariances [1]_.

    .. math::

        \frac{1}{L^2} \bigl\| \operatorname{cov}(z) - \operatorname{cov}(z') \bigr\|_F^2

    Covariances are divided by the number of rows less one.

    See Also
    --------
    GaussianDistanceLoss : Compares posteriors pair by pair.

    References
    ----------
    .. [1] B. Sun, K. Saenko, "Deep CORAL: correlation alignment for deep domain adaptation",
       ECCV workshops 2016.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import CorrelationAlignmentLoss
    >>> z = torch.tensor([[1.0], [3.0]])  # of variance 2
    >>> CorrelationAlignmentLoss()(z, 2 * z)  # and of variance 8
    tensor(36.)
    """

    def forward(self, z: Tensor, other: Tensor) -> Tensor:
        """Compute the difference.

        Parameters
        ----------
        z : Tensor of shape (B, L)
            One sample, of two rows or more.
        other : Tensor of shape (B', L)
            The other one.

        Returns
        -------
        Tensor of shape ()
            The mean over the entries.
        """
        return (_covariance(z) - _covariance(other)).square().mean()


def _covariance(z: Tensor) -> Tensor:
    """Covariance (L, L) of the rows of z."""
    centred = z - z.mean(dim=0)
    with torch.autocast(z.device.type, enabled=False):
        return centred.T @ centred / (len(z) - 1)
