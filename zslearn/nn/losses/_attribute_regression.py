"""Squared error of predicted attributes."""

from __future__ import annotations

from torch import Tensor, nn

from zslearn.nn.losses._means import mean_over_images

__all__ = ["AttributeRegressionLoss"]


class AttributeRegressionLoss(nn.Module):
    r"""Mean squared difference of predicted and described attributes.

    .. math:: L = \frac{1}{BK} \sum_{b,k} (s_{bk} - t_{bk})^2

    See Also
    --------
    APNLoss, HASLoss : Have it for each of their heads.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import AttributeRegressionLoss
    >>> AttributeRegressionLoss()(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
    tensor(0.5000)
    """

    def forward(
        self, semantics: Tensor, targets: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        semantics : Tensor of shape (B, K)
            Predicted attributes s.
        targets : Tensor of shape (B, K)
            Description t of the class of each image.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0.

        Returns
        -------
        Tensor of shape ()
            At least 0.
        """
        return mean_over_images((semantics - targets).square().mean(dim=1), sample_weight)
