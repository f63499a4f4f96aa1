"""From JSON and arrays to an estimator: every node is checked before anything is made of it."""

from __future__ import annotations

import re
import warnings
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin
from zslearn.exceptions import ModelFileError
from zslearn.persistence._arrays import dtype_named, restored_array, restored_tensor, text_array
from zslearn.persistence._model_file import MAX_DEPTH
from zslearn.persistence._saved_types import LEFT_OUT, class_of, is_called, parameter_names

__all__ = ["Decoder"]

_KINDS = "biufcmMSU"


class Decoder:
    """Turns JSON nodes into values.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    tensors : dict of str to ndarray
        What nodes refer to.
    writer : str
        What wrote the file, for messages.
    device : str or None
        Takes the place of all parameters ``device``.
    given : dict
        Parameters that files do not hold, by name.
    """

    def __init__(
        self,
        path: Any,
        tensors: dict[str, NDArray[Any]],
        writer: str,
        device: str | None,
        given: dict[str, Any],
    ) -> None:
        self._path = path
        self._tensors = tensors
        self._writer = writer
        self._device = device
        self._given = given
        self.not_used = set(given)
        self._finished: list[Any] = []
        self._depth = 0
        self._used: set[str] = set()
        self.classes: set[str] = set()
        self.notes: list[str] = []  # what to warn of

    def unused(self) -> list[str]:
        """Arrays that no node has referred to."""
        return sorted(self._tensors.keys() - self._used)

    def decode(self, node: Any, where: str) -> Any:
        """Value of a node; `where` names it in messages.

        Raises
        ------
        ModelFileError
            If it is none that `save` writes.
        """
        if node is None or type(node) in (bool, int, float, str):
            return node
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(where, f"is nested deeper than {MAX_DEPTH} levels")
        try:
            if type(node) is list:
                return [self.decode(v, f"{where}[{i}]") for i, v in enumerate(node)]
            kind = node.get("type")
            if kind == "float":
                (text,) = self._parts(node, where, "value")
                if text not in ("inf", "-inf", "nan"):
                    raise self._error(where, f"is no number: {text!r:.40}")
                return float(text)
            if kind == "same":
                (number,) = self._parts(node, where, "number")
                if type(number) is not int or not 0 <= number < len(self._finished):
                    raise self._error(where, "refers to something that is not there")
                return self._finished[number]
            make = _MAKERS.get(kind) if isinstance(kind, str) else None
            if make is None:
                raise self._error(where, f"is of an unknown kind, {kind!r:.40}")
            try:
                value = make(self, node, where)
            except ModelFileError:
                raise
            except Exception as error:  # what a class makes of values is its own affair
                raise self._error(where, f"cannot be made: {error}") from error
            if kind not in ("records", "given"):  # as other lists, and as not written
                self._finished.append(value)
            return value
        finally:
            self._depth -= 1

    def _error(self, where: str, found: str) -> ModelFileError:
        return ModelFileError(
            self._path,
            f"holds a model in which {where} {found}",
            f"It was written by {self._writer}; use that version, or save the model again.",
        )

    def _parts(self, node: dict[str, Any], where: str, *names: str) -> list[Any]:
        if node.keys() != {"type", *names}:
            raise self._error(
                where, f"has the keys {sorted(node)!r:.200}, not {sorted(['type', *names])}"
            )
        return [node[name] for name in names]

    def _stored(self, name: Any, where: str) -> NDArray[Any]:
        if not isinstance(name, str) or name not in self._tensors or name in self._used:
            raise self._error(where, f"names an array, {name!r:.40}, that is not there for it")
        self._used.add(name)
        return self._tensors[name]

    # -- kinds of nodes, each of which may raise anything --------------------------------------

    def _tuple(self, node: dict[str, Any], where: str) -> tuple[Any, ...]:
        (items,) = self._parts(node, where, "items")
        return tuple(self._list(items, where))

    def _list(self, items: Any, where: str) -> list[Any]:
        if type(items) is not list:
            raise self._error(where, "has no list of items")
        values: list[Any] = self.decode(items, where)
        return values

    def _dict(self, node: dict[str, Any], where: str) -> dict[Any, Any]:
        (pairs,) = self._parts(node, where, "items")
        found: dict[Any, Any] = {}
        for pair in pairs:
            if type(pair) is not list or len(pair) != 2:
                raise self._error(where, f"has an entry that is no key and value: {pair!r:.40}")
            key, value = pair
            if type(key) not in (str, int) or key in found:
                raise self._error(where, f"has a key twice, or of a wrong type: {key!r:.40}")
            found[key] = self.decode(value, f"{where}[{key!r:.40}]")
        return found

    def _records(self, node: dict[str, Any], where: str) -> list[dict[str, Any]]:
        columns, ints, floats = self._parts(node, where, "columns", "int", "float")
        tables = {}
        for kind, dtype, part in (("int", np.int64, ints), ("float", np.float64, floats)):
            tables[kind] = self._array({"type": "array", **part}, where)
            shape = (len(tables["int"]), sum(kind == of for of in columns.values()))
            if not columns or tables[kind].dtype != dtype or tables[kind].shape != shape:
                raise self._error(where, f"has no rows and columns {shape} of {kind}")
        found = []
        for row in zip(tables["int"].tolist(), tables["float"].tolist(), strict=True):
            left = {"int": iter(row[0]), "float": iter(row[1])}
            found.append({name: next(left[kind]) for name, kind in columns.items()})
        return found

    def _scalar(self, node: dict[str, Any], where: str) -> Any:
        name, dtype, order = self._parts(node, where, "tensor", "dtype", "order")
        stored = self._stored(name, where)
        array = restored_array(stored, dtype_named(dtype, "biufcmMS"), order)
        if array.shape != ():
            raise self._error(where, f"is one number, but has shape {array.shape}")
        return array[()]

    def _text_scalar(self, node: dict[str, Any], where: str) -> np.str_:
        (text,) = self._parts(node, where, "value")
        if type(text) is not str:
            raise self._error(where, "is no text")
        return np.str_(text)

    def _array(self, node: dict[str, Any], where: str) -> NDArray[Any]:
        name, dtype, order = self._parts(node, where, "tensor", "dtype", "order")
        return restored_array(self._stored(name, where), dtype_named(dtype, "biufcmMS"), order)

    def _text_array(self, node: dict[str, Any], where: str) -> NDArray[Any]:
        dtype, shape, items = self._parts(node, where, "dtype", "shape", "items")
        return text_array(items, dtype_named(dtype, "U"), self._shape(shape, items, where))

    def _object_array(self, node: dict[str, Any], where: str) -> NDArray[Any]:
        shape, items = self._parts(node, where, "shape", "items")
        array = np.empty(len(items), dtype=object)
        for i, item in enumerate(self._list(items, where)):
            array[i] = item
        return array.reshape(self._shape(shape, items, where))

    def _shape(self, shape: Any, items: Any, where: str) -> tuple[int, ...]:
        if type(shape) is not list or type(items) is not list or len(shape) > 32:
            raise self._error(where, "has no shape or no items")
        if any(type(n) is not int or n < 0 for n in shape) or prod(shape) != len(items):
            raise self._error(where, f"has {len(items)} items for the shape {shape!r:.80}")
        return tuple(shape)

    def _class_attributes(self, node: dict[str, Any], where: str) -> ClassAttributes:
        names = ("values", "labels", "attribute_names", "word_vectors", "missing_mask")
        parts = self._parts(node, where, *names)
        values, labels, attributes, vectors, mask = (
            self.decode(part, f"{where}.{name}") for name, part in zip(names, parts, strict=True)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what there is to warn of was warned of
            table = ClassAttributes(
                values, labels=labels, attribute_names=attributes, word_vectors=vectors
            )
        if type(attributes) is not tuple or table.attribute_names != attributes:
            raise self._error(where, "has attribute names that are no text")
        kept = {"values": values, "labels": labels, "word_vectors": vectors}
        for name, value in kept.items():
            made = getattr(table, name)
            if value is not None and (value.dtype != made.dtype or value.shape != made.shape):
                raise self._error(where, f"has {name} of another dtype or shape than tables have")
        if mask.dtype != bool or mask.shape != table.values.shape:
            raise self._error(where, "has no mask of missing values of its shape")
        # In the memory they were in: products may round differently in another order.
        table.__setstate__({**vars(table), **kept, "missing_mask": mask})
        return table

    def _random_state(self, node: dict[str, Any], where: str) -> np.random.RandomState:
        names = ("key", "position", "has_gauss", "gauss")
        key, position, has_gauss, gauss = self._parts(node, where, *names)
        key = self.decode(key, where)
        numbers = [type(number) for number in (position, has_gauss, gauss)]
        if (
            numbers != [int, int, float]
            or key.dtype != np.uint32
            or key.shape != (624,)
            or not 0 <= position <= 624
            or has_gauss not in (0, 1)
        ):
            raise self._error(where, "is no state of a source of random numbers")
        state = np.random.RandomState()
        state.set_state(("MT19937", key, position, has_gauss, gauss))
        return state

    def _path_like(self, node: dict[str, Any], where: str) -> Path:
        (text,) = self._parts(node, where, "value")
        return Path(text)

    def _dtype(self, node: dict[str, Any], where: str) -> np.dtype[Any]:
        (name,) = self._parts(node, where, "name")
        return dtype_named(name, _KINDS)

    def _scalar_type(self, node: dict[str, Any], where: str) -> type:
        (name,) = self._parts(node, where, "name")
        return (np.dtype(name) if name in ("<U0", "|S0") else dtype_named(name, _KINDS)).type

    def _tensor(self, node: dict[str, Any], where: str) -> Any:
        name, dtype, order = self._parts(node, where, "tensor", "dtype", "order")
        return restored_tensor(self._stored(name, where), dtype, order)

    def _torch_dtype(self, node: dict[str, Any], where: str) -> Any:
        import torch

        (name,) = self._parts(node, where, "name")
        dtype = getattr(torch, name) if re.fullmatch(r"[a-z]+[0-9_a-z]*", name) else None
        if not isinstance(dtype, torch.dtype):
            raise self._error(where, f"is no dtype of torch: {name!r:.40}")
        return dtype

    def _torch_device(self, node: dict[str, Any], where: str) -> Any:
        import torch

        (name,) = self._parts(node, where, "name")
        return torch.device(name)

    def _given_again(self, node: dict[str, Any], where: str) -> Any:
        (kind,) = self._parts(node, where, "class")
        name = where.rpartition(".")[2]
        if name not in self._given:
            said = f"holds a model whose {where} is a network of yours, {kind!r:.80}: code"
            raise ModelFileError(self._path, said, f"Call load(path, given={{{name!r}: ...}}).")
        self.not_used.discard(name)
        return self._given[name]

    def _optimizer(self, node: dict[str, Any], where: str) -> type:
        from torch import optim

        (name,) = self._parts(node, where, "name")
        cls = getattr(optim, name) if re.fullmatch(r"[A-Za-z]+", name) else None
        if not (isinstance(cls, type) and issubclass(cls, optim.Optimizer)):
            raise self._error(where, f"is no optimiser of torch: {name!r:.40}")
        return cls

    def _object(self, node: dict[str, Any], where: str) -> Any:
        name, params, state = self._parts(node, where, "class", "params", "state")
        cls = class_of(name) if isinstance(name, str) else None
        if cls is None:
            raise self._error(
                where,
                f"is of the class {name!r:.80}, which is not known here (classes of other packages "
                "are made known by zslearn.persistence.register_saved_type)",
            )
        if type(params) is not dict or type(state) is not dict:
            raise self._error(where, "has no parameters or no state")
        self._check_names(cls, params, state, where)
        kept = {key: self.decode(value, f"{where}.{key}") for key, value in params.items()}
        for key, what in LEFT_OUT.items():
            if kept.get(key) is not None:
                raise self._error(f"{where}.{key}", f"is {what}, which files do not hold")
        if "device" in kept:
            kept["device"] = self._place(kept["device"], where)
        made = cls(**kept) if is_called(cls) else object.__new__(cls)
        own = {key: self.decode(value, f"{where}.{key}") for key, value in state.items()}
        if hasattr(made, "_set_saved_state"):
            made._set_saved_state(own)
        elif own:
            vars(made).update(own)
        self.classes.add(name)
        if isinstance(made, ZeroShotClassifierMixin):
            _check_classes(made)
        return made

    def _check_names(
        self, cls: type, params: dict[str, Any], state: dict[str, Any], where: str
    ) -> None:
        expected = set(parameter_names(cls))
        if params.keys() != expected:
            raise self._error(
                where,
                f"has the parameters {sorted(params.keys() - expected)!r:.200} that "
                f"{cls.__name__} does not have here, and lacks "
                f"{sorted(expected - params.keys())!r:.200}",
            )
        for key in state:
            there = getattr(cls, key, None)
            if not key.isidentifier() or key.startswith("__") or key in params:
                raise self._error(where, f"has {key!r:.80} among its attributes")
            if callable(there) or hasattr(there, "__get__"):
                raise self._error(where, f"has an attribute in the place of {cls.__name__}.{key}")

    def _place(self, saved: Any, where: str) -> Any:
        """Device to use for one that was saved."""
        if self._device is not None:
            return self._device
        if saved is None or saved in ("auto", "cpu"):
            return saved
        import torch

        from zslearn._training._device import resolve_device

        try:
            torch.device(saved)
        except (RuntimeError, TypeError):  # nothing of torch's, whatever it means to the class
            return saved
        try:
            resolve_device(saved)
        except ValueError:
            self.notes.append(
                f"{where} was saved with device={str(saved)!r}, which is not here; it is loaded "
                "with device='cpu'. Pass device to load to choose."
            )
            return "cpu"
        return saved


def _check_classes(made: ZeroShotClassifierMixin) -> None:
    """Raise if a classifier has not all that says which classes it knows, or it disagrees."""
    names = {"class_attributes_", "classes_", "seen_classes_", "unseen_classes_"}
    there = names & vars(made).keys()
    if not there:
        return
    if there != names:
        raise ValueError(f"it has no {sorted(names - there)}")
    labels = made.class_attributes_.labels
    both = np.sort(np.concatenate([made.seen_classes_, made.unseen_classes_]))
    if not np.array_equal(made.classes_, labels) or not np.array_equal(both, labels):
        raise ValueError("its classes are not those of its table")


_MAKERS: Any = {
    "array": Decoder._array,
    "class_attributes": Decoder._class_attributes,
    "dict": Decoder._dict,
    "dtype": Decoder._dtype,
    "given": Decoder._given_again,
    "object": Decoder._object,
    "object_array": Decoder._object_array,
    "optimizer": Decoder._optimizer,
    "path": Decoder._path_like,
    "random_state": Decoder._random_state,
    "records": Decoder._records,
    "scalar": Decoder._scalar,
    "scalar_type": Decoder._scalar_type,
    "tensor": Decoder._tensor,
    "text_array": Decoder._text_array,
    "text_scalar": Decoder._text_scalar,
    "torch_device": Decoder._torch_device,
    "torch_dtype": Decoder._torch_dtype,
    "tuple": Decoder._tuple,
}
