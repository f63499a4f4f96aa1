"""Answers of a model, a row a picture, as CSV or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zslearn._cli._arguments import as_json

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from zslearn._scored_prediction import ScoredPrediction

__all__ = ["Answer", "as_csv", "rank_classes", "write_answers"]


class Answer(NamedTuple):
    """What a model says of a picture."""

    file: str
    label: Any  # None where the picture could not be read
    classes: list[Any] = []  # the most probable ones, in that order
    probabilities: list[float] = []
    error: str | None = None


def rank_classes(
    classifier: ScoredPrediction,
    files: Sequence[str],
    scores: ArrayLike,
    candidates: Any,
    n_best: int,
) -> list[Answer]:
    """Give the label of each row of uncalibrated scores, and its most probable classes.

    Probabilities are calibrated, and among the candidates.
    """
    from zslearn._calibrated import add_delta, as_probabilities

    labels = classifier.predict_from_uncalibrated(scores, candidates=candidates)
    columns = classifier._candidate_columns(candidates, classifier.class_attributes_)
    classes = classifier.classes_[columns]
    among = np.asarray(scores)[:, columns]
    calibration = classifier._calibration(classes)
    shares = as_probabilities(among, *calibration)
    # Scores tell classes apart of which the probabilities are rounded to one or to zero.
    order = np.argsort(-add_delta(among, *calibration), axis=1, kind="stable")[:, :n_best]
    return [
        Answer(file, label, classes[best].tolist(), row[best].tolist())
        for file, label, best, row in zip(files, labels.tolist(), order, shares, strict=True)
    ]


def as_csv(answers: Sequence[Answer], n_best: int, *, errors: bool) -> str:
    """Write a header and a row a picture; the last column says why one could not be read."""
    header = ["file", "label"]
    for place in range(1, n_best + 1):
        header += [f"class_{place}", f"probability_{place}"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*header, "error"] if errors else header)
    for answer in answers:
        row = [answer.file, "" if answer.label is None else answer.label]
        for name, share in zip(answer.classes, answer.probabilities, strict=True):
            row += [name, f"{share:.4g}"]
        row += [""] * (len(header) - len(row))
        writer.writerow([*row, answer.error or ""] if errors else row)
    return text.getvalue()


def write_answers(answers: Sequence[Answer], path: Path, n_best: int, *, errors: bool) -> None:
    """Write a .csv or .json file, which appears when it is complete."""
    from zslearn._cli._files import write_atomically

    if path.suffix.lower() == ".csv":
        write_atomically(path, as_csv(answers, n_best, errors=errors))
        return
    rows = []
    for answer in answers:
        pairs = zip(answer.classes, answer.probabilities, strict=True)
        best = [{"class": name, "probability": share} for name, share in pairs]
        row = {"file": answer.file, "label": answer.label, "classes": best}
        rows.append(row | ({"error": answer.error} if answer.error else {}))
    write_atomically(path, as_json(rows) + "\n")
