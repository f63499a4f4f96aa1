"""Regions of zeros, which fill up pictures of fewer regions than others have."""

from __future__ import annotations

from torch import Tensor

__all__ = ["find_padding"]

# Features that are looked at first: nearly every region shows in a few of them that it is one, and
# the others in some more, also where five features in six are zero.
_GLANCES = (8, 64)


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
    n_features = regions.shape[-1]
    padding = _is_zero(regions[..., :: max(1, n_features // _GLANCES[0])])
    for n_glances in (*_GLANCES[1:], n_features):
        if not bool(padding.any()):
            return None
        suspects = padding.nonzero(as_tuple=True)
        padding[suspects] = _is_zero(regions[..., :: max(1, n_features // n_glances)][suspects])
    padding &= ~padding.all(dim=-1, keepdim=True)
    return padding if bool(padding.any()) else None


def _is_zero(rows: Tensor) -> Tensor:
    return rows.any(dim=-1).logical_not()
