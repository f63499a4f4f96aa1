"""Features, labels, attributes and split of an evaluation, from the files a user has."""

from __future__ import annotations

import argparse
import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zslearn._cli._arguments import check_there
from zslearn._cli._files import load_array, read_text
from zslearn.attributes import ClassAttributes
from zslearn.model_selection import gzsl_train_test_split

__all__ = ["EvaluationInputs", "check_parts", "load_word_vectors", "read_inputs"]

_PARTS = ("trainval", "test_seen", "test_unseen")


class EvaluationInputs(NamedTuple):
    """What a model is fitted to and judged by."""

    X: Any
    y: NDArray[Any]
    table: ClassAttributes
    trainval: NDArray[np.intp]
    test_seen: NDArray[np.intp]
    test_unseen: NDArray[np.intp]
    notes: list[str]
    candidates: NDArray[Any] | None = None  # classes to judge among; None: all of the table


class _Features(NamedTuple):
    """Rows of features, and what is known of each."""

    X: Any
    names: NDArray[np.str_] | None  # of the pictures
    rows: NDArray[np.intp]  # in the list the features were made of
    n_total: int  # length of that list
    skipped: frozenset[str] = frozenset()  # names of pictures of that list without a row


def read_inputs(arguments: argparse.Namespace) -> EvaluationInputs:
    """Read what the arguments name.

    Parameters
    ----------
    arguments : Namespace
        With `features`, `labels`, `attributes`, `delimiter`, `word_vectors`, `split`, `unseen`,
        `test_size`, `split_seed`, `benchmark` and `root`.

    Returns
    -------
    EvaluationInputs
        Its rows are those of `X`.
    """
    path = Path(arguments.features)
    if not path.exists():
        raise FileNotFoundError(f"FEATURES: there is no {str(path)!r}.")
    if (path / "att_splits.mat").is_file():
        return _read_ready(path, arguments)
    features = _read_features(path)
    if arguments.root and not arguments.benchmark:
        raise ValueError("--root is of --benchmark, which is missing.")
    if arguments.benchmark:
        return _read_benchmark(features, arguments)
    if not arguments.attributes:
        raise ValueError(
            "--attributes is missing: a CSV file with a row a class, or use --benchmark."
        )
    check_there(arguments, "labels", "attributes")
    y = _read_labels(features, arguments.labels)
    table = _read_table(arguments)
    y = _as_table_labels(y, table)
    inputs = _with_split(features, y, table, arguments)
    try:
        table.index_of(np.unique(y[np.concatenate([getattr(inputs, part) for part in _PARTS])]))
    except (ValueError, KeyError) as error:
        raise ValueError(f"--attributes: {error.args[0]}") from None
    return inputs


def check_parts(inputs: EvaluationInputs) -> None:
    """Refuse a split that poses no generalised zero-shot problem."""
    for part in _PARTS:
        if not len(getattr(inputs, part)):
            raise ValueError(f"the split has no {part} row with features.")
    seen = set(inputs.y[inputs.trainval].tolist())
    leaked = sorted(set(inputs.y[inputs.test_unseen].tolist()) & seen)
    if leaked:
        raise ValueError(f"classes of test_unseen are in trainval too, such as {leaked[0]!r}.")
    strangers = sorted(set(inputs.y[inputs.test_seen].tolist()) - seen)
    if strangers:
        raise ValueError(f"classes of test_seen are not in trainval, such as {strangers[0]!r}.")


def _read_features(path: Path) -> _Features:
    if path.is_dir():
        from zslearn.feature_extraction import FeatureStore

        store = FeatureStore(path)
        skipped = frozenset(str(entry.image) for entry in store.skipped)
        return _Features(store, store.images, store.rows, store.n_total, skipped)
    if path.suffix.lower() != ".npy":
        raise ValueError(
            f"FEATURES: {str(path)!r} is neither a feature store, a .npy file nor a folder with "
            "res101.mat and att_splits.mat."
        )
    X = load_array(path, mmap_mode="r")
    if X.ndim not in (2, 3):
        raise ValueError(f"FEATURES: must be (n, R, D) or (n, D), found an array {X.shape}.")
    return _Features(X, None, np.arange(len(X)), len(X))


