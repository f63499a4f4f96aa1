"""The grid that regions come from."""

from __future__ import annotations

import math

__all__ = ["grid_of"]


def grid_of(n_regions: int, grid: tuple[int, int] | None) -> tuple[int, int]:
    """Rows and columns of so many regions: as given, or of a square."""
    if grid is not None:
        if grid[0] * grid[1] != n_regions:
            raise ValueError(f"grid={grid} has {grid[0] * grid[1]} regions, X has {n_regions}")
        return grid
    side = math.isqrt(n_regions)
    if side * side != n_regions:
        raise ValueError(
            f"X has {n_regions} regions, which are no square grid: set grid to (rows, columns)"
        )
    return side, side
