"""Real pictures end to end: pictures, features, fit, predict, on 88 pictures of CUB-200-2011.

Eight seen and four unseen classes in the official layout, and the Proposed Split. With so few
pictures the accuracies say that the path works, not how good the method is; the same with random
weights shows what the backbone's training is worth.

    python -m benchmarks.cub_mini [--seeds 3] [--json FILE]
    python -m benchmarks.cub_mini --data ROOT --splits FOLDER --model NAME [--checkpoint FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._machine import machine
from zslearn import CVsCClassifier
from zslearn.datasets import load_cub
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.metrics import ausuc_score, czsl_accuracy_score, gzsl_scores

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
WEIGHTS = SHARED / "weights" / "mobilenetv2_100_imagenet.safetensors"

# What the weights at hand were trained with; timm's own weights bring theirs along.
OPTIONS: dict[str, dict[str, Any]] = {
    "mobilenetv2_100": {
        "model_kwargs": {"pad_type": "same"},
        "data_config": {
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            "crop_mode": "squash",
            "crop_pct": 1.0,
        },
    }
}


def extract(data: Any, folder: Path, model: str, **weights: Any) -> tuple[Any, dict[str, float]]:
    """Features of all pictures in a store, and how long that took, the first time and again."""
    seconds = {}
    start = time.perf_counter()
    extractor = TimmRegionExtractor(model, **OPTIONS.get(model, {}), **weights).fit()
    seconds["load the network"] = time.perf_counter() - start
    for name in ("extract", "extract again"):
        start = time.perf_counter()
        store = extractor.extract(data.image_paths, folder)
        seconds[name] = time.perf_counter() - start
    return store, seconds


def evaluate(data: Any, X: Any, seed: int) -> dict[str, float]:
    """Fit to the trainval pictures and judge by the test pictures, delta as it is by default."""
    y, table = data.target, data.class_attributes
    start = time.perf_counter()
    clf = CVsCClassifier(random_state=seed)
    clf.fit(X[data.trainval], y[data.trainval], class_attributes=table)
    fitted = time.perf_counter()
    test = np.concatenate([data.test_seen, data.test_unseen])
    scores = clf.uncalibrated_scores(X[test])
    predicted = clf.predict_from_uncalibrated(scores)
    done = time.perf_counter()
    known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    accuracy = gzsl_scores(y[test], predicted, seen_classes=clf.seen_classes_)
    return {
        "T1": float(czsl_accuracy_score(y[test], scores, **known)),
        "U": accuracy.unseen,
        "S": accuracy.seen,
        "H": accuracy.harmonic_mean,
        "AUSUC": float(ausuc_score(y[test], scores, **known)),
        "fit seconds": fitted - start,
        "predict seconds": done - fitted,
    }


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both kinds of weights, several seeds."""
    data = load_cub(arguments.data, splits=arguments.splits, missing_images="skip")
    results: dict[str, Any] = {
        "machine": machine(),
        "pictures": len(data.target),
        "parts": [len(data[part]) for part in ("trainval", "test_seen", "test_unseen")],
        "classes": [len(data.seen_classes), len(data.unseen_classes)],
        "model": arguments.model,
    }
    trained = {"checkpoint_path": arguments.checkpoint} if arguments.checkpoint else {}
    for name, weights in (("trained", trained), ("random", {"pretrained": False})):
        with tempfile.TemporaryDirectory() as folder:
            store, seconds = extract(data, Path(folder) / "store", arguments.model, **weights)
            runs = [evaluate(data, store, seed) for seed in range(arguments.seeds)]
        results[name] = {"shape": list(store.shape), "seconds": seconds, "runs": runs}
    return results


def report(results: dict[str, Any]) -> str:
    """Results as a table."""
    seen, unseen = results["classes"]
    trainval, test_seen, test_unseen = results["parts"]
    lines = [
        results["machine"],
        f"{results['pictures']} pictures of {seen} seen and {unseen} unseen classes: {trainval} "
        f"to fit on, {test_seen} + {test_unseen} to judge by; chance T1 {1 / unseen:.2f}",
        "",
    ]
    for weights in ("trained", "random"):
        entry = results[weights]
        steps = ", ".join(f"{name} {value:.2f} s" for name, value in entry["seconds"].items())
        rate = results["pictures"] / entry["seconds"]["extract"]
        lines.append(f"{results['model']}, {weights} weights: {entry['shape']}, {steps}")
        lines.append(f"  {rate:.1f} pictures/s")
        names = list(entry["runs"][0])
        values = np.array([[run[name] for name in names] for run in entry["runs"]])
        cells = [f"{name} {mean:.3f}" for name, mean in zip(names, values.mean(0), strict=True)]
        if len(values) > 1:
            spread = values.std(0, ddof=1)
            cells = [f"{cell}±{std:.3f}" for cell, std in zip(cells, spread, strict=True)]
        lines.append("  " + "  ".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "cub_mini", help="CUB's folder")
    parser.add_argument("--splits", type=Path, default=SHARED / "xlsa17" / "CUB")
    parser.add_argument("--model", default="mobilenetv2_100", help="name of a timm model")
    parser.add_argument("--checkpoint", type=Path, help="weights; None takes timm's own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    if arguments.checkpoint is None and arguments.model == "mobilenetv2_100" and WEIGHTS.is_file():
        arguments.checkpoint = WEIGHTS
    if not arguments.data.is_dir():
        parser.error(f"no folder {arguments.data}: name that of CUB-200-2011 with --data")
    results = run(arguments)
    print(report(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
