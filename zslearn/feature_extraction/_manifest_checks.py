"""What can be wrong in the manifest of a feature store, which may come from anybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

__all__ = ["find_problems", "is_count", "leads_outside"]


def find_problems(manifest: dict[str, Any]) -> Iterator[str]:
    """Say what is wrong, the first thing first; later ones rely on earlier ones."""
    for name in ("images", "image_root", "fingerprints", "grid_shape"):
        if name not in manifest:
            yield f"{name!r} is missing"
    for name in ("n_total", "n_regions", "n_features"):
        if not is_count(manifest.get(name)) or manifest[name] < 1:
            yield f"{name} is {manifest.get(name)!r}, not a positive integer"
    for name in ("images", "fingerprints"):
        values = manifest[name]
        if values is not None and not isinstance(values, list):
            yield f"{name} is not a list"
        elif values is not None and len(values) != manifest["n_total"]:
            yield f"it names {len(values)} {name} for {manifest['n_total']} rows"
    yield from _find_wrong_names(manifest)
    grid = manifest["grid_shape"]
    if grid is not None and not (
        isinstance(grid, list) and len(grid) == 2 and all(map(is_count, grid))
    ):
        yield f"grid_shape is {grid!r}, not two integers"
    elif grid is not None and grid[0] * grid[1] != manifest["n_regions"]:
        yield f"grid_shape is {grid!r}, which are not {manifest['n_regions']} regions"
    if not isinstance(manifest.get("metadata"), dict):
        yield "metadata is not a mapping"
    if not isinstance(manifest.get("id"), str):
        yield "it has no id"


def _find_wrong_names(manifest: dict[str, Any]) -> Iterator[str]:
    root, images, marks = (manifest[name] for name in ("image_root", "images", "fingerprints"))
    if root is not None and not isinstance(root, str):
        yield f"image_root is {root!r}, not the path of a folder"
    for name in images or []:
        if not isinstance(name, str):
            yield f"images holds {name!r}, which is no name"
        elif leads_outside(name, root):
            yield f"images holds {name!r}, which leads out of the folder of pictures"
    for mark in marks or []:
        if not isinstance(mark, str | int):
            yield f"fingerprints holds {mark!r}"


def leads_outside(name: str, root: str | None) -> bool:
    """Whether the name of a picture, joined to its folder, is not of something inside it."""
    parts = name.replace("\\", "/").split("/")
    absolute = parts[0] == "" or (os.name == "nt" and ":" in name)
    return ".." in parts or "\0" in name or (root is not None and absolute)


def is_count(value: Any) -> bool:
    """Whether a value of a JSON file is a whole number, not negative."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
