"""The loss of a Wasserstein critic."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zslearn.nn._conditional import ConditionalMLP
from zslearn.nn.losses._critic_terms import CriticTerms
from zslearn.nn.losses._gradient_penalty import GradientPenalty, penalty_between

__all__ = ["CriticLoss"]


class CriticLoss(nn.Module):
    r"""Loss of a critic that tells generated samples from real ones.

    .. math:: L = \gamma \Bigl(\overline{c(\tilde x, a)} - \overline{c(x, a)} + \lambda\, GP\Bigr)

    The bars are means over the batch; GP is :class:`GradientPenalty`.

    Parameters
    ----------
    lambda_gp : float, default=10.0
        :math:`\lambda`, the weight of the penalty.
    scale : float, default=1.0
        :math:`\gamma`, of all of it.
    closed_form : bool, default=True
        Whether the penalty of a critic of one hidden layer is written down, from the hidden layer
        of both kinds of samples: at a mixture of them it is the mixture of theirs.

    See Also
    --------
    GradientPenalty : The penalty alone, of any critic.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import ConditionalMLP
    >>> from zslearn.nn.losses import CriticLoss
    >>> _ = torch.manual_seed(0)
    >>> x, fake, a, alpha = torch.rand(3, 4), torch.rand(3, 4), torch.rand(3, 2), torch.rand(3, 1)
    >>> terms = CriticLoss()(ConditionalMLP(4, 2, 8, 1), x, fake, a, alpha)
    >>> sorted(terms)
    ['gradient_penalty', 'loss', 'wasserstein']
    """

    def __init__(
        self, lambda_gp: float = 10.0, scale: float = 1.0, *, closed_form: bool = True
    ) -> None:
        super().__init__()
        self.lambda_gp, self.scale = lambda_gp, scale
        self.penalty = GradientPenalty(closed_form)

    def forward(
        self,
        critic: nn.Module,
        real: Tensor,
        fake: Tensor,
        condition: Tensor,
        alpha: Tensor,
        lambda_gp: Tensor | float | None = None,
    ) -> dict[str, Tensor]:
        """Compute the loss and its terms.

        Parameters
        ----------
        critic : nn.Module
            Called with samples and conditions; gives one number a sample.
        real, fake : Tensor of shape (B, D)
            Samples and generated ones; no gradient flows into either.
        condition : Tensor of shape (B, K)
            Descriptions of the samples' classes.
        alpha : Tensor of shape (B, 1)
            Shares of the real samples in the mixtures the penalty is taken at.
        lambda_gp : Tensor of shape () or float, default=None
            Takes the place of the constructor's.

        Returns
        -------
        terms : dict of str to Tensor
            "loss"; "wasserstein", the mean critic of real samples less that of generated ones,
            large where the critic tells them apart; and "gradient_penalty", without weights.
        """
        weight = self.lambda_gp if lambda_gp is None else lambda_gp
        real, fake = real.detach(), fake.detach().to(real.dtype)
        if self.penalty.closed_form and isinstance(critic, ConditionalMLP):
            wasserstein, penalty = _closed(critic, real, fake, condition, alpha)
        else:
            wasserstein = critic(real, condition).mean() - critic(fake, condition).mean()
            penalty = self.penalty(critic, real, fake, condition, alpha)
        loss = self.scale * (weight * penalty - wasserstein)
        return {"loss": loss, "wasserstein": wasserstein, "gradient_penalty": penalty}


def _closed(
    critic: ConditionalMLP, real: Tensor, fake: Tensor, condition: Tensor, alpha: Tensor
) -> tuple[Tensor, Tensor]:
    """Both terms of a critic of one hidden layer."""
    n, condition = len(real), condition.to(real.dtype)
    both = torch.cat([torch.cat([real, condition], dim=1), torch.cat([fake, condition], dim=1)])
    if not torch.is_autocast_enabled(real.device.type):
        layers = (critic.hidden.weight, critic.hidden.bias, critic.out.weight, critic.out.bias)
        terms: tuple[Tensor, Tensor] = CriticTerms.apply(
            both, alpha, *layers, critic.slope, critic.n_in
        )
        return terms
    before = critic.before_rectifier(both)
    scores = critic.output_of(leaky_relu(before, critic.slope))
    with torch.no_grad():
        mixed = torch.lerp(before[n:], before[:n], alpha.to(before.dtype))
    return scores[:n].mean() - scores[n:].mean(), penalty_between(critic, mixed)
