"""What HAS lowers to change pictures: confused in class, faithful in their features."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

__all__ = ["ConfusionLoss"]


class ConfusionLoss(nn.Module):
    r"""Objective of adversarial pictures [1]_.

    .. math::

        J = CE(p, y) - \lambda_h H(\operatorname{softmax} p) - \lambda_m H(\operatorname{softmax} l)
        + \lambda_e \, mse(e, e_0) + \lambda_l \overline{\textstyle\sum_r l_r}

    with shares p of the seen classes, maps l of attributes over regions, and the mean e of the
    regions. Means are over pictures, attributes and numbers. As released, the cross entropy and the
    entropy take a softmax of shares.

    Parameters
    ----------
    lambda_entropy : float, default=0.1
        Weight of the classes' entropy. The defaults are the authors' for CUB.
    lambda_map_entropy : float, default=-1.0
        Weight of the maps' entropy: a negative one lowers it.
    lambda_latent : float, default=3.0
        Weight of faithfulness.
    lambda_map : float, default=1e-4
        Weight of the maps' sums.

    See Also
    --------
    zslearn.nn.adversarial_pictures : Lowers it.

    References
    ----------
    .. [1] Z. Chen et al., "Zero-shot learning by harnessing adversarial samples", ACM Multimedia
       2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import ConfusionLoss
    >>> p, maps, e = torch.full((1, 2), 0.5), torch.zeros(1, 3, 4), torch.zeros(1, 8)
    >>> ConfusionLoss()(p, torch.tensor([0]), maps, e, e)
    tensor(2.0101)
    """

    def __init__(
        self,
        lambda_entropy: float = 0.1,
        lambda_map_entropy: float = -1.0,
        lambda_latent: float = 3.0,
        lambda_map: float = 1e-4,
    ) -> None:
        super().__init__()
        self.lambda_entropy = lambda_entropy
        self.lambda_map_entropy = lambda_map_entropy
        self.lambda_latent = lambda_latent
        self.lambda_map = lambda_map

    def terms(
        self, shares: Tensor, y: Tensor, maps: Tensor, pooled: Tensor, reference: Tensor
    ) -> dict[str, Tensor]:
        """Compute the terms, without their weights.

        Parameters
        ----------
        shares : Tensor of shape (B, S)
            Shares p of the seen classes.
        y : Tensor of shape (B,), int64
            Columns of the pictures' classes.
        maps : Tensor of shape (B, K, R)
            Products l of attributes and regions.
        pooled : Tensor of shape (B, D)
            Mean e of the regions.
        reference : Tensor of shape (B, D)
            That of the pictures before they were changed, e_0.

        Returns
        -------
        dict of str to Tensor of shape ()
            "ce", "entropy", "map_entropy", "latent" and "map".
        """
        return {
            "ce": cross_entropy(shares, y),
            "entropy": _entropy(shares),
            "map_entropy": _entropy(maps),
            "latent": mse_loss(pooled, reference),
            "map": maps.sum(dim=2).mean(),
        }

    def forward(
        self, shares: Tensor, y: Tensor, maps: Tensor, pooled: Tensor, reference: Tensor
    ) -> Tensor:
        """Compute the objective.

        Parameters
        ----------
        shares : Tensor of shape (B, S)
            Shares p of the seen classes.
        y : Tensor of shape (B,), int64
            Columns of the pictures' classes.
        maps : Tensor of shape (B, K, R)
            Products l of attributes and regions.
        pooled : Tensor of shape (B, D)
            Mean e of the regions.
        reference : Tensor of shape (B, D)
            That of the pictures before they were changed, e_0.

        Returns
        -------
        Tensor of shape ()
            J, to be lowered.
        """
        terms = self.terms(shares, y, maps, pooled, reference)
        confused = terms["ce"] - self.lambda_entropy * terms["entropy"]
        varied = self.lambda_map * terms["map"] - self.lambda_map_entropy * terms["map_entropy"]
        return confused + varied + self.lambda_latent * terms["latent"]


def _entropy(scores: Tensor) -> Tensor:
    """Mean entropy of the softmax over the last axis."""
    logs = scores.log_softmax(dim=-1)
    return -(logs.exp() * logs).sum(dim=-1).mean()
