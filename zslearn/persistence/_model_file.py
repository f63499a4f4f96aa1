"""The file: a safetensors file with the model's JSON and a checksum in its header."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from zslearn._remote import RemotePath
from zslearn.exceptions import ModelFileError

__all__ = ["FORMAT_VERSION", "MAX_DEPTH", "parse_json", "read_model", "write_model"]

FORMAT_VERSION = 1
MAX_DEPTH = 64  # of values in values
# safetensors reads headers of at most 100 MB; the JSON is in there with its quotes escaped.
_MAX_HEADER = 100_000_000
_KEY = "zslearn"
_DAMAGED = "It is damaged or was changed: take it from its source again."


def write_model(path: Path, body: str, tensors: dict[str, NDArray[Any]], overwrite: bool) -> None:
    """Write a file under another name and then give it its own, so that it is never half there.

    Raises
    ------
    FileExistsError
        If there is something that must not be overwritten.
    ValueError
        If there is more JSON than can be read back, or what was written is not what is read.
    """
    path = Path(os.path.realpath(path))
    _check_target(path, overwrite)
    head = f'"version":{FORMAT_VERSION},"sha256":"{_digest(body, tensors)}"'
    text = f'{{{head},"model":{body}}}'
    if len(json.dumps(text)) + 200 * len(tensors) > _MAX_HEADER:
        raise ValueError(
            f"The estimator has {len(body) / 1e6:.0f} MB of text, lists and names; a file holds "
            f"about {_MAX_HEADER / 1e6:.0f} MB of these. Numbers are better kept in arrays."
        )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        safetensors.numpy.save_file(tensors, temporary, metadata={_KEY: text})
        temporary.chmod(mode)  # newer versions give their owner alone access
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        read_model(temporary)  # what cannot be read must not take the place of what can
        _give_name(temporary, path, overwrite)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _check_target(path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to save in: make it.")
    if not path.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{str(path)!r} is there already. Pass overwrite=True to replace it.")
    try:
        with open(path, "rb") as file:
            _metadata(path, file.read(8 + _MAX_HEADER))
    except (ModelFileError, IsADirectoryError):
        raise FileExistsError(
            f"{str(path)!r} is no model that save has written, and is not replaced even with "
            "overwrite=True. Choose another name, or remove it."
        ) from None


def _give_name(temporary: Path, path: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(temporary, path)  # fails if somebody else was faster
        except FileExistsError:
            raise FileExistsError(f"{str(path)!r} was made in the meantime: save again.") from None
        except OSError:  # a file system without links
            _check_target(path, overwrite)
        else:
            return
    os.replace(temporary, path)


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # some systems do not open folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_model(path: Path | RemotePath) -> tuple[str, dict[str, NDArray[Any]]]:
    """Read and check a file; the JSON of the model, and the arrays.

    Raises
    ------
    ModelFileError
        If it is no saved model, of a later format, or not as it was written.
    OSError
        If it is not there or may not be read.
    """
    if path.is_dir():
        raise ModelFileError(path, "is a folder", "A saved model is a file.")
    data = path.read_bytes()
    text = _metadata(path, data)
    version = re.match(r'\{"version":([0-9]{1,9}),', text)
    if version and int(version[1]) > FORMAT_VERSION:
        raise ModelFileError(
            path,
            f"has format {int(version[1])}, this zslearn reads up to {FORMAT_VERSION}",
            "Update zslearn.",
        )
    pattern = r'\{"version":1,"sha256":"([0-9a-f]{64})","model":(\{.*\})\}'
    found = re.fullmatch(pattern, text, flags=re.DOTALL)
    if found is None:
        raise ModelFileError(path, "has a header that save does not write", _DAMAGED)
    try:
        tensors = safetensors.numpy.load(data)
    except Exception as error:
        raise ModelFileError(path, f"has arrays that cannot be read ({error})", _DAMAGED) from error
    if _digest(found[2], tensors) != found[1]:
        raise ModelFileError(path, "does not have the checksum in its header", _DAMAGED)
    return found[2], tensors


def _metadata(path: Path | RemotePath, data: bytes) -> str:
    """Text of the model in the header of a file that begins with some bytes."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= size <= _MAX_HEADER or data[8:9] != b"{":
        raise ModelFileError(path, "is no safetensors file", "Files of save are; is it the path?")
    if size > len(data) - 8:
        raise ModelFileError(path, f"ends after {len(data)} bytes, in its header", _DAMAGED)
    try:
        header = parse_json(data[8 : 8 + size].decode())
    except ValueError as error:
        raise ModelFileError(path, f"has an unreadable header ({error})", _DAMAGED) from error
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    text = metadata.get(_KEY) if isinstance(metadata, dict) and len(metadata) == 1 else None
    if not isinstance(text, str):
        raise ModelFileError(
            path,
            "is a safetensors file, but none that zslearn.save has written",
            "Weights alone are read by safetensors.",
        )
    return text


def parse_json(text: str) -> Any:
    """Parse JSON as it is written here.

    Raises
    ------
    ValueError
        Also if a key is there twice, numbers are not finite, or it is too deep.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_constant=_refuse_number,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("values in values, too deep") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) < float("inf") else _refuse_number(text)


def _refuse_number(text: str) -> Any:
    raise ValueError(f"the number {text[:20]} is not finite")


def _digest(body: str, tensors: dict[str, NDArray[Any]]) -> str:
    """SHA-256 of the JSON and of all arrays with their names, dtypes and shapes."""
    data = body.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(b"%d:" % len(data))
    digest.update(data)
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode() + b"\n")
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
