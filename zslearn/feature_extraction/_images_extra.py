"""Pillow and timm, which only pictures need, or an error that says how to get them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["import_for_images"]


def import_for_images(name: str) -> Any:
    """Import a module of Pillow or timm; features that are there already need neither."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"Pictures need timm, torchvision and Pillow ({error}). Install them with "
            '`pip install "zslearn[images]"`.',
            name=error.name,
        ) from error
