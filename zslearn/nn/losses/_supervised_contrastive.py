"""Supervised contrastive loss: rows of one class are drawn together, others apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["SupervisedContrastiveLoss"]


class SupervisedContrastiveLoss(nn.Module):
    r"""Every other row of the same class is a positive, all other rows are rivals [1]_.

    .. math::

        L = \operatorname*{mean}_{i : P_i \neq \emptyset} \frac{1}{|P_i|} \sum_{p \in P_i}
        \Bigl[ \log \sum_{j \neq i} e^{z_i \cdot z_j / \tau} - z_i \cdot z_p / \tau \Bigr],
        \quad P_i = \{ j \neq i : y_j = y_i \}

    Rows without a partner are rivals of the others and have no term of their own; where no two
    rows share a class, the loss is 0.

    Parameters
    ----------
    temperature : float, default=0.1
        :math:`\tau`, above 0; smaller looks at the nearest rivals alone.

    See Also
    --------
    zslearn.nn.ContrastiveEmbedding : What makes z.

    References
    ----------
    .. [1] P. Khosla et al., "Supervised contrastive learning", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import SupervisedContrastiveLoss
    >>> z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> SupervisedContrastiveLoss(1.0)(z, torch.tensor([0, 0, 1]))  # log(1 + 1 / e)
    tensor(0.3133)
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, found {temperature}")
        self.temperature = temperature

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        z : Tensor of shape (B, P)
            Projections of unit length.
        y : Tensor of shape (B,), int64
            Their classes.

        Returns
        -------
        Tensor of shape ()
            The mean over the rows that have a partner.
        """
        with torch.autocast(z.device.type, enabled=False):  # a temperature magnifies errors
            similarity = z @ z.T / self.temperature
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        partners = (y[:, None] == y).masked_fill(itself, False)
        n_partners = partners.sum(dim=1)
        rivals = similarity.masked_fill(itself, -torch.inf)
        # Of a single row there is no rival: the logarithm of an empty sum has no gradient.
        log_sum = torch.logsumexp(rivals, dim=1) if len(z) > 1 else similarity[:, 0] * 0
        drawn = (similarity * partners).sum(dim=1) / n_partners.clamp(min=1)
        has_partner = n_partners > 0
        terms = (log_sum - drawn) * has_partner
        return terms.sum() / has_partner.sum().clamp(min=1)

    def extra_repr(self) -> str:
        """Show the parameter."""
        return f"temperature={self.temperature}"
