"""The loss of a variational autoencoder."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

__all__ = ["VAELoss"]


class VAELoss(nn.Module):
    r"""Reconstruction of samples and nearness of latents to a standard normal distribution.

    .. math::

        KL = -\tfrac12 \sum_l (1 + v_l - \mu_l^2 - e^{v_l}), \quad
        L = R(r, x) + \beta\, KL

    R is the cross entropy of features between 0 and 1 and the logistic function of r, or the
    absolute difference, summed over features.

    Parameters
    ----------
    reconstruction : {"bce", "l1"}, default="bce"
        The reconstruction term R. The cross entropy is above 0 at a perfect reconstruction of
        anything strictly between 0 and 1.
    reduction : {"mean", "sum"}, default="mean"
        Over the samples of a batch.
    beta : float, default=1.0
        Weight of KL in the loss.

    See Also
    --------
    zslearn.nn.GaussianEncoder : Gives means and log variances.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import VAELoss
    >>> x, zeros = torch.tensor([[0.0, 1.0]]), torch.zeros(1, 3)
    >>> VAELoss(reconstruction="l1")(torch.tensor([[0.5, 0.5]]), x, zeros, zeros)["loss"]
    tensor(1.)
    """

    def __init__(
        self,
        reconstruction: Literal["bce", "l1"] = "bce",
        reduction: Literal["mean", "sum"] = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__()
        if reconstruction not in ("bce", "l1"):
            raise ValueError(f"reconstruction must be 'bce' or 'l1', found {reconstruction!r}")
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction must be 'mean' or 'sum', found {reduction!r}")
        self.reconstruction, self.reduction, self.beta = reconstruction, reduction, beta

    def forward(
        self, reconstructed: Tensor, target: Tensor, mean: Tensor, log_variance: Tensor
    ) -> dict[str, Tensor]:
        """Compute the loss and its terms.

        Parameters
        ----------
        reconstructed : Tensor of shape (B, D)
            What a decoder makes of the latents; for "bce" before the logistic function.
        target : Tensor of shape (B, D)
            The samples.
        mean, log_variance : Tensor of shape (B, L)
            Of the latents.

        Returns
        -------
        terms : dict of str to Tensor
            "loss", "reconstruction" and "kl", the latter without `beta`.
        """
        if self.reconstruction == "bce":
            target = target.to(reconstructed.dtype)
            off = binary_cross_entropy_with_logits(reconstructed, target, reduction="sum")
        else:
            off = (reconstructed - target).abs().sum()
        kl = -0.5 * torch.sum(1 + log_variance - mean.square() - log_variance.exp())
        if self.reduction == "mean":
            off, kl = off / len(target), kl / len(target)
        return {"loss": off + self.beta * kl, "reconstruction": off, "kl": kl}
