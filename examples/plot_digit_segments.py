"""
Real digits, told by their segments
===================================

Handwritten digits, described as a calculator shows them: which of seven segments are lit. The
classifier gets pictures of seven digits and is to read the other three, knowing nothing of them but
their segments. The pictures come with scikit-learn.
"""

import matplotlib.pyplot as plt
import numpy as np

from zslearn import CVsCClassifier
from zslearn.datasets import load_digit_segments
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.inspection import AttributeAttentionDisplay, UnseenConfusionDisplay
from zslearn.metrics import per_class_accuracy_score
from zslearn.model_selection import fit_many

digits = load_digit_segments(unseen=(3, 6, 9))
table = digits.class_attributes
print(table.to_frame().astype(int).T)

# %%
# Regions that know their place
# -----------------------------
# A stroke is the top segment because of where it is. So each patch of 3 x 3 pixels is a region, and
# its place is among its features. (Positions did better than none, and the whole set better than
# bare pixels, when pairs of the seven seen digits played the unseen.)

extractor = PatchDictionaryExtractor(
    n_atoms=64, patch_size=3, stride=1, grid_shape=None, positions=True, random_state=0
)
X = extractor.fit(digits.images[digits.train]).transform(digits.images)
y = digits.target
print(X.shape, extractor.grid_shape_)

# %%
# Digits nobody has shown
# -----------------------
# Seven digits are few to learn seven segments from: two segments that mostly go together can be
# taken for each other. What is learned then depends on the start, so here are five seeds.

fitted = fit_many(
    CVsCClassifier(),
    [{"random_state": seed} for seed in range(5)],
    X[digits.train],
    y[digits.train],
    class_attributes=table,
)
X_unseen, y_unseen = X[digits.test_unseen], y[digits.test_unseen]
scores = [
    per_class_accuracy_score(y_unseen, clf.predict(X_unseen, candidates="unseen")) for clf in fitted
]
print("accuracy of each seed:", " ".join(f"{score:.2f}" for score in scores))
print(f"mean {np.mean(scores):.2f}, standard deviation {np.std(scores, ddof=1):.2f}, chance 0.33")

# %%
# Above chance, and far apart: a single number from such a small problem says little. Here is the
# model of the first seed; nothing about the unseen digits chose it.

clf = fitted[0]
answers = clf.predict(X_unseen, candidates="unseen")

fig, axes = plt.subplots(3, 9, figsize=(8.5, 3.6), layout="constrained")
for line, digit in zip(axes, digits.unseen_classes, strict=True):
    for ax, row in zip(line, np.flatnonzero(y_unseen == digit)[:9], strict=True):
        right = answers[row] == digit
        ax.imshow(1 - digits.images[digits.test_unseen[row]], cmap="gray", vmin=0, vmax=1)
        ax.set_title(f"read: {answers[row]}", fontsize=9, color="#0072b2" if right else "#d55e00")
        ax.set_axis_off()

# %%
# Which digit was read as which:

display = UnseenConfusionDisplay.from_estimator(clf, X_unseen, y_unseen)
display.ax_.tick_params(axis="x", rotation=0)

# %%
# Where the segments look
# -----------------------
# One picture of each unseen digit, and where four segments look for themselves. ``class`` is 1 if
# the digit lights the segment. A segment that is dark in a digit still looks somewhere, and may
# tell by what it finds there that it is dark. Nobody has told the classifier where a segment is:
# some maps are where a calculator has it, others are not.

rows = [np.flatnonzero(y_unseen == digit)[0] for digit in digits.unseen_classes]
AttributeAttentionDisplay.from_estimator(
    clf,
    X_unseen[rows],
    1 - digits.images[digits.test_unseen[rows]],
    y=y_unseen[rows],
    attributes=["top", "upper left", "lower left", "bottom"],
    grid_shape=extractor.grid_shape_,
)
plt.show()
