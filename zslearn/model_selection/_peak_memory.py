"""The largest memory of this process while something runs."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["PeakMemory"]


class PeakMemory:
    """Largest anonymous memory of this process inside a ``with`` block, in bytes.

    Sampled on Linux, where pages of a memory-mapped file do not count; elsewhere 0. Unlike
    tracemalloc it sees what torch allocates. With an accelerator, the memory allocated on it is
    meant.
    """

    def __init__(self, interval: float = 0.002) -> None:
        self.interval = interval
        self.before = self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        torch: Any = sys.modules.get("torch")
        self._cuda = torch.cuda if torch is not None and torch.cuda.is_available() else None

    @property
    def added(self) -> int:
        """Bytes by which the peak lies above what there was before."""
        return self.peak - self.before

    def _sample(self) -> None:
        while not self._done.wait(self.interval):
            self.peak = max(self.peak, anonymous_memory())

    def __enter__(self) -> PeakMemory:
        if self._cuda is not None:
            self._cuda.reset_peak_memory_stats()
            self.before = self.peak = self._cuda.memory_allocated()
            return self
        _give_back()
        self.before = self.peak = anonymous_memory()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._cuda is not None:
            self.peak = self._cuda.max_memory_allocated()
            return
        self._done.set()
        self._thread.join()


def _give_back() -> None:
    """Return memory that is free, but kept for later, which would hide what is used anew."""
    gc.collect()
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU library
        if trim is not None:
            trim(0)


def anonymous_memory() -> int:
    """Bytes of this process that no file backs."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
