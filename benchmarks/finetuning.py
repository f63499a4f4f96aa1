"""Training from pixels: what it is worth, on pictures of CUB-200-2011 and made-up ones, and costs.

    python -m benchmarks.finetuning accuracy [--seeds 3] [--size 96] [--json FILE]
    python -m benchmarks.finetuning birds [--seeds 3]
    python -m benchmarks.finetuning speed [--repeats 5] [--networks test_vit mobilenetv2_100]

"accuracy" chooses the backbone's rate, 0 among the choices, by the area under the seen-unseen curve
of seen classes that are held out in turn, and delta by H there. It judges the frozen backbone and
the best trained one by the test pictures: before and after, whichever was chosen. "birds" has a
small vision transformer from random weights and the made-up birds, with held-out seen classes to
choose between it as it is and trained, and for delta. "speed" times
epochs of the estimator and of loops in bare torch, by turns: one with the same network, head and
loss, and one with a linear classifier of pooled features. On a CPU these are seconds of processor
time, which other processes on the machine change less; set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks._machine import machine
from benchmarks._measure import Comparison, measure, report
from benchmarks.cub_mini import OPTIONS, SHARED, WEIGHTS
from zslearn import CVsCClassifier
from zslearn._training._callbacks import TrainingCallback
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.datasets import load_cub, make_field_guide
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning import FineTunedClassifier, FineTuning
from zslearn.metrics import ausuc_score, czsl_accuracy_score, gzsl_scores
from zslearn.model_selection import SeenUnseenKFold
from zslearn.nn.functional import normalize_rows

EPOCHS = 8
FROZEN = 3
RATES = (0.0, 3e-5, 3e-4)
DELTAS = np.linspace(-3.0, 6.0, 91).tolist()


def estimator(rate: float, size: int, seed: int) -> FineTunedClassifier:
    """CVsC on MobileNetV2, whose first epochs leave the backbone, or all with a rate of 0."""
    extractor = TimmRegionExtractor(
        "mobilenetv2_100", checkpoint_path=WEIGHTS, image_size=size, **OPTIONS["mobilenetv2_100"]
    )
    classifier = CVsCClassifier(max_epochs=EPOCHS, batch_size=16, random_state=seed)
    tuning = FineTuning(
        backbone_learning_rate=rate or 1e-9,
        freeze_epochs=FROZEN if rate else EPOCHS,
        augmentation="flip" if rate else "none",
        layer_decay=0.9,
    )
    return FineTunedClassifier(extractor, classifier, finetuning=tuning)


def judge(clf: Any, X: Any, y: Any, delta: float) -> dict[str, float]:
    """T1, U, S, H with some delta, and the area under the curve."""
    scores = clf.uncalibrated_scores(X)
    known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    accuracy = calibrated(clf, scores, y, delta)
    return {
        "T1": float(czsl_accuracy_score(y, scores, **known)),
        "U": accuracy.unseen,
        "S": accuracy.seen,
        "H": accuracy.harmonic_mean,
        "AUSUC": float(ausuc_score(y, scores, **known)),
    }


def calibrated(clf: Any, scores: Any, y: Any, delta: float) -> Any:
    """U, S and H where delta is added to the scores of unseen classes."""
    clf.set_params(classifier__delta=delta)
    predicted = clf.predict_from_uncalibrated(scores)
    return gzsl_scores(y, predicted, seen_classes=clf.seen_classes_)


def choose(X: Any, y: Any, table: Any, size: int) -> dict[float, dict[str, float]]:
    """Area under the curve of held-out seen classes for each rate, and the delta of the best H.

    Unseen classes have no part.
    """
    seen = table.subset(np.unique(y))
    areas: dict[float, list[float]] = {rate: [] for rate in RATES}
    means: dict[float, list[list[float]]] = {rate: [] for rate in RATES}
    for train, held in SeenUnseenKFold(n_splits=3, random_state=0).split(X, y):
        for rate in RATES:
            clf = estimator(rate, size, 0).fit(X[train], y[train], class_attributes=seen)
            scores = clf.uncalibrated_scores(X[held])
            known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
            areas[rate].append(ausuc_score(y[held], scores, **known))
            means[rate].append([calibrated(clf, scores, y[held], d).harmonic_mean for d in DELTAS])
            print(f"held-out classes, rate {rate:g}: {areas[rate][-1]:.3f}", file=sys.stderr)
    best = {rate: DELTAS[int(np.argmax(np.mean(means[rate], axis=0)))] for rate in RATES}
    return {r: {"AUSUC": float(np.mean(areas[r])), "delta": float(best[r])} for r in RATES}


def accuracy(arguments: argparse.Namespace) -> dict[str, Any]:
    """Choose a rate, and judge the frozen backbone and the best trained one."""
    data = load_cub(arguments.data, splits=arguments.splits, missing_images="skip")
    paths, y, table = np.array(data.image_paths), data.target, data.class_attributes
    begun = time.perf_counter()
    found = choose(paths[data.trainval], y[data.trainval], table, arguments.size)
    seconds = time.perf_counter() - begun
    test = np.concatenate([data.test_seen, data.test_unseen])
    results: dict[str, Any] = {
        "machine": machine(),
        "pictures": [len(data.trainval), len(data.test_seen), len(data.test_unseen)],
        "held-out": found,
        "chosen": max(RATES, key=lambda rate: found[rate]["AUSUC"]),
        "seconds to choose": seconds,
        "runs": {},
    }
    trained = max(RATES[1:], key=lambda rate: found[rate]["AUSUC"])
    for rate in RATES if arguments.all else (0.0, trained):
        runs = []
        for seed in range(arguments.seeds):
            start = time.perf_counter()
            clf = estimator(rate, arguments.size, seed)
            clf.fit(paths[data.trainval], y[data.trainval], class_attributes=table)
            seconds = time.perf_counter() - start
            entry = judge(clf, paths[test], y[test], found[rate]["delta"])
            runs.append({**entry, "fit seconds": seconds})
            print(f"rate {rate:g}, seed {seed}: {runs[-1]}", file=sys.stderr)
        results["runs"][rate] = runs
    return results


def told(results: dict[str, Any]) -> str:
    """Results as text."""
    by_rate = ", ".join(
        f"{rate:g}: {one['AUSUC']:.3f} (delta {one['delta']:.1f})"
        for rate, one in results["held-out"].items()
    )
    lines = [
        results["machine"],
        f"{results['pictures'][0]} pictures to fit on, {results['pictures'][1:]} to judge by",
        f"area under the curve of held-out seen classes by rate of the backbone: {by_rate}; chosen "
        f"{results['chosen']:g}, in {results['seconds to choose']:.0f} s",
    ]
    for rate, runs in results["runs"].items():
        cells = []
        for name in runs[0]:
            values = np.array([run[name] for run in runs])
            spread = f"±{values.std(ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{name} {values.mean():.3f}{spread}")
        lines.append(f"rate {rate:g}: " + "  ".join(cells))
    return "\n".join(lines)


# -- made-up birds ---------------------------------------------------------------------------


def birds(arguments: argparse.Namespace) -> str:
    """Train a small vision transformer from random weights, or leave it so; T1, U, S, H."""
    guide = make_field_guide(random_state=0)
    X, y, table = guide.images, guide.target, guide.class_attributes
    test = np.concatenate([guide.test_seen, guide.test_unseen])
    small = {"patch_size": 8, "depth": 3, "embed_dim": 64, "num_heads": 2}
    network = TimmRegionExtractor(
        "test_vit", pretrained=False, image_size=64, model_kwargs=small, precision="float32"
    )
    ways = {
        "as it was": FineTuning(freeze_epochs=20, augmentation="none"),
        "trained": FineTuning(backbone_learning_rate=5e-3, warmup_epochs=2),
    }
    lines = [machine()]
    for name, tuning in ways.items():
        runs = []
        for seed in range(arguments.seeds):
            start = time.process_time()
            classifier = CVsCClassifier(
                head="own", max_epochs=20, learning_rate=5e-3, random_state=seed
            )
            clf = TunedCalibrationClassifierCV(
                FineTunedClassifier(network, classifier, finetuning=tuning),
                cv=SeenUnseenKFold(n_splits=1, n_unseen=6, random_state=seed),
            )
            clf.fit(X[guide.train], y[guide.train], class_attributes=table)
            scores = gzsl_scores(y[test], clf.predict(X[test]), seen_classes=guide.seen_classes)
            T1 = clf.score(X[guide.test_unseen], y[guide.test_unseen], candidates="unseen")
            seconds = time.process_time() - start
            runs.append([clf.best_score_, T1, *scores, seconds])
            print(name, seed, runs[-1], file=sys.stderr)
        titles = ("held-out H", "T1", "U", "S", "H", "CPU seconds")
        means, spreads = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1)
        told = zip(titles, means, spreads, strict=True)
        lines.append(f"{name:9}  " + "  ".join(f"{t} {m:.3f}±{s:.3f}" for t, m, s in told))
    return "\n".join(lines)


# -- speed -------------------------------------------------------------------------------------


def clock() -> float:
    """Seconds of processor time, or with a card those on the wall."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


