"""Modules whose call has to be made, since somebody waits for it."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["is_watched"]


def is_watched(module: nn.Module) -> bool:
    """Whether somebody is called when a module is, or when any is, or in its place."""
    general = torch.nn.modules.module
    return bool(
        "forward" in vars(module)
        or module._compiled_call_impl is not None
        or module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or general._global_forward_hooks
        or general._global_forward_pre_hooks
        or general._global_backward_hooks
        or general._global_backward_pre_hooks
    )
