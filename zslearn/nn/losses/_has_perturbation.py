"""What the adversarial samples of HAS minimise."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from zslearn.nn._apn import PrototypeOutput
from zslearn.nn.losses._means import weighted_sum
from zslearn.nn.losses._seen_cross_entropy import SeenCrossEntropyLoss

__all__ = ["HASPerturbationLoss"]


class HASPerturbationLoss(nn.Module):
    r"""Confused in class, faithful in latent space, varied in maps [1]_.

    .. math::

        J = L_{CE}(s T^\top) - \beta_1 H(p) - \beta_2 H(\operatorname{softmax}_r l)
        + \beta_3 \lVert e - e_0 \rVert^2 / D + \beta_4 \sum_r l_r

    means over images (and attributes) of entropies H of classes and of maps, of the distance that
    the mean region e moves from where it was, and of the sum of a map.

    Parameters
    ----------
    lambda_entropy : float, default=0.1
        :math:`\beta_1`.
    lambda_map_entropy : float, default=-1.0
        :math:`\beta_2`; negative, as the authors have it on CUB and AWA2, it makes maps narrower.
    lambda_latent : float, default=3.0
        :math:`\beta_3`.
    lambda_map : float, default=1e-4
        :math:`\beta_4`.
    loss_on : {"logit", "probability"}, default="logit"
        What cross entropy and the softmax in H(p) are taken of; "probability" is that of the
        released code.

    See Also
    --------
    HASLoss : What the network minimises, on these samples too.

    References
    ----------
    .. [1] Z. Chen, P. Zhang, J. Li, S. Wang, Z. Huang, "Zero-shot learning by harnessing
       adversarial samples", ACM Multimedia 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import HASNetwork
    >>> from zslearn.nn.losses import HASPerturbationLoss
    >>> network, X = HASNetwork(n_attributes=4, n_features=8), torch.randn(2, 9, 8)
    >>> table, unseen = torch.eye(4)[:3], torch.tensor([False, False, True])
    >>> e = network.pooled(X)
    >>> terms = HASPerturbationLoss()(network.heads(X), e, e, table, torch.tensor([0, 1]), unseen)
    >>> list(terms)
    ['loss', 'ce', 'entropy', 'map_entropy', 'latent', 'map']
    """

    def __init__(
        self,
        *,
        lambda_entropy: float = 0.1,
        lambda_map_entropy: float = -1.0,
        lambda_latent: float = 3.0,
        lambda_map: float = 1e-4,
        loss_on: Literal["logit", "probability"] = "logit",
    ) -> None:
        super().__init__()
        self.weights = {
            "ce": 1.0,
            "entropy": -lambda_entropy,
            "map_entropy": -lambda_map_entropy,
            "latent": lambda_latent,
            "map": lambda_map,
        }
        self.cross_entropy = SeenCrossEntropyLoss(loss_on)

    def forward(
        self,
        output: PrototypeOutput,
        pooled: Tensor,
        pooled_before: Tensor,
        class_attributes: Tensor,
        y: Tensor,
        unseen: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the weighted sum and its terms.

        Parameters
        ----------
        output : PrototypeOutput
            What both heads say of the sample as it is now.
        pooled, pooled_before : Tensor of shape (B, D)
            The mean region e of the sample as it is now, and before the first step.
        class_attributes : Tensor of shape (C, K)
            Descriptions, taken as they are.
        y : Tensor of shape (B,), int64
            The row of each image's class, a seen one.
        unseen : Tensor of shape (C,), bool
            Marks the unseen classes.

        Returns
        -------
        dict of str to Tensor of shape ()
            "loss", the weighted sum, and the unweighted terms.
        """
        logits = output.semantics @ class_attributes.to(output.semantics.dtype).T
        among_seen = logits.masked_fill(unseen, -torch.inf)
        if self.cross_entropy.loss_on == "probability":
            among_seen = among_seen.softmax(dim=1).masked_fill(unseen, -torch.inf)
        maps = output.similarity
        terms = {
            "ce": self.cross_entropy(logits, y, unseen),
            "entropy": _entropy(among_seen).mean(),
            "map_entropy": _entropy(maps).mean(),
            "latent": mse_loss(pooled, pooled_before.detach()),
            "map": maps.masked_fill(maps == -torch.inf, 0.0).sum(dim=2).mean(),
        }
        return {"loss": weighted_sum(self.weights, terms), **terms}


def _entropy(logits: Tensor) -> Tensor:
    """Entropy of a softmax over the last axis, of whose values some may be minus infinity."""
    log_shares = logits.log_softmax(dim=-1)
    possible = log_shares.masked_fill(log_shares == -torch.inf, 0.0)
    return -(log_shares.exp() * possible).sum(dim=-1)