class EpochClock(TrainingCallback):
    """Note how long the last epoch took."""

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Start."""
        self.begun = clock()

    def on_epoch_end(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Stop."""
        self.seconds = clock() - self.begun


def made_up(network: str, size: int, n: int) -> tuple[Any, Any, Any]:
    """Pictures of noise, labels, and a table of 20 classes and 312 attributes."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    return X, np.arange(n) % 15, rng.random((20, 312))


def epochs_of(network: str, size: int, n: int, batch_size: int) -> Comparison:
    """Compare epochs of the estimator and of bare loops on the same pictures."""
    X, y, table = made_up(network, size, n)
    extractor = TimmRegionExtractor(
        network, pretrained=False, image_size=size, precision="float32", model_kwargs=None
    )
    watch = EpochClock()
    options: dict[str, Any] = {"batch_size": batch_size, "precision": "float32"}
    classifier = CVsCClassifier(
        max_epochs=1, head="own", random_state=0, callbacks=[watch], **options
    )
    clf = FineTunedClassifier(extractor, classifier, finetuning=FineTuning(augmentation="none"))
    clf.fit(X, y, class_attributes=table)
    learner: Any = clf.net_.module_

    def ours() -> float:
        clf.partial_fit(X, y)
        own: Any = clf.classifier.callbacks
        return float(own[0].seconds)

    def loop(step: Any, parameters: Any) -> float:
        optimizer = torch.optim.Adam(parameters, lr=1e-6, betas=(0.5, 0.999), fused=True)
        config = clf.extractor_.data_config_
        mean, std = (255 * torch.tensor(config[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
        pixels, labels = torch.from_numpy(X), torch.from_numpy(y)
        start = clock()
        for rows in torch.randperm(n).split(batch_size):
            x = pixels[rows].permute(0, 3, 1, 2).float()
            optimizer.zero_grad()
            loss = step((x - mean) / std, labels[rows])
            loss.backward()
            optimizer.step()
            loss.item()
        return clock() - start

    def same_head() -> float:
        learner.train()
        head = learner.head

        def step(x: Any, labels: Any) -> Any:
            regions = normalize_rows(learner.backbone.regions(x))
            return head.criterion(head.network(regions), labels)["loss"]

        return loop(step, learner.parameters())

    def linear_head() -> float:
        learner.train()
        weights = torch.nn.Linear(learner.backbone.n_features, 15)

        def step(x: Any, labels: Any) -> Any:
            pooled = learner.backbone.regions(x).mean(1)
            return functional.cross_entropy(weights(pooled), labels)

        return loop(step, [*learner.backbone.parameters(), *weights.parameters()])

    ways: dict[str, Any] = {
        "FineTunedClassifier": ours,
        "bare loop, same head": same_head,
        "bare loop, linear head": linear_head,
    }
    problem = f"{network}, {n} pictures of {size} x {size}, batches of {batch_size}"
    return Comparison("training from pixels", problem, ways, unit="epoch")


SIZES = {"test_vit": (160, 64, 32), "test_resnet": (160, 64, 32), "mobilenetv2_100": (224, 32, 16)}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["accuracy", "birds", "speed"])
    parser.add_argument("--data", type=Path, default=SHARED / "cub_mini", help="CUB's folder")
    parser.add_argument("--splits", type=Path, default=SHARED / "xlsa17" / "CUB")
    parser.add_argument("--size", type=int, default=96, help="side of the pictures")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="judge rates not chosen as well")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--networks", nargs="+", default=["test_vit", "mobilenetv2_100"])
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    if arguments.what == "birds":
        results: Any = birds(arguments)
        print(results)
    elif arguments.what == "accuracy":
        if not arguments.data.is_dir() or not WEIGHTS.is_file():
            parser.error(f"no pictures in {arguments.data}, or no weights {WEIGHTS}")
        results = accuracy(arguments)
        print(told(results))
    else:
        done = [
            measure(epochs_of(name, *SIZES[name]), arguments.repeats) for name in arguments.networks
        ]
        print(machine(), report(done), sep="\n")
        results = {one.problem: one.results for one in done}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1, default=str))


if __name__ == "__main__":
    main()
