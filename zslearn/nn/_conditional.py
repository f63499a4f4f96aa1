"""Networks that are given a sample, or noise, together with the description of a class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

__all__ = ["ConditionalMLP", "GaussianEncoder", "frozen"]

_OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda values: values,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
}


def start_small(module: nn.Module) -> None:
    """Draw the weights of all linear layers from N(0, 0.02²), as the generative methods do."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            nn.init.zeros_(layer.bias)


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Take the weights of modules for constants: what is computed inside has no part in them."""
    moved = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in moved:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in moved:
            parameter.requires_grad_(True)


class ConditionalMLP(nn.Module):
    r"""One hidden layer over a vector and a condition: generators, critics, decoders.

    .. math:: f(u, a) = o\bigl(W_2\, \varphi(W_1 [u; a] + b_1) + b_2\bigr)

    Parameters
    ----------
    n_in : int
        Width of the vector u.
    n_condition : int
        Width of the condition a; 0 for none.
    hidden_dim : int
        Width of the hidden layer.
    n_out : int
        Width of what comes out.
    output : {"linear", "relu", "sigmoid"}, default="linear"
        The function o. Critics have none, generators of scaled features one of the others.
    slope : float, default=0.2
        Slope of the leaky rectifier :math:`\varphi` below zero; 0 is a plain rectifier.

    See Also
    --------
    GaussianEncoder : The way from samples to latents.
    zslearn.nn.losses.GradientPenalty : Knows the gradient of this network in closed form.

    Notes
    -----
    Weights start from :math:`N(0, 0.02^2)`, biases from 0, as in the released codes of the methods
    that generate features.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import ConditionalMLP
    >>> generator = ConditionalMLP(4, 3, 8, 16, output="relu")
    >>> generator(torch.randn(2, 4), torch.rand(2, 3)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        n_in: int,
        n_condition: int,
        hidden_dim: int,
        n_out: int,
        *,
        output: Literal["linear", "relu", "sigmoid"] = "linear",
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        if output not in _OUTPUTS:
            raise ValueError(f"output must be one of {sorted(_OUTPUTS)}, found {output!r}")
        self.n_in, self.output, self.slope = n_in, output, slope
        self.hidden = nn.Linear(n_in + n_condition, hidden_dim)
        self.out = nn.Linear(hidden_dim, n_out)
        start_small(self)

    def before_rectifier(self, vectors: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute the hidden layer before its rectifier.

        Parameters
        ----------
        vectors : Tensor of shape (B, n_in)
            The vectors u.
        condition : Tensor of shape (B, n_condition), default=None
            The condition a, if there is one.

        Returns
        -------
        Tensor of shape (B, hidden_dim)
            :math:`W_1 [u; a] + b_1`.
        """
        if condition is None:
            both = vectors
        else:
            both = torch.cat([vectors, condition.to(vectors.dtype)], dim=1)
        return self.hidden(both)

    def hidden_values(self, vectors: Tensor, condition: Tensor | None = None) -> Tensor:
        r"""Compute the hidden layer.

        Parameters
        ----------
        vectors : Tensor of shape (B, n_in)
            The vectors u.
        condition : Tensor of shape (B, n_condition), default=None
            The condition a, if there is one.

        Returns
        -------
        Tensor of shape (B, hidden_dim)
            :math:`\varphi(W_1 [u; a] + b_1)`.
        """
        return leaky_relu(self.before_rectifier(vectors, condition), self.slope)

    def output_of(self, hidden: Tensor) -> Tensor:
        """Compute what comes out for values of the hidden layer.

        Parameters
        ----------
        hidden : Tensor of shape (B, hidden_dim)
            The hidden layer after its rectifier.

        Returns
        -------
        Tensor of shape (B, n_out)
            The output.
        """
        return _OUTPUTS[self.output](self.out(hidden))

    def forward(self, vectors: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute f.

        Parameters
        ----------
        vectors : Tensor of shape (B, n_in)
            The vectors u.
        condition : Tensor of shape (B, n_condition), default=None
            The condition a, if there is one.

        Returns
        -------
        Tensor of shape (B, n_out)
            The output.
        """
        return self.output_of(self.hidden_values(vectors, condition))


class GaussianEncoder(nn.Module):
    r"""Means and log variances of latents, from a vector and a condition.

    .. math:: t = \varphi(W_n \dots \varphi(W_1 [x; a])), \quad \mu = W_\mu t, \quad v = W_v t

    Parameters
    ----------
    n_in : int
        Width of the vector x.
    n_condition : int
        Width of the condition a; 0 for none.
    hidden_dims : sequence of int
        Widths of the hidden layers.
    n_latent : int
        Width of a latent.
    slope : float, default=0.2
        Slope of the leaky rectifier below zero; 0 is a plain rectifier.

    See Also
    --------
    zslearn.nn.losses.VAELoss : What is asked of it.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import GaussianEncoder
    >>> mean, log_variance = GaussianEncoder(16, 3, [8, 6], 4)(torch.rand(2, 16), torch.rand(2, 3))
    >>> mean.shape, log_variance.shape
    (torch.Size([2, 4]), torch.Size([2, 4]))
    """

    def __init__(
        self,
        n_in: int,
        n_condition: int,
        hidden_dims: Sequence[int],
        n_latent: int,
        *,
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        widths = [n_in + n_condition, *hidden_dims]
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.mean = nn.Linear(widths[-1], n_latent)
        self.log_variance = nn.Linear(widths[-1], n_latent)
        self.slope = slope
        start_small(self)

    def forward(self, vectors: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute mean and log variance.

        Parameters
        ----------
        vectors : Tensor of shape (B, n_in)
            The vectors x.
        condition : Tensor of shape (B, n_condition), default=None
            The condition a, if there is one.

        Returns
        -------
        mean, log_variance : Tensor of shape (B, n_latent)
            Of the latent given x and a.
        """
        values = vectors
        if condition is not None:
            values = torch.cat([vectors, condition.to(vectors.dtype)], dim=1)
        for layer in self.hidden:
            values = leaky_relu(layer(values), self.slope)
        return self.mean(values), self.log_variance(values)
