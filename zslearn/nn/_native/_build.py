"""The compiled code of this package: built once for each user, version of it and compiler."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

__all__ = ["BuildError", "build", "find_compiler"]

_SOURCES = Path(__file__).parent

# What the sources use and nothing of the machine at hand: what is built can be used on all.
_FLAGS = ["-std=gnu11", "-O3", "-fopenmp", "-fPIC", "-shared", "-fvisibility=hidden"]
_FLAGS += ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512bf16", "-mfma", "-mf16c"]

_SECONDS = 120


class BuildError(RuntimeError):
    """The compiled code cannot be had."""


def find_compiler() -> list[str]:
    """Command of the C compiler: that of the variable ``CC``, else the system's; or nothing."""
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError:  # quotes that nobody closes
        named = [os.environ["CC"]]
    for command in ([named] if named else []) + [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    return []


def build(compiler: list[str], folder: Path | None = None) -> Path:
    """Path of the library, compiled unless it was before.

    Parameters
    ----------
    compiler : list of str
        Command of the compiler.
    folder : Path, default=None
        Where libraries are kept. ``None`` keeps them in ``zslearn/native`` of the user's cache:
        ``$XDG_CACHE_HOME``, or ``~/.cache``.

    Raises
    ------
    BuildError
        If it cannot be compiled, or cannot be stored where nobody else may change it.
    """
    sources = sorted(_SOURCES.glob("*.[ch]"))
    content = b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in sources)
    key = "\0".join([*compiler, *_FLAGS]).encode() + b"\0" + content
    folder = _cache() if folder is None else folder
    target = folder / f"zslearn-{hashlib.sha256(key).hexdigest()[:24]}.so"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_owner(folder)
        if target.exists():
            _check_owner(target)
            return target
        _compile(compiler, [path for path in sources if path.suffix == ".c"], target)
    except OSError as error:
        raise BuildError(f"{type(error).__name__}: {error}") from error
    return target


def _compile(compiler: list[str], sources: list[Path], target: Path) -> None:
    """Compile next to the target and move: another process sees all of it, or nothing."""
    handle, name = tempfile.mkstemp(suffix=".so", dir=target.parent)
    os.close(handle)
    try:
        done = subprocess.run(
            [*compiler, *_FLAGS, *map(str, sources), "-o", name],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            said = (lines or done.stderr.splitlines() or [f"exit status {done.returncode}"])[0]
            raise BuildError(f"{shlex.join(compiler)} fails: {said}")
        Path(name).chmod(0o700)  # linkers make it anew, for a group to write if the umask lets it
        Path(name).replace(target)
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{shlex.join(compiler)} takes more than {_SECONDS} s") from error
    finally:
        Path(name).unlink(missing_ok=True)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(home).expanduser() / "zslearn" / "native"
    except RuntimeError as error:  # a user of a container who is known to nobody
        raise BuildError(f"{error} Set XDG_CACHE_HOME.") from error


def _check_owner(path: Path) -> None:
    """Refuse what another user could have put there: it is going to be run."""
    found = path.stat()
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BuildError(f"{path} can be written by others than this user")
