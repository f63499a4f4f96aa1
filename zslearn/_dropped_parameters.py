"""Parameters that a pipeline of scikit-learn takes and does not hand on."""

from __future__ import annotations

import sys
from types import FrameType

from sklearn import get_config
from sklearn.pipeline import Pipeline

__all__ = ["refuse_dropped_parameters"]


def refuse_dropped_parameters() -> None:
    """Raise if the caller, a ``score``, was called by a pipeline that dropped parameters.

    Without metadata routing, ``Pipeline.score(X, y, **params)`` looks at none of them and says
    nothing: an accuracy over all candidates would be taken for that over the unseen ones. What it
    was given is still to be seen where it was called.
    """
    if get_config()["enable_metadata_routing"]:
        return
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_name == "score":
        given = frame.f_locals
        if not isinstance(given.get("self"), Pipeline):
            return
        if given.get("params"):
            names = ", ".join(given["params"])
            raise ValueError(
                f"Pipeline.score was given {names}, which scikit-learn drops without metadata "
                "routing. Turn it on, sklearn.set_config(enable_metadata_routing=True), or score "
                "predictions: per_class_accuracy_score(y, pipeline.predict(X, candidates=...))."
            )
        frame = frame.f_back
