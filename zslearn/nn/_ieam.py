"""The heads of IEAM-ZSL: attributes, and how far a picture was turned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zslearn.nn._vitzsl import ViTZSLHead

__all__ = ["IEAMHead", "quarter_turns"]


class IEAMHead(ViTZSLHead):
    r"""Attributes of upright pictures, and the angles of turned ones [1]_.

    .. math:: s = W x, \quad z_c = s \cdot t_c, \quad r = W_{rot} x'

    x' is the vector of a picture turned by some quarters. Both maps train the one backbone: z by
    the cross entropy of the seen classes, r by that of the four angles.

    Parameters
    ----------
    n_attributes : int
        K, the number of attributes.
    n_features : int
        D, the width of x.

    Attributes
    ----------
    rotation : torch.nn.Linear
        W_rot of shape (4, D), without a bias.

    See Also
    --------
    ViTZSLHead : Without the second task.
    quarter_turns : Makes the turned pictures.

    References
    ----------
    .. [1] F. Alamri, A. Dutta, "Implicit and explicit attention for zero-shot learning", GCPR 2021.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import IEAMHead
    >>> head = IEAMHead(n_attributes=4, n_features=8)
    >>> head.angle_scores(torch.randn(2, 8)).shape
    torch.Size([2, 4])
    """

    def __init__(self, n_attributes: int, n_features: int) -> None:
        super().__init__(n_attributes, n_features)
        self.rotation = nn.Linear(n_features, 4, bias=False)

    def angle_scores(self, vectors: Tensor) -> Tensor:
        """Compute scores of the four angles.

        Parameters
        ----------
        vectors : Tensor of shape (B, D)
            One vector x' a turned picture.

        Returns
        -------
        Tensor of shape (B, 4)
            Scores r of none to three quarter turns.
        """
        scores: Tensor = self.rotation(vectors)
        return scores


def quarter_turns(pixels: Tensor, turns: Tensor) -> Tensor:
    """Turn square pictures by quarters, counter-clockwise.

    Parameters
    ----------
    pixels : Tensor of shape (B, 3, side, side)
        Pictures; any number of channels will do.
    turns : Tensor of shape (B,), int64
        Number of quarter turns of each, 0 to 3.

    Returns
    -------
    Tensor of shape (B, 3, side, side)
        Turned pictures: pixels change places, none is interpolated.

    Raises
    ------
    ValueError
        If the pictures are not square.

    See Also
    --------
    IEAMHead : Tells the angles.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import quarter_turns
    >>> quarter_turns(torch.tensor([[[[1, 2], [3, 4]]]]), torch.tensor([1])).tolist()
    [[[[2, 4], [1, 3]]]]
    """
    height, width = pixels.shape[-2:]
    if height != width:
        raise ValueError(
            f"pixels must be square to be turned by quarters, found {height} x {width}: crop them"
        )
    by_angle = torch.stack([torch.rot90(pixels, angle, (-2, -1)) for angle in range(4)])
    return by_angle[turns, torch.arange(len(pixels), device=pixels.device)]
