"""An absolute difference in which the entries that are furthest off count most."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["WeightedL1Loss"]


class WeightedL1Loss(nn.Module):
    r"""Absolute differences, weighed by their share of the squared length [1]_.

    .. math::

        R = \frac1B \sum_b \sum_k \frac{|\delta_{bk}|^3}{\|\delta_b\|}, \quad
        \delta = \hat a - a

    Gradients flow through both. The paper has plain absolute differences, the released code this.

    Parameters
    ----------
    weighted : bool, default=True
        False takes the sum of plain absolute differences.

    See Also
    --------
    zslearn.nn.AttributeDecoder : What is trained by it.

    References
    ----------
    .. [1] S. Narayan et al., "Latent embedding feedback and discriminative features for zero-shot
       classification", ECCV 2020.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import WeightedL1Loss
    >>> WeightedL1Loss()(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))  # (27 + 64) / 5
    tensor(18.2000)
    """

    def __init__(self, weighted: bool = True) -> None:
        super().__init__()
        self.weighted = weighted

    def forward(self, decoded: Tensor, attributes: Tensor) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        decoded, attributes : Tensor of shape (B, K)
            Descriptions, and those wanted.

        Returns
        -------
        Tensor of shape ()
            0, with a gradient of 0, where they are equal.
        """
        off = (decoded - attributes).abs()
        if not self.weighted:
            return off.sum() / len(off)
        # So little that nothing but 0 is changed by it.
        lengths = (off.square().sum(dim=1, keepdim=True) + 1e-24).sqrt()
        return (off.pow(3) / lengths).sum() / len(off)
