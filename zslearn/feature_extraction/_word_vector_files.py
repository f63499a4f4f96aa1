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
_HEADER = re.compile(rb"[ \t]*(\d{1,12})[ \t]+(\d{1,9})[ \t]*\r?\n")
# A line of 10,000 dimensions is a tenth as long: more is no word vector, and may fill the memory.
_LONGEST_LINE = 4 * 2**20
_COMPRESSED = {
    b"\xfd7zXZ\x00": "is compressed by xz",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd",
    b"7z\xbc\xaf": "is a 7z archive",
    b"Rar!\x1a\x07": "is a rar archive",
    b"PK\x03\x04": "is a zip archive",
}
_OTHER_FORMATS = {
    b"\x80": "a pickle or a model of fastText or gensim",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "an array of NumPy",
    b"\xba\x16\x4f\x2f": "a binary model of fastText: use its .vec file",
}
_BOTH = b" \t"  # a tab after the word, blanks between the numbers
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


def first_words(path: str | PathLike[str], file_format: str = "auto") -> list[str]:
    """Return the first few words of a file, for a message."""
    path = Path(path).expanduser()
    with _open(path) as file:
        layout = _find_layout(path, file, file_format)
    with _open(path) as file:
        file.read(layout.start)
        if layout.file_format == "word2vec-binary":
            words = [file.read(_LONGEST_WORD).split(b" ", 1)[0]]
        else:
            lines = [line for _, line in zip(range(3), _lines(file, path), strict=False)]
            words = [line.split()[0] for line in lines if line.strip()]
    return [word.decode(errors="replace") for word in words]


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
        magic = raw.read(10)
        raw.seek(0)
        for beginning, name in _COMPRESSED.items():
            if magic.startswith(beginning):
                raise ValueError(f"{path} {name}: unpack it and name the file inside.")
        if magic.startswith(b"BZh") and magic[4:] == b"1AY&SY":
            raise ValueError(f"{path} is compressed by bzip2: unpack it and name the file inside.")
        for beginning, name in _OTHER_FORMATS.items():
            if magic.startswith(beginning):
                raise ValueError(
                    f"{path} is {name}. Files of word vectors are GloVe text, or text or binary "
                    "files of word2vec."
                )
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
        separator = b" "
        if b"\t" in lines[0]:
            separator = _BOTH if b" " in lines[0] else b"\t"
            if separator == _BOTH:
                lines = [line.replace(b"\t", b" ") for line in lines]
        # Words of some GloVe files hold spaces, so single lines may mislead.
        [(n_dims, _)] = Counter(line.count(separator[:1]) for line in lines).most_common(1)
        if n_dims == 0:
            raise ValueError(f"{path} has no numbers beside its words: these are no word vectors.")
        _check_numbers(path, lines, n_dims, separator[:1])
        return _Layout("glove", n_dims, None, text, separator)
    if header is None:
        raise ValueError(
            f"{path} does not begin with the header of word2vec, the numbers of words and of "
            f"dimensions, but with {head[:40]!r}. Is it in another format than {file_format!r}?"
        )
    if n_dims == 0:
        raise ValueError(f"The header of {path} says that vectors have 0 dimensions.")
    lines = head[start:].split(b"\n", 101)
    lines = [line.rstrip() for line in lines[:-1] or lines if line.strip()]
    line = lines[0] if lines else b""
    separator = b"\t" if file_format == "word2vec" and b" " not in line else b" "
    if file_format == "word2vec":
        if b"\t" in line and separator == b" ":
            lines = [line.replace(b"\t", b" ") for line in lines]
            separator = _BOTH
        _check_numbers(path, lines, n_dims, separator[:1])
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
    separator, n_dims = layout.separator[:1], layout.n_dims
    first_line = 1 if layout.file_format == "glove" else 2
    beginnings = {word.split(separator)[0] for word in wanted}
    shortest = 2 * n_dims
    number, n_words, line = first_line - 1, 0, b""
    for number, line in enumerate(_lines(file, path), first_line):
        if layout.separator == _BOTH:
            line = line.replace(b"\t", b" ")
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


def _lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """Lines of a file, none of them longer than memory should bear."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise ValueError(
                f"{path} has a line of more than {_LONGEST_LINE} bytes: these are no word vectors."
            )
        yield line


def _check_numbers(path: Path, lines: list[bytes], n_dims: int, separator: bytes) -> None:
    """Raise if most of the first lines are not a word and numbers."""
    broken = [
        line
        for line in lines
        if not all(map(_is_number, line.rsplit(separator, n_dims)[1:]))
        and line.count(separator) >= n_dims
    ]
    if 2 * len(broken) > len(lines):
        raise ValueError(
            f"{path} is in no known format: a line of {n_dims + 1} fields should be a word and "
            f"{n_dims} numbers, found {broken[0][:60]!r}."
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
    return b"_" not in field


def _parse(values: list[bytes], path: Path, number: int) -> NDArray[np.float32]:
    try:
        if any(b"_" in value for value in values):
            raise ValueError("numbers hold no underscores")
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
