"""The distillation loss of MSDN: two sub-nets teach each other."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zslearn.nn.losses._means import mean_over_images

__all__ = ["MutualDistillationLoss"]


class MutualDistillationLoss(nn.Module):
    r"""How far the classes of two sub-nets are apart: a divergence and a distance.

    .. math::

        L_{distill} = \frac{1}{B} \sum_b \operatorname{JS}(p_b, q_b) + \delta(z_b, z'_b), \quad
        p = \operatorname{softmax}(z + \beta\, \mathbb{1}_{C_u}), \;
        q = \operatorname{softmax}(z' + \beta\, \mathbb{1}_{C_u})

    where JS is the Jensen-Shannon divergence and :math:`\delta` is

    .. math::

        \delta = \frac{\sum_c |z_c - z'_c|^3}{\lVert z - z' \rVert_2} \quad \text{or} \quad
        \lVert p - q \rVert_2^2

    Gradients flow into both.

    Parameters
    ----------
    distance : {"logits", "probabilities"}, default="logits"
        Which :math:`\delta`: that of logits is the authors' released code [1]_.
    bias : float, default=2.0
        :math:`\beta`, added to the logits of unseen classes before the softmax; the released code
        adds one to these and takes one from the seen, which is the same.

    See Also
    --------
    zslearn.nn.MSDNNetwork : Has the two sub-nets.
    CalibrationLoss : Has the same bias.

    References
    ----------
    .. [1] S. Chen, Z. Hong, G.-S. Xie, et al., "MSDN: Mutually semantic distillation network for
       zero-shot learning", CVPR 2022.

    Examples
    --------
    Logits three apart in one of two classes, and none in the other:

    >>> import torch
    >>> from zslearn.nn import MutualDistillationLoss
    >>> loss = MutualDistillationLoss()
    >>> z, other = torch.tensor([[3.0, 0.0]]), torch.zeros(1, 2)
    >>> loss.distance_of(z, other)
    tensor(9.)
    >>> loss(z, other, unseen=torch.tensor([False, False]))
    tensor(9.1449)
    """

    def __init__(self, distance: str = "logits", bias: float = 2.0) -> None:
        super().__init__()
        if distance not in ("logits", "probabilities"):
            raise ValueError(f"distance must be 'logits' or 'probabilities', found {distance!r}")
        self.distance = distance
        self.bias = bias

    def forward(
        self, logits: Tensor, other: Tensor, unseen: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        logits, other : Tensor of shape (B, C)
            Class logits z and z' of the two.
        unseen : Tensor of shape (C,), bool
            Marks the unseen classes.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0.

        Returns
        -------
        Tensor of shape ()
            Zero where both agree, up to rounding.
        """
        margin = self.bias * unseen.to(logits.dtype)
        log_p, log_q = (torch.log_softmax(z + margin, dim=1) for z in (logits, other))
        divergence = self.divergence_of(log_p, log_q, sample_weight)
        if self.distance == "logits":
            return divergence + self.distance_of(logits, other, sample_weight)
        squares = (log_p.exp() - log_q.exp()).square().sum(dim=1)
        return divergence + mean_over_images(squares, sample_weight)

    @staticmethod
    def divergence_of(log_p: Tensor, log_q: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Compute the mean Jensen-Shannon divergence.

        Parameters
        ----------
        log_p, log_q : Tensor of shape (B, C)
            Logarithms of probabilities.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts.

        Returns
        -------
        Tensor of shape ()
            In nats, at most log 2.
        """
        log_m = torch.logaddexp(log_p, log_q) - math.log(2)
        terms = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
        return mean_over_images(0.5 * terms.sum(dim=1), sample_weight)

    @staticmethod
    def distance_of(logits: Tensor, other: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Compute the mean distance of logits, of which cubes are summed.

        Parameters
        ----------
        logits, other : Tensor of shape (B, C)
            Class logits of the two.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts.

        Returns
        -------
        Tensor of shape ()
            Not negative.
        """
        gaps = logits - other
        squares = gaps.square()
        total = squares.sum(dim=1)
        # Of equal logits both are zero, and so is the limit.
        length = torch.where(total > 0, total, 1.0).sqrt()
        return mean_over_images((squares * gaps.abs()).sum(dim=1) / length, sample_weight)

    def extra_repr(self) -> str:
        """Show the distance and the bias."""
        return f"distance={self.distance!r}, bias={self.bias}"
