"""Compare an implementation of semantic attention with the equations, before it is used."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["verify"]


def verify(
    attend: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    device: torch.device,
    dtype: torch.dtype,
    shape: tuple[int, int, int],
    is_padded: bool = False,
) -> str:
    """Compare results and gradients on two random images; say how they differ.

    Parameters
    ----------
    attend : callable
        Takes regions (B, R, D), stacked weights (2K, D) and a mark of padding (B, R) or None.
    device, dtype
        Of both.
    shape : tuple of three ints
        R, D and K.
    is_padded : bool, default=False
        Whether some regions are marked as padding: of one image the first, of the other all but
        the last.

    Returns
    -------
    str
        Empty if they agree.
    """
    n_regions, n_features, n_attributes = shape
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    # Outside of inference mode, whatever the caller is in: gradients are compared too.
    with torch.inference_mode(False), torch.enable_grad():
        regions = torch.nn.functional.normalize(draw(2, n_regions, n_features), dim=-1)
        weights = 4.0 * draw(2 * n_attributes, n_features)
        low = [x.to(device, dtype).requires_grad_() for x in (regions, weights)]
        exact = [x.detach().double().requires_grad_() for x in low]
        slopes = draw(2, n_attributes).to(device)
        padding = None
        if is_padded:
            padding = torch.zeros(2, n_regions, dtype=torch.bool, device=device)
            padding[0, : n_regions > 1] = padding[1, :-1] = True
        found = attend(low[0], low[1], padding)
        expected = _by_the_equations(exact[0], exact[1], padding)
        ours = torch.autograd.grad(found, low, slopes.to(found.dtype))
        theirs = torch.autograd.grad(expected, exact, slopes)
    tolerance = max(1e-3, 4 * torch.finfo(dtype).eps)
    names = ["result", "gradient by regions", "gradient by weights"]
    for name, result, exactly in zip(names, (found, *ours), (expected, *theirs), strict=True):
        difference = (result.detach().double() - exactly.detach()).norm()
        error = float(difference / exactly.detach().norm().clamp_min(1e-30))
        if not error <= tolerance:
            return f"its {name} is off by {error:.2g} of its length on a random problem"
    return ""


def _by_the_equations(regions: Tensor, weights: Tensor, padding: Tensor | None) -> Tensor:
    logits, values = (regions @ weights.T).chunk(2, dim=-1)
    if padding is not None:
        logits = logits.masked_fill(padding.unsqueeze(-1), -torch.inf)
    return (torch.softmax(logits, dim=1) * values).sum(dim=1)
