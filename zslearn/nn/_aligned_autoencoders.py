"""Two variational autoencoders, of features and of descriptions, with one latent space."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zslearn.nn._conditional import ConditionalMLP, GaussianEncoder

__all__ = ["AlignedAutoencoders", "AlignedLatents"]


class AlignedLatents(NamedTuple):
    """What :class:`AlignedAutoencoders` computes of B features and the descriptions of their class.

    Attributes
    ----------
    mean_x, log_var_x, z_x : Tensor of shape (B, L)
        Posterior of the features, and a draw from it.
    mean_a, log_var_a, z_a : Tensor of shape (B, L)
        Posterior of the descriptions, and a draw from it.
    x_from_x, x_from_a : Tensor of shape (B, D)
        Features decoded from either draw.
    a_from_a, a_from_x : Tensor of shape (B, K)
        Descriptions decoded from either draw.
    """

    mean_x: Tensor
    log_var_x: Tensor
    z_x: Tensor
    mean_a: Tensor
    log_var_a: Tensor
    z_a: Tensor
    x_from_x: Tensor
    x_from_a: Tensor
    a_from_a: Tensor
    a_from_x: Tensor


@torch.no_grad()
def start_moderately(module: nn.Module) -> None:
    """Draw weights of linear layers from Xavier's uniform distribution, halved; biases are 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight, gain=0.5)
            nn.init.zeros_(layer.bias)


def widened(posterior: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and log variance in float32 at least, also under autocast: they are exponentiated."""
    mean, log_var = posterior
    wide = torch.promote_types(mean.dtype, torch.float32)
    return mean.to(wide), log_var.to(wide)


class LatentPair(nn.Module):
    """Draws and decodings of two posteriors, whatever computes them."""

    noise_scale: float
    decode_x: nn.Module
    decode_a: nn.Module

    @abstractmethod
    def feature_posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encode features."""

    @abstractmethod
    def attribute_posterior(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """Encode descriptions."""

    def draw(self, posterior: tuple[Tensor, Tensor], noise: Tensor) -> Tensor:
        """Draw latents.

        Parameters
        ----------
        posterior : tuple of two Tensor of shape (B, L)
            Mean and logarithm of the variance.
        noise : Tensor of shape (B, 1) or (B, L)
            Standard normal numbers: one a row, as released, or one a coordinate.

        Returns
        -------
        Tensor of shape (B, L)
            Latents z.
        """
        mean, log_var = posterior
        return mean + torch.exp(self.noise_scale * log_var) * noise

    def forward(self, x: Tensor, a: Tensor, noise_x: Tensor, noise_a: Tensor) -> AlignedLatents:
        """Encode both, and decode each latent both ways.

        Parameters
        ----------
        x : Tensor of shape (B, D)
            Features.
        a : Tensor of shape (B, K)
            Descriptions of their classes.
        noise_x, noise_a : Tensor of shape (B, 1) or (B, L)
            Standard normal numbers of the two draws.

        Returns
        -------
        AlignedLatents
            Posteriors, latents and what is decoded.
        """
        of_x, of_a = self.feature_posterior(x), self.attribute_posterior(a)
        z_x, z_a = self.draw(of_x, noise_x), self.draw(of_a, noise_a)
        # Both latents in one pass: a decoder's weights are read once.
        x_from_x, x_from_a = self.decode_x(torch.cat([z_x, z_a])).chunk(2)
        a_from_x, a_from_a = self.decode_a(torch.cat([z_x, z_a])).chunk(2)
        return AlignedLatents(*of_x, z_x, *of_a, z_a, x_from_x, x_from_a, a_from_a, a_from_x)

    def extra_repr(self) -> str:
        """Show the parameter."""
        return f"noise_scale={self.noise_scale}"


class AlignedAutoencoders(LatentPair):
    r"""Autoencoders of features and of descriptions that share a latent space: CADA-VAE [1]_.

    .. math::

        (\mu_m, v_m) = E_m(m), \quad z_m = \mu_m + e^{s v_m} \varepsilon_m,
        \quad m \in \{x, a\}

    and either decoder reads either latent. Classes meet in the latent space: real features by the
    mean of their posterior, classes without pictures by draws from that of their description.

    Parameters
    ----------
    n_features : int
        D, the width of a feature vector.
    n_attributes : int
        K, the width of a description.
    latent_dim : int, default=64
        L, the width of the latent space.
    encoder_dims : tuple of two int, default=(1560, 1450)
        Hidden width of the encoders of features and of descriptions.
    decoder_dims : tuple of two int, default=(1660, 665)
        Hidden width of the decoders of features and of descriptions.
    noise_scale : float, default=1.0
        Number s above. The released code multiplies noise by :math:`e^v`, though v is a log
        variance everywhere else; 0.5 is the standard deviation, as printed.

    See Also
    --------
    HSVANetwork : Aligns coarse structure first.
    VAELoss : What each autoencoder minimises.
    GaussianDistanceLoss : What aligns their posteriors.

    References
    ----------
    .. [1] E. Schönfeld, S. Ebrahimi, S. Sinha, T. Darrell, Z. Akata, "Generalized zero- and
       few-shot learning via aligned variational autoencoders", CVPR 2019.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import AlignedAutoencoders
    >>> network = AlignedAutoencoders(n_features=8, n_attributes=5, latent_dim=3)
    >>> x, a, noise = torch.rand(2, 8), torch.rand(2, 5), torch.randn(2, 1)
    >>> network(x, a, noise, noise).x_from_a.shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        n_features: int,
        n_attributes: int,
        *,
        latent_dim: int = 64,
        encoder_dims: tuple[int, int] = (1560, 1450),
        decoder_dims: tuple[int, int] = (1660, 665),
        noise_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.noise_scale = noise_scale
        of_x, of_a = encoder_dims
        self.encode_x = GaussianEncoder(n_features, 0, [of_x], latent_dim, slope=0.0)
        self.encode_a = GaussianEncoder(n_attributes, 0, [of_a], latent_dim, slope=0.0)
        to_x, to_a = decoder_dims
        self.decode_x = ConditionalMLP(latent_dim, 0, to_x, n_features, slope=0.0)
        self.decode_a = ConditionalMLP(latent_dim, 0, to_a, n_attributes, slope=0.0)
        start_moderately(self)

    def feature_posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encode features.

        Parameters
        ----------
        x : Tensor of shape (B, D)
            Features.

        Returns
        -------
        mean, log_var : Tensor of shape (B, L)
            Mean and logarithm of the variance.
        """
        return widened(self.encode_x(x))

    def attribute_posterior(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """Encode descriptions.

        Parameters
        ----------
        a : Tensor of shape (B, K)
            Rows of the class table.

        Returns
        -------
        mean, log_var : Tensor of shape (B, L)
            Mean and logarithm of the variance.
        """
        return widened(self.encode_a(a))
