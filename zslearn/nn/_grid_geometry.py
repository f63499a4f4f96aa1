"""What two cells of a grid are to each other, as TransZero's encoder heeds it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["GridGeometry"]

_FREQUENCIES = 8


class GridGeometry(nn.Module):
    r"""How much attention is reduced between two cells of a grid.

    .. math::

        G_{ij} = \max(w \cdot \Gamma_{ij} + b, 0), \quad \lambda_{ij} = \log
        \max\Bigl(\frac{|\rho_i - \rho_j|}{h + 1}, 10^{-3}\Bigr)

    where Gamma holds sines and cosines of :math:`100 \lambda_{ij} 1000^{-t/8}` of rows and of
    columns, and those of 0 in the place of ratios of sizes. It depends on how many rows and columns
    cells are apart, so it is computed for the h w values there are of these.

    Parameters
    ----------
    grid : (int, int)
        h and w; cells are numbered row by row.
    """

    offsets: Tensor
    places: Tensor

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.score = nn.Linear(8 * _FREQUENCIES, 1)
        self.register_buffer("offsets", _embed_offsets(grid), persistent=False)
        self.register_buffer("places", _places_of_offsets(grid), persistent=False)

    def forward(self) -> Tensor:
        """Compute G, of shape (h w, h w)."""
        by_offset = torch.relu(self.score(self.offsets)).squeeze(1)
        return by_offset[self.places]


def _embed_offsets(grid: tuple[int, int]) -> Tensor:
    """Gamma (h w, 64) of 0 to h - 1 rows and 0 to w - 1 columns apart."""
    waves = 100 * 1000 ** (-torch.arange(_FREQUENCIES, dtype=torch.float64) / _FREQUENCIES)
    apart = (torch.arange(side, dtype=torch.float64) / (side + 1) for side in grid)
    down, across = (torch.log(share.clamp_min(1e-3))[:, None] * waves for share in apart)
    h, w = grid
    angles = torch.zeros(h, w, 4 * _FREQUENCIES, dtype=torch.float64)
    angles[..., :_FREQUENCIES] = down[:, None]
    angles[..., _FREQUENCIES : 2 * _FREQUENCIES] = across
    gamma = torch.cat([angles.sin(), angles.cos()], dim=2)
    return gamma.flatten(0, 1).to(torch.get_default_dtype())


def _places_of_offsets(grid: tuple[int, int]) -> Tensor:
    """For each two cells (h w, h w), the row of their offset."""
    h, w = grid
    row, column = torch.arange(h * w) // w, torch.arange(h * w) % w
    down, across = ((place[:, None] - place).abs() for place in (row, column))
    return down * w + across
