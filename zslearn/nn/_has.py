"""The network of HAS: global and local prototypes on one map of regions."""

from __future__ import annotations

from typing import Literal

from zslearn.nn._apn import APNNetwork

__all__ = ["HASNetwork"]


class HASNetwork(APNNetwork):
    r"""Global and local attribute prototypes, that adversarial samples are made with [1]_.

    .. math::

        s_k = \operatorname{pool}_r(X_r \cdot G_k), \quad
        l_{kr} = X_r \cdot P_k, \quad s'_k = \max_r l_{kr}, \quad e = \frac{1}{R} \sum_r X_r

    The heads are those of :class:`APNNetwork`, and s alone predicts; method ``pooled`` gives e.

    Parameters
    ----------
    n_attributes : int
        K, the number of attributes.
    n_features : int
        D, the width of a region feature.
    pooling : {"max", "mean"}, default="max"
        Of the global head: the largest product, as the authors have it on CUB, or the mean, as on
        SUN and AWA2.

    Attributes
    ----------
    global_weight, prototypes : Parameter of shape (K, D)
        G and P; both start from a uniform distribution between 0 and 0.0002.

    See Also
    --------
    zslearn.HASClassifier : The network behind the scikit-learn API.
    zslearn.nn.losses.HASLoss : Its loss.
    zslearn.nn.losses.HASPerturbationLoss : What an adversarial sample minimises.

    References
    ----------
    .. [1] Z. Chen, P. Zhang, J. Li, S. Wang, Z. Huang, "Zero-shot learning by harnessing
       adversarial samples", ACM Multimedia 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import HASNetwork
    >>> network = HASNetwork(n_attributes=4, n_features=8)
    >>> network.heads(torch.randn(2, 9, 8)).similarity.shape
    torch.Size([2, 4, 9])
    """

    def __init__(
        self, n_attributes: int, n_features: int, *, pooling: Literal["max", "mean"] = "max"
    ) -> None:
        super().__init__(n_attributes, n_features, pooling=pooling)
