"""The score of a class for one sample, taken apart into what each attribute adds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted

from zslearn._wrapped import through_steps
from zslearn.inspection._calibrated_scores import calibration_rule


class ScoreDifference(NamedTuple):
    """Why one class scores higher than another, for one sample."""

    contributions: NDArray[np.float64]
    attribute_names: tuple[str, ...]
    class_name: Any
    other_name: Any
    predicted_name: Any
    calibration: float
    pooled: float
    predicted_values: NDArray[np.float64]
    class_values: NDArray[np.float64]
    note: str | None


def explain_score(
    estimator: Any, X: Any, target: Any, other: Any, class_attributes: Any, caller: str
) -> ScoreDifference:
    """Take the difference of two classes' scores apart.

    Without a target, the predicted class is explained; without another class, the best of the
    rest.

    Raises
    ------
    TypeError
        If the class scores are no sums over attributes.
    ValueError
        If there is not one sample, or a class is not described.
    """
    _require_one(X)
    final, X = through_steps(estimator, X)
    check_is_fitted(final)
    _require_linear(final, caller)
    rule, _ = calibration_rule(final, class_attributes)
    table = rule.class_attributes_
    if table.n_classes < 2:
        raise ValueError(
            f"{caller} compares two classes, but only {table.labels.tolist()[0]!r} is described."
        )
    options = {} if class_attributes is None else {"class_attributes": class_attributes}
    semantics = np.asarray(final.predict_attributes(X), dtype=np.float64)[0]
    by_class, rests = _terms(final, X, semantics, options)
    scores = np.asarray(final.uncalibrated_scores(X, **options), dtype=np.float64)[0]
    labels = final.classes_ if class_attributes is None else table.labels
    order = np.argsort(labels)
    by_class, rests, scores = by_class[order], rests[order], scores[order]

    unseen = ~np.isin(table.labels, rule.seen_classes_)
    predicted = int(table.index_of(rule.predict_from_uncalibrated(scores[np.newaxis]))[0])
    c = predicted if target is None else _position(table, target, "target")
    ranking = _calibrated(scores, unseen, rule.delta, rule.delta_scale)
    ranking[c] = -np.inf
    o = int(ranking.argmax()) if other is None else _position(table, other, "other")
    if c == o:
        raise ValueError(
            f"target and other are the same class, {table.labels.tolist()[c]!r}: give another, or "
            "leave other out for the best of the rest."
        )
    contributions, pooled = by_class[c] - by_class[o], float(rests[c] - rests[o])
    size = float(np.abs(by_class[[c, o]]).sum() + np.abs(rests[[c, o]]).sum())
    _require_sum(final, contributions.sum() + pooled, scores[c] - scores[o], size, caller)
    side = int(unseen[c]) - int(unseen[o])
    calibration, note = 0.0, None
    if side and rule.delta:
        if rule.delta_scale == "logit" and np.isfinite(rule.delta):
            calibration = side * rule.delta
        else:
            note = _note(rule, scores, unseen, (c, o))
    class_name, other_name, predicted_name = table.labels[[c, o, predicted]].tolist()
    return ScoreDifference(
        contributions=contributions,
        attribute_names=table.attribute_names,
        class_name=class_name,
        other_name=other_name,
        predicted_name=predicted_name,
        calibration=calibration,
        pooled=pooled,
        predicted_values=semantics,
        class_values=table.values[[c, o]],
        note=note,
    )


def _terms(
    final: Any, X: Any, semantics: NDArray[np.float64], options: dict[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give what each attribute adds to the scores of the classes (C, K), and the rest (C,)."""
    if hasattr(final, "class_embeddings"):
        embeddings = np.asarray(final.class_embeddings(**options), dtype=np.float64)
        return semantics * embeddings, np.zeros(len(embeddings))
    terms = np.asarray(final.score_terms(X, **options), dtype=np.float64)[0]
    return terms[:, :-1], terms[:, -1]


def _calibrated(
    scores: NDArray[np.float64], unseen: NDArray[np.bool_], delta: float, scale: str
) -> NDArray[np.float64]:
    """Scores in the order in which predict prefers the classes."""
    if not delta:
        return scores.copy()
    if np.isinf(delta):
        # Above or below all others, and as scored among themselves.
        return scores + np.sign(delta) * unseen * (np.ptp(scores) + 1.0)
    return (softmax(scores) if scale == "probability" else scores) + delta * unseen


def _note(
    rule: Any, scores: NDArray[np.float64], unseen: NDArray[np.bool_], pair: tuple[int, int]
) -> str:
    """Say what delta does where it is no term of the sum."""
    if np.isinf(rule.delta):
        winner = "unseen" if rule.delta > 0 else "seen"
        return f"delta = {rule.delta} decides: {winner} classes win whatever their scores"
    shares = softmax(scores)
    sign = "+" if rule.delta > 0 else "\N{MINUS SIGN}"
    sums = [
        f"{shares[i]:.3f}" + (f" {sign} {abs(rule.delta):.3g}" if unseen[i] else "") for i in pair
    ]
    return f"delta is added to probabilities, not to these scores: {sums[0]} against {sums[1]}"


def _position(table: Any, label: Any, argument: str) -> int:
    try:
        return int(table.index_of([label])[0])
    except ValueError as error:
        raise ValueError(f"{argument} must be the label of a described class: {error}") from None


def _require_one(X: Any) -> None:
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    if n != 1:
        raise ValueError(
            f"X must hold one sample, found {n}: pass X[i : i + 1], or X[None] for the regions of "
            "one picture."
        )


def _require_linear(estimator: Any, caller: str) -> None:
    needed = ("predict_attributes", "class_embeddings", "uncalibrated_scores", "class_attributes_")
    absent = [method for method in needed if not hasattr(estimator, method)]
    if hasattr(estimator, "score_terms"):
        absent = [method for method in absent if method != "class_embeddings"]
    if absent:
        raise TypeError(
            f"{caller} explains class scores that are sums over attributes, "
            f"predict_attributes(X) @ class_embeddings().T, but {type(estimator).__name__} has no "
            f"{' and no '.join(absent)}. CVsCClassifier has them, and ensembles of it with "
            "average='score'."
        )


def _require_sum(
    estimator: Any,
    total: float,
    difference: float,
    size: float,
    caller: str,
) -> None:
    """Refuse an estimator whose scores are something else than what is drawn."""
    if not np.isfinite([difference, total]).all():
        raise ValueError("The class scores of X are NaN or infinite: there is nothing to explain.")
    # Scores are sums in float32; what they are the sums of tells how far they are rounded.
    if abs(total - difference) > 1e-5 * size:
        raise TypeError(
            f"{caller} explains class scores that are sums over attributes, but those of "
            f"{type(estimator).__name__} differ by {difference:.6g} where the attributes sum to "
            f"{total:.6g}: its uncalibrated_scores are not predict_attributes(X) @ "
            "class_embeddings().T."
        )
