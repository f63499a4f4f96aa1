"""Many settings of an estimator on the same data, in one pass over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

__all__ = ["fit_many", "share_batches"]


def fit_many(
    estimator: Any,
    settings: Iterable[Mapping[str, Any]],
    X: Any,
    y: Any,
    *,
    class_attributes: Any = None,
) -> list[Any]:
    """Fit an estimator with each of many settings, as in separate fits but faster.

    For error bars (``settings=[{"random_state": seed} for seed in range(5)]``), sweeps
    (``settings=ParameterGrid({"lambda_cc": [0.0, 0.5, 1.0]})``), ensembles, or any mixture.

    Parameters
    ----------
    estimator : estimator
        A deep zero-shot classifier, such as :class:`zslearn.CVsCClassifier`. Others are taken too,
        and gain nothing. It is not fitted itself.
    settings : iterable of m mappings of parameter names to values
        Each names the parameters in which a fit differs from `estimator`.
    X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
        As in the estimator's ``fit``. Read once for all settings that can share it.
    y : array-like of shape (n_samples,)
        Class labels.
    class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
        As in the estimator's ``fit``.

    Returns
    -------
    fitted : list of m estimators
        In the order of `settings`: each what ``clone(estimator).set_params(**setting).fit(X, y,
        class_attributes=class_attributes)`` would be, with weights, optimiser and history of its
        own.

    Raises
    ------
    ValueError
        If there is no setting, or `X`, `y` or `class_attributes` is refused.
    NonFiniteLossError
        If the loss of some setting becomes NaN or infinite. Notes on the error (``__notes__``,
        shown below a traceback) name the first such setting and the number of those that failed.
        The others were trained on to the end, but are not returned.
    KeyboardInterrupt
        On an interrupt, unless every setting is in training or done: then the training ends and
        the estimators are usable, with a ``TrainingInterruptedWarning``.

    See Also
    --------
    StackedGridSearchCV : A grid search that fits its candidates so.
    sklearn.model_selection.ParameterGrid : All combinations of some values.

    Notes
    -----
    **Batches.** Settings are trained together if they see the same batches. Where settings have
    different seeds and neither they nor the estimator say ``batch_random_state``, the
    ``batch_random_state`` of all is set to the ``random_state`` of the first (a number is drawn
    if that is ``None``): initial weights and noise are then each setting's own, batches are
    shared, and the first setting's fit is that of its ``random_state`` alone. The estimators
    returned show the parameter, so that a separate fit of their clones gives the same again. For
    error bars that also hold the variation from the order of the batches, give each setting a
    ``batch_random_state``, which costs as much as separate fits.

    **What is shared.** All settings that agree in ``batch_size``, ``max_epochs``, ``precision``,
    ``device``, ``attribute_dim`` and the batches are one stack: a batch is gathered once and
    multiplied once with the queries and embeddings of all, and objectives that differ in nothing
    but non-zero weights are evaluated as one. Where settings differ in these, each group of equals
    is a stack. Where a step of one setting keeps all cores of a CPU busy by itself (compiled code
    multiplies bfloat16), the settings of a stack take their steps on a batch in turn instead.
    Fitted one by one are settings with ``early_stopping``, ``callbacks``, ``precision="float16"``
    or an optimiser class of one's own. A stack is divided so that the product of a batch takes at
    most 256 MiB; beside it, memory holds the weights, gradients and optimiser states of all
    settings.

    **Equality.** A stack computes what separate fits compute, sum by sum. How a product adds up
    depends on the library below and may depend on its shape, so results are equal to float32
    rounding, and on many machines to the bit.

    **Gain.** Small problems, where a step is mostly the cost of starting operations, gain most. On
    a processor that one fit keeps busy, the products take as long together as apart, and nothing
    is gained but the reading of X.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes, CVsCClassifier
    >>> from zslearn.model_selection import fit_many
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]])
    >>> y = rng.integers(0, 4, size=200)
    >>> X = table.values[y] + rng.normal(scale=0.1, size=(200, 3))
    >>> clf = CVsCClassifier()
    >>> seeds = [{"random_state": seed} for seed in range(3)]
    >>> fitted = fit_many(clf, seeds, X, y, class_attributes=table)
    >>> [(one.random_state, one.batch_random_state) for one in fitted]
    [(0, 0), (1, 0), (2, 0)]
    >>> scores = [one.score(X, y, candidates="seen") for one in fitted]
    >>> f"{np.mean(scores):.1f} +- {np.std(scores, ddof=1):.1f}"
    '1.0 +- 0.0'
    """
    from zslearn._training._stacked import fit_side_by_side  # torch, only where it is needed

    settings = [dict(setting) for setting in settings]
    if not settings:
        raise ValueError("settings holds no setting; give at least one, such as {}")
    estimators = [clone(estimator).set_params(**clone(s, safe=False)) for s in settings]
    share_batches(estimators)
    errors = fit_side_by_side(estimators, X, y, class_attributes)
    failed = [i for i, error in enumerate(errors) if error is not None]
    if failed:
        error = errors[failed[0]]
        assert error is not None
        error.add_note(f"In fit_many, setting {failed[0]}: {settings[failed[0]]!r}.")
        error.add_note(f"{len(failed)} of {len(settings)} settings failed.")
        raise error
    return estimators


def share_batches(estimators: Sequence[Any]) -> None:
    """Let estimators of several seeds share their batches, if nothing is said about these."""
    if not all(hasattr(one, "batch_random_state") for one in estimators):
        return
    if any(one.batch_random_state is not None for one in estimators):
        return
    seeds = [one.random_state for one in estimators]
    if all(isinstance(seed, Integral) and seed == seeds[0] for seed in seeds):
        return
    seed = seeds[0]
    if not isinstance(seed, Integral):
        # Of a copy: what is drawn here would be missing there.
        source = clone(seed, safe=False) if seed is not None else None
        seed = int(check_random_state(source).randint(np.iinfo(np.int32).max))
    for one in estimators:
        one.set_params(batch_random_state=int(seed))
