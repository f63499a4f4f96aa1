"""The classifier of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["make_classifier"]


def make_classifier(
    parameters: Mapping[str, Any], option: str = "--set", method: str = "cvsc"
) -> Any:
    """Estimator of a registered method with some parameters, for features.

    A wrong parameter is named with the option it came from. Those of CVsC's objective begin with
    ``objective__``, as in searches.
    """
    from zslearn.registry import method_info

    try:
        info = method_info(method)
    except ValueError as error:
        raise ValueError(f"--method: {error}") from None
    if info.input == "pictures":
        raise ValueError(
            f"--method: {method} trains its network from pictures, not from features, which no "
            f"command does: take zslearn.finetuning.{info.estimator.__name__} in Python."
        )
    estimator, parameters = info.estimator(), dict(parameters)
    if method == "cvsc" and any(name.startswith("objective__") for name in parameters):
        from zslearn.attention import CVsCObjective

        name = parameters.pop("objective", "default")
        try:
            estimator.objective = CVsCObjective.named(name)
        except (ValueError, KeyError):
            raise ValueError(f"{option} objective: there is no {name!r} to change.") from None
    unknown = sorted(set(parameters) - set(estimator.get_params()))
    if unknown:
        raise ValueError(
            f"{option}: {type(estimator).__name__} has no parameter {unknown[0]!r}; it has "
            f"{', '.join(sorted(estimator.get_params()))}."
        )
    estimator.set_params(**parameters)
    if hasattr(estimator, "_parameter_constraints"):
        try:
            estimator._validate_params()
        except ValueError as error:
            raise ValueError(f"{option}: {error}") from None
    return estimator
