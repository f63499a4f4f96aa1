"""The network of HSVA: coarse encoders, one shared Gaussian encoder, and two classifiers."""

from __future__ import annotations

from torch import Tensor, nn

from zslearn.nn._aligned_autoencoders import LatentPair, start_moderately, widened
from zslearn.nn._conditional import ConditionalMLP, GaussianEncoder

__all__ = ["HSVANetwork"]


class HSVANetwork(LatentPair):
    r"""Hierarchical adaptation: structure first, then distributions [1]_.

    .. math::

        h_x = E_x(x), \quad h_a = E_a(a), \quad (\mu_m, v_m) = E_z(h_m)

    Two classifiers of h must agree on both modalities; then the posteriors are aligned as by
    :class:`AlignedAutoencoders`; draws and decodings are as there.

    Parameters
    ----------
    n_features : int
        D, the width of a feature vector.
    n_attributes : int
        K, the width of a description.
    n_classes : int
        S, the number of seen classes.
    latent_dim : int, default=64
        L, the width of the latent space.
    structure_dim : int, default=2048
        M, the width of h.
    hidden_dim : int, default=4096
        Hidden width of the coarse encoders and of the decoders.
    encoder_dim : int, default=2048
        Hidden width of the shared encoder E_z.
    classifier_dim : int, default=512
        Hidden width of the two classifiers, which have batch normalisation.
    noise_scale : float, default=0.1
        Of the noise of the latents, as released; 0.5 is the standard deviation.

    See Also
    --------
    AlignedAutoencoders : Without the first step.
    DiscrepancyLoss : Where the two classifiers disagree.

    References
    ----------
    .. [1] S. Chen, G.-S. Xie, Y. Liu, Q. Peng, B. Sun, H. Li, X. You, L. Shao, "HSVA: Hierarchical
       semantic-visual adaptation for zero-shot learning", NeurIPS 2021.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import HSVANetwork
    >>> network = HSVANetwork(8, 5, n_classes=4, latent_dim=3, structure_dim=6, hidden_dim=7)
    >>> h = network.structure_x(torch.rand(2, 8))
    >>> h.shape, network.classifiers[0](h).shape
    (torch.Size([2, 6]), torch.Size([2, 4]))
    """

    def __init__(
        self,
        n_features: int,
        n_attributes: int,
        n_classes: int,
        *,
        latent_dim: int = 64,
        structure_dim: int = 2048,
        hidden_dim: int = 4096,
        encoder_dim: int = 2048,
        classifier_dim: int = 512,
        noise_scale: float = 0.1,
    ) -> None:
        super().__init__()
        self.noise_scale = noise_scale
        self.structure_x = ConditionalMLP(n_features, 0, hidden_dim, structure_dim)
        self.structure_a = ConditionalMLP(n_attributes, 0, hidden_dim, structure_dim)
        self.encode = GaussianEncoder(structure_dim, 0, [encoder_dim], latent_dim)
        self.decode_x = ConditionalMLP(latent_dim, 0, hidden_dim, n_features)
        self.decode_a = ConditionalMLP(latent_dim, 0, hidden_dim, n_attributes)
        self.classifiers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(structure_dim, classifier_dim),
                nn.BatchNorm1d(classifier_dim),
                nn.ReLU(),
                nn.Linear(classifier_dim, n_classes),
            )
            for _ in range(2)
        )
        start_moderately(self)
        for layer in self.classifiers.modules():
            if isinstance(layer, nn.BatchNorm1d):
                nn.init.normal_(layer.weight, 1.0, 0.02)

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
        return widened(self.encode(self.structure_x(x)))

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
        return widened(self.encode(self.structure_a(a)))
