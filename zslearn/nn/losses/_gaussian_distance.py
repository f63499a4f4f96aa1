"""Distance of Gaussian posteriors: aligns the latents of two modalities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["GaussianDistanceLoss"]


class GaussianDistanceLoss(nn.Module):
    r"""2-Wasserstein distance of Gaussians with diagonal covariances, summed over the batch [1]_.

    .. math::

        W = \sum_i \Bigl( \|\mu_i - \mu'_i\|^2
        + \|e^{v_i / 2} - e^{v'_i / 2}\|^2 \Bigr)^{1/2}

    Parameters
    ----------
    eps : float, default=1e-12
        Added inside the root, whose gradient is 0 rather than NaN where two posteriors are equal.

    See Also
    --------
    CorrelationAlignmentLoss : Compares the covariances of two samples.

    References
    ----------
    .. [1] E. Schönfeld, S. Ebrahimi, S. Sinha, T. Darrell, Z. Akata, "Generalized zero- and
       few-shot learning via aligned variational autoencoders", CVPR 2019.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import GaussianDistanceLoss
    >>> mean, log_var = torch.tensor([[3.0, 0.0]]), torch.zeros(1, 2)
    >>> GaussianDistanceLoss()(mean, log_var, torch.tensor([[0.0, 4.0]]), log_var)
    tensor(5.)
    """

    def __init__(self, eps: float = 1e-12) -> None:
        super().__init__()
        self.eps = eps

    def forward(
        self, mean: Tensor, log_var: Tensor, other_mean: Tensor, other_log_var: Tensor
    ) -> Tensor:
        """Compute the distance.

        Parameters
        ----------
        mean, log_var : Tensor of shape (B, L)
            Means and logarithms of the variances of one modality.
        other_mean, other_log_var : Tensor of shape (B, L)
            Those of the other one, row by row.

        Returns
        -------
        Tensor of shape ()
            The sum over the rows.
        """
        spread = torch.exp(log_var / 2) - torch.exp(other_log_var / 2)
        squares = (mean - other_mean).square().sum(dim=1) + spread.square().sum(dim=1)
        return torch.sqrt(squares + self.eps).sum()

    def extra_repr(self) -> str:
        """Show the parameter."""
        return f"eps={self.eps}"
