"""The files of a feature store: names, atomic writing, and checks that say what is wrong."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zslearn._remote import RemotePath
from zslearn._table_checks import quote_some
from zslearn.feature_extraction._folder_lock import LOCK
from zslearn.feature_extraction._manifest_checks import find_problems, is_count
from zslearn.feature_extraction._regular_files import create_regular, open_regular
from zslearn.feature_extraction._remote_rows import RemoteRows
from zslearn.feature_extraction._store_sums import RowSums

FORMAT = "zslearn feature store"
VERSION = 1
DTYPE = np.dtype("<f2")

FEATURES = "features.npy"
MANIFEST = "store.json"
PROGRESS = "progress.json"
_PARTIAL = ".partial"
_CHECK = "checksum"  # in JSON files; those of earlier versions have none
# All that a writer killed before its manifest was in place can have left.
BEFORE_MANIFEST = {LOCK, MANIFEST + _PARTIAL}

_KNOWN = {
    *("created", "dtype", "fingerprints", "format", "grid_shape", "id", "image_root", "images"),
    *("metadata", "n_features", "n_finished", "n_regions", "n_total", "skipped", "version"),
    *("sums", "zslearn"),
}

_GO_ON = "extract into this folder again with the same settings, which goes on where it stopped"


_LONGEST_HEADER = 10 + 2**16  # of the npy format, version 1

Location = Path | RemotePath


class SkippedImage(NamedTuple):
    """A picture that has no row in a feature store.

    Attributes
    ----------
    row : int
        Its row in what was extracted.
    image : str or None
        Its name, where the store has names.
    reason : str
        Why it was left out, as the extractor put it.
    """

    row: int
    image: str | None
    reason: str


class Progress(NamedTuple):
    """How far a store is."""

    n_finished: int
    skipped: list[tuple[int, str]]
    sums: RowSums | None = None  # stores of earlier versions have none


# -- writing -----------------------------------------------------------------------------------


def write_at(file: BinaryIO, start: int, content: bytes | memoryview) -> None:
    """Write all bytes to an unbuffered file from a place on; a full disk is an OSError."""
    left = memoryview(content)
    file.seek(start)
    while left:
        left = left[file.write(left) :]


def sync_folder(folder: Path) -> None:
    """Make renamed and removed names last, where the platform can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems have no such thing as syncing a folder.
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def write_json(folder: Path, name: str, content: dict[str, Any]) -> None:
    """Put a JSON file in place, whole or not at all, also if power fails."""
    partial = folder / (name + _PARTIAL)
    text = json.dumps(content | {_CHECK: _checksum(content)}, allow_nan=False, indent=1) + "\n"
    with create_regular(partial) as file:
        write_at(file, 0, text.encode())
        os.fsync(file.fileno())
    os.replace(partial, folder / name)
    sync_folder(folder)


def _checksum(content: dict[str, Any]) -> str:
    """Hash what a JSON file says, however it is laid out."""
    text = json.dumps(content, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def write_progress(folder: Path, store_id: str, progress: Progress) -> None:
    """Replace ``progress.json``; the rows' bytes must have been synced before."""
    skipped = [list(row) for row in progress.skipped]
    content = {"id": store_id, "n_finished": progress.n_finished, "skipped": skipped}
    if progress.sums is not None:
        content["sums"] = progress.sums.as_json(progress.n_finished)
    write_json(folder, PROGRESS, content)


def create_features(folder: Path, shape: tuple[int, int, int]) -> None:
    """Put ``features.npy`` in place at its full size, of zeros that take no space yet."""
    partial = folder / (FEATURES + _PARTIAL)
    header = {"descr": DTYPE.str, "fortran_order": False, "shape": shape}
    with create_regular(partial) as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + DTYPE.itemsize * int(np.prod(shape, dtype=object)))
        os.fsync(file.fileno())
    os.replace(partial, folder / FEATURES)
    sync_folder(folder)


def remove_partial(folder: Path) -> None:
    """Remove what a killed writer was about to put in place."""
    for name in (FEATURES, MANIFEST, PROGRESS):
        (folder / (name + _PARTIAL)).unlink(missing_ok=True)


def find_allocated(folder: Path) -> int:
    """Bytes of the disk that ``features.npy`` takes; 0 if unknown."""
    try:
        return getattr(os.stat(folder / FEATURES), "st_blocks", 0) * 512
    except FileNotFoundError:
        return 0


