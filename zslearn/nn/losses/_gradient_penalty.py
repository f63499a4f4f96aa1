"""The penalty that keeps a Wasserstein critic's gradients near length one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zslearn.nn._conditional import ConditionalMLP
from zslearn.nn._normalize import ACCUMULATE

__all__ = ["GradientPenalty", "penalty_between"]


class GradientPenalty(nn.Module):
    r"""How far a critic's gradient is from length one between real and generated samples [1]_.

    .. math::

        GP = \frac1B \sum_b \bigl(\|\partial c(\hat x_b, a_b) / \partial \hat x_b\| - 1\bigr)^2,
        \quad \hat x = \alpha x + (1 - \alpha) \tilde x

    Parameters
    ----------
    closed_form : bool, default=True
        Whether the gradient of a :class:`~zslearn.nn.ConditionalMLP` is written down instead of
        differentiated for: the slopes of its rectifiers are constant almost everywhere, so that
        one product gives the gradient, and nothing is differentiated twice. Other critics are
        differentiated for in any case.

    See Also
    --------
    CriticLoss : The loss of which it is a part.

    References
    ----------
    .. [1] I. Gulrajani et al., "Improved training of Wasserstein GANs", NIPS 2017.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import ConditionalMLP
    >>> from zslearn.nn.losses import GradientPenalty
    >>> _ = torch.manual_seed(0)
    >>> critic = ConditionalMLP(4, 2, 8, 1)
    >>> x, fake, a, alpha = torch.rand(3, 4), torch.rand(3, 4), torch.rand(3, 2), torch.rand(3, 1)
    >>> closed = GradientPenalty()(critic, x, fake, a, alpha)
    >>> torch.allclose(closed, GradientPenalty(closed_form=False)(critic, x, fake, a, alpha))
    True
    """

    def __init__(self, closed_form: bool = True) -> None:
        super().__init__()
        self.closed_form = closed_form

    def forward(
        self, critic: nn.Module, real: Tensor, fake: Tensor, condition: Tensor, alpha: Tensor
    ) -> Tensor:
        """Compute the penalty.

        Parameters
        ----------
        critic : nn.Module
            Called with samples and conditions; gives one number a sample.
        real, fake : Tensor of shape (B, D)
            Samples and generated ones; no gradient flows into either.
        condition : Tensor of shape (B, K)
            Descriptions of the samples' classes.
        alpha : Tensor of shape (B, 1)
            Shares of the real samples, uniform between 0 and 1.

        Returns
        -------
        Tensor of shape ()
            Differentiable with respect to the critic's weights.
        """
        between = alpha * real.detach() + (1 - alpha) * fake.detach()
        if self.closed_form and isinstance(critic, ConditionalMLP):
            with torch.no_grad():
                before = critic.before_rectifier(between, condition)
            return penalty_between(critic, before)
        between.requires_grad_(True)
        with torch.enable_grad():
            scores = critic(between, condition)
            (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        return _off_one(gradient)


def penalty_between(critic: ConditionalMLP, before: Tensor) -> Tensor:
    """Penalty of a critic of one hidden layer, from that layer before its rectifier."""
    weight = critic.out.weight
    slopes = torch.full_like(before, critic.slope, dtype=weight.dtype).masked_fill_(before > 0, 1.0)
    return _off_one((slopes * weight) @ critic.hidden.weight[:, : critic.n_in])


def _off_one(gradient: Tensor) -> Tensor:
    gradient = gradient.to(ACCUMULATE.get(gradient.dtype, gradient.dtype))
    return (torch.linalg.vector_norm(gradient, dim=1) - 1).square().mean()
