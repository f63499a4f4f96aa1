"""A layer in which words and pictures attend to each other, as LXMERT's; used by DUET."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

__all__ = ["CrossModalLayer", "WordHead"]

_EPSILON = 1e-12


class AttentionBlock(nn.Module):
    """Attention of several heads, added to what asks, with a layer norm behind."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width, _EPSILON)
        self.n_heads, self.dropout = n_heads, nn.Dropout(dropout)

    def forward(self, asking: Tensor, answering: Tensor, padding: Tensor | None = None) -> Tensor:
        """Let tokens (B, Q, D) ask others (B, R, D), or the same ones (1, R, D) for all."""
        values = self._heads(self.value(answering))
        if answering.shape[1] == 1:  # one answer: its share is one whatever is asked
            attended = self.dropout(values.new_ones(1)) * values
            attended = attended.expand(len(asking), -1, asking.shape[1], -1)
        else:
            queries, keys = self._heads(self.query(asking)), self._heads(self.key(answering))
            products = queries @ keys.mT * queries.shape[-1] ** -0.5
            if padding is not None:
                products = products.masked_fill(padding[:, None, None, :], -torch.inf)
            attended = self.dropout(products.softmax(dim=-1)) @ values
        merged = attended.transpose(1, 2).flatten(2)
        result: Tensor = self.norm(self.dropout(self.dense(merged)) + asking)
        return result

    def _heads(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(2, (self.n_heads, -1)).transpose(1, 2)


class FeedForwardBlock(nn.Module):
    """Two layers, added to what goes in, with a layer norm behind."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm, self.dropout = nn.LayerNorm(width, _EPSILON), nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform each token for itself."""
        result: Tensor = self.norm(self.dropout(self.down(gelu(self.up(tokens)))) + tokens)
        return result


class WordHead(nn.Module):
    """Scores of the words of a vocabulary for each token of a text."""

    def __init__(self, width: int, n_words: int) -> None:
        super().__init__()
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width, 1e-12)
        self.decoder = nn.Linear(width, n_words)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores (..., n_words) of tokens (..., D)."""
        scores: Tensor = self.decoder(self.norm(gelu(self.dense(tokens))))
        return scores


class CrossModalLayer(nn.Module):
    r"""Words attend to pictures and pictures to words, then each to their own [1]_.

    .. math::

        t_1 &= X(t; v), \quad v_1 = X(v; t) \\
        t_2 &= T(t_1; t_1), \quad v_2 = V(v_1; v_1) \\
        t_3 &= F(t_2), \quad v_3 = F'(v_2)

    X, T and V are attention with what asks added and a layer norm behind; X has the same weights
    both ways. F and F' are two layers likewise.

    Parameters
    ----------
    width : int
        D, the width of a token.
    n_heads : int
        Number of heads, a divisor of D.
    inner_dim : int
        Width of the inner layers.
    dropout : float, default=0.1
        Of attention's shares and of each part's result.

    See Also
    --------
    DUETHead : What it is used in.

    References
    ----------
    .. [1] H. Tan, M. Bansal, "LXMERT: Learning cross-modality encoder representations from
       transformers", EMNLP 2019.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import CrossModalLayer
    >>> layer = CrossModalLayer(8, n_heads=2, inner_dim=12)
    >>> words, picture = layer(torch.randn(3, 5, 8), torch.randn(3, 1, 8))
    >>> words.shape, picture.shape
    (torch.Size([3, 5, 8]), torch.Size([3, 1, 8]))
    """

    def __init__(self, width: int, n_heads: int, inner_dim: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.cross = AttentionBlock(width, n_heads, dropout)
        self.text_self = AttentionBlock(width, n_heads, dropout)
        self.image_self = AttentionBlock(width, n_heads, dropout)
        self.text_ffn = FeedForwardBlock(width, inner_dim, dropout)
        self.image_ffn = FeedForwardBlock(width, inner_dim, dropout)

    def forward(
        self, text: Tensor, image: Tensor, padding: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute tokens of both kinds.

        Parameters
        ----------
        text : Tensor of shape (B, L, D)
            Tokens t of the words.
        image : Tensor of shape (B, P, D)
            Tokens v of the picture.
        padding : Tensor of shape (B, L), bool, default=None
            Marks words nobody attends to; ``None`` attends to all, as DUET's released code does.

        Returns
        -------
        text : Tensor of shape (B, L, D)
            Words t_3.
        image : Tensor of shape (B, P, D)
            Picture v_3.
        """
        words = self.cross(text, image)
        words = self.text_ffn(self.text_self(words, words, padding))
        return words, self.look(text, image, padding)

    def look(self, text: Tensor, image: Tensor, padding: Tensor | None = None) -> Tensor:
        """Compute tokens of pictures alone, which need nothing of what words become.

        Parameters
        ----------
        text : Tensor of shape (B, L, D) or (1, L, D)
            Tokens t of the words; one text may serve all pictures.
        image : Tensor of shape (B, P, D)
            Tokens v of the picture.
        padding : Tensor of shape (B, L) or (1, L), bool, default=None
            As for :meth:`forward`.

        Returns
        -------
        Tensor of shape (B, P, D)
            Picture v_3.
        """
        seen = self.cross(image, text, padding)
        result: Tensor = self.image_ffn(self.image_self(seen, seen))
        return result
