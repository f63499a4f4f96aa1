"""Compactness of maps: what is far from the peak should be small."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from zslearn.nn.losses._means import relative_weights

__all__ = ["CompactnessLoss"]


class CompactnessLoss(nn.Module):
    r"""Similarity times squared distance from the most similar region [1]_.

    .. math::

        L = \sum_{b,k,r} \sigma(M_{bkr}) \, \lVert x_r - x_{r^*_{bk}} \rVert^2,
        \quad r^*_{bk} = \operatorname{argmax}_r M_{bkr}

    with the places :math:`x` of the regions in their grid, in steps of it.

    Parameters
    ----------
    grid : tuple of (int, int)
        Rows and columns of the grid that the regions come from, row by row.
    form : {"sigmoid", "similarity"}, default="sigmoid"
        What is summed: :math:`\sigma(M)`, as in the released code, or M, which has no lower bound.

    See Also
    --------
    APNLoss : Adds it to the other terms.

    Notes
    -----
    It is a sum over images, attributes and regions, not a mean: its usual weights are tiny, and
    belong to a batch size.

    References
    ----------
    .. [1] W. Xu, Y. Xian, J. Wang, B. Schiele, Z. Akata, "Attribute prototype network for
       zero-shot learning", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.losses import CompactnessLoss
    >>> maps = torch.tensor([[[9.0, 1.0, 0.0, 1.0]]])  # the peak is in the upper left corner
    >>> CompactnessLoss((2, 2), "similarity")(maps, maps.argmax(dim=2))  # 1 * 1 + 0 * 1 + 1 * 2
    tensor(3.)
    """

    def __init__(
        self, grid: tuple[int, int], form: Literal["sigmoid", "similarity"] = "sigmoid"
    ) -> None:
        super().__init__()
        self.grid, self.form = grid, form

    def forward(
        self, similarity: Tensor, peaks: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        similarity : Tensor of shape (B, K, R)
            Similarities M; minus infinity on regions that do not count.
        peaks : Tensor of shape (B, K), int64
            The most similar region of each.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0, relative to the mean of all.

        Returns
        -------
        Tensor of shape ()
            The sum.

        Raises
        ------
        ValueError
            If there are not as many regions as the grid has.
        """
        height, width = self.grid
        if similarity.shape[2] != height * width:
            raise ValueError(
                f"grid={self.grid} has {height * width} regions, but the maps have "
                f"{similarity.shape[2]}"
            )
        place = torch.cartesian_prod(torch.arange(height), torch.arange(width))
        place = place.view(-1, 2).to(similarity.device, similarity.dtype)
        distances = (place[:, None] - place).square().sum(dim=2)
        if self.form == "sigmoid":
            size = similarity.sigmoid()
        else:
            size = similarity.masked_fill(similarity == -torch.inf, 0.0)
        of_images = (size * distances[peaks]).flatten(1).sum(dim=1)
        if sample_weight is not None:
            of_images = of_images * relative_weights(sample_weight)
        return of_images.sum()
