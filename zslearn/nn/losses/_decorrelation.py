"""Decorrelation of attributes: groups of prototypes compete for features."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["AttributeDecorrelationLoss"]

# Keeps the slope of a root finite where all weights of a group are zero.
_LEAST = 1e-8


class AttributeDecorrelationLoss(nn.Module):
    r"""Sum of the lengths of prototypes over groups of attributes [1]_.

    .. math::

        L = \sum_{g,d} \Bigl(\sum_{k \in g} P_{kd}^2 + \epsilon\Bigr)^{1/2} \quad \text{or} \quad
        L = \sum_g \Bigl(\sum_{k \in g, d} P_{kd}^2 + D \epsilon\Bigr)^{1/2}

    with :math:`\epsilon = 10^{-8}`. By channel, the left one, attributes of a group share few
    features and leave the others to other groups; by group, as in the released code, prototypes
    are merely kept short.

    Parameters
    ----------
    groups : Tensor of shape (G, K), default=None
        1 where an attribute belongs to a group, else 0. ``None`` takes all attributes as one group;
        of the whole of them by group, the length is the plain one, without :math:`\epsilon`.
    form : {"channel", "group"}, default="channel"
        Whether lengths are taken in each feature channel, or over all of them.

    See Also
    --------
    APNLoss : Has it for both heads.

    References
    ----------
    .. [1] W. Xu, Y. Xian, J. Wang, B. Schiele, Z. Akata, "Attribute prototype network for
       zero-shot learning", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import AttributeDecorrelationLoss
    >>> prototypes = torch.tensor([[3.0, 0.0], [4.0, 0.0], [0.0, 1.0]])
    >>> AttributeDecorrelationLoss(torch.tensor([[1, 1, 0], [0, 0, 1]]))(prototypes)
    tensor(6.0002)
    """

    groups: Tensor | None

    def __init__(
        self, groups: Tensor | None = None, form: Literal["channel", "group"] = "channel"
    ) -> None:
        super().__init__()
        self.form = form
        self.register_buffer("groups", groups, persistent=False)

    def forward(self, prototypes: Tensor) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        prototypes : Tensor of shape (K, D)
            A vector for each attribute.

        Returns
        -------
        Tensor of shape ()
            At least 0.
        """
        if self.groups is None and self.form == "group":
            return torch.linalg.vector_norm(prototypes)
        squares = prototypes.square()
        if self.groups is None:
            squares = squares.sum(dim=0, keepdim=True)
        else:
            squares = self.groups.to(squares.dtype) @ squares
        squares = squares + _LEAST
        return (squares if self.form == "channel" else squares.sum(dim=1)).sqrt().sum()
