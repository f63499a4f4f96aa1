"""The network of DAZLE: attention of attributes over regions, and a gate for each attribute."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zslearn.nn._attention_banks import AttentionBank, attend_banks
from zslearn.nn._attribute_attention import AttributeAttention

__all__ = ["DAZLENetwork"]


class DAZLENetwork(AttributeAttention):
    r"""Dense attribute-based attention and gates [1]_.

    .. math::

        u_k = \sigma\Bigl(\sum_r M_{kr} F_r \cdot (A W_3)_k\Bigr)
        \sum_r M_{kr} F_r \cdot (A W_1)_k, \quad
        M = \operatorname{softmax}_r(F (A W_2)^\top), \quad z = u \hat T^\top

    Parameters
    ----------
    n_attributes : int
        K, the number of attributes.
    n_features : int
        D, the width of a region feature.
    attribute_vectors : Tensor of shape (K, V), default=None
        Word vectors of the attribute names, brought to unit length; rows of zeros start from a
        random direction. ``None`` starts all of them at random.
    attribute_dim : int, default=300
        V when `attribute_vectors` is ``None``. 300 is the usual width of word vectors.
    gate : bool, default=True
        Whether scores are gated; the released code leaves it out on SUN.
    normalize : bool, default=False
        Whether attribute vectors are brought to unit length at every use, as released for AWA2.

    Attributes
    ----------
    attribute_vectors : Parameter of shape (K, V)
        The attribute vectors A.
    embedding_weight, query_weight, gate_weight : Parameter of shape (V, D)
        W_1, which starts from a standard normal, and W_2 and W_3, which start from zero: uniform
        attention, gates at one half.

    See Also
    --------
    zslearn.DAZLEClassifier : The network behind the scikit-learn API.
    CVsCNetwork : A relative without gates.

    References
    ----------
    .. [1] D. Huynh, E. Elhamifar, "Fine-grained generalized zero-shot learning via dense
       attribute-based attention", CVPR 2020.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import DAZLENetwork
    >>> network = DAZLENetwork(n_attributes=4, n_features=8)
    >>> network(torch.randn(2, 9, 8)).shape
    torch.Size([2, 4])
    """

    gate_weight: nn.Parameter | None

    def __init__(
        self,
        n_attributes: int,
        n_features: int,
        *,
        attribute_vectors: Tensor | None = None,
        attribute_dim: int = 300,
        gate: bool = True,
        normalize: bool = False,
    ) -> None:
        super().__init__(n_attributes, attribute_vectors, attribute_dim, normalize=normalize)
        width = self.attribute_vectors.shape[1]
        self.embedding_weight = nn.Parameter(torch.randn(width, n_features))
        self.query_weight = nn.Parameter(torch.zeros(width, n_features))
        gate_weight = nn.Parameter(torch.zeros(width, n_features)) if gate else None
        self.register_parameter("gate_weight", gate_weight)

    def forward(self, regions: Tensor, padding: Tensor | None = None) -> Tensor:
        """Compute gated attribute scores u.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length; their dtype is the precision of the products.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention, never all of an image; :func:`find_padding
            <zslearn.nn.functional.find_padding>` marks those of zeros. ``None`` leaves none out.

        Returns
        -------
        Tensor of shape (B, K)
            Attribute scores.
        """
        found = self._attend(regions, padding)
        if self.gate_weight is None:
            return found[:, 0]
        return found[:, 0] * torch.sigmoid(found[:, 1])

    def attribute_gates(self, regions: Tensor, padding: Tensor | None = None) -> Tensor:
        """Compute how far the gate of each attribute is open.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length, as in :meth:`forward`.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention.

        Returns
        -------
        Tensor of shape (B, K)
            Between 0 and 1.

        Raises
        ------
        ValueError
            If the network has no gates.
        """
        if self.gate_weight is None:
            raise ValueError("this network has no gates: it was made with gate=False")
        return torch.sigmoid(self._attend(regions, padding)[:, 1])

    def _attend(self, regions: Tensor, padding: Tensor | None) -> Tensor:
        """Attribute scores, and what gates are made of, (B, 2, K), or scores alone."""
        weights = [self.query_weight, self.embedding_weight]
        if self.gate_weight is not None:
            weights.append(self.gate_weight)
        vectors = self.vectors()
        stacked = torch.cat([(vectors @ weight).to(regions.dtype) for weight in weights])
        return attend_banks(regions, stacked, [AttentionBank(len(weights) - 1)], padding)
