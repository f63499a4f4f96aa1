"""Debiasing loss of PSVMA: scores of seen classes no higher, no more spread than of unseen ones."""

from __future__ import annotations

from torch import Tensor, nn

from zslearn.nn.losses._means import mean_over_images

__all__ = ["DebiasingLoss"]


class DebiasingLoss(nn.Module):
    r"""How far the scores of seen classes exceed those of unseen ones, in mean and in spread [1]_.

    .. math::

        L_{deb} = \frac{1}{B} \sum_b \max(\mu_s - \mu_u, 0) + \max(\sigma_s - \sigma_u, 0)

    with the mean and the standard deviation (of n - 1) over the classes. One class has no spread:
    the second term is then left out. Without unseen classes the loss is 0.

    See Also
    --------
    CalibrationLoss : Another remedy for the same ill.

    References
    ----------
    .. [1] M. Liu et al., "Progressive semantic-visual mutual adaption for generalized zero-shot
       learning", CVPR 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import DebiasingLoss
    >>> DebiasingLoss()(torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([False, False, True]))
    tensor(1.5000)
    """

    def forward(
        self, logits: Tensor, unseen: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        logits : Tensor of shape (B, C)
            Class scores z.
        unseen : Tensor of shape (C,), bool
            Marks the unseen classes.
        sample_weight : Tensor of shape (B,), default=None
            How much each picture counts, above 0.

        Returns
        -------
        Tensor of shape ()
            At least 0.
        """
        ours, theirs = logits[:, ~unseen], logits[:, unseen]
        if not theirs.shape[1]:
            return logits.sum() * 0
        excess = (ours.mean(dim=1) - theirs.mean(dim=1)).relu()
        if min(ours.shape[1], theirs.shape[1]) > 1:
            excess = excess + (ours.std(dim=1) - theirs.std(dim=1)).relu()
        return mean_over_images(excess, sample_weight)
