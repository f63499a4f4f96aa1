"""Regions of zeros, which fill up pictures of fewer regions than others have."""

from __future__ import annotations

from torch import Tensor

__all__ = ["find_padding"]

# Features of a region that are looked at first: nearly all regions show in a few that they are one.
_GLANCES = 8


def find_padding(regions: Tensor) -> Tensor | None:
    """Mark regions that are zero in every feature, which stand for no part of the image.

    Parameters
    ----------
    regions : Tensor of shape (B, R, D)
        Region features, of any dtype.

    Returns
    -------
    Tensor of shape (B, R), bool, or None
        ``None`` where there is no such region, so that nothing has to be left out. In an image of
        nothing but zeros none is marked: there would be nothing to attend to.

    See Also
    --------
    semantic_attention : Leaves out what is marked.

    Notes
    -----
    Of a region that is not zero, a few features are read as a rule. On a CUDA device the answer
    has to be waited for.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.functional import find_padding
    >>> find_padding(torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]))
    tensor([[False,  True]])
    >>> find_padding(torch.ones(1, 2, 3)) is None
    True
    """
    if regions.shape[-2] == 1:
        return None
    glances = regions[..., :: max(1, regions.shape[-1] // _GLANCES)]
    padding = glances.any(dim=-1).logical_not()
    if not bool(padding.any()):
        return None
    suspects = padding.nonzero(as_tuple=True)
    padding[suspects] = regions[suspects].any(dim=-1).logical_not()
    padding &= ~padding.all(dim=-1, keepdim=True)
    return padding if bool(padding.any()) else None
