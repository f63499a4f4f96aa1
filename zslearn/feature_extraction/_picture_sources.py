"""What pictures are given as: files, a folder, PIL images or arrays."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["SUFFIXES", "Pictures", "as_pictures", "list_pictures", "read_orientation"]

# What is taken for a picture in a folder; a list of paths may name any file.
SUFFIXES = (
    *(".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff"),
    ".webp",
)

_ORIENTATION = 0x0112

_WANTED = (
    "X must be a folder, a sequence of paths, a sequence of PIL images or a uint8 array of shape "
    "(n, H, W) or (n, H, W, 3)"
)


@dataclass(frozen=True)
class Pictures:
    """Pictures to be read one by one, from any thread.

    Parameters
    ----------
    items : sequence
        Paths, PIL images, or arrays of shape (H, W), (H, W, 1) or (H, W, 3).
    names : list of str or None
        Names of files relative to `root`, with "/" between folders; ``None`` for what is in memory.
    root : Path or None
        The folder that holds all files.
    """

    items: Any
    names: list[str] | None = None
    root: Path | None = None
    # Two threads must not decode one PIL image at once.
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def load(self, row: int) -> Any:
        """Open a picture as a PIL image with its pixels read."""
        from PIL import Image

        if self.names is not None:
            with Image.open(self.items[row]) as image:
                image.load()
                return image
        item = self.items[row]
        if isinstance(item, Image.Image):
            with self._lock:
                item.load()
            return item
        pixels = np.asarray(item)
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        return Image.fromarray(np.ascontiguousarray(pixels))

    def name(self, row: int) -> str | None:
        """Name of a picture, if it has one."""
        return None if self.names is None else self.names[row]

    def describe(self, row: int) -> str:
        """Name a picture in a message."""
        return f"row {row}" if self.names is None else f"row {row}: {self.items[row]}"

    def find_missing(self) -> dict[int, str]:
        """Rows whose file is not there, with the reason."""
        if self.names is None:
            return {}
        missing = {}
        for row, path in enumerate(self.items):
            # Those of pathlib raise at names that no file can have.
            if not os.path.isfile(path):
                missing[row] = "is a folder" if os.path.isdir(path) else "no such file"
        return missing

    def fingerprints(self, *, times: bool = False) -> list[str]:
        """Tell each picture from a changed one: by size, also time, or contents where in memory."""
        if self.names is not None:
            return [_stat(path, times) for path in self.items]
        return [self._hash(row) for row in range(len(self))]

    def digest(self) -> str:
        """Hash paths, sizes and times of files, or the contents of what is in memory."""
        total = hashlib.sha256(f"{self.root}\n".encode("utf-8", "surrogateescape"))
        for row, mark in enumerate(self.fingerprints(times=True)):
            name = self.name(row) or ""
            total.update(f"{name}\0{mark}\n".encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def _hash(self, row: int) -> str:
        try:
            return _hash_pixels(self.load(row))
        except MemoryError:
            raise
        except Exception as error:  # named or skipped when it is decoded
            return f"unreadable: {type(error).__name__}"


def as_pictures(X: Any) -> Pictures:
    """Check what pictures are given as.

    Raises
    ------
    TypeError
        If it is none of the kinds that can be read.
    ValueError
        If there are none, or an array has another shape or dtype.
    FileNotFoundError
        If a folder is not there.
    """
    if isinstance(X, str | os.PathLike):
        return _from_folder(Path(X))
    if hasattr(X, "shape") and hasattr(X, "dtype") and not _holds_objects(X):
        return Pictures(_check_array(X))
    if hasattr(X, "columns") or isinstance(X, bytes | dict | set):
        raise TypeError(
            f"{_WANTED}; found a {type(X).__name__}. Of a data frame, give the column of paths."
        )
    if getattr(X, "ndim", 1) != 1:
        raise ValueError(
            f"{_WANTED}; found shape {tuple(X.shape)} of paths. Give one axis: X.ravel()."
        )
    try:
        items = list(X)
    except TypeError:
        raise TypeError(f"{_WANTED}; found a {type(X).__name__}.") from None
    return _from_list(items)


def _holds_objects(X: Any) -> bool:
    """Whether an array or a pandas column holds strings or objects, not numbers."""
    kind = getattr(X.dtype, "kind", "")
    return kind in ("U", "O", "T") or str(X.dtype) in ("str", "string", "category")


def list_pictures(folder: Path) -> list[str]:
    """Names of all pictures below a folder, relative to it, with "/" between folders.

    Sorted as texts, the order in which the published splits number the pictures of some data sets.
    Hidden files and folders are left out, links to folders are followed but not in circles.
    """
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        above = {os.path.realpath(place), *map(str, Path(os.path.realpath(place)).parents)}
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(place, name)) not in above
        ]
        inner = Path(place).relative_to(folder)
        # Unpacking on a Mac leaves ._x.jpg beside x.jpg.
        shown = [name for name in files if not name.startswith(".")]
        found += [(inner / f).as_posix() for f in shown if f.lower().endswith(SUFFIXES)]
    return sorted(found)


def _from_folder(folder: Path) -> Pictures:
    if folder.is_file():
        raise ValueError(
            f"X={str(folder)!r} is a single file, not a folder. Give a list of paths: "
            f"[{str(folder)!r}]."
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"X={str(folder)!r}, but there is no such folder.")
    names = list_pictures(folder)
    if not names:
        raise ValueError(
            f"X={str(folder)!r} holds no pictures: no file, also in folders below it, ends in "
            f"{', '.join(SUFFIXES)}. Files with other names can be given as a list of paths."
        )
    return Pictures([folder / name for name in names], names, folder.absolute())


def _from_list(items: list[Any]) -> Pictures:
    from PIL import Image

    if not items:
        raise ValueError(f"X is empty: there are no pictures. {_WANTED}.")
    kinds = {
        "paths"
        if isinstance(item, str | os.PathLike)
        else "PIL images"
        if isinstance(item, Image.Image)
        else "arrays"
        if isinstance(item, np.ndarray)
        else type(item).__name__
        for item in items
    }
    if kinds == {"paths"}:
        return _from_paths([Path(item) for item in items])
    if kinds == {"PIL images"}:
        return Pictures(items)
    if kinds == {"arrays"}:
        return Pictures([_check_pixels(item, row) for row, item in enumerate(items)])
    raise TypeError(f"{_WANTED}; found a sequence of {', '.join(sorted(kinds))}.")


def _from_paths(paths: list[Path]) -> Pictures:
    absolute = [os.path.abspath(path) for path in paths]
    try:
        root = os.path.commonpath({os.path.dirname(path) for path in absolute})
    except ValueError:  # on different drives
        return Pictures(paths, [Path(path).as_posix() for path in absolute])
    return Pictures(
        paths, [Path(os.path.relpath(p, root)).as_posix() for p in absolute], Path(root)
    )


def _check_array(X: Any) -> Any:
    shape = tuple(X.shape)
    if str(X.dtype) != "uint8":
        raise TypeError(
            f"X is an array of dtype {X.dtype}, but pixels must be uint8, 0 to 255, as sizes and "
            "colours are adapted to the network here. For floats in [0, 1]: "
            "(255 * X).round().astype('uint8')."
        )
    if len(shape) in (3, 4) and shape[0] == 0:
        raise ValueError(f"X has shape {shape}: there are no pictures.")
    if 0 in shape:
        raise ValueError(f"X has shape {shape}: its pictures have no pixels.")
    if (len(shape) == 3 and shape[2] > 4) or (len(shape) == 4 and shape[3] in (1, 3)):
        return X
    if len(shape) in (2, 3):
        remedy = "a single picture goes in as X[None]"
    elif len(shape) == 4 and shape[1] in (1, 3):
        remedy = "move the channels last: X.transpose(0, 2, 3, 1)"
    else:
        remedy = "drop other channels, such as alpha"
    raise ValueError(f"X must have shape (n, H, W) or (n, H, W, 3); found {shape}: {remedy}.")


def _check_pixels(pixels: Any, row: int) -> Any:
    if pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise TypeError(
            f"Picture {row} of X has dtype {pixels.dtype} and shape {pixels.shape}; it must be "
            "uint8, 0 to 255, and not empty."
        )
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3)):
        return pixels
    raise ValueError(
        f"Picture {row} of X has shape {pixels.shape}; it must be (H, W), (H, W, 1) or (H, W, 3)."
    )


def _stat(path: Path, times: bool) -> str:
    try:
        status = path.stat()
    except (OSError, ValueError):  # such as a name with a null character
        return "missing"
    return f"{status.st_size}/{status.st_mtime_ns}" if times else str(status.st_size)


def read_orientation(image: Any) -> int:
    """Read the orientation that cameras write, 1 to 8; it is 1, upright, if none can be read."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
        return int(orientation) if orientation in range(1, 9) else 1
    except Exception:  # unreadable, so it says nothing
        return 1


def _hash_pixels(image: Any) -> str:
    total = hashlib.sha256(f"{image.mode} {image.size}".encode())
    total.update(
        f" {read_orientation(image)} {image.getpalette()} {image.info.get('transparency')}".encode()
    )
    total.update(image.tobytes())
    return total.hexdigest()
