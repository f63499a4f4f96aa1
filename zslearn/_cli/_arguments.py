"""Types of arguments."""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = [
    "add_data_arguments",
    "as_json",
    "as_parameters",
    "check_there",
    "check_writable",
    "delta",
    "expand_paths",
    "fraction",
    "grid",
    "image_size",
    "key_value",
    "natural",
    "number",
]


def natural(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, found {text!r}")
    return int(text)


def grid(text: str) -> tuple[int, int]:
    """Read two numbers: rows x columns."""
    height, _, width = text.lower().partition("x")
    if not all(side.isdecimal() and int(side) for side in (height, width)):
        raise argparse.ArgumentTypeError(f"must be rows x columns such as 7x7, found {text!r}")
    return int(height), int(width)


def image_size(text: str) -> int | tuple[int, int]:
    """Read one number or two."""
    return natural(text) if text.isdecimal() else grid(text)


def key_value(text: str) -> tuple[str, str]:
    """Read a name and what comes after the equals sign."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, found {text!r}")
    return name, value


def number(text: str) -> float:
    """Read a number, or "nan"."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number or 'nan', found {text!r}") from None


def fraction(text: str) -> float:
    """Read a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, found {text!r}")
    return value


def delta(text: str) -> float | str:
    """Read a number or the word "tuned"."""
    if text == "tuned":
        return text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"must be a number or 'tuned', found {text!r}")
    return value


def as_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Turn names and texts into parameters, texts that are Python literals into their values.

    So are "true" and "false"; "none" is a name of some methods.
    """
    values: dict[str, Any] = {}
    for name, text in pairs:
        try:
            values[name] = ast.literal_eval(text.title() if text in ("true", "false") else text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            values[name] = text
    return values


# Of all commands; what is no path, such as "random", begins with no "~".
_PATHS = (
    *("attributes", "checkpoint", "features", "figure", "folder", "image_index", "json", "labels"),
    *("out", "output", "path", "root", "save", "settings", "split", "word_vectors", "work"),
    *("model", "picture"),
)


def expand_paths(arguments: argparse.Namespace) -> None:
    """Put the home folder for ``~`` in paths, as in --json=~/x, which no shell does."""
    for option in _PATHS:
        path = getattr(arguments, option, None)
        if isinstance(path, str):
            setattr(arguments, option, os.path.expanduser(path))


def check_writable(arguments: argparse.Namespace, *options: str) -> None:
    """Refuse files that cannot be written, before anything is computed for them."""
    for option in options:
        path = getattr(arguments, option)
        if path and not Path(path).resolve().parent.is_dir():
            raise FileNotFoundError(
                f"--{option}: there is no folder {str(Path(path).parent)!r} to write to."
            )
        if path and Path(path).is_dir():
            raise IsADirectoryError(f"--{option}: {path!r} is a folder; name a file.")


def check_there(arguments: argparse.Namespace, *options: str) -> None:
    """Refuse files to read that are not there, by the name of the option."""
    for option in options:
        path = getattr(arguments, option)
        if path and not Path(path).exists():
            raise FileNotFoundError(f"--{option.replace('_', '-')}: there is no {path!r}.")


def as_json(results: Any) -> str:
    """JSON that any reader takes: numbers that are not finite, and values of Python, as text."""
    return json.dumps(_plain(results), indent=1)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, str | int) else str(value)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that `read_inputs` reads, but for FEATURES."""
    data = parser.add_argument_group("data")
    data.add_argument("--attributes", metavar="CSV", help="a row a class, a column an attribute")
    data.add_argument("--delimiter", default=",", help="of the CSV file (default: a comma)")
    data.add_argument(
        "--missing-values", type=number, metavar="X", help="of the CSV file: -1, or nan for gaps"
    )
    data.add_argument(
        "--labels",
        metavar="FILE",
        help=".npy or text file with a label a row; of a store also .csv of names and labels",
    )
    data.add_argument(
        "--word-vectors",
        metavar="FILE",
        help="GloVe or word2vec file for the names of attributes, or a .npy file (K, V)",
    )
    data.add_argument("--split", metavar="FILE|random", help=".json, .npz, or 'random'")
    data.add_argument(
        "--unseen", type=fraction, default=0.2, help="random split: share of unseen classes"
    )
    data.add_argument(
        "--test-size", type=fraction, default=0.2, help="random split: share of seen test rows"
    )
    data.add_argument("--split-seed", type=int, default=0, help="random split: its seed")
    data.add_argument(
        "--benchmark",
        choices=["cub", "sun", "awa2", "flo"],
        help="labels, attributes and Proposed Split of a published benchmark",
    )
    data.add_argument("--root", metavar="DIR", help="the benchmark's official archive, unpacked")