# -- reading -----------------------------------------------------------------------------------


def _read_json(path: Location) -> dict[str, Any]:
    if isinstance(path, RemotePath):
        text = path.read_bytes()
    else:
        with open_regular(path) as file:
            text = file.read()
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError(
            f"{path} is nested too deeply to be the {path.name} of a feature store."
        ) from None
    except ValueError as error:
        cut = "is empty" if not text else f"is cut off or is not JSON ({error})"
        raise ValueError(
            f"{path} {cut}. Restore it from a copy, or remove the folder and extract again."
        ) from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not the {path.name} of a feature store.")
    told = content.pop(_CHECK, None)
    strange = "id" in content and not content.keys() <= _KNOWN  # perhaps the checksum's name
    if told != _checksum(content) and (told is not None or strange):
        raise ValueError(
            f"{path} is damaged: what it says does not agree with its {_CHECK}. Restore it from a "
            f"copy, or remove the folder and extract again; whoever edits it takes out {_CHECK!r}."
        )
    return content


def read_manifest(folder: Location) -> dict[str, Any]:
    """Read and check ``store.json``."""
    path = folder / MANIFEST
    # Object storage has no folders, only files with slashes in their names.
    if not isinstance(folder, RemotePath) and not folder.exists():
        raise FileNotFoundError(f"There is no folder {folder}.")
    if not isinstance(folder, RemotePath) and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; a feature store is a folder.")
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is not a feature store: it has no {MANIFEST}. Give the folder that was "
            "extracted into."
        )
    manifest = read_marked(path)
    if manifest.get("version") != VERSION:
        raise ValueError(
            f"{folder} has version {manifest.get('version')!r} of the format of feature stores; "
            f"this zslearn reads version {VERSION}. Use the zslearn that wrote it, or extract "
            "again."
        )
    _check_fields(path, manifest)
    return manifest


def read_marked(path: Location) -> dict[str, Any]:
    """Read a JSON file that says it is the manifest of a feature store."""
    manifest = _read_json(path)
    if manifest.get("format") != FORMAT:
        raise ValueError(
            f"{path} is not the manifest of a feature store: its 'format' is "
            f"{manifest.get('format')!r}, not {FORMAT!r}. Give the folder that was extracted into."
        )
    return manifest


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds something and is no store."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; a feature store is a folder.")
    if (folder / MANIFEST).exists():
        read_marked(folder / MANIFEST)
        return
    others = {path.name for path in folder.iterdir()} - BEFORE_MANIFEST
    if others:
        raise ValueError(
            f"{folder} holds {quote_some(sorted(others), 3)} and is no feature store (it has no "
            f"{MANIFEST}). Give an empty folder, or one that does not exist."
        )


def _check_fields(path: Location, manifest: dict[str, Any]) -> None:
    for problem in find_problems(manifest):
        raise ValueError(
            f"{path} is damaged: {problem}. Restore it from a copy, or remove the folder and "
            "extract again."
        )


def shape_of(manifest: dict[str, Any]) -> tuple[int, int, int]:
    """Shape of the features, rows not finished and rows skipped included."""
    return manifest["n_total"], manifest["n_regions"], manifest["n_features"]


def read_progress(folder: Location, store_id: str, n_total: int) -> Progress | None:
    """Read and check ``progress.json``; None if there is none."""
    path = folder / PROGRESS
    try:
        content = _read_json(path)
    except FileNotFoundError:
        return None
    if content.get("id") != store_id:
        raise ValueError(
            f"{path} belongs to another store than the one that was opened or is described in "
            f"{MANIFEST}: files were mixed, or the store was overwritten in the meantime. Open it "
            "anew, or restore the files."
        )
    n_finished: Any = content.get("n_finished")
    skipped: Any = content.get("skipped")
    if not is_count(n_finished) or n_finished > n_total:
        raise ValueError(
            f"{path} is damaged: it says that {n_finished!r} of {n_total} rows are finished. "
            "Remove it and extract again into this folder, which begins at row 0."
        )
    if not _are_skipped(skipped, n_finished):
        raise ValueError(
            f"{path} is damaged: 'skipped' is not a list of ascending rows below {n_finished} with "
            "reasons. Remove it and extract again into this folder, which begins at row 0."
        )
    sums = RowSums.read(content.get("sums"), n_finished)
    return Progress(n_finished, [(row, reason) for row, reason in skipped], sums)


