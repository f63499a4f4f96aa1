"""The command line: ``zslearn extract``, ``evaluate``, ``reproduce`` and ``info``."""

from zslearn._cli._main import main

__all__ = ["main"]
