"""Whether attributes look where they should, as a number, for any method that has maps.

The share of an attribute's map (mass), and of its peaks, that falls on the part which the
attribute names, over attributes that the picture shows, in pictures of unseen classes; the mean
over attributes. Of two kinds of maps: attention, and what regions add to the attribute's score
(effect). Beside them chance (attention spread evenly), a map that always looks at the middle of the
picture, and the mean of all attributes' attention, which finds the bird but cannot tell its parts.

    python -m benchmarks.localization [--data field_guide|cub50|FOLDER] [--methods NAME ...]
        [--seeds 3] [--epochs N] [--head auto] [--radius 0.05] [--json FILE]

field_guide: parts are known to the pixel, and so is what each picture shows. cub50: a part is what
lies within the radius (a share of the picture's side) of its point; an attribute counts as shown
where at least half of the annotators saw it in pictures of the class, as pictures have no
annotation of their own. Methods are as they come; nothing is chosen by any of these scores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from tqdm.auto import tqdm

from benchmarks._data import FOLDER, VARIANTS, load_regions
from benchmarks._machine import machine
from zslearn import (
    APNClassifier,
    ClassAttributes,
    CVsCClassifier,
    DAZLEClassifier,
    HASClassifier,
    MSDNClassifier,
    TransZeroClassifier,
)
from zslearn.datasets import cub_attribute_parts, make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.inspection import (
    estimate_attribute_localization,
    part_regions_from_map,
    part_regions_from_points,
    region_effects,
)
from zslearn.metrics import attribute_localization_score, czsl_accuracy_score

METHODS: dict[str, Any] = {
    **{name: CVsCClassifier().set_params(**options) for name, options in VARIANTS.items()},
    "DAZLE": DAZLEClassifier(),
    "MSDN": MSDNClassifier(),
    "TransZero": TransZeroClassifier(),
    "APN": APNClassifier(),
    "APN, max": APNClassifier(pooling="max", learning_rate=1e-2),
    "HAS": HASClassifier(),
}
COLUMNS = (
    "attention mass",
    "attention peak",
    "mean map mass",
    "mean map peak",
    "effect mass",
    "effect peak",
    "T1",
)
BATCH = 64


class Data(NamedTuple):
    """Regions, labels and where parts are."""

    X: Any
    y: Any
    table: ClassAttributes
    train: Any
    unseen: Any  # rows of test pictures
    grid: tuple[int, int]
    part_regions: Any
    attribute_parts: Any
    shown: Any


def field_guide(_: argparse.Namespace) -> Data:
    """Made-up birds, whose parts are known to the pixel."""
    guide = make_field_guide(random_state=0)
    extractor = PatchDictionaryExtractor(random_state=0).fit(guide.images[guide.train])
    return Data(
        extractor.transform(guide.images),
        guide.target,
        guide.class_attributes,
        guide.train,
        guide.test_unseen,
        extractor.grid_shape_,
        part_regions_from_map(guide.part_map, len(guide.part_names), extractor.grid_shape_),
        guide.attribute_parts,
        guide.attributes_shown,
    )


def cub50(arguments: argparse.Namespace) -> Data:
    """50 classes of CUB, whose parts are known by a point each."""
    X, y, table, split = load_regions(arguments.folder)
    meta = np.load(arguments.folder / "meta.npz")
    return Data(
        X,
        y,
        table,
        split.train,
        split.test_unseen,
        (7, 7),
        part_regions_from_points(meta["part_xyv"], (7, 7), radius=arguments.radius),
        cub_attribute_parts(table.attribute_names, meta["part_names"]),
        table.values[table.index_of(y)] >= 50,
    )


def mean_maps(clf: Any, X: Any) -> Iterator[Any]:
    """Yield the mean of all attributes' maps in the place of each, batch by batch."""
    for start in range(0, len(X), BATCH):
        maps = clf.attention_maps(X[start : start + BATCH])
        yield np.broadcast_to(maps.mean(axis=1, keepdims=True), maps.shape)


def middle_map(grid: tuple[int, int]) -> Any:
    """Weights (R,) of a bell over the middle of the picture, its deviation a sixth of the side."""
    down, across = (np.exp(-18 * ((np.arange(side) + 0.5) / side - 0.5) ** 2) for side in grid)
    return np.outer(down, across).ravel()


