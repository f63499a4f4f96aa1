"""Cross entropy among the seen classes, of scores or, as some released code has it, of shares."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from zslearn.nn.losses._means import mean_cross_entropy

__all__ = ["SeenCrossEntropyLoss"]


class SeenCrossEntropyLoss(nn.Module):
    r"""Cross entropy of a softmax over the seen classes alone.

    .. math:: L = -\frac{1}{B} \sum_b \log \operatorname{softmax}_{c \in C_s}(z_b)_{y_b}

    Parameters
    ----------
    loss_on : {"logit", "probability"}, default="logit"
        What the softmax is taken of. "probability" takes it of a softmax: a second one. The
        released code of DUET and HAS does so; that loss is never below log(1 + (S - 1) / e) for S
        seen classes, and its gradients are weak.

    See Also
    --------
    DebiasingLoss : Keeps scores of seen and unseen classes alike.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import SeenCrossEntropyLoss
    >>> z, unseen = torch.zeros(1, 3), torch.tensor([False, False, True])
    >>> SeenCrossEntropyLoss()(z, torch.tensor([1]), unseen)
    tensor(0.6931)
    """

    def __init__(self, loss_on: Literal["logit", "probability"] = "logit") -> None:
        super().__init__()
        if loss_on not in ("logit", "probability"):
            raise ValueError(f"loss_on must be 'logit' or 'probability', found {loss_on!r}")
        self.loss_on = loss_on

    def forward(
        self, logits: Tensor, y: Tensor, unseen: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        logits : Tensor of shape (B, C)
            Class scores z.
        y : Tensor of shape (B,), int64
            The column of each picture's class, a seen one.
        unseen : Tensor of shape (C,), bool
            Marks the unseen classes.
        sample_weight : Tensor of shape (B,), default=None
            How much each picture counts, above 0.

        Returns
        -------
        Tensor of shape ()
            At least 0.
        """
        among_seen = logits.masked_fill(unseen, -torch.inf)
        if self.loss_on == "probability":
            among_seen = among_seen.softmax(dim=1).masked_fill(unseen, -torch.inf)
        return mean_cross_entropy(among_seen, y, sample_weight)

    def extra_repr(self) -> str:
        """Show what the loss is of."""
        return f"loss_on={self.loss_on!r}"