def check_features(folder: Location, shape: tuple[int, int, int]) -> int:
    """Check header and size of ``features.npy``, and return where its values begin."""
    path = folder / FEATURES
    damaged = "Restore it from a copy, or extract again with overwrite=True."
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: the features themselves. {damaged}")
    with _beginning_of(path) as file:
        try:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"version {version} of the npy format")
            found, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        except (MemoryError, OSError):
            raise
        except Exception as error:  # numpy parses it as Python, with errors of that
            raise ValueError(
                f"{path} has no sound npy header ({type(error).__name__}: {error}). {damaged}"
            ) from None
        start = file.tell()
    size = path.size() if isinstance(path, RemotePath) else os.stat(path).st_size
    if found != shape:
        raise ValueError(f"{path} has shape {found}; {MANIFEST} says {shape}. {damaged}")
    if dtype != DTYPE or fortran_order:
        order = "Fortran" if fortran_order else "C"
        raise ValueError(
            f"{path} holds {dtype} in {order} order; a store holds {DTYPE.name} in C order. "
            f"{damaged}"
        )
    wanted = start + DTYPE.itemsize * int(np.prod(shape, dtype=object))
    if size != wanted:
        kind = "is cut off" if size < wanted else "is too long"
        raise ValueError(
            f"{path} {kind}: {size} bytes, and shape {shape} takes {wanted}. {damaged}"
        )
    return start


def _beginning_of(path: Location) -> BinaryIO:
    """Open a file, or what may be the header of one behind a URL."""
    if isinstance(path, RemotePath):
        return io.BytesIO(path.read_bytes(0, min(path.size(), _LONGEST_HEADER)))
    return open_regular(path)


def map_features(
    folder: Location, store_id: str, shape: tuple[int, int, int], n_finished: int
) -> NDArray[np.float16] | RemoteRows:
    """Map the finished rows for reading; behind a URL, where nothing can be mapped, see them."""
    if n_finished == 0 and not (folder / FEATURES).exists():
        return np.empty((0, *shape[1:]), DTYPE)
    start = check_features(folder, shape)
    if isinstance(folder, RemotePath):
        return RemoteRows(folder / FEATURES, start, (n_finished, *shape[1:]), DTYPE)
    mapped = np.memmap(folder / FEATURES, DTYPE, "r", offset=start, shape=shape)
    # Overwriting a store begins by removing this file; if it is as before, so were the features.
    if n_finished:
        now = read_progress(folder, store_id, shape[0])
        if now is None or now.n_finished < n_finished:
            raise ValueError(f"{folder} was overwritten while it was opened; open it anew.")
    return np.asarray(mapped)[:n_finished]


def verify_features(folder: Location, store_id: str) -> None:
    """Compare the finished rows with their checksums."""
    shape = shape_of(read_manifest(folder))
    progress = read_progress(folder, store_id, shape[0])
    if progress is None or progress.sums is None:
        raise ValueError(f"{folder} has no checksums of its rows; extract again for them.")
    rows = map_features(folder, store_id, shape, progress.n_finished)
    if changed := [f"{first} to {last}" for first, last in progress.sums.find_changed(rows)]:
        raise ValueError(
            f"{folder / FEATURES} is damaged: {len(changed)} block(s) of rows are not as they were "
            f"written, rows {quote_some(changed)}. Restore it from a copy, or extract again with "
            "overwrite=True."
        )


def describe_unfinished(folder: Location, progress: Progress | None, n_total: int) -> str:
    """Say how far a store is and how to go on."""
    if progress is None:
        return (
            f"No row of {folder} is known to be finished: {PROGRESS} is missing. Restore it, or "
            f"{_GO_ON}; without {PROGRESS} that is at row 0."
        )
    return (
        f"{progress.n_finished} of {n_total} rows of {folder} are finished. To finish it, "
        f"{_GO_ON}; to read the finished rows, open it with allow_unfinished=True."
    )


def _are_skipped(skipped: Any, n_finished: int) -> bool:
    if not isinstance(skipped, list):
        return False
    before = -1
    for item in skipped:
        if not (isinstance(item, list) and len(item) == 2 and isinstance(item[1], str)):
            return False
        if not is_count(item[0]) or not before < item[0] < n_finished:
            return False
        before = item[0]
    return True
