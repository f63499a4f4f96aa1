"""The classifier of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["make_classifier"]


def make_classifier(parameters: Mapping[str, Any], option: str = "--set") -> Any:
    """CVsC with some parameters; a wrong one is named with the option it came from.

    Those of the objective begin with ``objective__``, as in searches.
    """
    from zslearn.attention import CVsCClassifier, CVsCObjective

    estimator = CVsCClassifier()
    parameters = dict(parameters)
    if any(name.startswith("objective__") for name in parameters):
        name = parameters.pop("objective", "default")
        try:
            estimator.objective = CVsCObjective.named(name)
        except (ValueError, KeyError):
            raise ValueError(f"{option} objective: there is no {name!r} to change.") from None
    unknown = sorted(set(parameters) - set(estimator.get_params()))
    if unknown:
        raise ValueError(
            f"{option}: CVsCClassifier has no parameter {unknown[0]!r}; it has "
            f"{', '.join(sorted(estimator.get_params()))}."
        )
    estimator.set_params(**parameters)
    try:
        estimator._validate_params()
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None
    return estimator
