"""The command line: ``zslearn extract``, ``zslearn evaluate``, ``zslearn info``."""

from zslearn._cli._main import main

__all__ = ["main"]
