"""Contrast of pictures: like another one of the class, unlike the rest of the batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from zslearn.nn.functional import normalize_rows

__all__ = ["ClassContrastLoss"]


class ClassContrastLoss(nn.Module):
    r"""How much more alike two pictures of a class are than the others of a batch [1]_.

    With unit vectors u of the batch and of one more picture for each of its rows, 2B in all, and
    i' the partner of i:

    .. math::

        L = -\frac{1}{2B} \sum_i \log
        \frac{e^{u_i \cdot u_{i'} / \tau}}
        {e^{u_i \cdot u_{i'} / \tau} + \sum_{j \ne i, i'} e^{u_i \cdot u_j [y_j \ne y_i] / \tau}}

    Others of the same class stay in the sum with a similarity of 0, as released. Of a batch of one
    the loss is 0.

    Parameters
    ----------
    temperature : float, default=0.05
        :math:`\tau`; the authors' value.

    See Also
    --------
    WordContrastLoss : Compares masked words.

    References
    ----------
    .. [1] Z. Chen et al., "DUET: Cross-modal semantic grounding for contrastive zero-shot
       learning", AAAI 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import ClassContrastLoss
    >>> u = torch.eye(2)
    >>> ClassContrastLoss(temperature=1.0)(u, u, torch.tensor([0, 1]))
    tensor(0.5514)
    """

    def __init__(self, temperature: float = 0.05) -> None:
        super().__init__()
        self.temperature = temperature

    def logits(self, first: Tensor, second: Tensor, y: Tensor) -> Tensor:
        """Compute similarities over the temperature, the partner's first.

        Parameters
        ----------
        first, second : Tensor of shape (B, D)
            Vectors of the batch, and of another picture of each row's class.
        y : Tensor of shape (B,), int64
            Classes.

        Returns
        -------
        Tensor of shape (2B, 2B - 1)
            Rows of the batch, then of the others; after the partner, the rest in their order.
        """
        vectors, labels = normalize_rows(torch.cat([first, second])), torch.cat([y, y])
        n, places = len(y), torch.arange(2 * len(y), device=y.device)
        partners = (places + n) % (2 * n)
        similar = vectors @ vectors.T
        rest = (places != places[:, None]) & (places != partners[:, None])
        others = similar.masked_fill(labels == labels[:, None], 0.0)[rest].view(2 * n, -1)
        return torch.cat([similar[places, partners, None], others], dim=1) / self.temperature

    def forward(self, first: Tensor, second: Tensor, y: Tensor) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        first, second : Tensor of shape (B, D)
            Vectors of the batch, and of another picture of each row's class.
        y : Tensor of shape (B,), int64
            Classes.

        Returns
        -------
        Tensor of shape ()
            At least 0.
        """
        logits = self.logits(first, second, y)
        return cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.int64))

    def extra_repr(self) -> str:
        """Show the temperature."""
        return f"temperature={self.temperature}"
