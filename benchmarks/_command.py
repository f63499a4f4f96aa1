"""The command line that the benchmarks on real region features share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "cub50"


def command_line(
    description: str | None,
    run: Callable[..., dict[str, Any]],
    report: Callable[[dict[str, Any]], str],
    **numbers: int,
) -> None:
    """Read the arguments, run, print the report and write the results if asked.

    `numbers` are the options that hold a number of at least one, with their defaults; `run` takes
    the folder of the data and these by name.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of regions and meta data")
    parser.add_argument("--json", type=Path, help="write the results here")
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    arguments = vars(parser.parse_args())
    folder, path = arguments.pop("data"), arguments.pop("json")
    if not (folder / "regions.npy").is_file():
        parser.error(f"no regions.npy in {folder}: name the folder with --data")
    for name, value in arguments.items():
        if value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, found {value}")
    results = run(folder, **arguments)
    print(report(results))
    if path:
        path.write_text(json.dumps(results, indent=1))