def _read_ready(path: Path, arguments: argparse.Namespace) -> EvaluationInputs:
    for name in ("attributes", "labels", "benchmark", "root"):
        if getattr(arguments, name):
            raise ValueError(
                f"--{name} cannot be given with a folder of res101.mat and att_splits.mat, which "
                "hold it."
            )
    if arguments.split:
        raise ValueError("--split cannot be given with att_splits.mat, which holds it.")
    from zslearn.datasets import load_xlsa17

    path = path.absolute()
    bunch = load_xlsa17(path, path.name, word_vectors=load_word_vectors(arguments.word_vectors))
    return EvaluationInputs(
        bunch.data,
        bunch.target,
        bunch.class_attributes,
        bunch.trainval,
        bunch.test_seen,
        bunch.test_unseen,
        [f"Proposed Split of {path.name}"],
    )


def _read_benchmark(features: _Features, arguments: argparse.Namespace) -> EvaluationInputs:
    """Join features with the pictures of a published benchmark by their names."""
    from zslearn import datasets

    for name in ("attributes", "labels"):
        if getattr(arguments, name):
            raise ValueError(f"--{name} cannot be given with --benchmark, which brings it along.")
    if arguments.split == "random":
        raise ValueError(
            "--split random cannot be given with --benchmark: leave it out, or name the file or "
            "folder of the Proposed Split."
        )
    if not arguments.root:
        raise ValueError("--benchmark needs --root, the folder its official archive is in.")
    if features.names is None:
        raise ValueError(
            "--benchmark joins features and pictures by name, and a .npy file has no names: give "
            "the feature store that `zslearn extract` wrote."
        )
    load = getattr(datasets, f"load_{arguments.benchmark}")
    bunch = load(
        arguments.root,
        splits=arguments.split,
        word_vectors=load_word_vectors(arguments.word_vectors),
        missing_images="skip",
    )
    row_of = _rows_by_file(features.names)
    found = np.array([row_of.get(_file_of(name), -1) for name in bunch.image_files])
    if (found < 0).all():
        raise ValueError(
            f"none of the {len(found)} pictures of {arguments.benchmark}, such as "
            f"{str(bunch.image_files[0])!r}, is in the features, which have names such as "
            f"{str(features.names[0])!r}."
        )
    notes = [f"Proposed Split of {arguments.benchmark}"]
    if (found < 0).any():
        notes.append(f"{(found < 0).sum()} of {len(found)} pictures have no features")
    y = np.zeros(features.X.shape[0], dtype=bunch.target.dtype)
    y[found[found >= 0]] = bunch.target[found >= 0]
    parts = [found[bunch[part]] for part in _PARTS]
    trainval, test_seen, test_unseen = (np.sort(rows[rows >= 0]) for rows in parts)
    return EvaluationInputs(
        features.X, y, bunch.class_attributes, trainval, test_seen, test_unseen, notes
    )


def _file_of(name: str) -> str:
    return str(name).replace("\\", "/").rpartition("/")[2]


def _rows_by_file(names: NDArray[np.str_]) -> dict[str, int]:
    """Rows by file name without folders; in the benchmarks that alone tells pictures apart."""
    row_of: dict[str, int] = {}
    for row, name in enumerate(names):
        if row_of.setdefault(_file_of(name), row) != row:
            raise ValueError(
                f"two pictures of the features are named {_file_of(name)!r}, so --benchmark cannot "
                "tell them apart: extract the benchmark's own folder of pictures."
            )
    return row_of


