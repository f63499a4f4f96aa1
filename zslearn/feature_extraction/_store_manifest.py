"""What the manifest of a feature store says, and what differs between two."""

from __future__ import annotations

import json
import operator
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from numbers import Integral
from typing import Any

from zslearn._table_checks import quote_some
from zslearn._version import __version__
from zslearn.feature_extraction import _store_format as store_format
from zslearn.feature_extraction._manifest_checks import leads_outside

_LONGEST = 80
_CHANGED = "that have changed, by their fingerprints: "


def make_manifest(
    n_total: int,
    n_regions: int,
    n_features: int,
    grid_shape: tuple[int, int] | None,
    metadata: Mapping[str, Any],
    images: Sequence[str] | None,
    image_root: str | os.PathLike[str] | None,
    fingerprints: Sequence[str | int] | None,
) -> dict[str, Any]:
    """Check the arguments of a writer and put them in the form they are stored in."""
    counts = {"n_total": n_total, "n_regions": n_regions, "n_features": n_features}
    for name, count in counts.items():
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{name} must be a positive integer; found {count!r}.")
    try:
        grid = None if grid_shape is None else [operator.index(side) for side in grid_shape]
    except TypeError:
        raise TypeError(f"grid_shape must be two integers or None; found {grid_shape!r}.") from None
    if grid is not None and (len(grid) != 2 or grid[0] * grid[1] != n_regions or min(grid) < 1):
        raise ValueError(
            f"grid_shape must be two positive integers whose product is n_regions={n_regions}; "
            f"found {tuple(grid)}. None is for regions on no grid."
        )
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a dict; found {type(metadata).__name__}.")
    try:
        plain = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise type(error)(f"metadata must hold only what JSON can hold: {error}.") from None
    except RecursionError:
        raise ValueError("metadata is nested too deeply, or holds itself.") from None
    if image_root is not None and not isinstance(image_root, str | os.PathLike):
        raise TypeError(f"image_root must be the path of a folder; found {image_root!r}.")
    root = None if image_root is None else os.path.abspath(os.path.expanduser(image_root))
    names = _as_list("images", images, str, n_total)
    outside = [name for name in names or [] if leads_outside(name, root)]
    if outside:
        raise ValueError(
            f"images must be names of files in image_root; found {quote_some(outside, 3)}."
        )
    return {
        "format": store_format.FORMAT,
        "version": store_format.VERSION,
        "id": uuid.uuid4().hex,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "zslearn": __version__,
        **{name: int(count) for name, count in counts.items()},
        "dtype": store_format.DTYPE.name,
        "grid_shape": grid,
        "metadata": plain,
        "image_root": root,
        "images": names,
        "fingerprints": _as_list("fingerprints", fingerprints, str | Integral, n_total),
    }


def describe_differences(there: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Say in what two manifests differ that must not.

    Parameters
    ----------
    there, now : dict
        Of the store, and of the writer.

    Returns
    -------
    list of str
        Empty if the store can be gone on with.
    """
    found = [
        f"{name} is {_show(there[name])} there, {_show(now[name])} now"
        for name in ("n_total", "n_regions", "n_features", "grid_shape")
        if there[name] != now[name]
    ]
    found += _compare_metadata(there["metadata"], now["metadata"])
    found += _compare_images(there["images"], now["images"])
    found += _compare_fingerprints(there, now)
    return found


def _compare_metadata(there: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in {**there, **now}:
        name = f"{prefix}{key}"
        if key not in now:
            found.append(f"metadata {name!r}: {_show(there[key])} there, missing now")
        elif key not in there:
            found.append(f"metadata {name!r}: missing there, {_show(now[key])} now")
        elif isinstance(there[key], dict) and isinstance(now[key], dict):
            found += _compare_metadata(there[key], now[key], f"{name}.")
        elif there[key] != now[key]:
            found.append(f"metadata {name!r}: {_show(there[key])} there, {_show(now[key])} now")
    return found


def _compare_images(there: list[str] | None, now: list[str] | None) -> Iterator[str]:
    if there == now:
        return
    if there is None or now is None:
        yield _which_is_named("images", there)
        return
    new, gone = sorted(set(now) - set(there)), sorted(set(there) - set(now))
    if new:
        yield f"images that are new: {quote_some(new)}"
    if gone:
        yield f"images that are gone: {quote_some(gone)}"
    if not new and not gone:
        pairs = enumerate(zip(there, now, strict=False))
        row = next((row for row, (a, b) in pairs if a != b), min(len(there), len(now)))
        yield f"the same images come in another order or number, from row {row} on"


def _compare_fingerprints(there: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    old, new = there["fingerprints"], now["fingerprints"]
    if old == new:
        return
    if old is None or new is None:
        yield _which_is_named("fingerprints", old)
    elif all(map(_is_size, old)) and not any(map(_is_size, new)):
        yield (
            "its fingerprints are sizes of files, by which an earlier zslearn could not tell "
            "edited pictures"
        )
    elif there["images"] == now["images"]:
        names = now["images"] or range(len(new))
        changed = [name for name, a, b in zip(names, old, new, strict=False) if a != b]
        if changed:
            yield f"{'rows' if now['images'] is None else 'images'} {_CHANGED}{quote_some(changed)}"
    elif there["images"] is not None and now["images"] is not None:
        before = dict(zip(there["images"], old, strict=True))
        pairs = zip(now["images"], new, strict=True)
        changed = [name for name, mark in pairs if name in before and before[name] != mark]
        if changed:
            yield f"images {_CHANGED}{quote_some(changed)}"


def _is_size(mark: str | int) -> bool:
    return str(mark).isdecimal()


def _which_is_named(name: str, there: Any) -> str:
    return f"{name} are {'given now only' if there is None else 'given there only'}"


def _show(value: Any) -> str:
    text = repr(tuple(value) if isinstance(value, list) else value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _as_list(name: str, values: Any, kind: Any, n_total: int) -> list[Any] | None:
    if values is None:
        return None
    if isinstance(values, str) or not hasattr(values, "__len__"):
        raise TypeError(f"{name} must be a sequence with one entry a row; found {values!r}.")
    if len(values) != n_total:
        raise ValueError(f"{name} has {len(values)} entries, for n_total={n_total} rows.")
    wrong = [value for value in values if not isinstance(value, kind) or isinstance(value, bool)]
    if wrong:
        wanted = "strings" if kind is str else "strings or integers"
        raise TypeError(f"{name} must be {wanted}; found {quote_some(wrong, 3)}.")
    return [str(value) if isinstance(value, str) else int(value) for value in values]
