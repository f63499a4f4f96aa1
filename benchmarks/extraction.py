"""Extraction from files against a bare timm forward loop, at the same precision and batch size.

- "forward": ``forward_features`` on one batch of normalised floats, ready in memory, in a loop;
- "arrays": TimmRegionExtractor on pictures that are decoded and of the right size, in memory;
- "files": TimmRegionExtractor on JPEG files of 500 x 375 pixels, as in CUB, decoding included;
- "decode": reading, decoding and resizing these files alone, in one thread.

All but the last take turns. Ratios are those of median times. With a GPU, decoding is hidden if
there are cores enough; on a CPU it needs the same cores as the network, and cannot be: there the
best to be had is "forward" plus the time of "decode" over the number of cores.

    python -m benchmarks.extraction [--pictures 128] [--batch-size 32] [--cpu-time]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks._machine import machine
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.feature_extraction._decoding import PixelTransform
from zslearn.feature_extraction._picture_sources import as_pictures

MODELS = ["vit_base_patch16_224", "mobilenetv2_100"]


def write_pictures(folder: Path, n_pictures: int) -> None:
    """Write JPEG files of about 60 KB, smooth with some grain, as photographs are."""
    rng = np.random.default_rng(0)
    for row in range(n_pictures):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), dtype=np.float32)
        grain = rng.normal(scale=8, size=smooth.shape)
        pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row:05d}.jpg", quality=90)


def seconds(work: Callable[[], Any], device: torch.device, clock: Callable[[], float]) -> float:
    """Time one run."""
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Time all ways with one model, in turns."""
    extractor = TimmRegionExtractor(
        name,
        pretrained=False,
        precision=options.precision,
        device=options.device,
        batch_size=options.batch_size,
        n_jobs=options.jobs,
    ).fit()
    backbone = extractor._backbone()
    clock = time.process_time if options.cpu_time else time.perf_counter
    pictures, transform = as_pictures(folder), PixelTransform(extractor.data_config_)

    def decode() -> list[Any]:
        return [transform(pictures.load(row)) for row in range(len(pictures))]

    arrays = np.stack(decode())
    ready = backbone.normalize(arrays[: options.batch_size]).to(backbone.dtype)

    @torch.inference_mode()
    def forward() -> None:
        for _ in range(options.pictures // options.batch_size):
            backbone.network.forward_features(ready)

    in_memory = TimmRegionExtractor(
        **{**extractor.get_params(), "data_config": {"crop_mode": "squash", "crop_pct": 1.0}}
    ).fit()
    ways: dict[str, Callable[[], Any]] = {
        "forward": forward,
        "arrays": lambda: in_memory.transform(arrays),
        "files": lambda: extractor.transform(folder),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for way in ways.values():
        seconds(way, backbone.device, clock)
    for _ in range(options.repeats):
        for way, work in ways.items():
            times[way].append(seconds(work, backbone.device, clock))
    times["decode"] = [seconds(decode, torch.device("cpu"), clock) for _ in range(2)]
    medians = {way: statistics.median(values) for way, values in times.items()}
    return {
        "precision": extractor.precision_,
        "device": str(backbone.device),
        "threads": torch.get_num_threads(),
        "seconds": times,
        "ratios": {way: medians[way] / medians["forward"] for way in times},
        "spread": {way: max(values) / min(values) for way, values in times.items()},
        "pictures_per_second": {way: options.pictures / medians[way] for way in times},
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure every model on the same files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder, options.pictures)
        return {
            "machine": machine(),
            "data": f"{options.pictures} pictures, batches of {options.batch_size}, "
            f"{options.repeats} repeats, {'CPU' if options.cpu_time else 'wall'} time",
            "models": {model: measure(model, folder, options) for model in options.models},
        }


def report(results: dict[str, Any]) -> str:
    """Results as a table."""
    lines = [results["machine"], results["data"]]
    for name, found in results["models"].items():
        lines += [
            "",
            f"{name}, {found['precision']}, {found['device']}, {found['threads']} threads",
            f"{'':10}{'pictures/s':>12}{'time/forward':>14}{'slowest/fastest':>17}",
        ]
        lines += [
            f"{way:10}{found['pictures_per_second'][way]:12.1f}{found['ratios'][way]:14.3f}"
            f"{found['spread'][way]:17.2f}"
            for way in found["seconds"]
        ]
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=MODELS, help="names of timm models")
    parser.add_argument("--pictures", type=int, default=128, help="a multiple of the batch size")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", type=int, help="threads that decode; all cores by default")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="time of the CPU instead of the clock: for one thread on a machine that others use",
    )
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    if options.pictures < 1 or options.pictures % options.batch_size:
        parser.error("--pictures must be a multiple of --batch-size")
    results = run(options)
    print(report(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