def _read_labels(features: _Features, path: str | None) -> NDArray[Any]:
    if path is None:
        if features.names is None:
            raise ValueError("--labels is missing: a .npy or text file with a label a row.")
        folders = [str(name).split("/") for name in features.names]
        loose = ["/".join(parts) for parts in folders if len(parts) < 2]
        if loose:
            raise ValueError(
                f"{len(loose)} pictures, such as {loose[0]!r}, are in no class folder: give "
                "--labels, a file with a label a row."
            )
        return np.array([parts[0] for parts in folders])
    file = Path(path)
    if file.suffix.lower() == ".npy":
        labels = load_array(file)
    else:
        text = read_text(file, "--labels")
        if file.suffix.lower() == ".csv" and features.names is not None:
            by_name = _labels_by_name(features, text, path)
            if by_name is not None:
                return by_name
        lines = [line.strip() for line in text.rstrip().split("\n")]
        if "" in lines:
            raise ValueError(f"--labels: line {lines.index('') + 1} of {path!r} is empty.")
        labels = np.array(lines)
    if labels.ndim != 1 or len(labels) not in (len(features.rows), features.n_total):
        raise ValueError(
            f"--labels: {path!r} holds {labels.shape} labels for {len(features.rows)} rows of "
            "features; give one a row."
        )
    return labels if len(labels) == len(features.rows) else labels[features.rows]


def _labels_by_name(features: _Features, text: str, path: str) -> NDArray[Any] | None:
    """Labels of a file of names and labels; None if it is none."""
    from zslearn.feature_extraction._store_labels import match_labels

    try:
        lines = [line for line in csv.reader(io.StringIO(text), strict=True) if any(line)]
    except csv.Error as error:
        raise ValueError(f"--labels: {path!r}: {error}") from None
    if not lines or {len(line) for line in lines} != {2}:
        return None
    assert features.names is not None
    names, skipped = features.names.tolist(), sorted(features.skipped)
    if lines[0][0] not in {*names, *skipped}:
        del lines[0]  # a header
    images, labels = ([line[k].strip() for line in lines] for k in (0, 1))
    if "" in labels:
        raise ValueError(f"--labels: {path!r} has no label for {images[labels.index('')]!r}.")
    try:
        return match_labels(names, skipped, None, images, np.array(labels))
    except ValueError as error:
        raise ValueError(f"--labels: {path!r}: {error}") from None


def _read_table(arguments: argparse.Namespace) -> ClassAttributes:
    try:
        table = ClassAttributes.from_csv(
            arguments.attributes,
            delimiter=arguments.delimiter,
            missing_values=arguments.missing_values,
        )
    except ValueError as error:
        raise ValueError(f"--attributes: {error}") from None
    vectors = load_word_vectors(arguments.word_vectors)
    return table if vectors is None else table.with_word_vectors(vectors)


def load_word_vectors(path: str | None) -> Any:
    """Read a .npy file of vectors, or open a file of words and vectors."""
    if path is None:
        return None
    if not Path(path).exists():
        raise FileNotFoundError(f"--word-vectors: there is no {path!r}.")
    if Path(path).suffix.lower() == ".npy":
        return load_array(Path(path))
    from zslearn.feature_extraction import WordVectors

    return WordVectors(path)


def _as_table_labels(y: NDArray[Any], table: ClassAttributes) -> NDArray[Any]:
    """Labels for names of folders, as load_image_folder joins them: "03" is class 3."""
    if y.dtype.kind == "U":
        from zslearn.datasets._class_folders import match_folders

        names = np.unique(y).tolist()
        label_of = match_folders(names, table.labels.tolist())
        if len(label_of) == len(names):
            return np.array([label_of[name] for name in y.tolist()])
    return y


