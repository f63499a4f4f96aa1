"""Reads the command line, runs a command, and turns errors into lines and exit codes."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from zslearn._cli import (
    _benchmark,
    _evaluate,
    _explain,
    _extract,
    _info,
    _predict,
    _reproduce,
    _train,
)
from zslearn._cli._arguments import expand_paths
from zslearn._version import __version__
from zslearn.exceptions import NonFiniteLossError

__all__ = ["main"]

_COMMANDS = {
    "train": _train,
    "predict": _predict,
    "explain": _explain,
    "extract": _extract,
    "evaluate": _evaluate,
    "benchmark": _benchmark,
    "reproduce": _reproduce,
    "info": _info,
}

# What the library raises for bad input, a missing file or a missing package; anything else is a
# fault of ours and keeps its traceback.
_USER_ERRORS = (
    *(ValueError, TypeError, LookupError, OSError, ImportError, MemoryError),
    NonFiniteLossError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments without the program's name; ``None`` takes those of the process.

    Returns
    -------
    int
        0 if all went well, 1 for bad input or a failure, 2 for a wrong command line, 130 when
        interrupted.
    """
    parser = _make_parser()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files need not be text, nor a terminal know every letter.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed what there is to say
        return stop.code if isinstance(stop.code, int) else 2
    command = arguments.command
    if command is None:
        parser.print_help()
        return 2
    expand_paths(arguments)
    try:
        with warnings.catch_warnings(), _terminated_as_interrupted():
            warnings.showwarning = _show_warning
            _COMMANDS[command].run(arguments)
            sys.stdout.flush()
    except KeyboardInterrupt:
        keeps = ("out",) if command != "train" else ("features",)
        goes_on = command in ("extract", "reproduce") or any(
            getattr(arguments, option, None) for option in keeps
        )
        hint = " Run the same command again to go on." if goes_on else ""
        _say(f"zslearn {command}: interrupted.{hint}")
        return 130
    except BrokenPipeError:
        # The reader has gone, as with `| head`; nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _USER_ERRORS as error:
        if arguments.traceback:
            raise
        line = _as_line(error)
        for words, option in getattr(_COMMANDS[command], "OPTIONS", {}).items():
            # Whole words: `grid_shape` is no part of `native_grid_shape`.
            line = re.sub(rf"(?:(?<!\w)|(?=\W)){re.escape(words)}(?!(?<=\w)\w)", option, line)
        _say(f"zslearn {command}: error: {line}")
        return 1
    return 0


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let a command that is told to stop clean up, as one that is interrupted does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zslearn", description="Zero-shot learning, from pictures to answers."
    )
    parser.add_argument("--version", action="version", version=f"zslearn {__version__}")
    parser.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, module in _COMMANDS.items():
        summary = module.SUMMARY
        sub = commands.add_parser(
            name,
            help=summary,
            description=module.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.add_argument(
            "--traceback",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show where an error comes from",
        )
    return parser


def _as_line(error: BaseException) -> str:
    """Message of an error on one line; KeyError and OSError print theirs in forms of their own."""
    if isinstance(error, MemoryError):
        return "out of memory; use smaller batches (--batch-size, or --set batch_size=...)"
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
    if isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.strerror}: {error.filename}"
    return " ".join(text.split()) or type(error).__name__


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"zslearn: warning: {' '.join(str(message).split())}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
