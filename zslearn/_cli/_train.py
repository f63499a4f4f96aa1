"""``zslearn train``: from a folder of pictures and a table of classes to a model."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from zslearn._cli import _extract
from zslearn._cli._arguments import as_parameters, delta, fraction, key_value, natural, number
from zslearn._cli._classifier import make_classifier
from zslearn._cli._model_folder import check_target, write_model_folder

SUMMARY = "a model from a folder of pictures and a table of classes"
DESCRIPTION = """\
Learn from all pictures in FOLDER, a sub-folder a class, to recognise all classes of a table, also
those without pictures. The model is written to a folder, with the weights of the network, and
without pickle: `zslearn predict` needs nothing else.

    zslearn train birds/ --attributes classes.csv -o model/
    zslearn train birds/ --attributes classes.csv -o model/ --method eszsl --set gamma=10
    zslearn train birds/ --attributes classes.csv -o model/ --acceptance 0.95

Nothing is chosen on classes without pictures: delta, the balance of both kinds, is found on classes
held out in turn, for which a method is trained once for each fold and once more on everything.
"""

OPTIONS = {
    **_extract.OPTIONS,
    "on_undescribed='skip'": "--skip-undescribed",
    "missing_values=numpy.nan": "--missing-values nan",
    "class_attributes": "--attributes",
    "replace them with overwrite=True": "remove that one",
}
OPTIONS.pop("overwrite=True")
OPTIONS.pop("batch_size")  # of the method here, where --batch-size is of extraction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("folder", metavar="FOLDER", help="a sub-folder of pictures for each class")
    parser.add_argument("-o", "--output", metavar="MODEL", required=True, help="folder to write")
    table = parser.add_argument_group("table")
    table.add_argument(
        "--attributes", metavar="CSV", required=True, help="a row a class, a column an attribute"
    )
    add_table_arguments(table)
    table.add_argument(
        "--word-vectors",
        metavar="FILE",
        help="GloVe or word2vec file for the names of attributes, or a .npy file (K, V)",
    )
    table.add_argument(
        "--skip-undescribed", action="store_true", help="leave out folders that have no row"
    )
    method = parser.add_argument_group("method")
    method.add_argument(
        "--method",
        default="cvsc",
        metavar="NAME",
        help="any of zslearn.registry.list_methods(), such as eszsl or prototypes (default: cvsc)",
    )
    method.add_argument("--epochs", type=natural, help="default: those of the method")
    method.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=key_value,
        action="append",
        default=[],
        help="parameter of the method, such as lambda_cc=0.5 of cvsc; may be repeated",
    )
    method.add_argument(
        "--delta",
        type=delta,
        default="tuned",
        help="a number, or 'tuned' on held-out classes (default)",
    )
    method.add_argument(
        "--acceptance",
        type=fraction,
        metavar="SHARE",
        help='also learn to answer "none of these": the share of pictures of described classes '
        "that shall be answered, such as 0.95; about four times the training",
    )
    method.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    pictures, run = _extract.add_network_arguments(parser)
    pictures.add_argument(
        "--skip-broken", action="store_true", help="leave out pictures that cannot be read"
    )
    pictures.add_argument(
        "--features",
        metavar="STORE",
        help="folder in which the features are kept, or were by `zslearn extract`: nothing is "
        "computed twice (default: they are thrown away)",
    )
    run.add_argument("--overwrite", action="store_true", help="replace an earlier model")
    run.add_argument("--quiet", action="store_true", help="say nothing on the way")


def add_table_arguments(table: Any) -> None:
    """Declare how a table of classes is read."""
    table.add_argument("--delimiter", default=",", help="of the CSV file (default: a comma)")
    table.add_argument(
        "--missing-values", type=number, metavar="X", help="of the CSV file: -1, or nan for gaps"
    )


def run(arguments: argparse.Namespace) -> None:
    """Extract what is missing, train, write."""
    check_target(arguments.output, arguments.overwrite)
    method = _make_method(arguments)
    data = _read_pictures(arguments)
    begun = time.perf_counter()
    skip = "skip" if arguments.skip_broken else "raise"
    extractor = _extract.make_extractor(arguments, skip, quiet=arguments.quiet)
    with _features_folder(arguments) as folder:
        _say(arguments, f"features of {len(data.image_paths)} pictures")
        store = extractor.extract(data.image_paths, folder)
        for skipped in store.skipped:
            print(f"skipped {skipped.image}: {skipped.reason}", file=sys.stderr)
        model = _fit(extractor, method, store, data, arguments)
        training = _describe(model, store, data, arguments, time.perf_counter() - begun)
        write_model_folder(model, arguments.output, training)
    print(_as_text(training, arguments.output))


def _make_method(arguments: argparse.Namespace) -> Any:
    """Make the classifier that is trained, with what is chosen on held-out classes around it."""
    from zslearn.calibration import RejectionClassifierCV, TunedCalibrationClassifierCV

    parameters = as_parameters(arguments.set)
    options = {"random_state": "seed", "device": "device", "delta": "delta"}
    if arguments.epochs:
        options["max_epochs"] = "epochs"
    for name, option in options.items():
        if name in parameters:
            raise ValueError(f"--set {name}=...: use --{option} for it.")
    method = make_classifier(parameters, method=arguments.method)
    known = method.get_params()
    if "keep_features" in known and "keep_features" not in parameters:
        method.set_params(keep_features=True)  # for the tables that `zslearn predict` may be given
    given = {
        "epochs": ("max_epochs", arguments.epochs),
        "delta": ("delta", None if arguments.delta == "tuned" else arguments.delta),
    }
    for option, (name, value) in given.items():
        if value is not None and name not in known:
            raise ValueError(
                f"--{option}: {type(method).__name__} has no parameter {name!r}. Leave "
                f"--{option} out."
            )
        if value is not None:
            method.set_params(**{name: value})
    fixed = {"random_state": arguments.seed, "device": arguments.device}
    method.set_params(**{name: value for name, value in fixed.items() if name in known})
    if arguments.delta == "tuned":
        method = TunedCalibrationClassifierCV(
            method, random_state=arguments.seed, verbose=0 if arguments.quiet else 1
        )
    if arguments.acceptance is not None:
        method = RejectionClassifierCV(
            method, acceptance=arguments.acceptance, random_state=arguments.seed
        )
    return method


def _read_pictures(arguments: argparse.Namespace) -> Any:
    from zslearn._cli._inputs import load_word_vectors
    from zslearn.datasets import load_image_folder

    folder = Path(arguments.folder)
    if (folder / "store.json").is_file():
        raise ValueError(
            f"FOLDER: {str(folder)!r} is a feature store. Give the folder of the pictures, and the "
            "store as --features."
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"FOLDER: there is no folder {str(folder)!r}.")
    there = [Path(arguments.attributes), folder / arguments.attributes]
    if not any(place.is_file() for place in there):
        raise FileNotFoundError(f"--attributes: there is no {arguments.attributes!r}.")
    data = load_image_folder(
        folder,
        there[0].absolute() if there[0].is_file() else there[1].absolute(),
        on_undescribed="skip" if arguments.skip_undescribed else "raise",
        delimiter=arguments.delimiter,
        missing_values=arguments.missing_values,
        word_vectors=load_word_vectors(arguments.word_vectors),
    )
    if len(data.seen_classes) < 2:
        raise ValueError(
            f"FOLDER: only {data.seen_classes.tolist()} has pictures; at least two classes are "
            "needed to learn what tells classes apart."
        )
    return data


@contextmanager
def _features_folder(arguments: argparse.Namespace) -> Iterator[str]:
    """Folder of the features: as named, or one that is gone afterwards."""
    if arguments.features is not None:
        yield arguments.features
        return
    target = Path(arguments.output).absolute()
    folder = tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.features.")
    try:
        yield str(Path(folder) / "store")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fit(extractor: Any, method: Any, store: Any, data: Any, arguments: argparse.Namespace) -> Any:
    from sklearn.frozen import FrozenEstimator

    from zslearn.feature_extraction import ImageClassifier
    from zslearn.model_selection._trained_to import uninterrupted

    innermost = method
    while hasattr(innermost, "estimator"):
        innermost = innermost.estimator
    shown = innermost.get_params().get("verbose")
    if shown == 0 and not arguments.quiet:
        innermost.set_params(verbose=2)  # a bar for each fit
    model = ImageClassifier(FrozenEstimator(extractor), method)
    how = "; delta is found on held-out classes first" if arguments.delta == "tuned" else ""
    _say(arguments, f"training {arguments.method} on {len(store)} pictures{how}")
    with uninterrupted(), redirect_stdout(sys.stderr):
        model.fit(store, data.target[store.rows], class_attributes=data.class_attributes)
    # In a saved model there is nobody to watch, and nothing is left out.
    extractor.set_params(verbose=0, on_error="raise")
    for estimator in _all_inside(model):
        if "verbose" in estimator.get_params(deep=False):
            estimator.set_params(verbose=0)
    return model


def _all_inside(model: Any) -> list[Any]:
    """Estimators, given and fitted, that a classifier is made of."""
    found, waiting = [], [model.classifier, model.classifier_]
    while waiting:
        estimator = waiting.pop()
        found.append(estimator)
        waiting += [
            inner
            for name in ("estimator", "estimator_")
            if hasattr(inner := getattr(estimator, name, None), "get_params")
        ]
    return found


def _describe(
    model: Any, store: Any, data: Any, arguments: argparse.Namespace, seconds: float
) -> dict[str, Any]:
    from zslearn._version import __version__

    calibrated = model.classifier_
    facts: dict[str, Any] = {
        "zslearn": __version__,
        "method": arguments.method,
        "parameters": as_parameters(arguments.set)
        | ({"max_epochs": arguments.epochs} if arguments.epochs else {}),
        "pictures": len(store),
        "skipped": [picture.image for picture in store.skipped],
        "seen classes": len(model.seen_classes_),
        "unseen classes": len(model.unseen_classes_),
        "attributes": model.class_attributes_.n_attributes,
        "delta": float(model._delta_and_scale()[0]),
        "seed": arguments.seed,
        "seconds": round(seconds, 1),
    }
    if hasattr(calibrated, "threshold_"):
        facts |= {
            "answered of described classes": calibrated.acceptance_rate_,
            "rejected of others": calibrated.rejection_rate_,
        }
        calibrated = calibrated.estimator_
    if hasattr(calibrated, "best_score_"):
        facts["H on held-out classes"] = calibrated.best_score_
    return facts


def _as_text(training: dict[str, Any], output: str) -> str:
    lines = [
        f"{output}: {training['method']}, {training['pictures']} pictures of "
        f"{training['seen classes']} classes, {training['unseen classes']} more known by "
        f"{training['attributes']} attributes, {training['seconds']} s",
    ]
    if "H on held-out classes" in training:
        lines.append(
            f"delta {training['delta']:.3g}; H on classes held out in turn: "
            f"{training['H on held-out classes']:.3f} (a little too high: it chose delta)"
        )
    if "rejected of others" in training:
        lines.append(
            f'"none of these" for {training["rejected of others"]:.0%} of pictures of classes '
            "without a description, and "
            f"{1 - training['answered of described classes']:.0%} of those with one"
        )
    return "\n".join(lines)


def _say(arguments: argparse.Namespace, line: str) -> None:
    if not arguments.quiet:
        print(f"zslearn train: {line}", file=sys.stderr, flush=True)
