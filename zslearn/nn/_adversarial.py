"""Pictures changed by gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["adversarial_pictures"]


def adversarial_pictures(
    pixels: Tensor,
    objective: Callable[[Tensor], Tensor],
    *,
    step: Tensor | float,
    n_steps: int = 3,
    low: Tensor | float | None = None,
    high: Tensor | float | None = None,
) -> Tensor:
    r"""Change pictures by steps along the sign of a gradient, within limits.

    .. math:: x \leftarrow \operatorname{clamp}(x - step \cdot \operatorname{sign}(dJ/dx), lo, hi)

    There is no ball around the picture: the whole change may reach `n_steps` times `step`. Where a
    gradient is 0, as behind a clamp, nothing changes. Gradients of weights are left alone.

    Parameters
    ----------
    pixels : Tensor of shape (B, 3, height, width)
        Normalised pictures; regions of features will do as well.
    objective : callable
        Gives J, a scalar to be lowered, of pictures. Put networks into evaluation mode before.
    step : float or Tensor that goes with `pixels`, such as of shape (3, 1, 1)
        Length of a step.
    n_steps : int, default=3
        Number of steps; the authors' of HAS.
    low, high : float or Tensor that goes with `pixels`, default=None
        Limits of a pixel: black and white, normalised. ``None`` sets no limit.

    Returns
    -------
    Tensor of the shape of `pixels`
        Changed pictures, without a gradient.

    See Also
    --------
    zslearn.nn.losses.ConfusionLoss : The objective of HAS.

    References
    ----------
    .. [1] Z. Chen et al., "Zero-shot learning by harnessing adversarial samples", ACM Multimedia
       2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import adversarial_pictures
    >>> adversarial_pictures(torch.tensor([0.5, -1.0]), lambda x: (x**2).sum(), step=0.2, n_steps=2)
    tensor([ 0.1000, -0.6000])
    """
    changed = pixels.detach()
    for _ in range(n_steps):
        with torch.enable_grad():
            asked = changed.requires_grad_()
            (gradient,) = torch.autograd.grad(objective(asked), asked)
        changed = asked.detach() - step * gradient.sign()
        if low is not None:
            changed = torch.maximum(changed, torch.as_tensor(low).to(changed))
        if high is not None:
            changed = torch.minimum(changed, torch.as_tensor(high).to(changed))
    return changed
