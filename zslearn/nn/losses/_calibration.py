"""Calibration loss, Eq. 5: keeps probability on the unseen classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["CalibrationLoss"]


class CalibrationLoss(nn.Module):
    r"""Negative log of the probability that a batch leaves to the unseen classes.

    .. math::

        L_{cal} = -\log\Big(\frac{1}{B} \sum_b \sum_{c \in C_u}
        \operatorname{softmax}(z_b + \beta\, \mathbb{1}_{C_u})_c\Big)

    Parameters
    ----------
    bias : float, default=0.0
        :math:`\beta`, added to the logits of unseen classes. The paper has none; the authors'
        released code uses 2.

    See Also
    --------
    CVsCLoss : The weighted sum of all terms.

    References
    ----------
    .. [1] Huynh, D. and Elhamifar, E. (2020). Fine-grained generalized zero-shot learning via
       dense attribute-based attention. CVPR.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import CalibrationLoss
    >>> CalibrationLoss()(torch.zeros(1, 4), torch.tensor([False, False, False, True]))
    tensor(1.3863)
    """

    def __init__(self, bias: float = 0.0) -> None:
        super().__init__()
        self.bias = bias

    def forward(
        self, logits: Tensor, unseen: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        logits : Tensor of shape (B, C)
            Class logits z.
        unseen : Tensor of shape (C,), bool
            Marks the unseen classes.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0. The mean over the
            batch within the logarithm is then a weighted one.

        Returns
        -------
        Tensor of shape ()
            Infinite if no class is unseen.
        """
        log_p = torch.log_softmax(logits + self.bias * unseen.to(logits.dtype), dim=1)
        # Masked rather than indexed: a boolean index would wait for the accelerator.
        unseen_log_p = log_p.masked_fill(~unseen, -torch.inf)
        if sample_weight is None:
            return math.log(len(logits)) - torch.logsumexp(unseen_log_p.flatten(), dim=0)
        log_share = torch.log(sample_weight / sample_weight.sum()).to(log_p.dtype)
        return -torch.logsumexp((unseen_log_p + log_share[:, None]).flatten(), dim=0)

    def extra_repr(self) -> str:
        """Show the bias."""
        return f"bias={self.bias}"
