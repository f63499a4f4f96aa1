"""Discrepancy of two classifiers: where they disagree, modalities are not aligned."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["DiscrepancyLoss"]


class DiscrepancyLoss(nn.Module):
    r"""How far the probabilities of two classifiers are apart.

    With p and q the softmax of their logits, the sliced Wasserstein discrepancy [1]_ projects both
    on random unit directions and compares the sorted values of a batch, whichever sample they are
    of; the maximum classifier discrepancy [2]_ compares sample by sample:

    .. math::

        \text{swd} = \operatorname{mean} \bigl(\operatorname{sort}(p\,\Theta)
        - \operatorname{sort}(q\,\Theta)\bigr)^2,
        \qquad \text{mcd} = \operatorname{mean} |p - q|

    Parameters
    ----------
    kind : {"swd", "mcd"}, default="swd"
        Which of the two.

    See Also
    --------
    CorrelationAlignmentLoss : Compares covariances.

    References
    ----------
    .. [1] C.-Y. Lee, T. Batra, M. H. Baig, D. Ulbricht, "Sliced Wasserstein discrepancy for
       unsupervised domain adaptation", CVPR 2019.
    .. [2] K. Saito, K. Watanabe, Y. Ushiku, T. Harada, "Maximum classifier discrepancy for
       unsupervised domain adaptation", CVPR 2018.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import DiscrepancyLoss
    >>> p, q = torch.tensor([[9.0, -9.0], [-9.0, 9.0]]), torch.tensor([[-9.0, 9.0], [9.0, -9.0]])
    >>> DiscrepancyLoss("mcd")(p, q)  # they never agree
    tensor(1.)
    >>> DiscrepancyLoss("swd")(p, q, torch.eye(2))  # yet name each class equally often
    tensor(0.)
    """

    def __init__(self, kind: Literal["swd", "mcd"] = "swd") -> None:
        super().__init__()
        if kind not in ("swd", "mcd"):
            raise ValueError(f"kind must be 'swd' or 'mcd', found {kind!r}")
        self.kind = kind

    def forward(self, logits: Tensor, other: Tensor, directions: Tensor | None = None) -> Tensor:
        """Compute the discrepancy.

        Parameters
        ----------
        logits, other : Tensor of shape (B, S)
            Logits of the two classifiers.
        directions : Tensor of shape (S, P), default=None
            Random directions, scaled to unit length here. Needed for "swd", unused for "mcd".

        Returns
        -------
        Tensor of shape ()
            The discrepancy, at least 0.
        """
        wide = torch.promote_types(logits.dtype, torch.float32)
        p, q = logits.softmax(dim=1, dtype=wide), other.softmax(dim=1, dtype=wide)
        if self.kind == "mcd":
            return (p - q).abs().mean()
        if directions is None:
            raise ValueError("directions of shape (S, P) are needed for kind='swd', found None")
        directions = directions / directions.norm(dim=0)
        with torch.autocast(p.device.type, enabled=False):  # small differences of products
            first, second = p @ directions, q @ directions
        return (first.sort(dim=0).values - second.sort(dim=0).values).square().mean()

    def extra_repr(self) -> str:
        """Show the parameter."""
        return f"kind={self.kind!r}"
