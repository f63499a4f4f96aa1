"""Labels that scikit-learn has replaced by numbers before a fit: found by who calls it."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Functions of scikit-learn that fit an estimator on other labels than the caller's.
_ENCODERS = {
    ("sklearn.ensemble._base", "_fit_single_estimator"): "a voting or stacking ensemble",
    ("sklearn.ensemble._bagging", "_parallel_build_estimators"): "BaggingClassifier",
    ("sklearn.multiclass", "_fit_binary"): "a multiclass strategy",
    ("sklearn.multiclass", "_partial_fit_binary"): "a multiclass strategy",
    ("sklearn.multiclass", "_fit_ovo_binary"): "a multiclass strategy",
    ("sklearn.multiclass", "_partial_fit_ovo_binary"): "a multiclass strategy",
    ("sklearn.model_selection._validation", "_fit_and_predict"): "cross_val_predict",
}
_ENCODED_METHODS = ("decision_function", "predict_proba", "predict_log_proba")


def refuse_encoded_labels(seen: NDArray[Any], labels: NDArray[Any]) -> None:
    """Raise if a meta-estimator of scikit-learn has numbered the classes anew.

    Its numbers may be labels of the table too, but of other classes.

    Parameters
    ----------
    seen : ndarray
        Sorted labels that `fit` was given.
    labels : ndarray
        Labels of the table.
    """
    if seen.dtype.kind not in "iu":
        return
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = _ENCODERS.get((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
        if name == "cross_val_predict" and frame.f_locals.get("method") not in _ENCODED_METHODS:
            name = None
        if name is not None and not _are_the_callers(frame, labels):
            raise ValueError(
                f"y holds numbers such as {seen[:3].tolist()} that {name} of scikit-learn has put "
                "in the place of the labels: they would meet the rows of other classes in "
                "class_attributes. It can be used with a table only where the labels in y are 0, "
                "1, ... without a gap; zslearn.ensemble, zslearn.calibration and cross_validate "
                "keep labels as they are."
            )
        frame = frame.f_back


def _are_the_callers(frame: FrameType, labels: NDArray[Any]) -> bool:
    """Whether the labels before they were encoded, where they can be found, were these numbers."""
    caller: FrameType | None = frame
    while caller is not None:
        classes = _classes_before(caller)
        if classes is not None:
            return bool(np.array_equal(classes, np.arange(len(classes))))
        caller = caller.f_back
    # In a worker process: sure only if each class of the table has samples.
    y = frame.f_locals.get("y")
    complete = isinstance(y, np.ndarray) and y.ndim == 1 and len(np.unique(y)) == len(labels)
    return complete and np.array_equal(np.sort(labels), np.arange(len(labels)))


def _classes_before(frame: FrameType) -> NDArray[Any] | None:
    """Classes that a frame of an ensemble or of cross_val_predict knows from before encoding."""
    if not frame.f_globals.get("__name__", "").startswith("sklearn."):
        return None
    if frame.f_code.co_name == "cross_val_predict":
        return getattr(frame.f_locals.get("le"), "classes_", None)
    owner = frame.f_locals.get("ensemble", frame.f_locals.get("self"))
    if not type(owner).__module__.startswith("sklearn.ensemble."):
        return None
    for encoder in ("le_", "_label_encoder"):
        if hasattr(owner, encoder):
            return getattr(getattr(owner, encoder), "classes_", None)
    return getattr(owner, "classes_", None)