def _with_split(
    features: _Features, y: NDArray[Any], table: ClassAttributes, arguments: argparse.Namespace
) -> EvaluationInputs:
    if not arguments.split:
        raise ValueError(
            "--split is missing: a .json or .npz file with trainval, test_seen and test_unseen, "
            "or 'random'."
        )
    if arguments.split != "random":
        check_there(arguments, "split")
        trainval, test_seen, test_unseen = _read_split(Path(arguments.split), features)
        note = f"split of {Path(arguments.split).name}"
        return EvaluationInputs(features.X, y, table, trainval, test_seen, test_unseen, [note])
    split = gzsl_train_test_split(
        y,
        n_unseen=arguments.unseen,
        test_size=arguments.test_size,
        random_state=arguments.split_seed,
    )
    pictured = np.unique(y)
    notes = [f"random split, seed {arguments.split_seed}"]
    if len(pictured) < table.n_classes:
        notes.append(
            f"{table.n_classes - len(pictured)} classes without pictures are not candidates"
        )
        # They stay in the table: the model that is saved is to know them.
        return EvaluationInputs(features.X, y, table, *split, notes=notes, candidates=pictured)
    return EvaluationInputs(features.X, y, table, *split, notes=notes)


def _read_split(path: Path, features: _Features) -> tuple[NDArray[np.intp], ...]:
    if path.suffix.lower() == ".json":
        try:
            content = json.loads(read_text(path, "--split"))
        except RecursionError:
            raise ValueError(f"--split: {path.name} is nested too deeply for a split.") from None
        except ValueError as error:  # not JSON, or a number of thousands of digits
            raise ValueError(f"--split: {path.name} is no JSON: {error}") from None
        if not isinstance(content, dict):
            raise ValueError(f"--split: {path.name} must hold an object with {', '.join(_PARTS)}.")
    elif path.suffix.lower() == ".npz":
        from zslearn.datasets._image_index import read_npz

        content = read_npz(path)
    else:
        raise ValueError(
            f"--split: {str(path)!r} must be a .json or .npz file or 'random'. The split of a "
            "published benchmark comes with --benchmark, or with res101.mat."
        )
    missing = [part for part in _PARTS if part not in content]
    if missing:
        raise ValueError(f"--split: {path.name} lacks {', '.join(missing)}.")
    parts = tuple(_as_rows(_flat_list(content[part], part), part, features) for part in _PARTS)
    together = np.concatenate(parts)
    if len(np.unique(together)) < len(together):
        raise ValueError(f"--split: {path.name} names a row twice, so parts overlap.")
    return parts


def _flat_list(values: Any, part: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (ValueError, OverflowError):  # lists of several lengths
        raise ValueError(
            f"--split: {part} must be a flat list of row numbers or picture names."
        ) from None


def _as_rows(values: NDArray[Any], part: str, features: _Features) -> NDArray[np.intp]:
    """Row numbers or names of pictures as rows of X; pictures skipped at extraction are absent."""
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iuU"):
        raise ValueError(f"--split: {part} must be a flat list of row numbers or picture names.")
    if values.dtype.kind == "U":
        if features.names is None:
            raise ValueError(f"--split: {part} holds names, but the features have none.")
        row_of = {str(name): row for row, name in enumerate(features.names)}
        known = row_of.keys() | features.skipped
        unknown = [name for name in values.tolist() if name not in known]
        if unknown:
            raise ValueError(
                f"--split: {len(unknown)} pictures of {part} have no features, such as "
                f"{unknown[0]!r}."
            )
        found = [row_of[name] for name in values.tolist() if name in row_of]
        return np.sort(np.array(found, dtype=np.intp))
    wrong = values[(values < 0) | (values >= features.n_total)]
    if wrong.size:
        raise ValueError(
            f"--split: {part} has row {wrong[0]}, but rows go from 0 to {features.n_total - 1}."
        )
    rows = values.astype(np.intp)
    position = np.full(features.n_total, -1, dtype=np.intp)
    position[features.rows] = np.arange(len(features.rows))
    rows = position[rows]
    return np.sort(rows[rows >= 0])
