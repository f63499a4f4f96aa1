"""What every zero-shot estimator has to fulfil, as checks that anybody can run on their own.

Each check is a function ``check_...(name, estimator)`` whose docstring says what it checks. It
raises an error that says what was found, or ``unittest.SkipTest`` where it does not apply. The
problems are made up, and so small that all checks together take seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple
from unittest import SkipTest

from sklearn import config_context

from zslearn.utils import (
    _checks_data,
    _checks_fit,
    _checks_regions,
    _checks_scores,
    _checks_tables,
)

__all__ = [
    "CheckResult",
    "check_zero_shot_estimator",
    "parametrize_with_zero_shot_checks",
    "zero_shot_checks",
]


class CheckResult(NamedTuple):
    """What became of a check.

    Attributes
    ----------
    check : str
        Its name.
    status : {"passed", "skipped", "failed", "xfail"}
        "xfail" is a failure that was expected.
    reason : str
        Why it was skipped, failed, or expected to.
    error : Exception or None
        What it raised.
    """

    check: str
    status: Literal["passed", "skipped", "failed", "xfail"]
    reason: str = ""
    error: Exception | None = None


def zero_shot_checks(estimator: Any) -> list[Callable[[Any], None]]:
    """Return the checks of a zero-shot estimator, to be called with it one by one.

    Parameters
    ----------
    estimator : estimator
        A zero-shot classifier, such as :class:`zslearn.CVsCClassifier`, or one that holds one.

    Returns
    -------
    checks : list of functools.partial
        Each takes the estimator, which it leaves as it is; ``check.func`` is the function.

    Raises
    ------
    TypeError
        If it is no estimator.

    See Also
    --------
    check_zero_shot_estimator : Calls them all.

    Examples
    --------
    >>> from zslearn import CVsCClassifier
    >>> from zslearn.utils.estimator_checks import zero_shot_checks
    >>> clf = CVsCClassifier(max_epochs=1)
    >>> checks = {check.func.__name__: check for check in zero_shot_checks(clf)}
    >>> checks["check_fitted_attributes"](clf)
    """
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise TypeError(f"estimator must be an instance of an estimator, found {estimator!r}")
    name = type(estimator).__name__
    return [partial(check, name) for check in _CHECKS.values()]


def check_zero_shot_estimator(
    estimator: Any,
    *,
    expected_failed_checks: Mapping[str, str] | None = None,
    on_fail: Literal["raise", "report"] = "raise",
) -> list[CheckResult]:
    """Check that an estimator keeps what zero-shot estimators promise.

    Among these promises: tables and candidates at prediction, independence of the order and the
    company of samples and classes, labels and features of every type, equal results from memory,
    disk and lazy rows, regions of zeros that take no part, seeds, saved models, calibration, and
    that a fit that was refused or interrupted leaves nothing behind. One that takes pictures gets
    some of 32 x 32 pixels, and is spared the checks of features. What scikit-learn's own
    :func:`~sklearn.utils.estimator_checks.check_estimator` checks is left to it.

    Parameters
    ----------
    estimator : estimator
        A zero-shot classifier, or one that holds one. It is cloned, never fitted itself. Choose
        parameters that make a fit take no time.
    expected_failed_checks : mapping of str to str, default=None
        Names of checks that fail, and why they may. One that passes nevertheless is a failure.
    on_fail : {"raise", "report"}, default="raise"
        Whether the first failure is raised, or all are in the results.

    Returns
    -------
    results : list of CheckResult
        One for each check.

    Raises
    ------
    AssertionError
        With ``on_fail="raise"``, if a check fails. What an estimator itself raises comes as it is.
    TypeError
        If it is no estimator.
    ValueError
        If `expected_failed_checks` names a check that there is not, or another argument is wrong.

    See Also
    --------
    parametrize_with_zero_shot_checks : One test of pytest for each check.
    zslearn.registry.register_method : Registered methods pass all of them.

    Examples
    --------
    >>> from zslearn import CVsCClassifier
    >>> from zslearn.utils.estimator_checks import check_zero_shot_estimator
    >>> results = check_zero_shot_estimator(CVsCClassifier(max_epochs=1))
    >>> {result.status for result in results} <= {"passed", "skipped"}
    True
    """
    if on_fail not in ("raise", "report"):
        raise ValueError(f"on_fail must be 'raise' or 'report', found {on_fail!r}")
    expected = _expected(expected_failed_checks)
    results = []
    for check in zero_shot_checks(estimator):
        result = _run(check, estimator, expected.get(check.func.__name__))  # type: ignore[attr-defined]
        if result.status == "failed" and on_fail == "raise":
            raise result.error or AssertionError(f"{result.check}: {result.reason}")
        results.append(result)
    return results


def parametrize_with_zero_shot_checks(
    estimators: Iterable[Any],
    *,
    expected_failed_checks: Callable[[Any], Mapping[str, str]] | None = None,
) -> Any:
    """Decorate a test of pytest to run each check on each estimator.

    Parameters
    ----------
    estimators : iterable of estimators
        Instances, with parameters that make a fit take no time.
    expected_failed_checks : callable, default=None
        Takes an estimator; returns names of checks that fail on it, and why they may. One that
        passes nevertheless is a failure.

    Returns
    -------
    decorator : pytest.MarkDecorator
        Of a test that takes ``estimator`` and ``check``. Estimators and checks can be read from
        the names of the tests.

    Raises
    ------
    TypeError
        If one of them is no estimator.
    ValueError
        If `expected_failed_checks` names a check that there is not.

    See Also
    --------
    check_zero_shot_estimator : The same without pytest.

    Examples
    --------
    >>> from zslearn import CVsCClassifier
    >>> from zslearn.utils.estimator_checks import parametrize_with_zero_shot_checks
    >>> @parametrize_with_zero_shot_checks([CVsCClassifier(max_epochs=1)])
    ... def test_zero_shot(estimator, check):
    ...     check(estimator)
    """
    import pytest

    parameters = []
    for estimator in estimators:
        expected = _expected(expected_failed_checks and expected_failed_checks(estimator))
        with config_context(print_changed_only=True):
            shown = re.sub(r"\s", "", repr(estimator))
        for check in zero_shot_checks(estimator):
            name = check.func.__name__  # type: ignore[attr-defined]
            marks = []
            if name in expected:
                marks.append(pytest.mark.xfail(reason=expected[name], strict=True))
            parameters.append(pytest.param(estimator, check, id=f"{shown}-{name}", marks=marks))
    return pytest.mark.parametrize(("estimator", "check"), parameters)


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    name: check
    for module in (_checks_fit, _checks_tables, _checks_scores, _checks_data, _checks_regions)
    for name, check in vars(module).items()
    if name.startswith("check_") and check.__module__ == module.__name__
}


def _run(check: Any, estimator: Any, may_fail: str | None) -> CheckResult:
    name = check.func.__name__
    try:
        check(estimator)
    except SkipTest as skip:
        return CheckResult(name, "skipped", str(skip))
    except Exception as error:
        if may_fail is not None:
            return CheckResult(name, "xfail", may_fail, error)
        return CheckResult(name, "failed", str(error), error)
    if may_fail is not None:
        reason = f"passed, though expected_failed_checks says that it fails: {may_fail}"
        return CheckResult(name, "failed", reason)
    return CheckResult(name, "passed")


def _expected(failures: Mapping[str, str] | None) -> Mapping[str, str]:
    unknown = sorted(set(failures or {}) - set(_CHECKS))
    if unknown:
        raise ValueError(
            f"expected_failed_checks names {unknown}, which are no checks; there are "
            f"{', '.join(_CHECKS)}"
        )
    return failures or {}
