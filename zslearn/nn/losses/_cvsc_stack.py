"""The objectives of several networks at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zslearn.nn.losses._compiled import serves_terms
from zslearn.nn.losses._cvsc import CVsCLoss

__all__ = ["CVsCLossStack"]


class CVsCLossStack:
    """Evaluate m objectives on the outputs of m networks.

    Objectives that differ in nothing but the size of their weights are evaluated as one, by
    ``torch.vmap``, unless there is compiled code for them, which takes each in turn.

    Parameters
    ----------
    criteria : sequence of m CVsCLoss
        Of one class table and one mark of unseen classes.
    intervened : list of int
        Which of the m networks have a counterfactual.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import CVsCLoss
    >>> from zslearn.nn.losses._cvsc_stack import CVsCLossStack
    >>> unseen = torch.tensor([False, False, False, True])
    >>> options = {"lambda_sci": 0.0, "lambda_tci": 0.0}
    >>> criteria = [CVsCLoss(torch.eye(4), unseen, lambda_cc=w, **options) for w in (1.0, 2.0)]
    >>> output = torch.randn(2, 3, 4), torch.randn(2, 3, 4), None, None
    >>> losses, terms = CVsCLossStack(criteria, [])(output, torch.tensor([0, 1, 2]))
    >>> losses.shape, [list(names) for names in terms]
    (torch.Size([2]), [['ce', 'cal', 'cc'], ['ce', 'cal', 'cc']])
    """

    def __init__(self, criteria: Sequence[CVsCLoss], intervened: Sequence[int]) -> None:
        self.n_criteria = len(criteria)
        place = {row: position for position, row in enumerate(intervened)}
        alike: dict[Any, list[int]] = {}
        for row, criterion in enumerate(criteria):
            kind = (criterion.term_names, criterion.options, row in place)
            alike.setdefault(kind, []).append(row)
        device = criteria[0].class_attributes.device
        self._groups = []
        for (names, _, has_other), rows in alike.items():
            weights = [[criteria[row].weights[name] for name in names] for row in rows]
            others = [place[row] for row in rows] if has_other else None
            self._groups.append(
                (
                    criteria[rows[0]],
                    rows,
                    _index(rows, len(criteria), device),
                    None if others is None else _index(others, len(intervened), device),
                    has_other,
                    torch.tensor(weights, device=device),
                )
            )

    def __call__(
        self, output: tuple[Tensor, Tensor, Tensor | None, Tensor | None], y: Tensor
    ) -> tuple[Tensor, list[dict[str, Tensor]]]:
        """Weighted sums and terms.

        Parameters
        ----------
        output : StackedOutput
            Semantic vectors, logits, and both under the intervention.
        y : Tensor of shape (B,), int64
            Index of each image's class.

        Returns
        -------
        losses : Tensor of shape (m,)
            To be minimised, each by its own network.
        terms : list of m dict of str to Tensor of shape ()
            The unweighted terms of non-zero weight.
        """
        losses: list[Any] = [None] * self.n_criteria
        terms: list[Any] = [None] * self.n_criteria
        for criterion, rows, index, other_index, has_other, weights in self._groups:
            inputs = [_rows(part, index) for part in output[:2]]
            if has_other:
                inputs += [_rows(part, other_index) for part in output[2:] if part is not None]

            def evaluate(
                s: Tensor,
                z: Tensor,
                s_other: Tensor | None = None,
                z_other: Tensor | None = None,
                *,
                criterion: CVsCLoss = criterion,
            ) -> dict[str, Tensor]:
                return criterion.terms((s, z, s_other, z_other), y)

            compiled = has_other and criterion.is_released_form
            if len(rows) == 1 or (compiled and serves_terms(*(part[0] for part in inputs))):
                each = [evaluate(*parts) for parts in zip(*inputs, strict=True)]
                values = {name: torch.stack([found[name] for found in each]) for name in each[0]}
            else:
                values = torch.vmap(evaluate)(*inputs)
            totals = (weights * torch.stack(list(values.values()), dim=1)).sum(dim=1)
            split = {name: value.unbind() for name, value in values.items()}
            for position, (row, total) in enumerate(zip(rows, totals.unbind(), strict=True)):
                losses[row] = total
                terms[row] = {name: parts[position] for name, parts in split.items()}
        return torch.stack(losses), terms


def _index(rows: Sequence[int], n: int, device: torch.device) -> Tensor | None:
    """Index of rows; None for all of them in order."""
    return None if list(rows) == list(range(n)) else torch.tensor(rows, device=device)


def _rows(part: Tensor, index: Tensor | None) -> Tensor:
    return part if index is None else part[index]
