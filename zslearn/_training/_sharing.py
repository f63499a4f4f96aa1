"""Fits side by side: threads shared among the fits of a process, accelerators used in turn.

joblib gives worker processes their share of the cores. Its threads it does not, and of graphics
cards it knows nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from joblib.parallel import get_active_backend

from zslearn._data._user_folder import open_lock
from zslearn._training._callbacks import TrainingCallback
from zslearn._training._distributed import processes_of_fit

try:
    import fcntl
except ImportError:  # Windows: the fits of one process still take turns
    fcntl = None  # type: ignore[assignment]

__all__ = ["SHARE_VARIABLE", "ThreadShare", "take_turn"]

SHARE_VARIABLE = "ZSLEARN_SHARE_GPU"

# The threads of a parent are not there in a forked child, which would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

_turns: defaultdict[torch.device, threading.Lock] = defaultdict(threading.Lock)
_mine = threading.local()


@contextmanager
def take_turn(device: torch.device) -> Iterator[None]:
    """Wait for other fits of the same search to leave an accelerator.

    Fits side by side on one accelerator gain little and may not fit its memory. Fits that joblib
    runs in parallel, in threads or in worker processes, take turns; others are not waited for.
    With the environment variable ``ZSLEARN_SHARE_GPU=1`` none is, nor where several processes
    train together.

    Parameters
    ----------
    device : torch.device
        A CPU is never waited for. Nor is a turn within a turn of the same thread.
    """
    held: set[torch.device] = _mine.__dict__.setdefault("held", set())
    shares = os.environ.get(SHARE_VARIABLE, "0") not in ("", "0")
    together = processes_of_fit() is not None
    if device.type == "cpu" or shares or together or device in held:
        yield
        return
    with _turns[device], _worker_turn(device):
        held.add(device)
        try:
            yield
        finally:
            held.discard(device)


@contextmanager
def _worker_turn(device: torch.device) -> Iterator[None]:
    """Hold a file that the worker processes of one parent share."""
    if fcntl is None or multiprocessing.current_process().name == "MainProcess":
        yield
        return
    with open_lock(f"{os.getppid()}-{_card(device)}.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed, or the process ends
        yield


def _card(device: torch.device) -> str:
    """Name of the card itself: workers may see different ones under the same number."""
    if device.type == "cuda" and torch.cuda.is_available():
        try:
            return f"cuda-{torch.cuda.get_device_properties(device).uuid}"
        except (AttributeError, RuntimeError, AssertionError):  # of older torch, or after a fork
            pass
    return f"{device.type}{device.index or 0}"


class ThreadShare(TrainingCallback):
    """Divide torch's threads among the fits that joblib runs in threads of this process.

    Parameters
    ----------
    small : bool, default=False
        Whether a step is so small that one thread is enough: more would wait for each other longer
        than they compute, most of all on a machine with other work to do.
    """

    _lock = threading.Lock()
    _active = 0
    _all_threads = 0

    def __init__(self, small: bool = False) -> None:
        self.small = small
        self.sharing = False
        self.before: int | None = None

    def on_train_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Join the fits that share."""
        in_thread = threading.current_thread() is not threading.main_thread()
        backend, _ = get_active_backend()
        self.sharing = in_thread and (backend.nesting_level or 0) > 0
        if self.sharing:
            with ThreadShare._lock:
                if ThreadShare._active == 0:
                    ThreadShare._all_threads = torch.get_num_threads()
                ThreadShare._active += 1
        elif self.small and torch.get_num_threads() > 1:
            self.before = torch.get_num_threads()
            torch.set_num_threads(1)

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Take this fit's share, of as many fits as there are now."""
        if self.sharing:
            torch.set_num_threads(1 if self.small else self.share())

    @classmethod
    def share(cls) -> int:
        """Threads for each of the fits that share."""
        return max(1, cls._all_threads // max(1, cls._active))

    def leave(self) -> None:
        """Leave; the last one restores the number of threads."""
        if self.before is not None:
            torch.set_num_threads(self.before)
            self.before = None
        if self.sharing:
            self.sharing = False
            with ThreadShare._lock:
                ThreadShare._active -= 1
                if ThreadShare._active == 0:
                    torch.set_num_threads(ThreadShare._all_threads)
