"""What ``zslearn reproduce`` fits and judges: features, labels, attributes and the split."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zslearn._cli._extract import add_network_arguments, make_extractor
from zslearn._cli._inputs import EvaluationInputs, check_parts, load_word_vectors, read_inputs
from zslearn._cli._published import PUBLISHED_MODEL, Benchmark
from zslearn.model_selection import RowView

__all__ = ["ReproductionData", "load_data"]


class ReproductionData(NamedTuple):
    """Data, and how far they are those of the paper."""

    inputs: EvaluationInputs
    description: dict[str, Any]
    differences: list[str]  # from the paper's data; if there are any, its numbers do not compare
    notes: list[str]
    fingerprint: str
    seconds: dict[str, float]


def load_data(
    arguments: argparse.Namespace, benchmark: Benchmark, work: Path, *, quiet: bool
) -> ReproductionData:
    """Read or extract what the arguments name.

    Parameters
    ----------
    arguments : Namespace
        Of the command.
    benchmark : Benchmark
        What the paper has of it.
    work : Path
        Extracted features go to the folder ``features`` in it.
    quiet : bool
        Whether to show no progress.
    """
    _check_sources(arguments, benchmark)
    start = time.perf_counter()
    if arguments.features is None:
        inputs, seconds = _from_archive(arguments, work, quiet)
    else:
        options = {"benchmark": arguments.benchmark if arguments.root else None}
        given = argparse.Namespace(**{**vars(arguments), **options})
        inputs, seconds = read_inputs(given), {}
    check_parts(inputs)
    _check_finite(inputs, "--features" if arguments.features else "extracted features")
    seconds["load"] = time.perf_counter() - start - sum(seconds.values())
    metadata = dict(getattr(inputs.X, "metadata", {}))
    description = {
        "features": arguments.features or str(inputs.X.folder),
        "shape": [int(side) for side in inputs.X.shape],
        "attributes": inputs.table.n_attributes,
        "seen_classes": len(np.unique(inputs.y[inputs.trainval])),
        "unseen_classes": len(np.unique(inputs.y[inputs.test_unseen])),
        "trainval": len(inputs.trainval),
        "test_seen": len(inputs.test_seen),
        "test_unseen": len(inputs.test_unseen),
        "word_vectors": arguments.word_vectors,
        "extractor": metadata,
    }
    notes = list(inputs.notes)
    if inputs.table.word_vectors is None:
        notes.append("attribute vectors are learned (the paper: GloVe); --word-vectors gives them")
    if arguments.checkpoint:
        notes.append(f"weights of the network from {arguments.checkpoint}")
    return ReproductionData(
        inputs,
        description,
        _differences(inputs, benchmark, metadata),
        notes,
        _fingerprint(inputs),
        seconds,
    )


def _check_sources(arguments: argparse.Namespace, benchmark: Benchmark) -> None:
    own = [name for name in ("labels", "attributes") if getattr(arguments, name)]
    if arguments.features is None:
        if own:
            raise ValueError(f"--{own[0]} is of --features, which is missing.")
        if not arguments.root and not arguments.download:
            raise ValueError(
                f"--root is missing: the folder that holds {benchmark.archive}. Or give "
                "--download to fetch it there, or --features if they are extracted already."
            )
        return
    if arguments.download:
        raise ValueError("--download brings pictures to extract from; leave out --features.")
    if arguments.split == "random":
        raise ValueError("--split random reproduces nothing; `zslearn evaluate` takes it.")
    parser = argparse.ArgumentParser()
    add_network_arguments(parser)
    unused = {**vars(parser.parse_args([])), "skip_missing": False, "image_index": None}
    del unused["device"]
    for name, default in unused.items():
        if getattr(arguments, name) != default:
            raise ValueError(
                f"--{name.replace('_', '-')} is of extraction; leave it out of --features."
            )


def _from_archive(
    arguments: argparse.Namespace, work: Path, quiet: bool
) -> tuple[EvaluationInputs, dict[str, float]]:
    """Load the official distribution and extract the features of its pictures."""
    from zslearn import datasets

    name = arguments.benchmark
    options: dict[str, Any] = {
        "word_vectors": load_word_vectors(arguments.word_vectors),
        "missing_images": "skip" if arguments.skip_missing else "raise",
        "image_index": arguments.image_index,
    }
    if arguments.download:
        if arguments.split or arguments.image_index:
            raise ValueError("--download brings the split; leave out --split and --image-index.")
        del options["image_index"]
        fetch = getattr(datasets, f"fetch_{name}")
        bunch = fetch(data_home=arguments.root, verbose=not quiet, **options)
    else:
        load = getattr(datasets, f"load_{name}")
        bunch = load(arguments.root, splits=arguments.split, **options)
    start = time.perf_counter()
    extractor = make_extractor(arguments, "raise", quiet=quiet)
    # Named by pictures and settings: stores of other settings stay beside it.
    extractor.set_params(store_dir=work / "features")
    X = extractor.transform(bunch.image_paths)
    notes = [f"Proposed Split of {name}"]
    if arguments.skip_missing:
        notes.append(f"pictures that are missing were left out, {len(bunch.rows)} are there")
    inputs = EvaluationInputs(
        X,
        bunch.target,
        bunch.class_attributes,
        np.sort(bunch.trainval),
        np.sort(bunch.test_seen),
        np.sort(bunch.test_unseen),
        notes,
    )
    return inputs, {"extract": time.perf_counter() - start}


def _differences(
    inputs: EvaluationInputs,
    benchmark: Benchmark,
    metadata: dict[str, Any],
) -> list[str]:
    """In what the data are not those that the published numbers were measured on."""
    found = []
    seen = np.unique(inputs.y[inputs.trainval])
    unseen = np.unique(inputs.y[inputs.test_unseen])
    sizes = tuple(len(rows) for rows in (inputs.trainval, inputs.test_seen, inputs.test_unseen))
    if sizes != benchmark.parts:
        found.append(f"{' + '.join(map(str, sizes))} pictures, not {_sum(benchmark.parts)}")
    whole = (benchmark.n_classes - benchmark.n_unseen, benchmark.n_unseen)
    if (len(seen), len(unseen)) != whole:
        found.append(f"{len(seen)} + {len(unseen)} classes, not {_sum(whole)}")
    if inputs.table.n_attributes != benchmark.n_attributes:
        found.append(f"{inputs.table.n_attributes} attributes, not {benchmark.n_attributes}")
    model = str(metadata.get("model", ""))
    if not model:
        found.append("features of a network that is not known")
    elif model.split(".")[0] != PUBLISHED_MODEL:
        found.append(f"features of {model}, not of {PUBLISHED_MODEL}")
    elif metadata.get("random_weights", True):
        found.append("random weights")
    else:
        layer, last = metadata.get("layer"), metadata.get("n_layers", 0) - 1
        if layer != last:
            found.append(f"regions of layer {layer}, not of the last, {last}")
        size = metadata.get("data_config", {}).get("input_size", [3, 224, 224])[1:]
        grid = metadata.get("grid_shape")
        if list(size) != [224, 224] or grid != metadata.get("native_grid_shape"):
            found.append(f"regions {grid} of pictures {list(size)}, not [14, 14] of [224, 224]")
    return found


def _check_finite(inputs: EvaluationInputs, name: str) -> None:
    """Refuse features now that would else stop a run at the test rows, after all fits."""
    X = inputs.X
    if not np.issubdtype(X.dtype, np.floating):
        return
    rows = np.sort(np.concatenate([inputs.trainval, inputs.test_seen, inputs.test_unseen]))
    view = RowView(X, rows)
    for start in range(0, len(rows), 256):
        values = np.asarray(view[start : start + 256])
        bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if bad.any():
            row = rows[start + int(np.argmax(bad))]
            raise ValueError(f"{name}: row {row} (from 0) holds NaN or infinite values.")


def _sum(numbers: tuple[int, ...]) -> str:
    return " + ".join(map(str, numbers))


def _fingerprint(inputs: EvaluationInputs) -> str:
    """Hash all that is fitted and judged; of features on disk, what tells a changed file."""
    total = hashlib.sha256(json.dumps(_identify(inputs.X)).encode())
    table = inputs.table
    arrays = [inputs.y, inputs.trainval, inputs.test_seen, inputs.test_unseen]
    arrays += [table.labels, table.values]
    arrays += [] if table.word_vectors is None else [np.asarray(table.word_vectors)]
    for array in arrays:
        total.update(_bytes(array))
    return total.hexdigest()


def _identify(X: Any) -> list[Any]:
    file = getattr(X, "filename", None)
    if hasattr(X, "folder"):
        file = X.folder / "features.npy"
    if file is None:
        return [list(X.shape), str(X.dtype), hashlib.sha256(_bytes(X)).hexdigest()]
    status = os.stat(file)
    return [os.path.abspath(file), status.st_size, status.st_mtime_ns, list(X.shape)]


def _bytes(array: NDArray[Any]) -> bytes:
    array = np.asarray(array)
    if array.dtype.kind not in "biufU":
        array = array.astype(str)
    return f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes()
