"""The grid that regions lie on, for networks that heed where in a picture a region is."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import Tensor

__all__ = ["OnGrid", "known_grid", "resolve_grid"]

_ELSE = "or take a classifier without geometry, such as DAZLEClassifier"


class OnGrid:
    """Mixin of estimators with a parameter ``grid``, before the base that has ``_check_X``.

    Attributes
    ----------
    grid_ : (int, int)
        Regions down and across, as given, as the store of X has it, or the square that R is.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"grid": [tuple, list, None]}

    grid: tuple[int, int] | None
    grid_: tuple[int, int]

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        checked = super()._check_X(X, reset=reset)  # type: ignore[misc]
        n_regions = checked.shape[1] if len(checked.shape) == 3 else 1
        if n_regions > 1 and checked is not X and len({len(sample) for sample in X}) > 1:
            raise ValueError(
                f"X is a list of samples with different numbers of regions, but "
                f"{type(self).__name__} needs regions on one grid. Extract as many of each "
                f"picture, {_ELSE}."
            )
        if reset:
            self._learn_grid(n_regions, X)
            return checked
        known, _ = known_grid(X)
        if n_regions != self.grid_[0] * self.grid_[1] or known not in (None, self.grid_):
            raise ValueError(
                f"X has {n_regions} regions{f' on a grid of {known}' if known else ''}, but "
                f"{type(self).__name__} was fitted on a grid of {self.grid_}: extract regions "
                "with the same settings."
            )
        return checked

    def _learn_grid(self, n_regions: int, X: Any) -> None:
        self.grid_ = resolve_grid(self.grid, n_regions, X)


def known_grid(X: Any) -> tuple[tuple[int, int] | None, bool]:
    """Tell the grid that X, or the store it is a view of, knows; and whether it knows of none."""
    while not isinstance(X, np.ndarray | Tensor):
        if hasattr(X, "grid_shape"):
            return X.grid_shape, X.grid_shape is None
        X = getattr(X, "base", getattr(X, "X", None))
        if X is None:
            break
    return None, False


def resolve_grid(
    grid: Any, n_regions: int, X: Any = None, *, no_grid: bool = False, name: str = "grid"
) -> tuple[int, int]:
    """Rows and columns of the regions: as given, as X knows, or the square that R is.

    Parameters
    ----------
    grid : (int, int) or None
        As given.
    n_regions : int
        R; one region is a grid of one cell.
    X : object, default=None
        Features, which may be a store that knows its grid.
    no_grid : bool, default=False
        Whether it is known that regions lie on no grid.
    name : str, default="grid"
        Of the argument, for messages.

    Raises
    ------
    ValueError
        If it cannot be told, or does not have as many cells as there are regions.
    """
    wanted = f"pass {name}=(rows, columns), such as the grid_shape_ of the extractor"
    if grid is None:
        grid, unordered = known_grid(X)
        no_grid = no_grid or unordered
    if grid is None:
        side = int(np.sqrt(n_regions) + 0.5)
        if n_regions > 1 and (no_grid or side * side != n_regions):
            why = "lie on no grid" if no_grid else "form no square"
            raise ValueError(f"The {n_regions} regions of X {why}: {wanted}.")
        return side, side
    try:
        down, across = (int(side) for side in grid)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={grid!r} must be two numbers: {wanted}.") from None
    if min(down, across) < 1 or down * across != n_regions:
        raise ValueError(
            f"{name}={(down, across)} has {down * across} cells, but X has {n_regions} regions: "
            f"{wanted}."
        )
    return down, across
