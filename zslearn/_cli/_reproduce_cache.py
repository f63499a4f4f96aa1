"""Results that a killed reproduction leaves behind, and the next one takes up."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._cli._arguments import as_json
from zslearn.datasets._image_index import read_npz

__all__ = ["ResultCache", "make_work_folder"]


def make_work_folder(folder: Path) -> None:
    """Make a folder of --work, or say why it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(error.errno, f"--work: {error.strerror}", str(folder)) from None


class ResultCache:
    """Finished results of one protocol, data set and setting: a file each, in a folder of theirs.

    A file appears whole or not at all. The folder is named by protocol and by a hash of everything
    the results depend on, which ``settings.json`` in it spells out: results of other data, other
    settings or the other protocol are never found.

    Parameters
    ----------
    work : Path
        The folder to make it in.
    protocol : str
        First part of its name.
    settings : mapping
        What the results depend on, in what JSON can hold.
    """

    def __init__(self, work: Path, protocol: str, settings: Mapping[str, Any]) -> None:
        text = json.dumps({"protocol": protocol, **settings}, sort_keys=True, default=repr)
        mark = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.folder = work / "results" / f"{protocol}-{mark}"
        make_work_folder(self.folder)
        if not (self.folder / "settings.json").exists():
            self._write("settings.json", as_json({"protocol": protocol, **settings}).encode())

    def get(self, name: str) -> dict[str, Any] | None:
        """Read a result of numbers and texts; None if it is not there."""
        path = self.folder / f"{_file_name(name)}.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}. Delete it; it is made anew.") from None
        return dict(found)

    def put(self, name: str, result: Mapping[str, Any]) -> None:
        """Keep a result of numbers and texts."""
        content = json.dumps(result).encode()
        self._write(f"{_file_name(name)}.json", content)

    def get_arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Read a result of arrays; None if it is not there."""
        path = self.folder / f"{_file_name(name)}.npz"
        try:
            return read_npz(path) if path.exists() else None
        except ValueError as error:
            raise ValueError(f"{error}. Delete it; it is made anew.") from None

    def put_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep a result of arrays."""
        content = io.BytesIO()
        np.savez(content, **dict(arrays))  # type: ignore[arg-type]
        self._write(f"{_file_name(name)}.npz", content.getvalue())

    def _write(self, name: str, content: bytes) -> None:
        # Runs beside this one, on other machines too, may write to the same folder.
        partial = self.folder / f"partial-{uuid.uuid4().hex}"
        try:
            with open(partial, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.folder / name)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OSError(error.errno, f"--work: {error.strerror}", str(self.folder)) from None
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
