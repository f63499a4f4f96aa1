"""Contrast of masked words: like one that is the same, unlike others of its group."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["WordContrastLoss"]


class WordContrastLoss(nn.Module):
    r"""How much likelier a word's twin is than others of its group [1]_.

    .. math::

        L = -\sum_b w_b \log \frac{e^{o_b \cdot p_b}}
        {e^{o_b \cdot p_b} + \sum_j e^{o_b \cdot n_{bj}}}

    Neither a temperature nor unit length, and a sum over the pictures, as released.

    See Also
    --------
    ClassContrastLoss : Compares pictures.

    References
    ----------
    .. [1] Z. Chen et al., "DUET: Cross-modal semantic grounding for contrastive zero-shot
       learning", AAAI 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import WordContrastLoss
    >>> o, n = torch.zeros(1, 2), torch.ones(1, 3, 2)
    >>> WordContrastLoss()(o, o, n, torch.ones(1))
    tensor(1.3863)
    """

    def forward(
        self, anchors: Tensor, positives: Tensor, negatives: Tensor, weights: Tensor
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        anchors : Tensor of shape (B, D)
            What stands for each masked word, o.
        positives : Tensor of shape (B, D)
            The same word of another picture that has it, p.
        negatives : Tensor of shape (B, n, D)
            Other words of the group, of pictures that lack it, n.
        weights : Tensor of shape (B,)
            How much each word counts.

        Returns
        -------
        Tensor of shape ()
            At least 0.
        """
        others = torch.cat([positives[:, None], negatives], dim=1)
        products = (others @ anchors[:, :, None])[:, :, 0]
        return torch.dot(weights.to(products.dtype), -products.log_softmax(dim=1)[:, 0])
