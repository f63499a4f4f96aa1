"""Bytes moved and hours for a hundred million pictures, computed from stated rates.

    python -m benchmarks.hundred_million [--pictures 1e8] [--workers 8] [--link 1.25e9] ...

Nothing is measured here. Every rate is an argument, and its help says where its default is from:
"assumed" is a round number to be replaced by your own, "measured" is on the page of speed.
A step takes its bytes or pictures over its rate. Steps overlap, so the longest bounds the whole;
hashing, which comes first, is added.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

SHAPES = {"196 x 768": (196, 768), "49 x 768": (49, 768), "1 x 768": (1, 768)}
RATES = {
    "pictures": (1e8, "pictures"),
    "picture_bytes": (1e5, "bytes of a picture file; assumed"),
    "name_bytes": (110.0, "bytes of a name and a fingerprint in a manifest; assumed"),
    "workers": (8.0, "workers with a card each; assumed"),
    "cores": (16.0, "cores a worker decodes on; assumed"),
    "decoding": (220.0, "pictures/s a core decodes; measured for 500 x 375 on one Xeon core"),
    "network": (1000.0, "pictures/s a card computes; assumed, see benchmarks.extraction"),
    "source": (2e9, "bytes/s the storage of pictures gives all readers together; assumed"),
    "link": (1.25e9, "bytes/s into or out of one machine; assumed, 10 Gbit/s"),
    "disk": (2e9, "bytes/s the storage of features takes or gives a machine; assumed"),
    "prediction": (15000.0, "pictures/s a card predicts from memory; measured for CVsC on an H200"),
}


class Step(NamedTuple):
    """A step: what it moves, and how long that takes alone."""

    name: str
    n_bytes: float
    hours: float


def plan(rates: dict[str, float], shape: tuple[int, int], n_writers: int) -> list[Step]:
    """Bytes and hours of each step; `n_writers` processes write features, each its own store."""
    r = argparse.Namespace(**rates)
    files = r.pictures * r.picture_bytes
    features = r.pictures * 2 * shape[0] * shape[1]
    link, storage = n_writers * r.link, n_writers * min(r.link, r.disk)
    # The shards of a store travel to its writer, unless that is who computes them.
    moved = features if n_writers == 1 else 0.0
    seconds = {
        "hash": (files, files / min(r.source, link)),
        "read": (files, files / min(r.source, r.workers * r.link)),
        "decode": (0.0, r.pictures / (r.workers * r.cores * r.decoding)),
        "network": (0.0, r.pictures / (r.workers * r.network)),
        "to writer": (moved, moved / link),
        "write": (features, features / storage),
        "predict": (
            features,
            max(
                features / (r.workers * min(r.link, r.disk)),
                r.pictures / (r.workers * r.prediction),
            ),
        ),
    }
    return [Step(name, moved, took / 3600) for name, (moved, took) in seconds.items()]


def extraction_hours(steps: list[Step]) -> tuple[float, str]:
    """Hours of an extraction, and the step that bounds it."""
    by_name = {step.name: step for step in steps}
    longest = max((s for s in steps if s.name not in ("hash", "predict")), key=lambda s: s.hours)
    return by_name["hash"].hours + longest.hours, longest.name


def main(argv: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hundred_million",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, (default, what) in RATES.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=default, help=f"{what} (%(default)g)")
    rates = vars(parser.parse_args(argv))
    for name, value in rates.items():
        if not value > 0:
            parser.error(f"--{name.replace('_', '-')} must be positive; found {value:g}")
        print(f"{name:14}{value:>10.4g}  {RATES[name][1]}")
    print(f"\none manifest   {rates['pictures'] * rates['name_bytes'] / 1e9:.3g} GB")
    for label, n_writers in (("one store", 1), ("a store a part", max(1, int(rates["workers"])))):
        for shape_name, shape in SHAPES.items():
            steps = plan(rates, shape, n_writers)
            hours, bound = extraction_hours(steps)
            print(
                f"\n{label}, {shape_name}: extraction {hours:.1f} h, bound by {bound}; "
                f"{hours * rates['workers']:.0f} card hours"
            )
            for step in steps:
                print(f"  {step.name:10}{step.n_bytes / 1e12:>8.2f} TB{step.hours:>8.2f} h")


if __name__ == "__main__":
    main()
