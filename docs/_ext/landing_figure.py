"""Draw the figure of the landing page: ``python docs/_ext/landing_figure.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from zslearn import CVsCClassifier
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.inspection import SeenUnseenCurveDisplay, UnseenConfusionDisplay
from zslearn.metrics import gzsl_scores

TARGET = Path(__file__).parents[1] / "_static" / "landing.png"


def draw_birds(axes: Any, images: Any, truth: Any, told: Any) -> None:
    """Draw the first test picture of each unseen species, with what it was taken for."""
    for ax, name in zip(axes, np.unique(truth), strict=True):
        row = np.flatnonzero(truth == name)[0]
        right = told[row] == name
        ax.imshow(images[row])
        ax.set_axis_off()
        ax.set_title(
            f"{name}\n{'recognised' if right else f'taken for {told[row]}'}",
            fontsize=9,
            color="#0072b2" if right else "#d55e00",
        )


def main() -> None:
    """Train on made-up birds, choose delta on held-out species, and draw how the unseen fare."""
    guide = make_field_guide(1200, n_classes=30, n_unseen=5, random_state=0)
    extractor = PatchDictionaryExtractor(random_state=0).fit(guide.images[guide.train])
    X, y = extractor.transform(guide.images), guide.target
    network = CVsCClassifier(
        head="own", max_epochs=30, learning_rate_schedule="constant", delta=0.0, random_state=0
    )
    clf = TunedCalibrationClassifierCV(network, cv=3, random_state=0)
    clf.fit(X[guide.train], y[guide.train], class_attributes=guide.class_attributes)
    test, unseen = np.concatenate([guide.test_seen, guide.test_unseen]), guide.test_unseen

    figure = plt.figure(figsize=(10, 6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.7))
    draw_birds(upper.subplots(1, 5), guide.images[unseen], y[unseen], clf.predict(X[unseen]))
    axes = lower.subplots(1, 3, width_ratios=(1, 1, 1.15))
    for ax, (told, one) in zip(
        axes, (("delta 0", clf.estimator_), (f"delta {clf.best_delta_:.2f}", clf)), strict=False
    ):
        display = UnseenConfusionDisplay.from_estimator(
            one, X[unseen], y[unseen], candidates="all", order="table", ax=ax
        )
        display.image_.colorbar.remove()
        ax.set_title(f"{told}: {display.accuracy:.0%} right", fontsize=10)
    axes[1].set(yticks=[], ylabel="")
    SeenUnseenCurveDisplay.from_estimator(clf, X[test], y[test], name="CVsC", ax=axes[2])
    without = gzsl_scores(
        y[test], clf.estimator_.predict(X[test]), seen_classes=clf.estimator_.seen_classes_
    )
    axes[2].plot(without.unseen, without.seen, "o", color="#d55e00", zorder=5)
    axes[2].annotate("delta 0", (without.unseen, without.seen), (5, 6), textcoords="offset points")
    figure.savefig(TARGET, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
