"""The network of TransZero: a transformer whose decoder asks regions for attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from zslearn.nn._attribute_attention import AttributeAttention
from zslearn.nn._grid_geometry import GridGeometry
from zslearn.nn._transzero_layers import DecoderLayer, EncoderLayer, decoder_layers, precision_of

__all__ = ["TransZeroNetwork"]

_CACHED_NUMBERS = 2**21


class TransZeroNetwork(AttributeAttention):
    r"""Encoder of regions, decoder of attributes [1]_.

    .. math::

        H = \operatorname{encode}(F W_F^\top + b_F), \quad
        S = \operatorname{decode}(A W_A^\top + b_A, H), \quad s_k = (A W_1)_k \cdot S_k

    Attention in the encoder is reduced by a learned function of how many rows and columns two
    regions are apart; in the decoder attributes attend to each other, then to the regions.

    Parameters
    ----------
    n_attributes : int
        K, the number of attributes.
    n_features : int
        D, the width of a region feature.
    grid : (int, int)
        Rows and columns of the regions, which are numbered row by row.
    attribute_vectors : Tensor of shape (K, V), default=None
        Word vectors of the attribute names, brought to unit length; rows of zeros start from a
        random direction. ``None`` starts all of them at random.
    attribute_dim : int, default=300
        V when `attribute_vectors` is ``None``. 300 is the usual width of word vectors.
    dim, dim_feedforward : int, default=300, 512
        Width d of regions and attributes, and that between the two linear layers of a block.
    dropout, encoder_attention_dropout : float, default=0.4, 0.1
        Shares that are dropped in training, the second of the attention between regions; drawn from
        torch's global generator.
    n_encoder_layers, n_decoder_layers : int, default=1
        Blocks of both.
    n_heads : int, default=1
        Heads of the decoder's attention; divides `dim`. The work of attention is as many times that
        of one head. The encoder has one.
    self_attention : bool, default=True
        Whether attributes attend to each other; the released code leaves it out on SUN.
    normalize : bool, default=False
        Whether attribute vectors are brought to unit length at every use, as released for AWA2.

    Attributes
    ----------
    attribute_vectors, output_weight : Parameter of shape (K, V) and (V, d)
        A; and W_1, which starts from a standard normal.

    Raises
    ------
    ValueError
        If `n_heads` does not divide `dim`.

    See Also
    --------
    zslearn.TransZeroClassifier : The network behind the scikit-learn API.
    DAZLENetwork : Attention without a transformer.

    Notes
    -----
    Regions in bfloat16 are multiplied in it, those of other dtypes in that of the weights. Left out
    are biases of keys, which have no effect, and a second embedding of regions that has no use.

    References
    ----------
    .. [1] S. Chen, Z. Hong, Y. Liu, G.-S. Xie, B. Sun, H. Li, Q. Peng, K. Lu, X. You, "TransZero:
       Attribute-guided transformer for zero-shot learning", AAAI 2022.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import TransZeroNetwork
    >>> network = TransZeroNetwork(n_attributes=4, n_features=8, grid=(3, 3), dim=6).eval()
    >>> network(torch.randn(2, 9, 8)).shape, network.attention_maps(torch.randn(2, 9, 8)).shape
    (torch.Size([2, 4]), torch.Size([2, 4, 9]))
    """

    encoder: Any
    decoder: Any

    def __init__(
        self,
        n_attributes: int,
        n_features: int,
        grid: tuple[int, int],
        *,
        attribute_vectors: Tensor | None = None,
        attribute_dim: int = 300,
        dim: int = 300,
        dim_feedforward: int = 512,
        dropout: float = 0.4,
        encoder_attention_dropout: float = 0.1,
        n_encoder_layers: int = 1,
        n_decoder_layers: int = 1,
        n_heads: int = 1,
        self_attention: bool = True,
        normalize: bool = False,
    ) -> None:
        super().__init__(n_attributes, attribute_vectors, attribute_dim, normalize=normalize)
        if dim % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide dim={dim}; 1 and {dim} do.")
        width = self.attribute_vectors.shape[1]
        self.output_weight = nn.Parameter(torch.randn(width, dim))
        self.embed_regions = nn.Linear(n_features, dim)
        self.embed_attributes = nn.Linear(width, dim)
        self.geometry = GridGeometry(grid)
        self.encoder = nn.ModuleList(
            EncoderLayer(dim, dim_feedforward, dropout, encoder_attention_dropout)
            for _ in range(n_encoder_layers)
        )
        first = DecoderLayer(dim, dim_feedforward, dropout, n_heads, self_attention=self_attention)
        self.decoder = decoder_layers(n_decoder_layers, first)

    def embedded_attributes(self, n_images: int = 1) -> Tensor:
        """Compute what the first block of the decoder asks regions with.

        Parameters
        ----------
        n_images : int, default=1
            B, in training: with dropout images are asked differently.

        Returns
        -------
        Tensor of shape (K, d), or (B, K, d) with dropout
            Embedded attributes that have attended to each other.
        """
        embedded = self.embed_attributes(self.vectors())
        first = self.decoder[0]
        asked: Tensor = first.ask_each_other(embedded, first.meet(embedded), n_images)
        return asked

    def attention_maps(
        self, regions: Tensor, attributes: Tensor | None = None, padding: Tensor | None = None
    ) -> Tensor:
        """Compute how the last block of the decoder attends to regions, its heads on average.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length.
        attributes : Tensor of shape (k,), int64, default=None
            Index of the attributes to keep; ``None`` keeps all.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention, as in :meth:`forward`.

        Returns
        -------
        Tensor of shape (B, k, R)
            Non-negative, each map summing to one over the regions; exactly 0 on padding.
        """
        with precision_of(regions):
            encoded = self._encode(regions, padding)
            (asked,) = self._ask(encoded, padding, None, len(regions))
        asked = asked if attributes is None else asked[..., attributes, :]
        attention = self.decoder[-1].attention
        # Weights that are rounded to bfloat16 would not sum to one.
        asked, encoded = (one.to(attention.key_weight.dtype) for one in (asked, encoded))
        look = attention.look(encoded, len(asked.flatten(0, -2)))
        maps = attention.maps(asked, look, padding).unflatten(-2, (-1, attention.n_heads))
        return maps.mean(dim=-2)

    def forward(
        self, regions: Tensor, padding: Tensor | None = None, asked: Tensor | None = None
    ) -> Tensor:
        """Compute attribute scores s.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length, as many as the grid has cells.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention, never all of an image; :func:`find_padding
            <zslearn.nn.functional.find_padding>` marks those of zeros. ``None`` leaves none out.
        asked : Tensor, default=None
            What :meth:`embedded_attributes` returns, if it is there already.

        Returns
        -------
        Tensor of shape (B, K)
            Attribute scores.
        """
        with precision_of(regions):
            encoded = self._encode(regions, padding)
            described, last = self.vectors() @ self.output_weight, self.decoder[-1]
            n_images = self._images_at_once(encoded)
            looks = last.attention.look(encoded, self._n_asking(encoded, asked)).split(n_images)
            scores = []
            for number, one in enumerate(self._ask(encoded, padding, asked, n_images)):
                images = slice(number * n_images, (number + 1) * n_images)
                mark = None if padding is None else padding[images]
                found = last(one, looks[number], mark) * described
                wide = torch.promote_types(found.dtype, torch.float32)
                scores.append(found.sum(dim=-1, dtype=wide))
        return torch.cat(scores)

    def _encode(self, regions: Tensor, padding: Tensor | None) -> Tensor:
        low = regions.dtype == torch.bfloat16
        x: Tensor = self.embed_regions(regions if low else regions.to(self.output_weight.dtype))
        reduction = self.geometry()
        for layer in self.encoder:
            x = layer(x, padding, reduction)
        return x

    def _ask(
        self, encoded: Tensor, padding: Tensor | None, asked: Tensor | None, n_images: int
    ) -> Iterator[Tensor]:
        """Compute what the last block asks with, of some images at a time."""
        first = self.decoder[0]
        if asked is None:
            embedded = self.embed_attributes(self.vectors())
            met = first.meet(embedded)
        n_asking = self._n_asking(encoded, asked)
        looks = [one.attention.look(encoded, n_asking).split(n_images) for one in self.decoder[:-1]]
        marks = [None] * len(encoded) if padding is None else padding.split(n_images)
        for number, images in enumerate(encoded.split(n_images)):
            one = first.ask_each_other(embedded, met, len(images)) if asked is None else asked
            for layer, look, following in zip(self.decoder, looks, self.decoder[1:], strict=False):
                one = layer(one, look[number], marks[number])
                one = following.ask_each_other(one, following.meet(one), len(images))
            yield one

    def _n_asking(self, encoded: Tensor, asked: Tensor | None) -> int:
        """Attributes that ask regions in all: those of every image, if these are not the same."""
        differ = len(self.decoder) > 1 or (self.training and self.decoder[0].p > 0)
        return len(self.attribute_vectors) * (len(encoded) if differ and asked is None else 1)

    def _images_at_once(self, encoded: Tensor) -> int:
        """All of them, or on a CPU as many as its cache holds the attributes of."""
        if encoded.device.type != "cpu":
            return max(1, len(encoded))
        width = self.decoder[0].feed_forward.inner.out_features
        return max(1, _CACHED_NUMBERS // (len(self.attribute_vectors) * width))
