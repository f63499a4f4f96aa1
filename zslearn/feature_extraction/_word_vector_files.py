"""Reading chosen words out of files of word vectors, without the rest."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

FileFormat = Literal["glove", "word2vec", "word2vec-binary"]
Vectors = dict[str, NDArray[np.float32]]

_BLOCK = 16 * 2**20
# No word is as long: without a space within so many bytes, it is not word2vec's binary format.
_LONGEST_WORD = 2**14
_HEADER = re.compile(rb"[ \t]*(\d+)[ \t]+(\d+)[ \t]*\r?\n")
_MARK = b"\xef\xbb\xbf"  # some editors put it before UTF-8 text


class _Layout(NamedTuple):
    file_format: FileFormat
    n_dims: int
    n_words: int | None
    start: int
    separator: bytes


def read_word_vectors(
    path: str | PathLike[str],
    wanted: Collection[str],
    *,
    enough: Collection[str] = (),
    file_format: str = "auto",
) -> tuple[Vectors, int]:
    """Read the vectors of some words from a file; the first of several entries of a word counts.

    Parameters
    ----------
    path : path-like
        GloVe text, word2vec text or word2vec binary, plain or compressed by gzip.
    wanted : collection of str
        The words to read.
    enough : collection of str
        Reading ends early once all of these are found. Empty means never.
    file_format : {"auto", "glove", "word2vec", "word2vec-binary"}
        ``"auto"`` tells them apart by their contents.

    Returns
    -------
    vectors : dict of str to ndarray of shape (n_dims,), float32
        The words found.
    n_dims : int

    Raises
    ------
    ValueError
        If the file is malformed as far as it was read: the message has the line or byte.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of word vectors at {path.absolute()}.")
    try:
        with _open(path) as file:
            layout = _find_layout(path, file, file_format)
        with _open(path) as file:
            file.read(layout.start)
            return _read_wanted(path, file, layout, wanted, enough), layout.n_dims
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{path} is compressed, and cut off or damaged: {error}. Download it again."
        ) from None


