"""Timing by turns: warm-up, repeats, medians and spread, peak memory, and where it ran."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zslearn import __version__
from zslearn._training._device import compute_dtype
from zslearn.model_selection._peak_memory import PeakMemory

MIB = 2**20
Way = Callable[[], float | None]


@dataclass
class Comparison:
    """Several ways to the same result, to be timed by turns.

    Parameters
    ----------
    name : str
        What is done.
    problem : str
        What it is done to.
    ways : dict of str to callable
        The first is zslearn's. A way that returns a number has timed itself, in seconds.
    unit : str
        What the seconds are of, such as "epoch".
    """

    name: str
    problem: str
    ways: dict[str, Way]
    unit: str = "call"
    results: dict[str, dict[str, float]] = field(default_factory=dict)


def measure(comparison: Comparison, repeats: int) -> Comparison:
    """Run each way once to warm up, then all by turns, and summarise."""
    seconds: dict[str, list[float]] = {name: [] for name in comparison.ways}
    peaks = {}
    for name, way in comparison.ways.items():
        with PeakMemory() as memory:
            way()
        peaks[name] = memory.added
    for _ in range(repeats):
        for name, way in comparison.ways.items():
            seconds[name].append(time_once(way))
    first = np.median(next(iter(seconds.values())))
    for name, times in seconds.items():
        low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
        comparison.results[name] = {
            "median": float(middle),
            "low": float(low),
            "high": float(high),
            "least": float(min(times)),
            "repeats": repeats,
            "ratio": float(middle / first),
            "peak MiB": peaks[name] / MIB,
        }
    return comparison


def time_once(way: Way) -> float:
    """Seconds of one run, by the way's own clock if it has one."""
    synchronize()
    start = time.perf_counter()
    own = way()
    synchronize()
    return time.perf_counter() - start if own is None else own


def synchronize() -> None:
    """Wait for the accelerator, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def machine() -> dict[str, Any]:
    """Where and with what this ran."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return {
        "zslearn": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": _processor(),
        "accelerator": torch.cuda.get_device_name() if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "precision": str(compute_dtype("auto", device, 2**40)).removeprefix("torch."),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def report(comparisons: Iterable[Comparison]) -> str:
    """Medians, quartiles, ratios to zslearn and peak memory, as a table."""
    lines = [
        f"{'':34}{'':22}{'median':>10}{'quartiles':>20}{'ratio':>8}{'peak MiB':>10}",
    ]
    for comparison in comparisons:
        title = f"{comparison.name}, {comparison.problem}"
        for name, result in comparison.results.items():
            low, middle, high = (_seconds(result[key]) for key in ("low", "median", "high"))
            lines.append(
                f"{title:34.34}{name:22}{middle:>10}{low + ' - ' + high:>20}"
                f"{result['ratio']:8.2f}{result['peak MiB']:10.0f}"
            )
            title = f"  a {comparison.unit}" if title.strip() and not title.startswith("  ") else ""
    return "\n".join(lines)


def _seconds(value: float) -> str:
    if value >= 1:
        return f"{value:.2f} s"
    return f"{1e3 * value:.2f} ms" if value >= 1e-3 else f"{1e6 * value:.0f} us"
