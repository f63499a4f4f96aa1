"""The zero-shot methods there are, by short names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, TypeVar

__all__ = [
    "FAMILIES",
    "INPUTS",
    "MethodInfo",
    "list_methods",
    "make",
    "method_info",
    "register_method",
]

FAMILIES = ("attention", "finetuning", "generative", "linear", "transformer")
INPUTS = ("pictures", "regions", "vectors")

Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class MethodInfo:
    """What is known of a registered method.

    Parameters
    ----------
    name : str
        Its short name, which stays the same from version to version.
    estimator : type
        The class of its estimator.
    family : str
        What kind of method it is, one of ``FAMILIES``.
    input : str
        What it learns from, one of ``INPUTS``.
    paper : str
        Where it was published.
    independent_scores : bool, default=True
        Whether the score of a class is the same whatever other classes are in the table.
    shared_space : bool, default=False
        Whether classes are described in the space of the samples.
    on_grid : bool, default=False
        Whether it heeds where on a grid a region lies.

    See Also
    --------
    method_info : Looks one up.

    Examples
    --------
    >>> from zslearn.registry import method_info
    >>> method_info("cvsc").family
    'attention'
    """

    name: str
    estimator: type
    family: str
    input: str
    paper: str
    independent_scores: bool = True
    shared_space: bool = False
    on_grid: bool = False


_methods: dict[str, MethodInfo] = {}


def register_method(
    name: str,
    *,
    family: str,
    input: str,
    paper: str,
    independent_scores: bool = True,
    shared_space: bool = False,
    on_grid: bool = False,
) -> Callable[[Class], Class]:
    """Register an estimator class as a zero-shot method; a decorator.

    Parameters
    ----------
    name : str
        Short and stable: lower-case letters, digits and underscores.
    family : {"attention", "finetuning", "generative", "linear", "transformer"}
        What kind of method it is.
    input : {"pictures", "regions", "vectors"}
        What it learns from: pictures, several vectors a picture, or one.
    paper : str
        Short citation, such as "ICML 2015".
    independent_scores : bool, default=True
        Whether the score of a class is the same whatever other classes are in the table, as it is
        where a class is scored by its own description. False for methods that train something
        anew for the classes of a table.
    shared_space : bool, default=False
        Whether classes are described in the space of the samples, by as many values as these have
        features, as by a pair of encoders. Only such tables are then given to the method by the
        checks.
    on_grid : bool, default=False
        Whether it heeds where on a grid a region lies, so that pictures have as many regions each.

    Returns
    -------
    decorator : callable
        Registers a class and returns it unchanged.

    Raises
    ------
    ValueError
        If the name is malformed or taken, the class is registered under another one, or the family
        or the input is unknown.
    TypeError
        If what is decorated is no estimator class.

    See Also
    --------
    list_methods : Names of the registered methods.
    zslearn.utils.estimator_checks.check_zero_shot_estimator : What a method has to fulfil.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from zslearn.base import ZeroShotClassifierMixin
    >>> from zslearn.registry import make, register_method
    >>> @register_method("agreement", family="linear", input="vectors", paper="none")
    ... class BestAgreement(ZeroShotClassifierMixin, BaseEstimator):
    ...     def fit(self, X, y, class_attributes=None):
    ...         with self._fitting_anew():
    ...             X, y, classes = self._check_fit(X, y, class_attributes)
    ...             self._set_classes(classes)
    ...         return self
    ...
    ...     def _class_scores(self, X, table):
    ...         return self._check_X(X, reset=False) @ table.values.T
    >>> make("agreement")
    BestAgreement()
    """
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError(
            "name must be lower-case letters, digits and underscores, beginning with a letter, "
            f"found {name!r}"
        )
    _check_choice("family", family, FAMILIES)
    _check_choice("input", input, INPUTS)
    if not isinstance(paper, str) or not paper:
        raise ValueError(f"paper must be a short citation, found {paper!r}")

    def register(cls: Class) -> Class:
        if not isinstance(cls, type) or not hasattr(cls, "get_params"):
            raise TypeError(f"register_method decorates estimator classes, found {cls!r}")
        there = _methods.get(name)
        if there is not None and not _same(there.estimator, cls):
            raise ValueError(
                f"name {name!r} is taken by {there.estimator.__module__}."
                f"{there.estimator.__qualname__}: give {cls.__name__} another one"
            )
        for info in _methods.values():
            if info.name != name and _same(info.estimator, cls):
                raise ValueError(
                    f"{cls.__name__} is registered as {info.name!r} already, and cannot be "
                    f"{name!r} as well"
                )
        _methods[name] = MethodInfo(
            name, cls, family, input, paper, independent_scores, shared_space, on_grid
        )
        return cls

    return register


def list_methods(family: str | None = None, input: str | None = None) -> list[str]:
    """List the names of the registered methods, sorted.

    The first call imports the packages of zslearn, and with them torch.

    Parameters
    ----------
    family : {"attention", "finetuning", "generative", "linear", "transformer"}, default=None
        Only methods of this kind. ``None`` takes all.
    input : {"pictures", "regions", "vectors"}, default=None
        Only methods that learn from this. ``None`` takes all.

    Returns
    -------
    names : list of str
        What `make` and `method_info` take.

    Raises
    ------
    ValueError
        If the family or the input is unknown.

    See Also
    --------
    make : An estimator of a name.
    zslearn.utils.discovery.all_estimators : All estimators, not methods alone.

    Examples
    --------
    >>> from zslearn.registry import list_methods
    >>> "cvsc" in list_methods(family="attention")
    True
    """
    if family is not None:
        _check_choice("family", family, FAMILIES)
    if input is not None:
        _check_choice("input", input, INPUTS)
    return sorted(
        info.name
        for info in _all_methods().values()
        if family in (None, info.family) and input in (None, info.input)
    )


def method_info(name: str) -> MethodInfo:
    """Return what is known of a method.

    Parameters
    ----------
    name : str
        One of `list_methods`.

    Returns
    -------
    MethodInfo
        Its fields are ``name``, ``estimator`` (the class), ``family``, ``input``, ``paper``,
        ``independent_scores`` and ``shared_space``.

    Raises
    ------
    ValueError
        If there is no such method; the message names similar ones.

    See Also
    --------
    list_methods : The names.

    Examples
    --------
    >>> from zslearn.registry import method_info
    >>> info = method_info("cvsc")
    >>> info.estimator.__name__, info.input, info.paper
    ('CVsCClassifier', 'regions', 'ACM MM 2024')
    """
    methods = _all_methods()
    if name in methods:
        return methods[name]
    similar = get_close_matches(str(name).lower(), methods, n=3)
    hint = (
        f"did you mean {' or '.join(map(repr, similar))}?"
        if similar
        else f"there are {', '.join(sorted(methods))}"
    )
    raise ValueError(f"no method is named {name!r}: {hint}")


def make(name: str, **params: Any) -> Any:
    """Return an unfitted estimator of a registered method.

    Parameters
    ----------
    name : str
        One of `list_methods`.
    **params : dict
        Parameters of its constructor.

    Returns
    -------
    estimator : estimator
        As its constructor makes it.

    Raises
    ------
    ValueError
        If there is no such method.
    TypeError
        If it has no such parameter.

    See Also
    --------
    method_info : The class, and what else is known.

    Examples
    --------
    >>> from zslearn.registry import make
    >>> make("cvsc", max_epochs=5)
    CVsCClassifier(max_epochs=5)
    """
    return method_info(name).estimator(**params)


def _all_methods() -> dict[str, MethodInfo]:
    _import_packages()
    return _methods


@cache
def _import_packages() -> None:
    """Import the public packages of zslearn, whose methods register themselves."""
    for module in iter_modules([str(Path(__file__).parent)]):
        if module.ispkg and not module.name.startswith("_"):
            import_module(f"{__package__}.{module.name}")


def _same(one: type, other: type) -> bool:
    """Whether a class is another one, or that one defined again, as in a notebook."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _check_choice(argument: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{argument} must be one of {', '.join(choices)}; found {value!r}")
