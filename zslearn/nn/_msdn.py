"""The network of MSDN: attributes attend to regions, and regions to attributes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zslearn.nn._attention_banks import AttentionBank, attend_banks
from zslearn.nn._attribute_attention import AttributeAttention
from zslearn.nn._normalize import ACCUMULATE

__all__ = ["MSDNNetwork"]

_BANKS = AttentionBank(over="regions"), AttentionBank(over="attributes")


class MSDNNetwork(AttributeAttention):
    r"""Two sub-nets that score attributes, each by an attention of its own [1]_.

    .. math::

        s_k &= \sum_r M_{kr} F_r \cdot (A W_1)_k, &
        M &= \operatorname{softmax}_r(F (A W_2)^\top) \\
        s'_k &= \sum_r M'_{kr} F_r \cdot (A W_1')_k, &
        M' &= \operatorname{softmax}_k(F (A W_2')^\top)

    Attribute to visual, a softmax over regions; and visual to attribute, a softmax over attributes.
    The second sums over regions too, so that its scores grow with their number.

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
    visual_to_attribute_weight : float, default=0.1
        Share :math:`\alpha` of the second sub-net in the scores
        :math:`(1 - \alpha) s + \alpha s'`, between 0 and 1.
    normalize : bool, default=False
        Whether attribute vectors are brought to unit length at every use, as released for AWA2.

    Attributes
    ----------
    attribute_vectors : Parameter of shape (K, V)
        The attribute vectors A, which both sub-nets share.
    embedding_weight, query_weight : Parameter of shape (V, D)
        W_1, which starts from a standard normal, and W_2, which starts from zero.
    visual_embedding_weight, visual_query_weight : Parameter of shape (V, D)
        W_1' and W_2' of the second sub-net. Both start from zero, so that W_2' has no gradient
        before W_1' has moved.

    See Also
    --------
    zslearn.MSDNClassifier : The network behind the scikit-learn API.
    MutualDistillationLoss : By which the sub-nets teach each other.
    DAZLENetwork : Without a gate, the first sub-net alone.

    References
    ----------
    .. [1] S. Chen, Z. Hong, G.-S. Xie, et al., "MSDN: Mutually semantic distillation network for
       zero-shot learning", CVPR 2022.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import MSDNNetwork
    >>> network = MSDNNetwork(n_attributes=4, n_features=8)
    >>> network(torch.randn(2, 9, 8)).shape, network.sub_nets(torch.randn(2, 9, 8)).shape
    (torch.Size([2, 4]), torch.Size([2, 2, 4]))
    """

    def __init__(
        self,
        n_attributes: int,
        n_features: int,
        *,
        attribute_vectors: Tensor | None = None,
        attribute_dim: int = 300,
        visual_to_attribute_weight: float = 0.1,
        normalize: bool = False,
    ) -> None:
        super().__init__(n_attributes, attribute_vectors, attribute_dim, normalize=normalize)
        width = self.attribute_vectors.shape[1]
        self.visual_to_attribute_weight = visual_to_attribute_weight
        self.embedding_weight = nn.Parameter(torch.randn(width, n_features))
        self.query_weight = nn.Parameter(torch.zeros(width, n_features))
        self.visual_embedding_weight = nn.Parameter(torch.zeros(width, n_features))
        self.visual_query_weight = nn.Parameter(torch.zeros(width, n_features))

    def sub_nets(self, regions: Tensor, padding: Tensor | None = None) -> Tensor:
        """Compute the scores of both sub-nets by one product with the regions.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length; their dtype is the precision of the product.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention and give none, never all of an image.

        Returns
        -------
        Tensor of shape (B, 2, K)
            Attribute scores s and s'.
        """
        return self._attend(regions, padding, [0, 1])

    def attribute_maps(
        self, regions: Tensor, attributes: Tensor | None = None, padding: Tensor | None = None
    ) -> Tensor:
        """Compute the attention M' of the second sub-net.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length.
        attributes : Tensor of shape (k,), int64, default=None
            Index of the attributes to keep; ``None`` keeps all.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that give no attention.

        Returns
        -------
        Tensor of shape (B, k, R)
            Non-negative; over all attributes, those of a region sum to one, and to 0 on padding.
        """
        queries = (self.vectors() @ self.visual_query_weight).to(regions.dtype)
        logits = regions @ queries.T
        maps = torch.softmax(logits.to(ACCUMULATE.get(logits.dtype, logits.dtype)), dim=-1)
        if padding is not None:
            maps = maps.masked_fill(padding.unsqueeze(-1), 0)
        maps = maps.transpose(-1, -2)
        return maps if attributes is None else maps[:, attributes]

    def forward(self, regions: Tensor, padding: Tensor | None = None) -> Tensor:
        """Compute the attribute scores of both sub-nets, weighed; one of no weight is left out.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length; their dtype is the precision of the product.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention and give none, never all of an image;
            :func:`find_padding <zslearn.nn.functional.find_padding>` marks those of zeros.
            ``None`` leaves none out.

        Returns
        -------
        Tensor of shape (B, K)
            Attribute scores.
        """
        share = self.visual_to_attribute_weight
        if share in (0, 1):
            return self._attend(regions, padding, [int(share)])[:, 0]
        both = self.sub_nets(regions, padding)
        return (1 - share) * both[:, 0] + share * both[:, 1]

    def _attend(self, regions: Tensor, padding: Tensor | None, which: list[int]) -> Tensor:
        vectors = self.vectors()
        weights = (
            (self.query_weight, self.embedding_weight),
            (self.visual_query_weight, self.visual_embedding_weight),
        )
        # float16 is not multiplied in, for lack of range of the gradients.
        dtype = regions.dtype if regions.dtype == torch.bfloat16 else vectors.dtype
        vectors = vectors.to(dtype)
        stacked = torch.cat(
            [vectors @ one.to(dtype) for number in which for one in weights[number]]
        )
        return attend_banks(regions, stacked.to(regions.dtype), [_BANKS[i] for i in which], padding)