def gains(clf: Any, X: Any) -> Any:
    """Take what regions add to attributes; as much of each where none adds anything."""
    effects = np.maximum(region_effects(clf, X), 0)
    return np.where(effects.any(axis=2, keepdims=True), effects, 1)


def judge(clf: Any, data: Data) -> dict[str, float]:
    """Scores of maps of both kinds, with those of the mean map."""
    X, regions, shown = data.X[data.unseen], data.part_regions[data.unseen], data.shown[data.unseen]
    found: dict[str, float] = {}
    effects = gains(clf, X)
    for method in ("mass", "peak"):
        options: dict[str, Any] = {"shown": shown, "method": method}
        found[f"attention {method}"] = estimate_attribute_localization(
            clf, X, regions, data.attribute_parts, **options
        ).score
        for kind, maps in (("effect", effects), ("mean map", mean_maps(clf, X))):
            found[f"{kind} {method}"] = attribute_localization_score(
                maps, regions, data.attribute_parts, **options
            ).score
    found["T1"] = czsl_accuracy_score(
        data.y[data.unseen],
        clf.uncalibrated_scores(X),
        classes=clf.classes_,
        seen_classes=clf.seen_classes_,
    )
    return found


def rivals(data: Data) -> dict[str, Any]:
    """Chance, the map of the middle, and how many pairs there are."""
    regions, shown = data.part_regions[data.unseen], data.shown[data.unseen]
    middle = np.broadcast_to(middle_map(data.grid), (*shown.shape, regions.shape[2]))
    mass, peak = (
        attribute_localization_score(middle, regions, data.attribute_parts, **options)
        for options in ({"shown": shown, "method": "mass"}, {"shown": shown, "method": "peak"})
    )
    return {"pairs": mass.n_pairs, "chance": mass.chance, "middle": [mass.score, peak.score]}


def fitted(
    name: str, data: Data, seed: int, epochs: int | None = None, head: str | None = None
) -> Any:
    """Fit a method as it comes, but for what is given."""
    clf = clone(METHODS[name]).set_params(random_state=seed)
    if epochs is not None:
        clf.set_params(max_epochs=epochs)
    if head is not None:
        clf.set_params(head=head)
    return clf.fit(data.X[data.train], data.y[data.train], class_attributes=data.table)


def report(results: dict[str, Any]) -> str:
    """Means and standard deviations over seeds."""
    mass, peak = results["middle"]
    lines = [
        f"{results['machine']}; pictures of unseen classes: {results['pairs']} pairs, chance "
        f"{results['chance']:.3f}; the middle of the picture: mass {mass:.3f}, peak {peak:.3f}",
        f"{'':16}" + "".join(f"{name:>16}" for name in COLUMNS),
    ]
    for name, rows in results["methods"].items():
        values = np.array([[row[column] for column in COLUMNS] for row in rows])
        lines.append(f"{name:10} n = {len(rows)}" + _cells(values))
    return "\n".join(lines)


def _cells(values: Any) -> str:
    spread = values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
    return "".join(f"{m:>10.3f}±{s:.3f}" for m, s in zip(values.mean(0), spread, strict=True))


def data_of(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> Data:
    """Load the data set that --data names."""
    if arguments.data == "field_guide":
        return field_guide(arguments)
    arguments.folder = FOLDER / "cub50" if arguments.data == "cub50" else Path(arguments.data)
    if not (arguments.folder / "regions.npy").is_file():
        parser.error(f"no regions.npy in {arguments.folder}: name the folder with --data")
    return cub50(arguments)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="field_guide", help="field_guide, cub50, or its folder")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="instead of each method's own")
    parser.add_argument("--head", choices=["auto", "prototypes", "own"], help="likewise")
    parser.add_argument("--radius", type=float, default=0.05, help="of cub50's parts")
    parser.add_argument("--json", type=Path, help="write the results here, after each fit")
    arguments = parser.parse_args()
    for name in ("seeds", "epochs"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, found {getattr(arguments, name)}")
    data = data_of(arguments, parser)
    results: dict[str, Any] = {"machine": machine(), **rivals(data), "methods": {}}
    runs = [(name, seed) for name in arguments.methods for seed in range(arguments.seeds)]
    for name, seed in tqdm(runs, unit="fit"):
        clf = fitted(name, data, seed, arguments.epochs, arguments.head)
        results["methods"].setdefault(name, []).append(judge(clf, data))
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
    print(report(results))


if __name__ == "__main__":
    main()
