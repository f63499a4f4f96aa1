"""Whether attributes look where they should: baseline against CVsC, as a number.

The share of an attribute's attention (mass), and of its peaks, that falls on the part which the
attribute names, over attributes that the picture shows; the mean over attributes. Beside it, chance
(attention spread evenly) and the same for the mean of all attributes' maps, which finds the bird
but cannot tell its parts.

    python -m benchmarks.localization [--data field_guide|cub50|FOLDER] [--seeds 3] [--epochs 20]
        [--radius 0.05] [--json FILE]

field_guide: parts are known to the pixel, and so is what each picture shows. cub50: a part is what
lies within the radius (a share of the picture's side) of its point; an attribute counts as shown
where at least half of the annotators saw it in pictures of the class, as pictures have no
annotation of their own. Both models have the default settings and the same number of epochs;
nothing is chosen by any of these scores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from benchmarks._data import FOLDER, VARIANTS, load_regions
from benchmarks._machine import machine
from zslearn import ClassAttributes, CVsCClassifier
from zslearn.datasets import cub_attribute_parts, make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.inspection import (
    estimate_attribute_localization,
    part_regions_from_map,
    part_regions_from_points,
)
from zslearn.metrics import attribute_localization_score, czsl_accuracy_score

MODELS = ("baseline", "CVsC")
METHODS = ("mass", "peak")
BATCH = 64


class Data(NamedTuple):
    """Regions, labels and where parts are."""

    X: Any
    y: Any
    table: ClassAttributes
    parts: dict[str, Any]  # rows of train, test unseen, test seen
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
        {"train": guide.train, "unseen": guide.test_unseen, "seen": guide.test_seen},
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
        {"train": split.train, "unseen": split.test_unseen, "seen": split.test_seen},
        part_regions_from_points(meta["part_xyv"], (7, 7), radius=arguments.radius),
        cub_attribute_parts(table.attribute_names, meta["part_names"]),
        table.values[table.index_of(y)] >= 50,
    )


def mean_maps(clf: CVsCClassifier, X: Any) -> Iterator[Any]:
    """Yield the mean of all attributes' maps in the place of each, batch by batch."""
    for start in range(0, len(X), BATCH):
        maps = clf.attention_maps(X[start : start + BATCH])
        yield np.broadcast_to(maps.mean(axis=1, keepdims=True), maps.shape)


def judge(clf: CVsCClassifier, data: Data, rows: Any) -> dict[str, float]:
    """Scores of both kinds, with chance and the mean map."""
    X, regions = data.X[rows], data.part_regions[rows]
    found: dict[str, float] = {}
    for method in METHODS:
        options: dict[str, Any] = {"shown": data.shown[rows], "method": method}
        ours = estimate_attribute_localization(clf, X, regions, data.attribute_parts, **options)
        mean = attribute_localization_score(
            mean_maps(clf, X), regions, data.attribute_parts, **options
        )
        found |= {
            method: ours.score,
            f"{method} of mean map": mean.score,
            "chance": ours.chance,
            "pairs": ours.n_pairs,
        }
    return found


def run(data: Data, seeds: int, epochs: int) -> dict[str, Any]:
    """Fit both models with every seed, and judge their attention."""
    train = data.parts["train"]
    X_train, y_train = data.X[train], data.y[train]
    results: dict[str, Any] = {"machine": machine(), "seeds": seeds, "epochs": epochs}
    with tqdm(total=len(MODELS) * seeds, unit="fit") as bar:
        for name in MODELS:
            rows = []
            for seed in range(seeds):
                bar.set_description(f"{name}, seed {seed}")
                clf = CVsCClassifier(**VARIANTS[name], max_epochs=epochs, random_state=seed)
                clf.fit(X_train, y_train, class_attributes=data.table)
                row: dict[str, Any] = {
                    part: judge(clf, data, data.parts[part]) for part in ("unseen", "seen")
                }
                unseen = data.parts["unseen"]
                row["T1"] = czsl_accuracy_score(
                    data.y[unseen],
                    clf.uncalibrated_scores(data.X[unseen]),
                    classes=clf.classes_,
                    seen_classes=clf.seen_classes_,
                )
                rows.append(row)
                bar.update()
            results[name] = rows
    return results


def report(results: dict[str, Any]) -> str:
    """Means and standard deviations over seeds, for both kinds of pictures."""
    columns = [name for method in METHODS for name in (method, f"{method} of mean map")]
    lines = [f"{results['machine']}; {results['seeds']} seeds, {results['epochs']} epochs"]
    for part in ("unseen", "seen"):
        first = results[MODELS[0]][0][part]
        lines += [
            "",
            f"test pictures of {part} classes: {first['pairs']} pairs, chance "
            f"{first['chance']:.3f}",
            f"{'':10}" + "".join(f"{name:>19}" for name in columns),
        ]
        for name in MODELS:
            values = np.array([[row[part][column] for column in columns] for row in results[name]])
            lines.append(f"{name:10}" + _cells(values))
    lines += ["", f"{'':10}{'T1':>19}"]
    lines += [
        f"{name:10}" + _cells(np.array([[row["T1"]] for row in results[name]])) for name in MODELS
    ]
    return "\n".join(lines)


def _cells(values: Any) -> str:
    spread = values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
    return "".join(f"{m:>13.3f}±{s:.3f}" for m, s in zip(values.mean(0), spread, strict=True))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="field_guide", help="field_guide, cub50, or its folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--radius", type=float, default=0.05, help="of cub50's parts")
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    make: Callable[[argparse.Namespace], Data] = field_guide
    if arguments.data != "field_guide":
        make = cub50
        arguments.folder = FOLDER / "cub50" if arguments.data == "cub50" else Path(arguments.data)
        if not (arguments.folder / "regions.npy").is_file():
            parser.error(f"no regions.npy in {arguments.folder}: name the folder with --data")
    for name in ("seeds", "epochs"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, found {getattr(arguments, name)}")
    results = run(make(arguments), arguments.seeds, arguments.epochs)
    print(report(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
