"""Benchmarks of zslearn: every figure beside the printed equations and the bare matrix products.

    python -m benchmarks                          all cases
    python -m benchmarks step epoch --repeats 9
    python -m benchmarks epoch --problem cub50 "CUB ViT" --json epoch.json

All ways of a case are timed by turns in one run; compare ratios, not times of different machines.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks._measure import Comparison, machine, measure, report
from benchmarks.cases import memory, pieces, prediction, training
from benchmarks.problems import CUB50, SIZES, Problem, load_cub50, make_problem

# Enough images for a rate; the memory of the printed equations is that of all of them in float32.
N_IMAGES = 1000

SHAPES = [name for name in SIZES if name != "small"]
CASES: dict[str, tuple[Callable[..., Iterator[Comparison]], list[str]]] = {
    "step": (training.steps, ["cub50", *SHAPES]),
    "epoch": (training.epochs, ["cub50", "CUB ViT"]),
    "epoch-float32": (lambda p: training.epochs(p, "float32"), ["cub50"]),
    "small": (training.small_epochs, ["small"]),
    "predict": (prediction.predictions, ["cub50", "CUB ViT"]),
    "predict-many": (prediction.many_images, ["cub50"]),
    "memory": (memory.larger_than_memory, []),
    "losses": (pieces.losses, []),
    "curve": (pieces.curve, []),
    "loading": (pieces.loading, ["cub50"]),
    "search": (pieces.search, ["cub50"]),
    "import": (pieces.imports, []),
}


def problem_named(name: str) -> Problem | None:
    """Find a problem by its name; None for cub50 where its data are not at hand."""
    if name != "cub50":
        return make_problem(name, None if name == "small" else N_IMAGES)
    return load_cub50() if (CUB50 / "regions.npy").is_file() else None


def run(
    names: list[str], repeats: int, problems: list[str] | None, say: Callable[[str], None]
) -> list[Comparison]:
    """Measure cases, reporting each when it is done."""
    done: list[Comparison] = []
    said: list[Comparison] = []
    for name in names:
        case, wanted = CASES[name]
        arguments: list[tuple[Any, ...]] = [()]
        if wanted:
            arguments = [(p,) for p in map(problem_named, problems or wanted) if p is not None]
            if len(arguments) < len(problems or wanted):
                say(f"{name}: cub50 left out, its data are not at hand")
        for given in arguments:
            for comparison in case(*given):
                done.append(measure(comparison, repeats))
            # A case may add to its results when it goes on.
            for comparison in done[len(said) :]:
                text = report([comparison])
                say(text if not said else text.split("\n", 1)[1])
                said.append(comparison)
    return done


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(CASES))
    parser.add_argument("--repeats", type=int, default=5, help="after one run to warm up")
    parser.add_argument("--problem", nargs="+", choices=["cub50", *SIZES], help="other data")
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(CASES))
    if unknown:
        parser.error(f"no case {unknown[0]!r}; there are {', '.join(CASES)}")
    if arguments.repeats < 1:
        parser.error(f"--repeats must be at least 1, found {arguments.repeats}")
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items() if value is not None))
    done = run(
        arguments.names or list(CASES),
        arguments.repeats,
        arguments.problem,
        lambda text: print(text, flush=True),
    )
    if arguments.json:
        results = [
            {"case": c.name, "problem": c.problem, "unit": c.unit, "ways": c.results} for c in done
        ]
        arguments.json.write_text(json.dumps({"machine": facts, "results": results}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
