"""From a fitted estimator to JSON and arrays."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn.attributes import ClassAttributes
from zslearn.persistence._arrays import MAX_TEXT_BYTES, Arrays, is_network, is_tensor
from zslearn.persistence._model_file import MAX_DEPTH
from zslearn.persistence._saved_types import LEFT_OUT, is_called, name_of, parameter_names

__all__ = ["Encoder"]


class Encoder:
    """Turns values into JSON nodes; what is met twice is written once.

    Attributes
    ----------
    tensors : dict of str to ndarray
        What the nodes refer to.
    notes : list of str
        What to warn of.
    """

    def __init__(self) -> None:
        self._arrays = Arrays()
        self.tensors = self._arrays.tensors
        self.notes: list[str] = []
        self._numbers: dict[int, int] = {}  # of finished values by identity
        self._open: set[int] = set()
        self._alive: list[Any] = []  # identities are unique among living values only
        self._depth = 0

    def encode(self, value: Any, where: str) -> Any:
        """Node of a value; `where` names it in messages.

        Raises
        ------
        TypeError
            If it cannot be saved.
        """
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if np.isfinite(value) else {"type": "float", "value": str(value)}
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TypeError(f"{where} is nested deeper than {MAX_DEPTH} levels: flatten it.")
        try:
            if type(value) is list:
                return self._records(value) or [
                    self.encode(v, f"{where}[{i}]") for i, v in enumerate(value)
                ]
            return self._encode_once(value, where)
        finally:
            self._depth -= 1

    def _encode_once(self, value: Any, where: str) -> Any:
        if id(value) in self._numbers:
            return {"type": "same", "number": self._numbers[id(value)]}
        if id(value) in self._open:
            raise TypeError(f"{where} refers to something that it is part of.")
        self._open.add(id(value))
        try:
            node = self._node(value, where)
        finally:
            self._open.discard(id(value))
        self._numbers[id(value)] = len(self._alive)
        self._alive.append(value)
        return node

    def _node(self, value: Any, where: str) -> dict[str, Any]:
        kind = type(value)
        if kind is tuple:
            items = [self.encode(v, f"{where}[{i}]") for i, v in enumerate(value)]
            return {"type": "tuple", "items": items}
        if kind is dict:
            return self._dict(value, where)
        if isinstance(value, np.generic):
            return self._scalar(value, where)
        if kind in (np.ndarray, np.memmap):
            return self._array(value, where)
        if kind is ClassAttributes:
            names = ("values", "labels", "attribute_names", "word_vectors", "missing_mask")
            parts = {n: self.encode(getattr(value, n), f"{where}.{n}") for n in names}
            return {"type": "class_attributes", **parts}
        if kind is np.random.RandomState:
            return self._random_state(value, where)
        if isinstance(value, PurePath):
            return {"type": "path", "value": os.fspath(value)}
        if isinstance(value, np.dtype) and value.kind in "biufcmMSU" and value.names is None:
            return {"type": "dtype", "name": value.str}
        if kind is type and issubclass(value, np.generic):
            return {"type": "scalar_type", "name": np.dtype(value).str}
        node = self._of_torch(value, where)
        return node if node is not None else self._object(value, where)

    def _dict(self, value: dict[Any, Any], where: str) -> dict[str, Any]:
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(
                    f"{where} has the key {key!r} of type {type(key).__name__}; keys that are "
                    "saved are str or int."
                )
        pairs = [[key, self.encode(v, f"{where}[{key!r}]")] for key, v in value.items()]
        return {"type": "dict", "items": pairs}

    def _records(self, rows: list[Any]) -> dict[str, Any] | None:
        """Node of a list of dicts of the same numbers, such as a history, or None."""
        if len(rows) < 2 or not all(type(row) is dict for row in rows) or not rows[0]:
            return None
        kinds = {name: type(number) for name, number in rows[0].items()}
        if any(type(n) is not str or k not in (int, float) for n, k in kinds.items()):
            return None
        if any({n: type(v) for n, v in row.items()} != kinds for row in rows):
            return None
        if any(list(row) != list(kinds) for row in rows):
            return None
        said = {}
        for kind in (int, float):
            names = [name for name in kinds if kinds[name] is kind]
            try:
                numbers = np.array([[row[n] for n in names] for row in rows], dtype=kind)
            except OverflowError:  # whole numbers of more than 64 bits
                return None
            said[kind.__name__] = self._arrays.add_array(numbers)
        columns = {name: kind.__name__ for name, kind in kinds.items()}
        return {"type": "records", "columns": columns, **said}

    def _scalar(self, value: np.generic, where: str) -> dict[str, Any]:
        if isinstance(value, np.str_):
            return {"type": "text_scalar", "value": str(value)}
        said = self._arrays.add_array(np.asarray(value))
        if said is None:
            raise _refusal(value, where)
        return {"type": "scalar", **said}

    def _array(self, value: NDArray[Any], where: str) -> dict[str, Any]:
        said = self._arrays.add_array(value)
        if said is not None:
            return {"type": "array", **said}
        shape = list(value.shape)
        if value.dtype.kind == "U":
            if value.nbytes > MAX_TEXT_BYTES:
                raise TypeError(
                    f"{where} is an array of {value.nbytes / 1e9:.1f} GB of text; shorten its "
                    f"longest entry ({value.dtype.itemsize // 4} characters for each)."
                )
            items = value.ravel().tolist()
            return {"type": "text_array", "dtype": value.dtype.str, "shape": shape, "items": items}
        if value.dtype == object:
            # One by one: a list of dicts of numbers would become one node, which is no list.
            items = [self.encode(v, f"{where}[{i}]") for i, v in enumerate(value.ravel().tolist())]
            return {"type": "object_array", "shape": shape, "items": items}
        raise TypeError(f"{where} is an array of dtype {value.dtype}, which is not saved.")

    def _random_state(self, value: np.random.RandomState, where: str) -> dict[str, Any]:
        state: Any = value.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            raise TypeError(f"{where} draws from {state['bit_generator']}; only MT19937 is saved.")
        key = self.encode(state["state"]["key"], where)
        numbers = {"position": state["state"]["pos"], "has_gauss": state["has_gauss"]}
        return {"type": "random_state", "key": key, **numbers, "gauss": float(state["gauss"])}

    def _of_torch(self, value: Any, where: str) -> dict[str, Any] | None:
        torch: Any = sys.modules.get("torch")
        if torch is None:
            return None
        if is_tensor(value):
            said = self._arrays.add_tensor(value)
            if said is None:
                raise TypeError(f"{where} is a tensor of {value.dtype}, which is not saved.")
            return {"type": "tensor", **said}
        if isinstance(value, torch.dtype):
            return {"type": "torch_dtype", "name": str(value).removeprefix("torch.")}
        if isinstance(value, torch.device):
            return {"type": "torch_device", "name": str(value)}
        name = getattr(value, "__name__", "")
        if isinstance(value, type) and getattr(torch.optim, name, None) is value:
            return {"type": "optimizer", "name": name}
        return None

    def _object(self, value: Any, where: str) -> dict[str, Any]:
        cls = type(value)
        name = name_of(cls)
        if name is None or not (is_called(cls) or hasattr(value, "__dict__")):
            raise _refusal(value, where)
        params = {}
        for key in parameter_names(cls):
            param = getattr(value, key)
            if key in LEFT_OUT and param is not None:
                self.notes.append(
                    f"{where}.{key} is {LEFT_OUT[key]} and not saved: loaded, it is None."
                )
                param = None
            if is_network(param):
                self.notes.append(
                    f"{where}.{key} is a network of yours, which is code and not saved: give it "
                    f"again to load it, load(path, given={{{key!r}: ...}})."
                )
                said = f"{type(param).__module__}.{type(param).__qualname__}"
                params[key] = {"type": "given", "class": said}
                continue
            params[key] = self.encode(param, f"{where}.{key}")
        get_state: Callable[[], dict[str, Any]] | None = getattr(value, "_get_saved_state", None)
        if get_state is not None:
            own = get_state()
        else:
            own = {k: v for k, v in getattr(value, "__dict__", {}).items() if k not in params}
            own = {k: v for k, v in own.items() if not _is_cache(cls, k)}
        state = {k: self.encode(v, f"{where}.{k}") for k, v in own.items()}
        return {"type": "object", "class": name, "params": params, "state": state}


def _is_cache(cls: type, name: str) -> bool:
    field = getattr(cls, "__dataclass_fields__", {}).get(name)
    return field is not None and not field.compare


def _refusal(value: Any, where: str) -> TypeError:
    kind = value if isinstance(value, type) else type(value)
    if hasattr(value, "best_estimator_"):
        remedy = "Save its best_estimator_."
    elif callable(value) and not isinstance(value, type) and not hasattr(value, "fit"):
        remedy = "Code is not saved: set it to None or to a name before saving."
    else:
        remedy = (
            "zslearn.persistence.register_saved_type makes a class known; joblib saves anything, "
            "as a pickle."
        )
    name = f"{kind.__module__}.{kind.__qualname__}"
    said = f"is the class {name}" if isinstance(value, type) else f"is of type {name}"
    return TypeError(f"{where} {said}, which is not saved without pickle. {remedy}")
