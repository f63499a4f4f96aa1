"""`save` and `load`."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zslearn._containers import as_path
from zslearn._remote import RemotePath, as_location
from zslearn._version import __version__
from zslearn.exceptions import ModelFileError
from zslearn.persistence._decoder import Decoder
from zslearn.persistence._encoder import Encoder
from zslearn.persistence._model_file import parse_json, read_model, write_model

__all__ = ["load", "save"]

_LIBRARIES = ("numpy", "scikit-learn", "torch")


def save(estimator: Any, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Save an estimator in one file of numbers and text, without pickle.

    The file is a safetensors file: arrays, and in its header, as JSON, the names of classes,
    their parameters and fitted attributes, the version of zslearn, and a SHA-256 of all of it. It
    appears under its name when it is complete: a save that is interrupted leaves what was there
    before.

    Parameters
    ----------
    estimator : estimator
        A zero-shot classifier, extractor or calibration of this package, a
        :class:`~sklearn.pipeline.Pipeline` of these and of the scalers, ``PCA`` and
        ``FrozenEstimator`` of scikit-learn, or one of a class that is known by
        :func:`~zslearn.persistence.register_saved_type`.
    path : str or path-like
        The file. ``.safetensors`` is a good end of its name.
    overwrite : bool, default=False
        Whether a model that `save` has written may be replaced. Other files never are.

    Raises
    ------
    TypeError
        If something in the estimator cannot be saved; the message names it.
    FileExistsError
        If there is a file and `overwrite` is False, or the file is no saved model.
    FileNotFoundError
        If the folder is not there.
    ValueError
        If there is more text in it than a file holds.

    Warns
    -----
    UserWarning
        If a parameter is left out: ``callbacks``, which are code, and the ``memory`` of a
        pipeline, which is a cache of pickles. The loaded estimator has ``None`` in their place.
        Or if it is a network of your own: `load` must be given it again.

    See Also
    --------
    load : Reads the file.
    zslearn.persistence.register_saved_type : For classes of your own.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import zslearn
    >>> from zslearn.feature_extraction import PatchDictionaryExtractor
    >>> pictures = np.random.default_rng(0).random((20, 16, 16))
    >>> extractor = PatchDictionaryExtractor(n_atoms=8, grid_shape=(2, 2), random_state=0)
    >>> regions = extractor.fit_transform(pictures)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "extractor.safetensors"
    >>> zslearn.save(extractor, path)
    >>> np.array_equal(zslearn.load(path).transform(pictures), regions)
    True
    """
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise TypeError(f"estimator must be an estimator, found {estimator!r:.80}")
    encoder = Encoder()
    node = encoder.encode(estimator, type(estimator).__name__)
    versions = {library: version(library) for library in _LIBRARIES}
    document = {"zslearn": __version__, "libraries": versions, "estimator": node}
    body = json.dumps(document, allow_nan=False, separators=(",", ":"))
    write_model(as_path(path, "path", "a file"), body, encoder.tensors, overwrite)
    for note in encoder.notes:
        warnings.warn(note, UserWarning, stacklevel=2)


def load(
    path: str | os.PathLike[str], *, device: Any = None, given: Mapping[str, Any] | None = None
) -> Any:
    """Load an estimator that `save` has written.

    Nothing in the file is run: classes are looked up in a fixed table, everything else is numbers
    and text. Checksum, format, names and shapes are checked before an estimator is made.

    Parameters
    ----------
    path : str or path-like
        The file. A URL with a protocol of fsspec, such as ``s3://bucket/model.safetensors``, is
        read whole, as the checksum needs it.
    device : str or torch.device, default=None
        Takes the place of the parameter ``device`` wherever the estimator has one. ``None`` keeps
        what was saved, or ``"cpu"``, with a warning, where that device is not there.
    given : mapping of str to Module, default=None
        Networks of your own among the parameters, by the parameter's name: code that no file holds,
        such as ``{"text_encoder": encoder}`` for a
        :class:`~zslearn.finetuning.DUETClassifier` with a language model. What training made of
        their weights is in the file, and takes the place of theirs in a copy.

    Returns
    -------
    estimator : estimator
        It predicts as the saved one did: to the bit on the same kind of processor and with the
        same versions of the libraries.

    Raises
    ------
    ModelFileError
        If the file is no saved model, damaged, of a later format, or holds classes or parameters
        that this version does not have, or a network that is not `given`. It is a ValueError.
    OSError
        If the file is not there or may not be read.
    ImportError
        If a URL is given and fsspec, or what it needs for the protocol, is not installed.
    ValueError
        If `device` is not there, or `given` names a parameter for which the file wants nothing.

    Warns
    -----
    UserWarning
        If a saved device is not there, or parts of scikit-learn were saved with another version.

    See Also
    --------
    save : Writes the file, and has an example.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import zslearn
    >>> from zslearn.feature_extraction import PatchDictionaryExtractor
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "extractor.safetensors"
    >>> zslearn.save(PatchDictionaryExtractor(n_atoms=64), path)
    >>> zslearn.load(path)
    PatchDictionaryExtractor(n_atoms=64)
    """
    if device is not None:
        from zslearn._training._device import resolve_device

        resolve_device(device)
    place = as_location(path, "path", "a file")
    body, tensors = read_model(place)
    libraries, written_by, node = _parts_of(place, body)
    decoder = Decoder(place, tensors, f"zslearn {written_by}", device, dict(given or {}))
    estimator = decoder.decode(node, "estimator")
    if decoder.not_used:
        raise ValueError(
            f"given has {sorted(decoder.not_used)}, but {str(place)!r} wants no networks by these "
            "names: leave them out."
        )
    if decoder.unused():
        raise ModelFileError(
            place,
            f"holds arrays that its model does not have ({', '.join(decoder.unused()[:5])})",
            "It was not written by zslearn.save.",
        )
    here, there = version("scikit-learn"), libraries["scikit-learn"]
    parts = sorted(name for name in decoder.classes if name.startswith("sklearn."))
    if here != there and parts:
        decoder.notes.append(
            f"{str(place)!r} was saved with scikit-learn {there}, this is {here}: "
            f"{', '.join(parts)} may answer otherwise than there."
        )
    for note in decoder.notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    return estimator


def _parts_of(path: Path | RemotePath, body: str) -> tuple[dict[str, str], str, dict[str, Any]]:
    """Versions of libraries, version of zslearn, and the node of the estimator."""
    try:
        document = parse_json(body)
    except ValueError as error:
        raise ModelFileError(
            path, f"has unreadable JSON ({error})", "It was not written by zslearn.save."
        ) from error
    libraries = document.get("libraries")
    written_by, node = document.get("zslearn"), document.get("estimator")
    if (
        document.keys() != {"zslearn", "libraries", "estimator"}
        or not isinstance(written_by, str)
        or not isinstance(libraries, dict)
        or libraries.keys() != set(_LIBRARIES)
        or not all(isinstance(v, str) for v in libraries.values())
        or not isinstance(node, dict)
        or node.get("type") != "object"
    ):
        raise ModelFileError(
            path, "has a header that save does not write", "It was not written by zslearn.save."
        )
    return libraries, written_by, node
