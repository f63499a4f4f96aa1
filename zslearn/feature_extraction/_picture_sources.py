"""What pictures are given as: files, a folder, PIL images or arrays."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count

from zslearn.feature_extraction._images_extra import import_for_images
from zslearn.feature_extraction._picture_folders import (
    SUFFIXES,
    describe_left_out,
    list_files,
    suffix_of,
)
from zslearn.feature_extraction._regular_files import open_regular

__all__ = ["FORMATS", "Pictures", "as_pictures", "read_orientation"]

# A file says itself what format it is of, whatever its name; Pillow knows others that start
# programs, such as PostScript, or that nobody keeps pictures in.
FORMATS = (
    *("AVIF", "BMP", "DIB", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI"),
    *("TGA", "TIFF", "WEBP"),
)
_HEIF_SUFFIXES = (".heic", ".heif", ".hif")

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
    _marks: list[str] = field(default_factory=list, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def take(self, rows: range) -> Pictures:
        """Pictures of some rows, which keep their numbers; only to be read by these."""
        names: Any = None if self.names is None else {row: self.names[row] for row in rows}
        return Pictures({row: self.items[row] for row in rows}, names, self.root)

    def load(self, row: int) -> Any:
        """Open a picture as a PIL image with its pixels read."""
        Image = import_for_images("PIL.Image")
        if self.names is not None:
            return _decode(self.items[row])
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
                there = "no ordinary file" if os.path.exists(path) else "no such file"
                missing[row] = "is a folder" if os.path.isdir(path) else there
        return missing

    def fingerprints(self) -> list[str]:
        """Size and hash of the contents of each picture, made once."""
        if not self._marks:
            if self.names is None:
                self._marks.extend(self._hash(row) for row in range(len(self)))
            else:
                with ThreadPoolExecutor(cpu_count()) as pool:
                    self._marks.extend(pool.map(_hash_file, self.items))
        return list(self._marks)

    def digest(self) -> str:
        """Hash the paths of files, and all contents."""
        total = hashlib.sha256(f"{self.root}\n".encode("utf-8", "surrogateescape"))
        for row, mark in enumerate(self.fingerprints()):
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
        return _from_folder(Path(X).expanduser())
    if hasattr(X, "shape") and hasattr(X, "dtype") and not _holds_objects(X):
        X = _check_array(X)
        return Pictures(X.numpy(force=True) if hasattr(X, "numpy") else X)
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


def _from_folder(folder: Path) -> Pictures:
    if folder.is_file():
        raise ValueError(
            f"X={str(folder)!r} is a single file, not a folder. Give a list of paths: "
            f"[{str(folder)!r}]."
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"X={str(folder)!r}, but there is no such folder.")
    files = list_files(folder)
    names = [name for name in files if suffix_of(name) in SUFFIXES]
    left_out = describe_left_out(name for name in files if suffix_of(name) not in SUFFIXES)
    if not names:
        raise ValueError(
            f"X={str(folder)!r} holds no pictures: no file, also in folders below it, ends in "
            f"{', '.join(SUFFIXES)}. Files with other names can be given as a list of paths."
        )
    if left_out:
        warnings.warn(
            f"X={str(folder)!r}: {left_out} are not taken for pictures and left out. Give a list "
            "of paths if they are.",
            UserWarning,
            stacklevel=5,
        )
    return Pictures([folder / name for name in names], names, folder.absolute())


def _from_list(items: list[Any]) -> Pictures:
    Image = import_for_images("PIL.Image")
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
        return _from_paths([Path(item).expanduser() for item in items])
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
    if np.ma.is_masked(X):
        raise TypeError("X is masked; pixels must all be there: give X.filled(255) for white.")
    if str(X.dtype) not in ("uint8", "torch.uint8"):
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
    if pixels.dtype != np.uint8 or 0 in pixels.shape or np.ma.is_masked(pixels):
        raise TypeError(
            f"Picture {row} of X has dtype {pixels.dtype} and shape {pixels.shape}; it must be "
            "uint8, 0 to 255, not empty and not masked."
        )
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3)):
        return pixels
    raise ValueError(
        f"Picture {row} of X has shape {pixels.shape}; it must be (H, W), (H, W, 1) or (H, W, 3)."
    )


def _decode(path: Path) -> Any:
    """Open and read a picture file of the formats that are meant, and of a sensible size."""
    Image = import_for_images("PIL.Image")
    Image.init()
    known = [name for name in FORMATS if name in Image.OPEN]
    with open_regular(path) as file:
        try:
            with Image.open(file, formats=known) as image:
                limit, (width, height) = Image.MAX_IMAGE_PIXELS, image.size
                if limit is not None and width * height > limit:
                    raise ValueError(
                        f"{width} x {height} pixels are more than the {limit} of "
                        "PIL.Image.MAX_IMAGE_PIXELS; make it smaller, or raise that"
                    )
                image.load()
                return image
        except Image.UnidentifiedImageError:
            if suffix_of(str(path)) in _HEIF_SUFFIXES and "HEIF" not in known:
                raise ValueError(
                    "no decoder for HEIF: install pillow-heif and call "
                    "pillow_heif.register_heif_opener()"
                ) from None
            raise ValueError(f"not a picture of {', '.join(known)}") from None


def _hash_file(path: Path) -> str:
    """Size and hash of a file; reading costs little beside decoding."""
    try:
        with open_regular(path) as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
            return f"{file.tell()}:{digest.hexdigest()}"
    except (OSError, ValueError):  # such as a name with a null character
        return "missing"


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
