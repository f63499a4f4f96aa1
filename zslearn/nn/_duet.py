"""The head of DUET: one token a picture, which attends to words, predicts attributes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zslearn.nn._cross_modal import CrossModalLayer, WordHead

__all__ = ["DUETHead"]


class DUETHead(nn.Module):
    r"""A picture's token, the words it attends to, and attributes [1]_.

    .. math::

        v = W_v x + b_v, \quad (t_3, v_3) = cross(t, v), \quad s = W_s v_3 + b_s, \quad
        z_c = s \cdot t_c

    Without cross-modal layers :math:`v_3 = v`, and no words are needed.

    Parameters
    ----------
    n_attributes : int
        K, the number of attributes.
    n_features : int
        Width of x, a vector a picture; the authors take the 1000 scores of a classifier.
    width : int, default=768
        D, the width of a token.
    n_heads : int, default=12
        Heads of attention.
    inner_dim : int, default=3072
        Width of the inner layers.
    n_layers : int, default=1
        Number of cross-modal layers; the released code has 0 or 1.
    dropout : float, default=0.1
        Within the cross-modal layers.
    text_dim : int, default=None
        Width of the hidden states of words, if they have to be brought to D by a linear map.
    n_words : int, default=None
        Size of the vocabulary, for ``words`` and ``contrast``.

    Attributes
    ----------
    image_projection, attribute_head : torch.nn.Linear
        W_v and W_s with their biases.
    text_projection : torch.nn.Linear or torch.nn.Identity
        Brings words to the width of a token.
    layers : torch.nn.ModuleList
        Cross-modal layers.
    words : torch.nn.Module or None
        Scores of masked words; there with `n_words`.
    contrast : torch.nn.Sequential or None
        What masked words are compared by; there with `n_words`.

    See Also
    --------
    CrossModalLayer : The layer.
    zslearn.nn.losses.MaskedWordLoss : One of the losses.

    References
    ----------
    .. [1] Z. Chen et al., "DUET: Cross-modal semantic grounding for contrastive zero-shot
       learning", AAAI 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import DUETHead
    >>> head = DUETHead(4, 10, width=8, n_heads=2, inner_dim=16)
    >>> tokens = head.look(torch.randn(3, 10), torch.randn(1, 5, 8))
    >>> head.attribute_head(tokens).shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        n_attributes: int,
        n_features: int,
        *,
        width: int = 768,
        n_heads: int = 12,
        inner_dim: int = 3072,
        n_layers: int = 1,
        dropout: float = 0.1,
        text_dim: int | None = None,
        n_words: int | None = None,
    ) -> None:
        super().__init__()
        self.image_projection = nn.Linear(n_features, width)
        self.attribute_head = nn.Linear(width, n_attributes)
        other = text_dim not in (None, width) and n_layers > 0
        self.text_projection = nn.Linear(text_dim or width, width) if other else nn.Identity()
        self.layers = nn.ModuleList(
            CrossModalLayer(width, n_heads, inner_dim, dropout=dropout) for _ in range(n_layers)
        )
        self.words = None if n_words is None else WordHead(width, n_words)
        two = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.contrast: nn.Module | None = None if n_words is None else two

    def look(
        self, features: Tensor, text: Tensor | None = None, padding: Tensor | None = None
    ) -> Tensor:
        """Compute tokens of pictures; what words become is not worked out in the last layer.

        Parameters
        ----------
        features : Tensor of shape (B, F)
            One vector x a picture.
        text : Tensor of shape (B, L, text_dim) or (1, L, text_dim), default=None
            Hidden states of words, needed if there are layers. One text may serve all pictures.
        padding : Tensor of shape (B, L) or (1, L), bool, default=None
            Marks words nobody attends to; ``None`` attends to all, as released.

        Returns
        -------
        Tensor of shape (B, D)
            Tokens v_3.
        """
        image = self.image_projection(features)[:, None]
        if self.layers:
            words, image = self._up_to_last(text, image, padding)
            last: Any = self.layers[-1]
            image = last.look(words, image, padding)
        return image[:, 0]

    def forward(
        self, features: Tensor, text: Tensor, padding: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute tokens of words and pictures.

        Parameters
        ----------
        features : Tensor of shape (B, F)
            One vector x a picture.
        text : Tensor of shape (B, L, text_dim)
            Hidden states of a text for each.
        padding : Tensor of shape (B, L), bool, default=None
            As for :meth:`look`.

        Returns
        -------
        text : Tensor of shape (B, L, D)
            Words t_3.
        image : Tensor of shape (B, D)
            Tokens v_3.
        """
        image = self.image_projection(features)[:, None]
        words, image = self._up_to_last(text, image, padding)
        if self.layers:
            words, image = self.layers[-1](words, image, padding)
        return words, image[:, 0]

    def _up_to_last(
        self, text: Tensor | None, image: Tensor, padding: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        assert text is not None, "layers attend to words: give their hidden states"
        words = self.text_projection(text)
        for layer in list(self.layers)[:-1]:
            words, image = layer(words.expand(len(image), -1, -1), image, padding)
        return words, image

    def contrast_of(self, words: Tensor, positions: Tensor) -> Tensor:
        """Compute what masked words are compared by.

        Parameters
        ----------
        words : Tensor of shape (B, L, D)
            Words t_3.
        positions : Tensor of shape (B, L), bool
            Marks the pieces of the word, at least one a row.

        Returns
        -------
        Tensor of shape (B, D)
            The mean over the positions, through two layers.
        """
        head = self.contrast
        assert head is not None, "made without n_words"
        share = positions.to(words.dtype)
        mean = (share / share.sum(dim=1, keepdim=True))[:, None] @ words
        compared: Tensor = head(mean[:, 0])
        return compared

    def class_scores(self, semantics: Tensor, table: Tensor) -> Tensor:
        """Compute class scores.

        Parameters
        ----------
        semantics : Tensor of shape (B, K)
            Semantic vectors s.
        table : Tensor of shape (C, K)
            Descriptions of classes, as they are: the authors' have rows of unit length.

        Returns
        -------
        Tensor of shape (B, C)
            Scores z.
        """
        return torch.matmul(semantics, table.to(semantics.dtype).T)
