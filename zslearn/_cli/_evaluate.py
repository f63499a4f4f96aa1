"""``zslearn evaluate``: fit to features and attributes, and print T1, U, S, H and AUSUC."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from zslearn._cli._arguments import (
    as_json,
    as_parameters,
    check_writable,
    delta,
    fraction,
    key_value,
    natural,
    number,
)
from zslearn._cli._classifier import make_classifier, uninterrupted

SUMMARY = "T1, U, S, H and AUSUC of CVsC on features, attributes and a split"
DESCRIPTION = """\
Fit CVsC to the trainval rows of a split and judge it on the test rows: mean per-class accuracies
over unseen candidates only (T1), on unseen (U) and seen classes (S) over all candidates, their
harmonic mean (H), and the area under the seen-unseen curve (AUSUC).

    zslearn evaluate features/ --attributes classes.csv --split random
    zslearn evaluate features/ --attributes classes.csv --split split.json --seeds 3
    zslearn evaluate features/ --benchmark cub --root /data/CUB_200_2011
    zslearn evaluate /data/xlsa17/data/CUB --json cub.json

FEATURES is a store that `zslearn extract` wrote, a .npy file (n, R, D) or (n, D), or a folder of
the Proposed Splits with res101.mat and att_splits.mat, which bring labels, attributes and split.
The labels of a store are the names of its class folders, unless --labels is given: a label a row,
or a .csv of the pictures' names and labels, which are matched by name. A split file has three
lists, trainval, test_seen and test_unseen, of row numbers from 0 or of picture names.
Nothing is chosen on test rows: delta is found on seen classes held out of trainval.
"""

# What the messages of the library call parameters.
OPTIONS = {"missing_values=numpy.nan": "--missing-values nan"}

_METRICS = ("T1", "U", "S", "H", "AUSUC")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("features", metavar="FEATURES")
    data = parser.add_argument_group("data")
    data.add_argument("--attributes", metavar="CSV", help="a row a class, a column an attribute")
    data.add_argument("--delimiter", default=",", help="of the CSV file (default: a comma)")
    data.add_argument(
        "--missing-values", type=number, metavar="X", help="of the CSV file: -1, or nan for gaps"
    )
    data.add_argument(
        "--labels",
        metavar="FILE",
        help=".npy or text file with a label a row; of a store also .csv of names and labels",
    )
    data.add_argument(
        "--word-vectors",
        metavar="FILE",
        help="GloVe or word2vec file for the names of attributes, or a .npy file (K, V)",
    )
    data.add_argument("--split", metavar="FILE|random", help=".json, .npz, or 'random'")
    data.add_argument(
        "--unseen", type=fraction, default=0.2, help="random split: share of unseen classes"
    )
    data.add_argument(
        "--test-size", type=fraction, default=0.2, help="random split: share of seen test rows"
    )
    data.add_argument("--split-seed", type=int, default=0, help="random split: its seed")
    data.add_argument(
        "--benchmark",
        choices=["cub", "sun", "awa2", "flo"],
        help="labels, attributes and Proposed Split of a published benchmark",
    )
    data.add_argument("--root", metavar="DIR", help="the benchmark's official archive, unpacked")
    model = parser.add_argument_group("model")
    model.add_argument("--epochs", type=natural, help="default: that of CVsCClassifier")
    model.add_argument(
        "--delta",
        type=delta,
        default="tuned",
        help="a number, or 'tuned' on held-out seen classes (default)",
    )
    model.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=key_value,
        action="append",
        default=[],
        help="parameter of CVsCClassifier, such as lambda_cc=0.5; may be repeated",
    )
    model.add_argument("--seeds", type=natural, default=1, help="number of fits (default: 1)")
    model.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format", choices=["text", "json"], default="text", help="what is printed"
    )
    output.add_argument("--json", metavar="FILE", help="also write the results here")
    output.add_argument(
        "--save",
        metavar="FILE",
        help="write the model of the first seed, which knows all classes of the table: "
        ".safetensors, for zslearn.load, or else joblib",
    )
    output.add_argument("--quiet", action="store_true", help="say nothing while fitting")


def run(arguments: argparse.Namespace) -> None:
    """Fit, evaluate, report."""
    check_writable(arguments, "json", "save")
    _check_parameters(arguments)
    from zslearn._cli._inputs import check_parts, read_inputs

    inputs = read_inputs(arguments)
    check_parts(inputs)
    results = _describe(inputs, arguments)
    results["runs"] = []
    for seed in range(arguments.seeds):
        model, scores = _fit_and_score(inputs, arguments, seed)
        results["runs"].append({"seed": seed, **scores})
        if arguments.save and seed == 0:
            _save(model, arguments.save)
    results["mean"], results["std"] = _summarize(results["runs"])
    text = as_json(results)
    print(text if arguments.format == "json" else _as_text(results), flush=True)
    if arguments.json:
        Path(arguments.json).write_text(text + "\n", encoding="utf-8")


def _save(model: Any, path: str) -> None:
    if Path(path).suffix.lower() == ".safetensors":
        from zslearn.persistence import save

        save(model, path, overwrite=True)
        return
    import joblib

    joblib.dump(model, path)


def _check_parameters(arguments: argparse.Namespace) -> None:
    """Refuse parameters that an option of the command sets, which would be overruled."""
    options = {"random_state": "seeds", "device": "device", "delta": "delta"}
    if arguments.epochs:
        options["max_epochs"] = "epochs"
    for name, _ in arguments.set:
        if name in options:
            raise ValueError(f"--set {name}=...: use --{options[name]} for it.")


def _fit_and_score(
    inputs: Any, arguments: argparse.Namespace, seed: int
) -> tuple[Any, dict[str, Any]]:
    from zslearn.calibration import TunedCalibrationClassifierCV
    from zslearn.metrics import ausuc_score, czsl_accuracy_score, gzsl_scores
    from zslearn.model_selection import RowView

    parameters = as_parameters(arguments.set)
    if arguments.epochs:
        parameters["max_epochs"] = arguments.epochs
    estimator = make_classifier(parameters)
    estimator.set_params(device=arguments.device, random_state=seed)
    shown = estimator.verbose
    if not arguments.quiet and not shown:
        _tell(arguments, estimator, seed, len(inputs.trainval))
        estimator.set_params(verbose=2)  # a bar for each fit
    model: Any = estimator
    if arguments.delta == "tuned":
        model = TunedCalibrationClassifierCV(estimator, random_state=seed)
    else:
        estimator.set_params(delta=arguments.delta)
    y = inputs.y
    start = time.perf_counter()
    with uninterrupted():
        model.fit(
            RowView(inputs.X, inputs.trainval), y[inputs.trainval], class_attributes=inputs.table
        )
    seconds = time.perf_counter() - start
    for fit in (estimator, getattr(model, "estimator_", estimator)):
        fit.set_params(verbose=shown)  # in a saved model there is nobody to watch

    rows = np.concatenate([inputs.test_seen, inputs.test_unseen])
    X, truth = RowView(inputs.X, rows), y[rows]
    fitted = model.estimator_ if arguments.delta == "tuned" else model
    scores = model.uncalibrated_scores(X)
    predicted = model.predict(X, candidates=inputs.candidates)
    classes = model.classes_
    if inputs.candidates is not None:
        among = np.isin(classes, inputs.candidates)
        scores, classes = scores[:, among], classes[among]
    known = {"classes": classes, "seen_classes": fitted.seen_classes_}
    accuracy = gzsl_scores(truth, predicted, seen_classes=fitted.seen_classes_)
    return model, {
        "T1": float(czsl_accuracy_score(truth, scores, **known)),
        "U": accuracy.unseen,
        "S": accuracy.seen,
        "H": accuracy.harmonic_mean,
        "AUSUC": float(ausuc_score(truth, scores, **known)),
        "delta": float(model.best_delta_ if arguments.delta == "tuned" else arguments.delta),
        "fit_seconds": seconds,
    }


def _tell(arguments: argparse.Namespace, estimator: Any, seed: int, n_rows: int) -> None:
    """Say on standard error what begins, which may take long."""
    how = "; delta is found on held-out seen classes first" if arguments.delta == "tuned" else ""
    print(
        f"zslearn evaluate: fit {seed + 1} of {arguments.seeds}: {estimator.max_epochs} epochs of "
        f"{n_rows} rows{how}",
        file=sys.stderr,
        flush=True,
    )


def _describe(inputs: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from zslearn._version import __version__

    y = inputs.y
    candidates = inputs.table.labels if inputs.candidates is None else inputs.candidates
    return {
        "zslearn": __version__,
        "features": str(arguments.features),
        "shape": [int(side) for side in inputs.X.shape],
        "attributes": inputs.table.n_attributes,
        "seen_classes": len(np.unique(y[inputs.trainval])),
        "unseen_classes": len(candidates) - len(np.unique(y[inputs.trainval])),
        "trainval": len(inputs.trainval),
        "test_seen": len(inputs.test_seen),
        "test_unseen": len(inputs.test_unseen),
        "notes": inputs.notes,
        "parameters": as_parameters(arguments.set)
        | ({"max_epochs": arguments.epochs} if arguments.epochs else {}),
        "delta": arguments.delta,
    }


def _summarize(runs: list[dict[str, Any]]) -> tuple[dict[str, float], dict[str, float | None]]:
    values = {name: [run[name] for run in runs] for name in (*_METRICS, "delta")}
    mean = {name: float(np.mean(column)) for name, column in values.items()}
    several = len(runs) > 1
    return mean, {
        name: float(np.std(column, ddof=1)) if several else None for name, column in values.items()
    }


def _as_text(results: dict[str, Any]) -> str:
    shape = " x ".join(map(str, results["shape"]))
    lines = [
        f"{results['features']}: {shape}, {results['attributes']} attributes, "
        f"{results['seen_classes']} seen and {results['unseen_classes']} unseen classes",
        f"{results['trainval']} rows to fit on, {results['test_seen']} + "
        f"{results['test_unseen']} to judge by ({'; '.join(results['notes'])})",
        "",
        "".join(f"{name:>14}" for name in (*_METRICS, "delta")),
    ]
    cells = []
    for name in (*_METRICS, "delta"):
        spread = results["std"][name]
        cell = f"{results['mean'][name]:.3f}" + ("" if spread is None else f" ± {spread:.3f}")
        cells.append(f"{cell:>14}")
    lines.append("".join(cells))
    if len(results["runs"]) > 1:
        lines.append(f"mean ± standard deviation over {len(results['runs'])} seeds")
    return "\n".join(lines)
