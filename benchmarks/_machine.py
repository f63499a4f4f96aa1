"""Where and with what a benchmark ran, in a line."""

from __future__ import annotations

import platform

import torch

from zslearn import __version__


def machine() -> str:
    """One line about where this ran."""
    return (
        f"zslearn {__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{platform.machine()}, Python {platform.python_version()}"
    )
