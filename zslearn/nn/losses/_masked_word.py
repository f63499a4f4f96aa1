"""Loss of masked words: a text is to be filled in with the help of a picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

__all__ = ["MaskedWordLoss"]


class MaskedWordLoss(nn.Module):
    r"""Cross entropy of the words of a text, weighted by how much of them a class has [1]_.

    .. math:: L = \sum_b w_b \frac{1}{L} \sum_l CE(q_{bl}, id_{bl})

    A sum over the pictures and a mean over tokens, as released.

    See Also
    --------
    WordContrastLoss : Compares the masked words themselves.

    References
    ----------
    .. [1] Z. Chen et al., "DUET: Cross-modal semantic grounding for contrastive zero-shot
       learning", AAAI 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import MaskedWordLoss
    >>> scores, ids = torch.zeros(1, 3, 8), torch.tensor([[1, 5, 2]])
    >>> MaskedWordLoss()(scores, ids, torch.tensor([2.0]))
    tensor(4.1589)
    """

    def forward(
        self, scores: Tensor, ids: Tensor, weights: Tensor, tokens: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        scores : Tensor of shape (B, L, n_words)
            Scores q of the words of the vocabulary.
        ids : Tensor of shape (B, L), int64
            The words of the whole text.
        weights : Tensor of shape (B,)
            How much each text counts.
        tokens : Tensor of shape (B, L), bool, default=None
            Marks the tokens that count, at least one a row. ``None`` counts all, which are mostly
            not masked, as released.

        Returns
        -------
        Tensor of shape ()
            At least 0.
        """
        each = cross_entropy(scores.mT, ids, reduction="none")
        if tokens is None:
            return torch.dot(weights.to(each.dtype), each.mean(dim=1))
        share = tokens.to(each.dtype)
        return torch.dot(weights.to(each.dtype), (each * share).sum(dim=1) / share.sum(dim=1))
