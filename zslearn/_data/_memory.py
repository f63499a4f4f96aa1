"""How much memory is free."""

from __future__ import annotations

import os

__all__ = ["free_memory"]


def free_memory() -> int:
    """Bytes this process may still take: the least of the machine's, its container's, its own."""
    free = [_read_meminfo(), *_read_cgroup()]
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
        if soft != resource.RLIM_INFINITY:
            free.append(soft - resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    except ImportError:  # not on this platform
        pass
    return max(0, min(free))


def _read_meminfo() -> int:
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _read_cgroup() -> list[int]:
    folder = "/sys/fs/cgroup"
    try:
        with open(f"{folder}/memory.max") as most, open(f"{folder}/memory.current") as now:
            return [int(most.read()) - int(now.read())]
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return []
