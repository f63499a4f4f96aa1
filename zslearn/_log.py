"""Where the lines go that `verbose` asks for."""

from __future__ import annotations

import logging
from typing import TextIO

__all__ = ["tell"]

_logger = logging.getLogger("zslearn")


def tell(line: str, file: TextIO | None = None) -> None:
    """Hand a line to the logger ``zslearn`` where that has a handler; print it elsewhere."""
    if _logger.handlers:
        _logger.info(line)
    else:
        print(line, file=file, flush=True)