def _read_wanted(
    path: Path, file: IO[bytes], layout: _Layout, wanted: Collection[str], enough: Collection[str]
) -> Vectors:
    keys = {word.encode(): word for word in wanted}
    waiting = {word.encode() for word in enough}
    read = _read_binary if layout.file_format == "word2vec-binary" else _read_text
    vectors: Vectors = {}
    for key, values in read(path, file, layout, keys.keys()):
        if keys[key] in vectors:
            continue
        vectors[keys[key]] = values
        if key in waiting:
            waiting.remove(key)
            if not waiting:
                break
    return vectors


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with open(path, "rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic == b"PK\x03\x04":
            raise ValueError(f"{path} is a zip archive: unpack it and name the file inside.")
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(raw, "rb") as file:
                yield file  # type: ignore[misc]
        else:
            yield raw


def _find_layout(path: Path, file: IO[bytes], file_format: str) -> _Layout:
    head = file.read(2**20)
    text = len(_MARK) if head.startswith(_MARK) else 0
    header = _HEADER.match(head, text)
    n_words, n_dims = (int(header[1]), int(header[2])) if header else (None, 0)
    start = header.end() if header else text
    if file_format == "auto":
        if header and not _is_glove_of_one_dimension(head):
            file_format = (
                "word2vec" if _looks_like_text(head[start:], n_dims) else "word2vec-binary"
            )
        else:
            file_format = "glove"
    if file_format == "glove":
        lines = head[text:].splitlines()
        lines = lines[:-1] if len(head) == 2**20 else lines
        lines = [line.rstrip() for line in lines[:100] if line.strip()]
        if not lines:
            raise ValueError(f"{path} holds no word vectors: it is empty or has no lines of text.")
        separator = b"\t" if b"\t" in lines[0] and b" " not in lines[0] else b" "
        # Words of some GloVe files hold spaces, so single lines may mislead.
        [(n_dims, _)] = Counter(line.count(separator) for line in lines).most_common(1)
        if n_dims == 0:
            raise ValueError(f"{path} has no numbers beside its words: these are no word vectors.")
        return _Layout("glove", n_dims, None, text, separator)
    if header is None:
        raise ValueError(
            f"{path} does not begin with the header of word2vec, the numbers of words and of "
            f"dimensions, but with {head[:40]!r}. Is it in another format than {file_format!r}?"
        )
    if n_dims == 0:
        raise ValueError(f"The header of {path} says that vectors have 0 dimensions.")
    line = head[start:].split(b"\n", 1)[0].rstrip()
    separator = b"\t" if file_format == "word2vec" and b" " not in line else b" "
    return _Layout(file_format, n_dims, n_words, start, separator)  # type: ignore[arg-type]


def _is_glove_of_one_dimension(head: bytes) -> bool:
    lines = [line.split() for line in head.splitlines()[:3]]
    return (
        len(lines) == 3
        and lines[0][1] != b"1"
        and all(len(fields) == 2 and _is_number(fields[1]) for fields in lines)
    )


def _looks_like_text(body: bytes, n_dims: int) -> bool:
    fields = body.split(b"\n", 1)[0].rstrip().rsplit(None, n_dims)
    if len(fields) == n_dims + 1 and all(map(_is_number, fields[1:])):
        return True
    # Malformed text is still text; bytes of floats soon hold control characters.
    return re.search(rb"[\x00-\x08\x0e-\x1f]", body[:4096]) is None


def _read_text(
    path: Path, file: IO[bytes], layout: _Layout, wanted: Collection[bytes]
) -> Iterator[tuple[bytes, NDArray[np.float32]]]:
    separator, n_dims = layout.separator, layout.n_dims
    first_line = 1 if layout.file_format == "glove" else 2
    beginnings = {word.split(separator)[0] for word in wanted}
    shortest = 2 * n_dims
    number, n_words, line = first_line - 1, 0, b""
    for number, line in enumerate(file, first_line):
        if len(line) < shortest:
            if not line.strip():
                continue
            _refuse_short(line, path, number, n_dims)
        n_words += 1
        if line[: line.find(separator)] not in beginnings:
            continue
        word, *values = line.rstrip().rsplit(separator, n_dims)
        if len(values) < n_dims:
            _refuse_short(line, path, number, n_dims)
        if separator in word and _is_number(word.rsplit(separator, 1)[1]):
            raise ValueError(
                f"line {number} of {path} has more than {n_dims} numbers after the word "
                f"{word.split(separator)[0].decode(errors='replace')!r}."
            )
        if word in wanted:
            yield word, _parse(values, path, number)
    if line.strip() and line.rstrip().count(separator) < n_dims:
        _refuse_short(line, path, number, n_dims)
    if layout.n_words is not None and n_words != layout.n_words:
        raise ValueError(
            f"{path} holds {n_words} words in {number} lines, but its header says "
            f"{layout.n_words}. Is the file cut off or damaged?"
        )


def _refuse_short(line: bytes, path: Path, number: int, n_dims: int) -> None:
    raise ValueError(
        f"line {number} of {path} has {len(line.split())} fields, a word and {n_dims} numbers are "
        "expected. Is the file cut off or damaged?"
    )


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _parse(values: list[bytes], path: Path, number: int) -> NDArray[np.float32]:
    try:
        vector = np.array([float(value) for value in values], dtype=np.float32)
    except ValueError as error:
        raise ValueError(f"line {number} of {path}: {error}") from None
    if not np.isfinite(vector).all():
        raise ValueError(f"line {number} of {path} holds numbers that are not finite")
    return vector


def _read_binary(
    path: Path, file: IO[bytes], layout: _Layout, wanted: Collection[bytes]
) -> Iterator[tuple[bytes, NDArray[np.float32]]]:
    assert layout.n_words is not None
    width = 4 * layout.n_dims
    buffer = b""
    before, at = layout.start, 0  # bytes of the file before the buffer; place in the buffer
    for index in range(layout.n_words):
        space = buffer.find(b" ", at)
        while space < 0 or space + 1 + width > len(buffer):
            if len(buffer) - at > _LONGEST_WORD and not at <= space < at + _LONGEST_WORD:
                raise ValueError(
                    f"{path} has no word at byte {before + at} (word {index + 1} of "
                    f"{layout.n_words}): it is no word2vec binary file, or damaged before there."
                )
            block = file.read(_BLOCK)
            if not block:
                raise ValueError(
                    f"{path} ends at byte {before + len(buffer)} within word {index + 1} of the "
                    f"{layout.n_words} its header says: it is cut off. Download it again."
                )
            before += at
            buffer = buffer[at:] + block
            at = 0
            space = buffer.find(b" ", at)
        word = buffer[at:space].lstrip(b"\n")
        if word in wanted:
            vector = np.frombuffer(buffer, "<f4", layout.n_dims, space + 1).astype(np.float32)
            if not np.isfinite(vector).all():
                raise ValueError(
                    f"{path} holds numbers that are not finite for the word "
                    f"{word.decode(errors='replace')!r} at byte {before + at}: it is damaged, or "
                    "is no word2vec binary file."
                )
            yield word, vector
        at = space + 1 + width
    rest = (buffer[at:] + file.read(2)).lstrip(b"\n")
    if rest:
        raise ValueError(
            f"{path} goes on at byte {before + at} after the {layout.n_words} words its header "
            "says: it is damaged, or is no word2vec binary file."
        )
