"""timm models by name: made, given their weights, and told apart by a checksum."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zslearn._remote import is_url, local_copy
from zslearn._table_checks import quote_some
from zslearn.feature_extraction._images_extra import import_for_images

__all__ = ["NetworkRecipe", "checksum", "resolve_data_config", "resolve_image_size"]

# Arguments of timm.create_model that belong to parameters of the extractor, or would undo them.
_TAKEN = {
    "pretrained": "the parameter pretrained",
    "checkpoint_path": "the parameter checkpoint_path",
    "pretrained_cfg": "the parameters data_config and checkpoint_path",
    "pretrained_cfg_overlay": "the parameters data_config and checkpoint_path",
    "img_size": "the parameter image_size",
    "features_only": "the parameter layer",
    "out_indices": "the parameter layer",
    "num_classes": "nothing: the classifier is not used",
    "in_chans": "nothing: pictures have three channels",
    "model_name": "the parameter model_name",
}
_DATA_CONFIG = ("crop_mode", "crop_pct", "interpolation", "mean", "std")
_CROP_MODES = ("center", "squash", "border")
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")
# Modules of what timm downloads with, whose errors mean that there was nothing to be had.
_DOWNLOADERS = ("huggingface_hub", "httpx", "httpcore", "requests", "urllib", "urllib3")


@dataclass(frozen=True)
class NetworkRecipe:
    """All it takes to make a network again: the parameters of the same names, and a seed."""

    model_name: str
    pretrained: bool
    checkpoint_path: str | None
    model_kwargs: dict[str, Any]
    image_size: tuple[int, int] | None
    seed: int
    with_head: bool = False

    def create(self) -> nn.Module:
        """Make the network on the CPU, in float32 and evaluation mode; without its classifier.

        `with_head` keeps that, which is a projection in towers of CLIP.

        torch's own random numbers stay as they are.

        Raises
        ------
        ValueError
            If there is no such model, it has no pretrained weights, the file has weights of
            another model, or the model cannot be made of these arguments.
        FileNotFoundError
            If the file of weights is not there.
        OSError
            If pretrained weights cannot be downloaded.
        """
        for name in self.model_kwargs:
            if name in _TAKEN:
                raise ValueError(f"model_kwargs holds {name!r}; use {_TAKEN[name]} instead.")
        kwargs = dict(self.model_kwargs) | ({} if self.with_head else {"num_classes": 0})
        _check_name(self.model_name)
        path = self.checkpoint_path
        weights = None if path is None else _weights_at(path)
        download = self.pretrained and weights is None
        if download:
            _check_has_weights(self.model_name)
        making = (self.model_name, self.image_size, kwargs, self.seed)
        # On the CPU, so that a seed gives the same weights on every machine.
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            if weights is None:
                network = _make(*making, pretrained=download)
            else:
                network = _make_with_weights(*making, weights, str(path))
        return network.eval().requires_grad_(False)


def _check_name(model_name: str) -> None:
    if ":" in model_name:  # a source such as hf-hub or local-dir, which timm looks up
        return
    architecture, _, tag = model_name.partition(".")
    if not _timm().is_model(architecture):
        close = difflib.get_close_matches(architecture, _timm().list_models(), n=5, cutoff=0.6)
        hint = f"Near it are {quote_some(close)}." if close else "See timm.list_models()."
        raise ValueError(f"model_name={model_name!r} is no model of timm {_version()}. {hint}")
    if tag:
        try:
            _timm().models.get_pretrained_cfg(model_name)
        except RuntimeError as error:
            known = _timm().list_pretrained(f"{architecture}.*")
            raise ValueError(
                f"model_name={model_name!r}: timm {_version()} has no weights of that name for "
                f"{architecture}. It has {quote_some(known, 12) if known else 'none'}."
            ) from error


def _check_has_weights(model_name: str) -> None:
    if ":" in model_name:
        return
    config = _timm().models.get_pretrained_cfg(model_name)
    if config is None or not config.has_weights:
        raise ValueError(
            f"pretrained=True, but timm {_version()} has no pretrained weights for {model_name!r}. "
            "Give checkpoint_path, choose a model of timm.list_pretrained(), or ask for random "
            "weights with pretrained=False."
        )


def _timm() -> Any:
    """timm, when a network is asked for: saved models name this module, and need not have one."""
    return import_for_images("timm")


def _version() -> str:
    return str(_timm().__version__)


def _make(
    model_name: str,
    image_size: tuple[int, int] | None,
    kwargs: dict[str, Any],
    seed: int,
    **weights: Any,
) -> Any:
    sizes: list[dict[str, Any]] = [{}] if image_size is None else [{"img_size": image_size}, {}]
    for size in sizes:
        torch.default_generator.manual_seed(seed)
        try:
            return _timm().create_model(model_name, **weights, **kwargs, **size)
        except TypeError as error:
            # Networks that take pictures of any size do not have the argument.
            if size and "img_size" in str(error):
                continue
            raise _explain(error, model_name, image_size, kwargs) from error
        except Exception as error:
            if weights.get("pretrained") and _is_download(error):
                raise OSError(
                    f"The pretrained weights of {model_name!r} could not be downloaded "
                    f"({type(error).__name__}: {_shorten(error)}). Give a file of weights as "
                    "checkpoint_path, or ask for random weights with pretrained=False."
                ) from error
            if "state_dict" in weights.get("pretrained_cfg_overlay", {}):
                raise _WeightsError(_shorten(error, 1000)) from error
            raise _explain(error, model_name, image_size, kwargs) from error
    raise AssertionError("one of the sizes returns or raises")


class _WeightsError(Exception):
    """The weights do not fit, as torch or timm say."""


def _explain(
    error: Exception, model_name: str, image_size: Any, kwargs: dict[str, Any]
) -> ValueError:
    given = _given(kwargs)
    with_size = "" if image_size is None else f", image_size={image_size}"
    with_kwargs = f", model_kwargs={given}" if given else ""
    return ValueError(
        f"timm cannot make model_name={model_name!r}{with_size}{with_kwargs}: {_shorten(error)}"
    )


def _is_download(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) or type(error).__module__.split(".")[0] in _DOWNLOADERS:
            return True
        error = error.__cause__
    return False


def _shorten(error: Exception, length: int = 300) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= length else text[:length] + " ..."


def _weights_at(path: str) -> dict[str, torch.Tensor]:
    """Read weights from a file, or from a copy of what is behind a URL."""
    if not is_url(path):
        return _read_weights(Path(path))
    with local_copy(path) as copy:
        return _read_weights(copy)


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if path.is_dir():
        raise ValueError(
            f"checkpoint_path={str(path)!r} is a folder; give the file of weights in it."
        )
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint_path={str(path)!r}, but there is no such file.")
    try:
        weights = _timm().models.load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"checkpoint_path={str(path)!r} cannot be read as weights (a safetensors file, or one "
            f"written by torch.save from a state dict): {_shorten(error)}"
        ) from error
    others = [name for name, value in weights.items() if not torch.is_tensor(value)]
    if others or not weights:
        found = f"holds {quote_some(others)}, which are no tensors" if others else "is empty"
        raise ValueError(
            f"checkpoint_path={str(path)!r} {found}. Save the state dict of the network alone."
        )
    return weights


def _make_with_weights(
    model_name: str,
    image_size: tuple[int, int] | None,
    kwargs: dict[str, Any],
    seed: int,
    weights: dict[str, torch.Tensor],
    path: str,
) -> Any:
    """Load strictly, but for the classifier, which may be of any size or missing."""

    def attempt(weights: dict[str, torch.Tensor]) -> Any:
        # num_classes as the network has them, so that timm does not turn to lenient loading.
        overlay = {"state_dict": weights, "source": "", "custom_load": False}
        overlay |= {"num_classes": 0} if "num_classes" in kwargs else {}
        network = _make(
            model_name, image_size, kwargs, seed, pretrained=True, pretrained_cfg_overlay=overlay
        )
        network.pretrained_cfg.pop("state_dict", None)
        return network

    if "num_classes" not in kwargs:
        try:
            return attempt(weights)
        except _WeightsError as error:
            raise _unfit(model_name, kwargs, path, error) from error.__cause__
    if ":" in model_name:
        config = _make(model_name, image_size, kwargs, seed, pretrained=False).pretrained_cfg
    else:
        config = _timm().models.get_pretrained_cfg(model_name).to_dict()
    classifier = config.get("classifier") or ()
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    named = {f"{head}.{kind}" for head in heads for kind in ("weight", "bias")}
    rest = {name: value for name, value in weights.items() if name not in named}
    try:
        return attempt(rest)
    except _WeightsError as first:
        inner = rest.keys() - _head_names(model_name, image_size, kwargs, seed)
        reason: BaseException = first
        if len(inner) < len(rest):
            try:
                return attempt({name: rest[name] for name in inner})
            except _WeightsError as second:
                reason = second
        raise _unfit(model_name, kwargs, path, reason) from reason.__cause__


def _unfit(model_name: str, kwargs: dict[str, Any], path: str, reason: Any) -> ValueError:
    given = f" with model_kwargs={_given(kwargs)}" if _given(kwargs) else ""
    return ValueError(
        f"checkpoint_path={path!r} holds weights that do not fit {model_name!r}{given}: {reason}"
    )


def _given(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name != "num_classes"}


def _head_names(
    model_name: str, image_size: tuple[int, int] | None, kwargs: dict[str, Any], seed: int
) -> set[str]:
    """Names of weights that only the model with its classifier has."""
    whole = _make(model_name, image_size, _given(kwargs), seed, pretrained=False)
    bare = _make(model_name, image_size, kwargs, seed, pretrained=False)
    return whole.state_dict().keys() - bare.state_dict().keys()


def checksum(network: nn.Module) -> str:
    """SHA-256 of names, types, shapes and values of all weights and running statistics."""
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if name.endswith("num_batches_tracked"):
            continue
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        values = value.detach().cpu().contiguous().reshape(-1)
        total.update(values.view(torch.uint8).numpy())
    return total.hexdigest()


def resolve_image_size(image_size: Any) -> tuple[int, int] | None:
    """Turn one side, or height and width, into height and width."""
    if image_size is None:
        return None
    sides = (image_size, image_size) if not isinstance(image_size, tuple | list) else image_size
    if len(sides) != 2 or not all(isinstance(s, int | np.integer) and s >= 1 for s in sides):
        raise ValueError(
            f"image_size={image_size!r} must be a positive integer or two (height, width)."
        )
    return int(sides[0]), int(sides[1])


def resolve_data_config(
    network: nn.Module, image_size: tuple[int, int] | None, changes: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Resolve timm's data config for a network, with changes, to what JSON can hold."""
    changes = dict(changes or {})
    unknown = [name for name in changes if name not in _DATA_CONFIG]
    if unknown:
        raise ValueError(
            f"data_config holds {quote_some(unknown)}; it may change {', '.join(_DATA_CONFIG)}"
            f"{'. Use image_size for the size.' if 'input_size' in unknown else '.'}"
        )
    for name in ("mean", "std"):
        if name in changes:
            changes[name] = _check_colours(name, changes[name])
    share = changes.get("crop_pct", 1)
    if not isinstance(share, int | float) or not 0 < share <= 2:
        raise ValueError(
            f"data_config['crop_pct']={changes['crop_pct']!r} must be a share, above 0 and at most "
            "2: sides are resized to size / crop_pct and then cropped."
        )
    for name, known in (("crop_mode", _CROP_MODES), ("interpolation", _INTERPOLATIONS)):
        if name in changes and changes[name] not in known:
            raise ValueError(
                f"data_config[{name!r}]={changes[name]!r} must be one of {quote_some(known, 9)}."
            )
    if image_size is not None:
        changes["input_size"] = (3, *image_size)
    config = _timm().data.resolve_model_data_config(network, args=changes)
    if config["interpolation"] not in _INTERPOLATIONS:  # "random", of some training recipes
        config["interpolation"] = "bicubic"
    return {
        "input_size": [int(side) for side in config["input_size"]],
        "interpolation": str(config["interpolation"]),
        "mean": [float(value) for value in config["mean"]],
        "std": [float(value) for value in config["std"]],
        "crop_pct": float(config["crop_pct"]),
        "crop_mode": str(config["crop_mode"]),
    }


def _check_colours(name: str, values: Any) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or (name == "std" and not min(numbers) > 0):
        raise ValueError(
            f"data_config[{name!r}]={values!r} must be three numbers (red, green, blue), as shares "
            f"of 255{', all positive' if name == 'std' else ''}."
        )
    return numbers
