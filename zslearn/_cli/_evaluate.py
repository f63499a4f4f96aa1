"""``zslearn evaluate``: fit to features and attributes, and print T1, U, S, H and AUSUC."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from zslearn._cli._arguments import (
    add_data_arguments,
    as_json,
    as_parameters,
    check_writable,
    delta,
    key_value,
    natural,
)
from zslearn._cli._classifier import make_classifier

SUMMARY = "T1, U, S, H and AUSUC of a method on features, attributes and a split"
DESCRIPTION = """\
Fit CVsC, or another method, to the trainval rows of a split and judge it on the test rows: mean
per-class accuracies over unseen candidates only (T1), on unseen (U) and seen classes (S) over all
candidates, their harmonic mean (H), and the area under the seen-unseen curve (AUSUC).

    zslearn evaluate features/ --attributes classes.csv --split random
    zslearn evaluate features/ --attributes classes.csv --split split.json --seeds 3
    zslearn evaluate features/ --attributes classes.csv --split random --method eszsl --set gamma=10
    zslearn evaluate features/ --benchmark cub --root /data/CUB_200_2011
    zslearn evaluate /data/xlsa17/data/CUB --json cub.json

FEATURES is a store that `zslearn extract` wrote, a .npy file (n, R, D) or (n, D), or a folder of
the Proposed Splits with res101.mat and att_splits.mat, which bring labels, attributes and split.
The labels of a store are the names of its class folders, unless --labels is given: a label a row,
or a .csv of the pictures' names and labels, which are matched by name. A split file has three
lists, trainval, test_seen and test_unseen, of row numbers from 0 or of picture names.
Nothing is chosen on test rows: delta is found on seen classes held out of trainval. The intervals
hold 95 % of the values that other classes of the same kind would give: classes are drawn anew,
seen and unseen ones apart.
"""

# What the messages of the library call parameters.
OPTIONS = {"missing_values=numpy.nan": "--missing-values nan"}

_METRICS = ("T1", "U", "S", "H", "AUSUC")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("features", metavar="FEATURES")
    add_data_arguments(parser)
    model = parser.add_argument_group("model")
    model.add_argument(
        "--method",
        default="cvsc",
        metavar="NAME",
        help="any of zslearn.registry.list_methods(), such as eszsl or prototypes (default: cvsc)",
    )
    model.add_argument("--epochs", type=natural, help="default: those of the method")
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
        help="parameter of the method, such as lambda_cc=0.5 of cvsc; may be repeated",
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
    classifier = _make_classifier(arguments)
    from zslearn._cli._files import write_atomically
    from zslearn._cli._inputs import check_parts, read_inputs

    inputs = read_inputs(arguments)
    check_parts(inputs)
    from sklearn.base import clone

    results = _describe(inputs, arguments)
    results["runs"] = []
    for seed in range(arguments.seeds):
        model, scores = _fit_and_score(clone(classifier), inputs, arguments, seed)
        results["runs"].append({"seed": seed, **scores})
        if arguments.save and seed == 0:
            _save(model, arguments.save)
    results["mean"], results["std"] = _summarize(results["runs"])
    text = as_json(results)
    print(text if arguments.format == "json" else _as_text(results), flush=True)
    if arguments.json:
        write_atomically(Path(arguments.json), text + "\n")


def _save(model: Any, path: str) -> None:
    if Path(path).suffix.lower() == ".safetensors":
        from zslearn.persistence import save

        save(model, path, overwrite=True)
        return
    import joblib

    from zslearn._cli._files import whole_file

    with whole_file(Path(path)) as name:
        joblib.dump(model, name)


def _check_parameters(arguments: argparse.Namespace) -> None:
    """Refuse parameters that an option of the command sets, which would be overruled."""
    options = {"random_state": "seeds", "device": "device", "delta": "delta"}
    if arguments.epochs:
        options["max_epochs"] = "epochs"
    for name, _ in arguments.set:
        if name in options:
            raise ValueError(f"--set {name}=...: use --{options[name]} for it.")


def _make_classifier(arguments: argparse.Namespace) -> Any:
    """Make the estimator of the method, and refuse options that it has no use for."""
    estimator = make_classifier(as_parameters(arguments.set), method=arguments.method)
    given = {
        "epochs": ("max_epochs", arguments.epochs),
        "device": ("device", None if arguments.device == "auto" else arguments.device),
        "delta": ("delta", None if arguments.delta == "tuned" else arguments.delta),
    }
    for option, (name, value) in given.items():
        if value is None:
            continue
        if name not in estimator.get_params():
            raise ValueError(
                f"--{option}: {type(estimator).__name__} has no parameter {name!r}. Leave "
                f"--{option} out."
            )
        estimator.set_params(**{name: value})
    return estimator


def _fit_and_score(
    estimator: Any, inputs: Any, arguments: argparse.Namespace, seed: int
) -> tuple[Any, dict[str, Any]]:
    from zslearn.calibration import TunedCalibrationClassifierCV
    from zslearn.metrics import ausuc_score, czsl_accuracy_score, gzsl_scores
    from zslearn.model_selection import RowView
    from zslearn.model_selection._trained_to import uninterrupted

    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    shown = estimator.get_params().get("verbose")
    if not arguments.quiet and not shown:
        _tell(arguments, estimator, seed, len(inputs.trainval))
    bars = shown == 0 and not arguments.quiet
    if bars:
        estimator.set_params(verbose=2)  # a bar for each fit
    model: Any = estimator
    if arguments.delta == "tuned":
        told = 0 if arguments.quiet else 1
        model = TunedCalibrationClassifierCV(estimator, random_state=seed, verbose=told)
    y = inputs.y
    start = time.perf_counter()
    with uninterrupted(), redirect_stdout(sys.stderr):  # results alone are printed
        model.fit(
            RowView(inputs.X, inputs.trainval), y[inputs.trainval], class_attributes=inputs.table
        )
    seconds = time.perf_counter() - start
    if bars:  # in a saved model there is nobody to watch
        for fit in (estimator, getattr(model, "estimator_", estimator)):
            fit.set_params(verbose=shown)

    if arguments.delta == "tuned":
        model.set_params(verbose=0)

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
        "intervals": _intervals(truth, predicted, scores, known),
        "T1": float(czsl_accuracy_score(truth, scores, **known)),
        "U": accuracy.unseen,
        "S": accuracy.seen,
        "H": accuracy.harmonic_mean,
        "AUSUC": float(ausuc_score(truth, scores, **known)),
        "delta": float(model.best_delta_ if arguments.delta == "tuned" else arguments.delta),
        "fit_seconds": seconds,
    }


def _intervals(
    truth: Any, predicted: Any, scores: Any, known: dict[str, Any]
) -> dict[str, list[float]] | None:
    """Find the intervals over classes; None where a kind of classes has one member only."""
    from zslearn.metrics import bootstrap_interval

    seen = known["seen_classes"]
    of_seen = np.isin(np.unique(truth), seen)
    if min(of_seen.sum(), (~of_seen).sum()) < 2:
        return None
    draw = {"seen_classes": seen, "random_state": 0}
    parts = bootstrap_interval("gzsl_scores", truth, predicted, **draw)
    by_name = {
        name: [float(low), float(high)]
        for name, low, high in zip(("U", "S", "H"), parts.low, parts.high, strict=True)
    }
    draw["classes"] = known["classes"]
    for name, metric in (("T1", "czsl_accuracy_score"), ("AUSUC", "ausuc_score")):
        interval = bootstrap_interval(metric, truth, scores, **draw)
        by_name[name] = [interval.low, interval.high]
    return {name: by_name[name] for name in _METRICS}


def _tell(arguments: argparse.Namespace, estimator: Any, seed: int, n_rows: int) -> None:
    """Say on standard error what begins, which may take long."""
    epochs = getattr(estimator, "max_epochs", None)
    what = f"{n_rows} rows" if epochs is None else f"{epochs} epochs of {n_rows} rows"
    how = "; delta is found on held-out seen classes first" if arguments.delta == "tuned" else ""
    print(
        f"zslearn evaluate: fit {seed + 1} of {arguments.seeds}: {what}{how}",
        file=sys.stderr,
        flush=True,
    )


def _describe(inputs: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from zslearn._version import __version__

    y = inputs.y
    candidates = inputs.table.labels if inputs.candidates is None else inputs.candidates
    return {
        "zslearn": __version__,
        "method": arguments.method,
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
    ]
    cells = {}
    for name in (*_METRICS, "delta"):
        spread = results["std"][name]
        cells[name] = f"{results['mean'][name]:.3f}"
        cells[name] += "" if spread is None else f" ± {spread:.3f}"
    widths = [max(14, len(cell) + 2) for cell in cells.values()]
    for row in (cells, cells.values()):
        lines.append("".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))
    intervals = results["runs"][0]["intervals"]
    if intervals is not None:
        spans = [f"{low:.3f}–{high:.3f}" for low, high in intervals.values()]
        of = "" if len(results["runs"]) == 1 else ", first seed"
        line = "".join(f"{span:>{width}}" for span, width in zip(spans, widths, strict=False))
        lines.append(f"{line}   95 % over classes{of}")
    if len(results["runs"]) > 1:
        lines.append(f"mean ± standard deviation over {len(results['runs'])} seeds")
    return "\n".join(lines)
