"""Attribute regression loss: scores of attributes are to be what describes the class."""

from __future__ import annotations

from torch import Tensor, nn

from zslearn.nn._normalize import normalize_rows
from zslearn.nn.losses._means import mean_over_images

__all__ = ["AttributeRegressionLoss"]


class AttributeRegressionLoss(nn.Module):
    r"""Mean squared difference of attribute scores and the description of the class.

    .. math:: L_{reg} = \frac{1}{BK} \sum_{b,k} (s_{bk} - T_{y_b k})^2

    Parameters
    ----------
    normalize : bool, default=True
        Whether rows of T are brought to unit length, as class scores have them.

    See Also
    --------
    TransZeroNetwork : Its scores are trained by it.

    References
    ----------
    .. [1] S. Chen, Z. Hong, Y. Liu, G.-S. Xie, B. Sun, H. Li, Q. Peng, K. Lu, X. You, "TransZero:
       Attribute-guided transformer for zero-shot learning", AAAI 2022.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import AttributeRegressionLoss
    >>> table = torch.tensor([[0.0, 2.0], [3.0, 4.0]])
    >>> AttributeRegressionLoss()(torch.tensor([[1.0, 1.0]]), torch.tensor([0]), table)
    tensor(0.5000)
    """

    def __init__(self, *, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize

    def forward(
        self, scores: Tensor, y: Tensor, table: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        scores : Tensor of shape (B, K)
            Attribute scores s.
        y : Tensor of shape (B,), int64
            Rows of the table.
        table : Tensor of shape (C, K)
            Class attributes T.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0.

        Returns
        -------
        Tensor of shape ()
            Not negative.
        """
        targets = (normalize_rows(table) if self.normalize else table)[y].to(scores.dtype)
        return mean_over_images((scores - targets).square().mean(dim=1), sample_weight)

    def extra_repr(self) -> str:
        """Show whether rows are normalised."""
        return f"normalize={self.normalize}"
