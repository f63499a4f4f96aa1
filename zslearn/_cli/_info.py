"""``zslearn info``: versions and devices, or what a file or folder holds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zslearn._cli._arguments import as_json
from zslearn._cli._model_folder import MODEL, TRAINING, model_file

SUMMARY = "versions and devices, or what a file or folder holds"
DESCRIPTION = """\
Without an argument: versions of the packages zslearn uses, and the devices it can compute on.
With one: what is in a trained model, a feature store, a .npy file, a table of class attributes
(.csv), the Proposed Splits (att_splits.mat, or its folder) or a folder of pictures.

    zslearn info
    zslearn info model/
    zslearn info features/
    zslearn info xlsa17/data/CUB
"""

_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("path", metavar="PATH", nargs="?", help="file or folder to look into")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Look, and print."""
    from zslearn._show_versions import describe_machine

    facts = describe_machine() if arguments.path is None else _of_path(Path(arguments.path))
    if arguments.json:
        print(as_json(facts))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:{width}}  {_as_text(value)}")


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - _SHOWN} more" if len(value) > _SHOWN else ""
        return ", ".join(map(str, value[:_SHOWN])) + more if value else "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}={entry}" for name, entry in value.items())
    return "none" if value is None else str(value)


def _of_path(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"there is no {str(path)!r}.")
    readers: list[tuple[bool, Callable[[Path], dict[str, Any]]]] = [
        ((path / "store.json").is_file(), _of_store),
        ((path / MODEL).is_file() or path.suffix.lower() == ".safetensors", _of_model),
        ((path / "att_splits.mat").is_file(), lambda p: _of_splits(p / "att_splits.mat")),
        (path.suffix.lower() == ".mat", _of_splits),
        (path.suffix.lower() == ".npy", _of_array),
        (path.suffix.lower() == ".csv", _of_table),
        (path.is_dir(), _of_folder),
    ]
    for applies, read in readers:
        if applies:
            return {"path": str(path)} | read(path)
    raise ValueError(
        f"{str(path)!r} is nothing that zslearn reads: give a trained model, a feature "
        "store, a .npy, .csv or att_splits.mat file, or a folder of pictures."
    )


def _of_model(path: Path) -> dict[str, Any]:
    from zslearn._wrapped import final_estimator
    from zslearn.persistence import load

    file = model_file(path)
    model = load(file)
    facts: dict[str, Any] = {"kind": "model", "bytes": file.stat().st_size}
    extractor = final_estimator(getattr(model, "extractor_", None))
    classifier = getattr(model, "classifier_", model)
    facts["classifier"] = " ".join(repr(getattr(model, "classifier", model)).split())
    if hasattr(classifier, "classes_"):
        facts |= {
            "seen classes": len(classifier.seen_classes_),
            "unseen classes": len(classifier.unseen_classes_),
            "attributes": classifier.class_attributes_.n_attributes,
            "delta": float(classifier._delta_and_scale()[0]),
            "class names": classifier.classes_.tolist(),
        }
    for name in ("threshold_", "acceptance_rate_", "rejection_rate_", "auc_"):
        if hasattr(classifier, name):
            facts[name.strip("_").replace("_", " ")] = float(getattr(classifier, name))
    facts |= {f"network {k}": v for k, v in getattr(extractor, "metadata_", {}).items()}
    training = file.with_name(TRAINING)
    if training.is_file():
        facts["training"] = json.loads(training.read_text(encoding="utf-8"))
    return facts


def _of_store(path: Path) -> dict[str, Any]:
    from zslearn.feature_extraction import FeatureStore

    store = FeatureStore(path, allow_unfinished=True)
    done = len(store) + len(store.skipped)
    facts = {
        "kind": "feature store",
        "shape": list(store.shape),
        "dtype": str(store.dtype),
        "bytes": store.nbytes,
        "grid shape": None if store.grid_shape is None else list(store.grid_shape),
        "finished": "yes" if store.finished else f"{done} of {store.n_total} rows",
        "skipped": [f"{entry.image} ({entry.reason})" for entry in store.skipped],
        "picture folder": store.image_root,
    }
    return facts | {name: fact for name, fact in store.metadata.items() if name not in facts}


def _of_array(path: Path) -> dict[str, Any]:
    from zslearn._cli._files import load_array

    array = load_array(path, mmap_mode="r")
    return {
        "kind": "array",
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "bytes": array.nbytes,
    }


def _of_table(path: Path) -> dict[str, Any]:
    from zslearn.attributes import ClassAttributes

    table = ClassAttributes.from_csv(path, missing_values=np.nan)
    return {
        "kind": "class attributes",
        "classes": table.n_classes,
        "attributes": table.n_attributes,
        "unknown values": 0 if table.missing_mask is None else int(table.missing_mask.sum()),
        "range": [float(table.values.min()), float(table.values.max())],
        "class names": table.labels.tolist(),
        "attribute names": list(table.attribute_names),
    }


def _of_splits(path: Path) -> dict[str, Any]:
    from zslearn.datasets._proposed_split import read_splits

    split = read_splits(path)
    return {
        "kind": "Proposed Split",
        "classes": split.n_classes,
        "attributes": split.l2_attributes.shape[1],
        "trainval": len(split.trainval),
        "test_seen": len(split.test_seen),
        "test_unseen": len(split.test_unseen),
    }


def _of_folder(path: Path) -> dict[str, Any]:
    from zslearn.datasets import load_image_folder

    bunch = load_image_folder(path)
    names, counts = np.unique(bunch.target, return_counts=True)
    return {
        "kind": "folder of pictures",
        "pictures": len(bunch.target),
        "classes": len(names),
        "pictures per class": f"{counts.min()} to {counts.max()}",
        "class names": names.tolist(),
    }
