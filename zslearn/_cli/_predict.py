"""``zslearn predict``: what a trained model says of pictures, a row each."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from zslearn._cli._answers import Answer, as_csv, rank_classes, write_answers
from zslearn._cli._arguments import check_writable, natural
from zslearn._cli._model_folder import load_model
from zslearn._cli._train import add_table_arguments

SUMMARY = "what a trained model says of pictures, a row each"
DESCRIPTION = """\
Predict the classes of pictures with a model that `zslearn train` wrote: a row a picture with its
file, its label, and the most probable classes with their probabilities, calibrated and among the
candidates. Where the model was trained with --acceptance, the label may be "none of these".

    zslearn predict model/ new/
    zslearn predict model/ new/ --candidates unseen --top 3 -o answers.csv
    zslearn predict model/ a.jpg b.jpg --attributes more.csv -o answers.json
"""

OPTIONS = {
    "missing_values=numpy.nan": "--missing-values nan",
    "on_error='skip'": "--skip-broken",
}
# Pictures whose features are held at once.
_BLOCK = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("model", metavar="MODEL", help="folder that `zslearn train` wrote")
    parser.add_argument("pictures", metavar="PICTURES", nargs="+", help="a folder, or files")
    parser.add_argument("-o", "--output", metavar="FILE", help=".csv or .json (default: printed)")
    parser.add_argument(
        "--candidates",
        default="all",
        metavar="WHICH",
        help="all (default), seen, unseen, or names of classes with commas between",
    )
    parser.add_argument(
        "--top", type=natural, default=2, metavar="N", help="classes a row (default: 2)"
    )
    add_new_classes(parser)
    parser.add_argument(
        "--skip-broken", action="store_true", help="say in a column which pictures are unreadable"
    )
    add_device_arguments(parser)


def add_new_classes(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of further classes."""
    table = parser.add_argument_group("further classes")
    table.add_argument(
        "--attributes",
        metavar="CSV",
        help="rows of classes to know besides those of the model, with the same attributes",
    )
    add_table_arguments(table)


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where and how loudly to compute."""
    run = parser.add_argument_group("running")
    run.add_argument("--device", help="auto, cpu, cuda, cuda:1, mps (default: as trained)")
    run.add_argument("--batch-size", type=natural, help="pictures computed at once")
    run.add_argument("--jobs", type=natural, help="threads that decode (default: all processors)")
    run.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> None:
    """Load, extract, decide, write."""
    check_writable(arguments, "output")
    if arguments.output and Path(arguments.output).suffix.lower() not in (".csv", ".json"):
        raise ValueError(f"--output: {arguments.output!r} must end in .csv or .json.")
    paths, names = list_pictures(arguments.pictures)
    model = prepare_model(arguments)
    candidates = _candidates_of(arguments.candidates, model)
    answers = _answer_all(model, paths, names, candidates, arguments)
    n_best = min(arguments.top, max(len(answer.classes) for answer in answers) or 1)
    if arguments.output is None:
        print(as_csv(answers, n_best, errors=arguments.skip_broken), end="")
        return
    write_answers(answers, Path(arguments.output), n_best, errors=arguments.skip_broken)
    counts = Counter(str(answer.label) for answer in answers if answer.error is None)
    most = ", ".join(f"{label} {count}" for label, count in counts.most_common(5))
    more = f" and {len(counts) - 5} more labels" if len(counts) > 5 else ""
    print(f"{arguments.output}: {len(answers)} pictures: {most}{more}")


def list_pictures(given: list[str]) -> tuple[list[Path], list[str]]:
    """Files to predict, and what they are called in the answers.

    Raises
    ------
    ValueError, FileNotFoundError
        If there are none, or a folder is given beside others.
    """
    from zslearn.feature_extraction._picture_sources import as_pictures

    given = [os.path.expanduser(path) for path in given]
    folders = [path for path in given if os.path.isdir(path)]
    if folders and len(given) > 1:
        raise ValueError(
            f"PICTURES: {folders[0]!r} is a folder, and {len(given) - 1} more are given: give one "
            "folder, or files."
        )
    missing = [path for path in given if not os.path.exists(path)]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise FileNotFoundError(f"PICTURES: there is no {missing[0]!r}{more}.")
    if not folders:
        return [Path(path) for path in given], given
    try:
        pictures = as_pictures(folders[0])
    except ValueError:
        raise ValueError(f"PICTURES: {folders[0]!r} holds no pictures.") from None
    return list(pictures.items), list(pictures.names or [])


def prepare_model(arguments: argparse.Namespace) -> Any:
    """Load the model, and tell it of further classes and of how to compute."""
    model = load_model(arguments.model, arguments.device)
    from zslearn._wrapped import final_estimator

    extractor = final_estimator(model.extractor_)
    given = {"batch_size": arguments.batch_size, "n_jobs": arguments.jobs}
    known = extractor.get_params()
    extractor.set_params(**{k: v for k, v in given.items() if v is not None and k in known})
    return model if arguments.attributes is None else _with_more_classes(model, arguments)


def _with_more_classes(model: Any, arguments: argparse.Namespace) -> Any:
    """Tell a model of the classes of a file, besides its own."""
    import numpy as np

    from zslearn.attributes import ClassAttributes

    if not Path(arguments.attributes).is_file():
        raise FileNotFoundError(f"--attributes: there is no {arguments.attributes!r}.")
    own = model.class_attributes_
    try:
        more = ClassAttributes.from_csv(
            arguments.attributes,
            delimiter=arguments.delimiter,
            missing_values=arguments.missing_values,
        )
        model.classifier_._described(more)
    except ValueError as error:
        raise ValueError(f"--attributes: {error}") from None
    if (more.labels.dtype.kind in "US") != (own.labels.dtype.kind in "US"):
        raise ValueError(
            f"--attributes: its classes are called {more.labels[0]!r} and the like, those of the "
            f"model {own.labels[0]!r} and the like: name them alike."
        )
    kept = [label for label in own.labels.tolist() if label not in set(more.labels.tolist())]
    again = [label for label in more.labels.tolist() if label in set(own.labels.tolist())]
    changed = [
        label
        for label in again
        if not np.array_equal(more.subset([label]).values, own.subset([label]).values)
    ]
    if changed:
        print(
            f"zslearn: --attributes describes {len(changed)} classes of the model anew, such as "
            f"{changed[0]!r}",
            file=sys.stderr,
        )
    rest = own.subset(kept) if kept else None
    values, labels = more.values, more.labels.tolist()
    if rest is not None:
        values, labels = np.concatenate([rest.values, values]), rest.labels.tolist() + labels
    table = ClassAttributes(
        values,
        labels=labels,
        attribute_names=own.attribute_names,
        word_vectors=own.word_vectors,
    )
    return model.with_class_attributes(table)


def _candidates_of(text: str, model: Any) -> Any:
    """Candidates of an argument: a word, or labels of classes."""
    if text in ("all", "seen", "unseen"):
        if text != "all" and not len(getattr(model, f"{text}_classes_")):
            raise ValueError(f"--candidates {text}: the model knows no {text} class.")
        return text
    label_of = {str(label): label for label in model.classes_.tolist()}
    names = [text] if text in label_of else [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in label_of]
    if unknown:
        some = ", ".join(list(label_of)[:5])
        raise ValueError(
            f"--candidates: the model knows no class {unknown[0]!r}; it knows {some}"
            f"{' and others' if len(label_of) > 5 else ''}. Give all, seen, unseen, or names with "
            "commas between."
        )
    return [label_of[name] for name in dict.fromkeys(names)]


def _answer_all(
    model: Any, paths: list[Path], names: list[str], candidates: Any, arguments: argparse.Namespace
) -> list[Answer]:
    from tqdm import tqdm

    from zslearn._wrapped import final_estimator

    extractor, classifier = final_estimator(model.extractor_), model.classifier_
    if arguments.skip_broken:
        extractor.set_params(on_error="skip")
    answers: list[Answer] = []
    bar = tqdm(total=len(paths), unit="picture", disable=arguments.quiet)
    with bar:
        for start in range(0, len(paths), _BLOCK):
            block, called = paths[start : start + _BLOCK], names[start : start + _BLOCK]
            failed: dict[int, str] = {}
            features = _quietly(extractor.transform, block)
            if arguments.skip_broken:
                failed = {picture.row: picture.reason for picture in extractor.skipped_}
            read = [name for row, name in enumerate(called) if row not in failed]
            found: list[Answer] = []
            if read:
                scores = classifier.uncalibrated_scores(features)
                found = rank_classes(classifier, read, scores, candidates, arguments.top)
            waiting = iter(found)
            answers += [
                Answer(name, None, error=failed[row]) if row in failed else next(waiting)
                for row, name in enumerate(called)
            ]
            bar.update(len(block))
    return answers


def _quietly(function: Any, pictures: Any) -> Any:
    """Call without the warnings about what the answers say themselves."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pictures are skipped")
        return function(pictures)
