"""Text files of data sets."""

from __future__ import annotations

from pathlib import Path

from zslearn.feature_extraction._regular_files import open_regular

__all__ = ["read_lines"]


def read_lines(path: Path) -> list[str]:
    """Lines of a text file in UTF-8 that are not blank, without blanks around them."""
    with open_regular(path) as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text: {error}") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.strip() for line in lines if line.strip()]
