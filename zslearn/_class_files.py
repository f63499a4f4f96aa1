"""Tables of classes in CSV files: read strictly, with the line and the column of every fault."""

from __future__ import annotations

import csv
import os
import re
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from zslearn._class_frames import NamedTable
from zslearn._table_checks import quote_some, refuse_numbering

_NUMBER = re.compile(
    r"[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan)", re.IGNORECASE | re.ASCII
)
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_GAPS = {"na", "n/a", "n.a.", "#n/a", "null", "none", "nil", "?", "-", "--", ".", "missing"}
_TRUTHS = {"yes", "no", "true", "false", "y", "n", "t", "f", "ja", "nein", "oui", "non", "x"}
Line = tuple[int, list[str]]


def read_class_csv(
    path: str | PathLike[str], label_column: int | str, delimiter: str
) -> NamedTable:
    """Read labels, names and numbers; the message of an error has the line and the column."""
    path = _checked_path(path)
    lines = _read_lines(path, delimiter)
    number, header = lines[0]
    if len(lines) < 2:
        raise ValueError(f"{path} holds no class: a header line and one line a class is needed")
    if len(header) < 2:
        raise ValueError(
            f"{path} has a single column when read with delimiter={delimiter!r}; its first "
            f"line is {header[0]!r}. Name the delimiter it uses."
        )
    at = _position(label_column, header, path)
    names = [name for j, name in enumerate(header) if j != at]
    _check_header(header, at, number, path)
    labels: list[Any] = []
    values = np.empty((len(lines) - 1, len(names)))
    for i, (number, row) in enumerate(lines[1:]):
        if len(row) != len(header):
            raise ValueError(
                f"line {number} of {path} has {len(row)} fields, its header has {len(header)}"
                + _hint_of_commas(row, header, delimiter)
            )
        fields = list(row)
        labels.append(fields.pop(at))
        if not labels[-1]:
            raise ValueError(f"line {number} of {path} has no class label")
        for k, field in enumerate(fields):
            if _NUMBER.fullmatch(field):
                values[i, k] = float(field)
            elif not field:
                values[i, k] = np.nan
            else:
                where = f"line {number} of {path}, column {names[k]!r}: {field!r} is no number. "
                raise ValueError(where + _remedy(field, header, at))
    remedy = (
        "Name the column of class labels, label_column=..., and take columns that are no "
        f"attributes out of {path}."
    )
    refuse_numbering(values, names, remedy)
    if all(_INTEGER.fullmatch(label) for label in labels):
        long = [label for label in labels if len(label) > 20 or not _fits(int(label))]
        if long:
            raise ValueError(
                f"{path}: the class labels are whole numbers, and {long[0][:30]!r} needs more than "
                "63 bits. Give them a letter, to be read as text."
            )
        labels = [int(label) for label in labels]
    return NamedTable(values, labels, names)


def _fits(label: int) -> bool:
    return -(2**63) <= label < 2**63


def _checked_path(path: Any) -> Path:
    if not isinstance(path, str | PathLike):
        raise TypeError(f"path must be the path of a CSV file, found {type(path).__name__}")
    found = Path(os.fsdecode(path)).expanduser()
    if found.is_dir():
        raise IsADirectoryError(f"{found} is a folder: name the CSV file in it")
    if not found.exists():
        raise FileNotFoundError(f"There is no CSV file at {found.absolute()}.")
    return found


def _read_lines(path: Path, delimiter: Any) -> list[Line]:
    """Read the lines that are not blank, without columns that are blank throughout."""
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\r\n"':
        raise ValueError(f"delimiter must be a single character, found {delimiter!r}")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            lines = [(reader.line_num, [field.strip() for field in row]) for row in reader]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no UTF-8 text: {error}. Save it as CSV in UTF-8, not as a spreadsheet."
        ) from None
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} of {path}: {error}") from None
    lines = [(number, row) for number, row in lines if any(row)]
    if not lines:
        raise ValueError(f"{path} holds no class: a header line and one line a class is needed")
    width = max(max((j + 1 for j, field in enumerate(row) if field), default=0) for _, row in lines)
    return [(number, row[:width] if not any(row[width:]) else row) for number, row in lines]


def _position(label_column: Any, header: list[str], path: Path) -> int:
    if isinstance(label_column, str):
        name = label_column.strip()
        if name not in header:
            raise ValueError(
                f"label_column={label_column!r} is not in the header of {path}: {header[:8]}"
            )
        if header.count(name) > 1:
            raise ValueError(f"label_column={label_column!r} names several columns of {path}")
        return header.index(name)
    if isinstance(label_column, bool) or not hasattr(label_column, "__index__"):
        raise TypeError(
            f"label_column must be the name or the number of a column, found {label_column!r}"
        )
    at = int(label_column)
    if not -len(header) <= at < len(header):
        raise ValueError(f"label_column={at}, but {path} has {len(header)} columns")
    return at % len(header)


def _check_header(header: list[str], at: int, number: int, path: Path) -> None:
    """Refuse a first line that holds numbers where names should be."""
    names = [name for j, name in enumerate(header) if j != at]
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    label = header[at].lower()
    counted = [str(k) for k in range(len(names))], [str(k + 1) for k in range(len(names))]
    if names in counted and label in ("", "class", "label", "name", "id", "class_id", "species"):
        return
    fractions = [name for name in numbers if not _INTEGER.fullmatch(name)]
    if fractions or len(numbers) == len(names):
        raise ValueError(
            f"line {number} of {path} should be a header that names the attributes, and holds "
            f"numbers: {quote_some(numbers)}. Does the file have no header? Put one before the "
            "first class, such as class,stripes,swims."
        )
    blank = [j + 1 for j, name in enumerate(header) if not name and j != at]
    if blank:
        raise ValueError(f"the header of {path} has no name in column(s) {quote_some(blank)}")


def _hint_of_commas(row: list[str], header: list[str], delimiter: str) -> str:
    if delimiter == "," and len(row) == 2 * len(header) - 1:
        return ". Do its numbers have decimal commas? Write points, or use another delimiter"
    return ""


def _remedy(field: str, header: list[str], at: int) -> str:
    low = field.lower()
    if re.fullmatch(r"[+-]?\d*,\d+(e[+-]?\d+)?", low):
        return (
            "Write decimal points, or read the file with pandas.read_csv(..., decimal=',', "
            "index_col=0) and use ClassAttributes.from_frame."
        )
    if low.endswith("%"):
        return "Write a share instead of a percentage: 0.5 for 50%."
    if low in _TRUTHS:
        return "Write 1 and 0 for what is there and what is not."
    if low in _GAPS:
        return "Leave the field empty and pass missing_values=numpy.nan."
    if "_" in field or not field.isascii():
        return "Write it with the digits 0 to 9, a decimal point, and nothing between them."
    return (
        f"The class labels are read from column {header[at]!r}: name another by label_column=..., "
        "and take columns that are no attributes out of the file."
    )
