"""Lists of what the package has."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal

from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

__all__ = ["all_displays", "all_estimators"]

_MIXINS = {"classifier": ClassifierMixin, "transformer": TransformerMixin}


def all_estimators(
    type_filter: Literal["classifier", "transformer"] | None = None,
) -> list[tuple[str, type]]:
    """All public estimators of the package: methods, calibrations, ensembles and extractors.

    Parameters
    ----------
    type_filter : {"classifier", "transformer"}, default=None
        Only estimators of this kind. ``None`` takes all.

    Returns
    -------
    estimators : list of (str, type)
        Names and classes, sorted by name.

    Raises
    ------
    ValueError
        If `type_filter` is something else.

    See Also
    --------
    zslearn.registry.list_methods : The registered methods alone, by their short names.

    Examples
    --------
    >>> from zslearn.utils.discovery import all_estimators
    >>> dict(all_estimators("classifier"))["CVsCClassifier"]
    <class 'zslearn.attention._cvsc.CVsCClassifier'>
    >>> [name for name, _ in all_estimators("transformer")][-1]
    'WordVectors'
    """
    if type_filter is not None and type_filter not in _MIXINS:
        raise ValueError(
            f"type_filter must be 'classifier', 'transformer' or None, found {type_filter!r}"
        )
    wanted = BaseEstimator if type_filter is None else _MIXINS[type_filter]
    return [
        (name, cls)
        for name, cls in _public_classes()
        if issubclass(cls, BaseEstimator) and hasattr(cls, "fit") and issubclass(cls, wanted)
    ]


def all_displays() -> list[tuple[str, type]]:
    """All displays of the package: what draws, and keeps what it has drawn.

    Returns
    -------
    displays : list of (str, type)
        Names and classes, sorted by name.

    See Also
    --------
    all_estimators : What there is to draw of.

    Examples
    --------
    >>> from zslearn.utils.discovery import all_displays
    >>> [name for name, _ in all_displays()][:2]
    ['AttributeAttentionDisplay', 'CriticalDifferenceDisplay']
    """
    return [(name, cls) for name, cls in _public_classes() if name.endswith("Display")]


def _public_classes() -> list[tuple[str, type]]:
    """Return names and classes that public packages name in ``__all__``."""
    found = {}
    for module in iter_modules([str(Path(__file__).parents[1])]):
        if module.name.startswith("_"):
            continue
        home = import_module(f"zslearn.{module.name}")
        for name in getattr(home, "__all__", ()):
            thing = getattr(home, name)
            if inspect.isclass(thing) and not inspect.isabstract(thing):
                found[name] = thing
    return sorted(found.items())
