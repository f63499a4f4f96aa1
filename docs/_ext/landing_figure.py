"""Draw the figure of the landing page: ``python docs/_ext/landing_figure.py``."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from zslearn import CVsCClassifier
from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import ImageClassifier, PatchDictionaryExtractor
from zslearn.inspection import AttributeAttentionDisplay, SemanticExplanationDisplay

TARGET = Path(__file__).parents[1] / "_static" / "landing.png"


def main() -> None:
    """Train on made-up birds, and draw why one of an unseen species is recognised."""
    guide = make_field_guide(800, n_classes=20, n_unseen=5, random_state=0)
    network = CVsCClassifier(
        head="own", max_epochs=20, learning_rate_schedule="constant", delta=2.0, random_state=0
    )
    clf = ImageClassifier(PatchDictionaryExtractor(random_state=0), network)
    clf.fit(
        guide.images[guide.train],
        guide.target[guide.train],
        class_attributes=guide.class_attributes,
    )
    unseen = guide.images[guide.test_unseen]
    truth = guide.target[guide.test_unseen]
    right = np.flatnonzero(clf.predict(unseen) == truth)
    print(f"{len(right)} of {len(truth)} pictures of unseen species named right, among all 20")
    whole = (guide.part_visible[guide.test_unseen][right] > 0.8).all(axis=1)
    shown = right[whole][:1]  # the first of which every part can be seen
    picture = unseen[shown]
    figure = plt.figure(figsize=(10, 5.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.75))
    AttributeAttentionDisplay.from_estimator(
        clf,
        picture,
        images=picture,
        y=truth[shown],
        n_attributes=5,
        axes=upper.subplots(1, 6, squeeze=False),
    )
    SemanticExplanationDisplay.from_estimator(clf, picture, max_attributes=6, ax=lower.subplots())
    figure.savefig(TARGET, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
