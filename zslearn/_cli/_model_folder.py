"""The folder of a trained model: one file that answers, and one that says how it was made."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from zslearn._cli._arguments import as_json

__all__ = ["MODEL", "TRAINING", "check_target", "load_model", "model_file", "write_model_folder"]

MODEL, TRAINING = "model.safetensors", "training.json"


def model_file(path: str | os.PathLike[str]) -> Path:
    """Return the file of a model, given it or its folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    given = Path(path)
    file = given / MODEL if given.is_dir() else given
    if not file.is_file():
        what = f"holds no {MODEL}" if given.is_dir() else "is not there"
        raise FileNotFoundError(
            f"MODEL: {str(given)!r} {what}: give the folder that `zslearn train` wrote."
        )
    return file


def load_model(path: str, device: str | None = None) -> Any:
    """Load a model for pictures.

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    from zslearn.feature_extraction import ImageClassifier
    from zslearn.persistence import load

    file = model_file(path)
    model = load(file, device=device)
    if not isinstance(model, ImageClassifier) or not hasattr(model, "classifier_"):
        raise ValueError(
            f"MODEL: {str(file)!r} holds a {type(model).__name__}, which does not take pictures: "
            "give a model that `zslearn train` wrote, or an ImageClassifier that was saved."
        )
    return model


def check_target(output: str, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, or holds what would be lost, before anything else."""
    folder = Path(output)
    if not folder.absolute().parent.is_dir():
        raise FileNotFoundError(f"--output: there is no folder {str(folder.parent)!r} to write to.")
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise FileExistsError(f"--output: {output!r} is a file; name a folder.")
    found = sorted(entry.name for entry in folder.iterdir())
    others = [name for name in found if name not in (MODEL, TRAINING)]
    if others:
        raise FileExistsError(
            f"--output: {output!r} holds other things, such as {others[0]!r}; name another folder."
        )
    if found and not overwrite:
        raise FileExistsError(
            f"--output: {output!r} holds a model; name another folder, or give --overwrite."
        )


def write_model_folder(model: Any, output: str, training: dict[str, Any]) -> None:
    """Write a model and how it was trained; the folder appears when it is complete."""
    from zslearn.persistence import save

    folder = Path(output).absolute()
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        made.chmod(0o777 & ~_umask())
        save(model, made / MODEL)
        (made / TRAINING).write_text(as_json(training) + "\n", encoding="utf-8")
        if folder.exists():
            old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
            os.replace(folder, old)
            os.replace(made, folder)
            shutil.rmtree(old)
        else:
            os.replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
