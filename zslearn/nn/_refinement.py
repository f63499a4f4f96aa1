"""Networks beside a generator: from features back to attributes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zslearn.nn._conditional import ConditionalMLP
from zslearn.nn._normalize import normalize_rows

__all__ = ["AttributeDecoder", "FeatureRefiner", "Feedback"]


class AttributeDecoder(nn.Module):
    r"""From features to attributes of unit length [1]_.

    .. math:: d = \varphi(W_1 x), \quad \hat a = W_2 d / \|W_2 d\|

    Parameters
    ----------
    n_features : int
        D, the width of a feature vector.
    n_attributes : int
        K, the number of attributes.
    hidden_dim : int
        Width of the hidden layer d.

    See Also
    --------
    Feedback : Takes the hidden layer.
    zslearn.nn.losses.WeightedL1Loss : What it minimises.

    References
    ----------
    .. [1] S. Narayan et al., "Latent embedding feedback and discriminative features for zero-shot
       classification", ECCV 2020.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import AttributeDecoder
    >>> attributes, hidden = AttributeDecoder(16, 4, 8)(torch.rand(2, 16))
    >>> attributes.shape, hidden.shape, bool((attributes.norm(dim=1) - 1).abs().max() < 1e-6)
    (torch.Size([2, 4]), torch.Size([2, 8]), True)
    """

    def __init__(self, n_features: int, n_attributes: int, hidden_dim: int) -> None:
        super().__init__()
        self.mlp = ConditionalMLP(n_features, 0, hidden_dim, n_attributes)

    def hidden_values(self, features: Tensor) -> Tensor:
        """Compute the hidden layer alone.

        Parameters
        ----------
        features : Tensor of shape (B, D)
            Features x.

        Returns
        -------
        Tensor of shape (B, hidden_dim)
            The hidden layer d.
        """
        return self.mlp.hidden_values(features)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Decode features.

        Parameters
        ----------
        features : Tensor of shape (B, D)
            Features x.

        Returns
        -------
        attributes : Tensor of shape (B, K)
            Of unit length.
        hidden : Tensor of shape (B, hidden_dim)
            The hidden layer d.
        """
        hidden = self.hidden_values(features)
        return normalize_rows(self.mlp.output_of(hidden)), hidden


class Feedback(nn.Module):
    r"""From the hidden layer of a decoder to that of a generator [1]_.

    .. math:: F(d) = \varphi(W_2 \varphi(W_1 d))

    Parameters
    ----------
    hidden_dim : int
        Width of both.

    See Also
    --------
    AttributeDecoder : Where it comes from.

    References
    ----------
    .. [1] S. Narayan et al., "Latent embedding feedback and discriminative features for zero-shot
       classification", ECCV 2020.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import Feedback
    >>> Feedback(8)(torch.rand(2, 8)).shape
    torch.Size([2, 8])
    """

    def __init__(self, hidden_dim: int) -> None:
        super().__init__()
        self.mlp = ConditionalMLP(hidden_dim, 0, hidden_dim, hidden_dim)

    def forward(self, hidden: Tensor) -> Tensor:
        """Compute F.

        Parameters
        ----------
        hidden : Tensor of shape (B, hidden_dim)
            The hidden layer d of a decoder.

        Returns
        -------
        Tensor of shape (B, hidden_dim)
            What is added to the generator's hidden layer.
        """
        return leaky_relu(self.mlp(hidden), self.mlp.slope)


class FeatureRefiner(nn.Module):
    r"""From features to a noisy description of them, and a hidden layer beside it [1]_.

    .. math::

        h = \varphi(W_1 x), \quad [\mu; u] = W_2 h, \quad \tau = \mu + \sigma(u)\, e, \quad
        \tilde a = \sigma(\tau)

    Parameters
    ----------
    n_features : int
        D, the width of a feature vector.
    n_attributes : int
        K, the number of attributes.
    hidden_dim : int
        Width of the hidden layer h.
    output : {"sigmoid", "normalized"}, default="sigmoid"
        Whether the description is between 0 and 1, as released, or of unit length like those it
        is compared with.

    See Also
    --------
    zslearn.nn.losses.CenterMarginLoss : What the means minimise.

    References
    ----------
    .. [1] S. Chen et al., "FREE: Feature refinement for generalized zero-shot learning", ICCV 2021.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import FeatureRefiner
    >>> refine = FeatureRefiner(16, 4, 8)
    >>> mean, attributes, hidden = refine(torch.rand(2, 16), torch.randn(2, 4))
    >>> mean.shape, attributes.shape, hidden.shape
    (torch.Size([2, 4]), torch.Size([2, 4]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        n_features: int,
        n_attributes: int,
        hidden_dim: int,
        output: Literal["sigmoid", "normalized"] = "sigmoid",
    ) -> None:
        super().__init__()
        if output not in ("sigmoid", "normalized"):
            raise ValueError(f"output must be 'sigmoid' or 'normalized', found {output!r}")
        self.output = output
        self.mlp = ConditionalMLP(n_features, 0, hidden_dim, 2 * n_attributes)

    def forward(
        self, features: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Refine features.

        Parameters
        ----------
        features : Tensor of shape (B, D)
            Features x.
        noise : Tensor of shape (B, K), default=None
            Standard normal draws e; ``None`` stands for zeros.

        Returns
        -------
        mean : Tensor of shape (B, K)
            The means.
        attributes : Tensor of shape (B, K)
            The descriptions.
        hidden : Tensor of shape (B, hidden_dim)
            The hidden layer h.
        """
        hidden = self.mlp.hidden_values(features)
        mean, spread = self.mlp.output_of(hidden).chunk(2, dim=1)
        drawn = mean if noise is None else mean + torch.sigmoid(spread) * noise
        described = torch.sigmoid(drawn) if self.output == "sigmoid" else normalize_rows(drawn)
        return mean, described, hidden
