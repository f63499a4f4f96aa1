"""Target causal intervention, Eqs. 10-11: features must matter to the class."""

from __future__ import annotations

from torch import Tensor, nn

from zslearn.nn.losses._means import mean_cross_entropy

__all__ = ["TargetInterventionLoss"]


class TargetInterventionLoss(nn.Module):
    r"""Cross entropy of the effect that the attribute features have on the class logits.

    .. math:: L_{tci} = \operatorname{CE}(z - \bar z,\; y)

    where :math:`\bar z` are the logits under the counterfactual intervention.

    See Also
    --------
    CVsCLoss : The weighted sum of all terms.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import TargetInterventionLoss
    >>> TargetInterventionLoss()(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.6931)
    """

    def forward(
        self,
        logits: Tensor,
        counterfactual: Tensor,
        y: Tensor,
        sample_weight: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        logits, counterfactual : Tensor of shape (B, C)
            Class logits without and with the intervention.
        y : Tensor of shape (B,), int64
            Index of each image's class.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0. Only ratios matter.

        Returns
        -------
        Tensor of shape ()
            The loss.
        """
        return mean_cross_entropy(logits - counterfactual, y, sample_weight)
