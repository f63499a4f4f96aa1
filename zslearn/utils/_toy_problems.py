"""Small problems for the checks, and what these ask of estimators again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self
from unittest import SkipTest

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from zslearn.attributes import ClassAttributes
from zslearn.registry import MethodInfo, list_methods, method_info

__all__ = [
    "CountingRows",
    "Problem",
    "assert_close",
    "columns_of",
    "fitted",
    "fitted_attributes",
    "info_of",
    "input_of",
    "is_fitted",
    "is_on_grid",
    "raises",
    "same_bits",
    "seeded_clone",
    "skip_pictures",
    "with_values",
]

_LABELS = ["newt", "ant", "eel", "bee", "cat", "wasp", "dog", "fly"]
_UNSEEN = ["cat", "newt", "wasp"]


@dataclass(frozen=True)
class Problem:
    """Samples of five classes, and a table of eight whose rows are in no order."""

    X: NDArray[Any]
    y: NDArray[Any]
    table: ClassAttributes

    @classmethod
    def of(cls, estimator: Any, seed: int = 0) -> Self:
        """Return a problem of the input that an estimator takes."""
        rng = np.random.default_rng(seed)
        info = info_of(estimator)
        shared = info is not None and info.shared_space
        values = rng.uniform(0.2, 1.0, size=(len(_LABELS), 8 if shared else 6))
        table = ClassAttributes(values, labels=_LABELS)
        y = np.repeat(np.setdiff1d(_LABELS, _UNSEEN), 9)
        y = rng.permutation(y)
        n_regions = 1 if input_of(estimator) == "vectors" else 4 if is_on_grid(estimator) else 3
        shown = values[table.index_of(y)]
        shown = 4 * shown if shared else shown @ rng.normal(size=(6, 8))
        if input_of(estimator) == "pictures":
            return cls(_painted(shown, rng), y, table)
        X = shown[:, None] + rng.normal(scale=0.5, size=(len(y), n_regions, 8))
        # Numbers that float16 holds, so that every dtype has the same ones.
        X = X.astype(np.float16).astype(np.float32)
        return cls(X[:, 0] if input_of(estimator) == "vectors" else X, y, table)

    @property
    def labels(self) -> NDArray[Any]:
        """Labels of all classes, sorted."""
        return np.sort(self.table.labels)

    @property
    def unseen(self) -> NDArray[np.bool_]:
        """Marks the classes without samples, in sorted order."""
        return ~np.isin(self.labels, self.y)

    def narrower(self, n: int) -> Problem:
        """Return the problem without the last n features, or attributes, or columns of pixels."""
        table = self.table
        if self.X.ndim == 4:
            return replace(self, X=self.X[:, :, :-n])
        if table.n_attributes == self.X.shape[-1]:
            table = ClassAttributes(table.values[:, :-n], labels=table.labels)
        return replace(self, X=self.X[..., :-n], table=table)

    def relabelled(self, names: dict[str, Any], dtype: Any) -> Problem:
        """Return the same problem with other names for its classes."""
        labels = np.array([names[label] for label in self.table.labels.tolist()], dtype=dtype)
        y = np.array([names[label] for label in self.y.tolist()], dtype=dtype)
        return replace(self, y=y, table=with_values(self.table, self.table.values, labels))


def _painted(values: NDArray[Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures of 32 x 32 that show some values as the strengths of patterns, in noise."""
    patterns = rng.normal(size=(values.shape[1], 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)
    shown = 128 + 20 * np.tensordot(values - values.mean(axis=0), patterns, axes=1)
    return (shown + rng.normal(scale=5, size=shown.shape)).clip(0, 255).astype(np.uint8)


def with_values(table: ClassAttributes, values: Any, labels: Any) -> ClassAttributes:
    """Return a table of the same attributes with other values and labels."""
    return ClassAttributes(values, labels=labels, attribute_names=table.attribute_names)


def info_of(estimator: Any) -> MethodInfo | None:
    """Return what is registered of the method of an estimator, or of the one inside it."""
    while estimator is not None:
        for name in list_methods():
            if type(estimator) is method_info(name).estimator:
                return method_info(name)
        estimator = getattr(estimator, "estimator", None)
    return None


def input_of(estimator: Any) -> str:
    """Return "pictures", "regions" or "vectors": as registered, or else as the tags have it."""
    info = info_of(estimator)
    if info is not None:
        return info.input
    tags = get_tags(estimator).input_tags
    if tags.string and not tags.two_d_array:
        return "pictures"
    return "regions" if tags.three_d_array else "vectors"


def skip_pictures(estimator: Any) -> None:
    """Raise SkipTest for an estimator of pictures, on behalf of a check of features."""
    if input_of(estimator) == "pictures":
        raise SkipTest("takes pictures, not features")


def is_on_grid(estimator: Any) -> bool:
    """Whether an estimator heeds where on a grid a region lies."""
    info = info_of(estimator)
    return info is not None and info.on_grid


def seeded_clone(estimator: Any, seed: int = 0) -> Any:
    """Return an unfitted copy whose every random_state is a number."""
    copy = clone(estimator)
    for name in copy.get_params():
        if name.rpartition("__")[2] == "random_state":
            copy.set_params(**{name: seed})
    return copy


def fitted(estimator: Any, problem: Problem, **changes: Any) -> Any:
    """Return a copy that is fitted on a problem; `changes` are other arguments of ``fit``."""
    given = {"X": problem.X, "y": problem.y, "class_attributes": problem.table, **changes}
    copy = seeded_clone(estimator)
    copy.fit(given.pop("X"), given.pop("y"), **given)
    return copy


def is_fitted(estimator: Any) -> bool:
    """Whether an estimator says that it is fitted."""
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def fitted_attributes(estimator: Any) -> list[str]:
    """Return names of what a fit has left in an estimator."""
    return sorted(n for n in vars(estimator) if n.endswith("_") and not n.startswith("__"))


def columns_of(scores: Any) -> NDArray[np.float64]:
    """Return scores with a column a class, also of two classes, which share one number."""
    scores = np.asarray(scores, dtype=np.float64)
    return np.column_stack([-scores / 2, scores / 2]) if scores.ndim == 1 else scores


def assert_close(found: Any, expected: Any, message: str, estimator: Any = None) -> None:
    """Raise unless two arrays agree to the rounding of float32, or of the products' precision."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{message}: shape {found.shape}, not {expected.shape}"
    # A sum of hundreds of products is off by some units in the last place of its largest term.
    # Regions of pictures are kept in half precision.
    halved = getattr(estimator, "precision", None) in ("bfloat16", "float16")
    halved = halved or (estimator is not None and input_of(estimator) == "pictures")
    tolerance = (2**-5 if halved else 2**-18) * max(1e-30, np.abs(expected).max(initial=0))
    apart = np.abs(found.astype(np.float64) - expected).max(initial=0)
    assert apart <= tolerance, f"{message}: {apart:.3g} apart, {tolerance:.3g} is rounding"


def same_bits(found: Any, expected: Any, message: str) -> None:
    """Raise unless two arrays are equal to the bit."""
    found, expected = np.asarray(found), np.asarray(expected)
    same = found.dtype == expected.dtype and np.array_equal(found, expected)
    assert same, f"{message}: {found.dtype} {found.ravel()[:3]}, not {expected.ravel()[:3]}"


@contextmanager
def raises(
    errors: type[BaseException] | tuple[type[BaseException], ...], names: str, situation: str
) -> Iterator[None]:
    """Raise unless the block raises an error whose message has one of some words.

    `names` are words with ``|`` between them.
    """
    try:
        yield
    except errors as error:
        if not any(name in str(error) for name in names.split("|")):
            raise AssertionError(
                f"{situation}: the message names no {names.replace('|', ' or ')}: {error}"
            ) from error
    except Exception as error:
        raise AssertionError(
            f"{situation}: raised {type(error).__name__} ({error}), not {errors}"
        ) from error
    else:
        raise AssertionError(f"{situation}: no error was raised")


class CountingRows:
    """Rows of an array that are read on demand, and counted.

    Parameters
    ----------
    X : ndarray
    fail_at : int, default=None
        Number of the read, from 0, at which the user interrupts.
    """

    def __init__(self, X: NDArray[Any], fail_at: int | None = None) -> None:
        self._X, self._fail_at = X, fail_at
        self.shape, self.dtype, self.ndim = X.shape, X.dtype, X.ndim
        self.reads = 0

    def __len__(self) -> int:
        return len(self._X)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        self.reads += 1
        if self._fail_at is not None and self.reads > self._fail_at:
            raise KeyboardInterrupt
        return np.array(self._X[rows])
