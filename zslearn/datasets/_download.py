"""Downloads that go on where they broke off, verified before they are used."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from zslearn.datasets._archives import check_space, unpack
from zslearn.datasets._data_home import CHECKSUMS, get_data_home, locked
from zslearn.datasets._remote_files import BENCHMARK_FILES, DOWNLOADS, RemoteFile

_TIMEOUT = (30, 60)  # seconds to connect, and without any data
_CHUNK = 2**20


class ResumingDownloader:
    """Downloader for pooch that keeps what arrived and asks only for the rest.

    The bytes go to `part`; beside it lies what the server said of the file (its ETag or date), so
    that a file that changed meanwhile is begun anew. pooch compares the checksum at the end.

    Parameters
    ----------
    part : Path
        File that holds what arrived so far.
    has_checksum : bool
        Whether the whole will be compared with a known checksum. If not, and the server gives
        neither ETag nor date, a broken download begins anew.
    n_retries : int
        How often it goes on after a broken connection before giving up.
    delay : float
        Seconds before it goes on.
    verbose : bool
        Whether to show a progress bar.
    """

    def __init__(
        self, part: Path, *, has_checksum: bool, n_retries: int, delay: float, verbose: bool
    ) -> None:
        self.part = part
        self.notes = part.with_name(part.name + ".json")
        self.has_checksum = has_checksum
        self.n_retries = n_retries
        self.delay = delay
        self.verbose = verbose

    def __call__(self, url: str, output_file: str, pooch: Any = None) -> None:
        import requests
        from urllib3.exceptions import HTTPError

        for attempt in range(self.n_retries + 1):
            try:
                self._go_on(url)
                break
            except requests.HTTPError as error:
                if error.response.status_code < 500 or attempt == self.n_retries:
                    raise
            except (requests.ConnectionError, requests.Timeout):
                if attempt == self.n_retries:
                    raise
            except HTTPError as error:  # reading past requests, its errors are urllib3's
                if attempt == self.n_retries:
                    raise requests.ConnectionError(str(error)) from error
            time.sleep(self.delay)
        os.replace(self.part, output_file)
        self.notes.unlink(missing_ok=True)

    def _go_on(self, url: str) -> None:
        import requests
        from tqdm import tqdm

        notes = self._read_notes(url)
        have = self.part.stat().st_size if notes and self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if notes["validator"]:
                headers["If-Range"] = notes["validator"]
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == 416 and have:
                if have == notes["size"]:
                    return
                self.part.unlink()
                return self._go_on(url)
            response.raise_for_status()
            if response.status_code == 206:
                span = re.match(
                    r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "")
                )
                if not span or int(span[1]) != have or span[2] not in ("*", str(notes["size"])):
                    self.part.unlink()
                    return self._go_on(url)
                size = notes["size"]
            else:
                have, size = 0, self._write_notes(url, response.headers)
            if size is not None:
                check_space(self.part.parent, size - have, f"Downloading {url}")
            with (
                open(self.part, "ab" if have else "wb") as file,
                tqdm(
                    desc=self.part.stem,
                    initial=have,
                    total=size,
                    unit="B",
                    unit_scale=True,
                    unit_divisor=1024,
                    disable=not self.verbose,
                ) as bar,
            ):
                # As sent: what a server calls compressed is the archive itself.
                for chunk in response.raw.stream(_CHUNK, decode_content=False):
                    file.write(chunk)
                    bar.update(len(chunk))
        arrived = self.part.stat().st_size
        if size is not None and arrived != size:
            raise requests.ConnectionError(f"{arrived} of {size} bytes of {url} arrived")

    def _read_notes(self, url: str) -> dict[str, Any]:
        """Return what is known of the part, or nothing if it cannot be gone on with."""
        try:
            notes = json.loads(self.notes.read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(notes, dict):
            return {}
        usable = notes.get("url") == url and (notes.get("validator") or self.has_checksum)
        return notes if usable else {}

    def _write_notes(self, url: str, headers: Any) -> int | None:
        tag = headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
        length = headers.get("Content-Length", "")
        size = int(length) if re.fullmatch("[0-9]{1,18}", length) else None
        self.part.unlink(missing_ok=True)
        write_json(self.notes, {"url": url, "validator": validator, "size": size})
        return size


def write_json(path: Path, content: Any) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    os.replace(beside, path)


class Options(NamedTuple):
    """Parameters that all ``fetch_*`` functions share; their docstrings describe them."""

    download_if_missing: bool
    keep_archives: bool
    n_retries: int
    delay: float
    verbose: bool


def provide_files(
    name: str,
    data_home: str | os.PathLike[str] | None,
    options: Options,
    loader: Callable[..., Any],
    loader_parameters: dict[str, Any],
) -> Path:
    """See to it that all files of a benchmark are in the data home, and return that."""
    # A misspelt parameter is told of before, not after, a download of hours.
    inspect.signature(loader).bind_partial(**loader_parameters)
    chosen = sorted({"root", "splits"} & set(loader_parameters))
    if chosen:
        raise TypeError(
            f"{chosen[0]} is where the download is; {loader.__name__} takes another {chosen[0]}."
        )
    home = Path(get_data_home(data_home))
    for remote in BENCHMARK_FILES[name]:
        with locked(home):
            _provide(remote, home, loader.__name__, options)
    return home


def _provide(remote: RemoteFile, home: Path, loader: str, options: Options) -> None:
    folder = home / remote.folder
    if all((folder / name).exists() for name in remote.provides):
        return
    archive = home / DOWNLOADS / remote.name
    known, is_recorded = _known_checksum(remote, home)
    by_hand = _by_hand(remote, archive, folder, loader)
    about_record = (
        " The checksum was recorded at an earlier download, since none was published; if its "
        f"authors have replaced the file, take its entry out of {home / CHECKSUMS}."
        if is_recorded
        else ""
    )
    if archive.exists():
        _verify(archive, known, remote, about_record)
    elif options.download_if_missing:
        _download(remote, archive, known, options, by_hand, about_record)
    else:
        raise OSError(f"{remote.name} is not in {home}, and download_if_missing=False. {by_hand}")
    checksum = None if known is not None else _checksum(archive)
    unpack(archive, folder, remote.provides)
    if checksum is not None:  # not before: what cannot be unpacked is not the file
        _record(remote, checksum, home)
    if not options.keep_archives:
        archive.unlink(missing_ok=True)


def _download(
    remote: RemoteFile,
    archive: Path,
    known: str | None,
    options: Options,
    by_hand: str,
    about_record: str,
) -> None:
    try:
        import pooch
        import requests
    except ImportError as error:
        raise ImportError(
            "Downloading needs pooch: install it with `pip install zslearn[datasets]`."
        ) from error
    archive.parent.mkdir(exist_ok=True)
    for stray in archive.parent.glob("tmp*"):  # pooch's, of a process that was killed
        if stray.stat().st_size == 0:
            stray.unlink()
    downloader = ResumingDownloader(
        archive.with_name(archive.name + ".part"),
        has_checksum=known is not None,
        n_retries=options.n_retries,
        delay=options.delay,
        verbose=options.verbose,
    )
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            remote.url, known, fname=archive.name, path=archive.parent, downloader=downloader
        )
    except requests.RequestException as error:
        raise OSError(
            f"{remote.name} could not be downloaded from {remote.url}: {error}. What arrived is "
            f"kept, and fetching again goes on from there. {by_hand}"
        ) from error
    except ValueError as error:
        raise OSError(
            f"{remote.name} as downloaded from {remote.url} is not what was published, and was "
            f"deleted: {error}{about_record}"
        ) from error
    finally:
        logger.setLevel(level)


def _by_hand(remote: RemoteFile, archive: Path, folder: Path, loader: str) -> str:
    parts = " and ".join(str(folder / name) for name in remote.provides)
    return (
        f"Or download {remote.url} by hand (in a browser, or on another machine), put it at "
        f"{archive} and fetch again; or unpack it as {parts}. {loader} also reads any other folder "
        "that it was unpacked into."
    )


def _known_checksum(remote: RemoteFile, home: Path) -> tuple[str | None, bool]:
    """Return the checksum to compare with and whether it is one recorded here."""
    if remote.checksum is not None:
        return remote.checksum, False
    recorded = _read_record(home).get(remote.name)
    return recorded, recorded is not None


def _verify(archive: Path, known: str | None, remote: RemoteFile, about_record: str) -> None:
    if known is None:
        return
    import pooch

    algorithm, _, wanted = known.partition(":")
    found = pooch.file_hash(str(archive), alg=algorithm)
    if found.lower() != wanted.lower():
        raise OSError(
            f"{archive} has the {algorithm} checksum {found}, {wanted} is expected: it is cut off, "
            f"damaged or another file than {remote.url}. Delete it and fetch again.{about_record}"
        )


def _read_record(home: Path) -> dict[str, str]:
    path = home / CHECKSUMS
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}): mend or delete it.") from None


def _checksum(archive: Path) -> str:
    import pooch

    return "sha256:" + str(pooch.file_hash(str(archive), alg="sha256"))


def _record(remote: RemoteFile, checksum: str, home: Path) -> None:
    write_json(home / CHECKSUMS, _read_record(home) | {remote.name: checksum})
    warnings.warn(
        f"No checksum was published for {remote.name}: it was taken as it came from {remote.url}. "
        f"Its {checksum} is now in {home / CHECKSUMS}, and later downloads are compared with it.",
        UserWarning,
        stacklevel=5,
    )
