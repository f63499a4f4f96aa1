"""
Seen and unseen species compete
===============================

In the conventional setting a picture is known to be of some unseen species. In the generalised one
it may be of any, and a classifier prefers what it was trained on: species it has seen. A number,
``delta``, is added to the scores of unseen species to make up for that. Here it is chosen on seen
species only, by letting some of them play the unseen.
"""

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import numpy as np

from zslearn import CVsCClassifier
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.inspection import SeenUnseenCurveDisplay, UnseenConfusionDisplay
from zslearn.metrics import gzsl_scores

guide = make_field_guide(random_state=0)
extractor = PatchDictionaryExtractor(n_atoms=128, random_state=0).fit(guide.images[guide.train])
X, y = extractor.transform(guide.images), guide.target
X_train, y_train = X[guide.train], y[guide.train]

# %%
# A delta for held-out species
# ----------------------------
# In each of three folds ten of the 30 seen species play the unseen. A model is fitted without them,
# and one prediction of what was held out gives the best of all values of delta, exactly, without a
# grid. Then a model is fitted to everything. Pictures and descriptions of the truly unseen species
# have no part in the choice.

tuned = TunedCalibrationClassifierCV(
    CVsCClassifier(delta=0.0, random_state=0), cv=3, store_cv_results=True, random_state=0
)
tuned.fit(X_train, y_train, class_attributes=guide.class_attributes)
print(f"delta = {tuned.best_delta_:.2f}")

# %%
# The harmonic mean of both accuracies in the folds. Models of fewer species have scores of another
# size, so delta is carried over in units of the spread of a model's scores.

curves = tuned.cv_results_
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for delta, score in zip(curves["delta_in_units"], curves["score"], strict=True):
    ax.step(delta, score, where="mid", color="0.7", linewidth=1)
ax.step(
    curves["mean_delta_in_units"], curves["mean_score"], where="mid", color="#0072b2", linewidth=2
)
ax.axvline(tuned.delta_in_units_, color="#d55e00", linestyle="--")
ax.annotate("chosen", (tuned.delta_in_units_, 0.02), (5, 0), textcoords="offset points")
_ = ax.set(
    xlim=(-1, 4),
    xlabel="delta, in standard deviations of the scores",
    ylabel="harmonic mean",
    title="Three folds (grey) and their mean, seen species only",
)

# %%
# Without delta and with it
# -------------------------
# The model inside, with its delta of 0, against the calibrated one, on test pictures.

test = np.concatenate([guide.test_seen, guide.test_unseen])
X_unseen, y_unseen = X[guide.test_unseen], y[guide.test_unseen]
biased = tuned.estimator_
accuracy = biased.score(X_unseen, y_unseen, candidates="unseen")
print(f"conventional, among unseen species only: {accuracy:.2f}")
print("generalised:       unseen   seen  harmonic mean   unseen birds called a seen species")
for name, clf in [("delta 0", biased), (f"delta {tuned.best_delta_:.2f}", tuned)]:
    predicted = clf.predict(X[test])
    scores = gzsl_scores(y[test], predicted, seen_classes=clf.seen_classes_)
    mistaken = np.isin(predicted[np.isin(y[test], guide.unseen_classes)], clf.seen_classes_).mean()
    print(
        f"  {name:14} {scores.unseen:8.2f} {scores.seen:6.2f} {scores.harmonic_mean:14.2f} "
        f"{mistaken:20.0%}"
    )

# %%
# The last column of each matrix is the bias: pictures of unseen species that were taken for a seen
# one. With delta most of it is gone. What is left are mistakes among unseen species, which no delta
# can mend, and which the conventional setting has, too.

fig, axes = plt.subplots(1, 2, figsize=(9, 5), layout="compressed")
for ax, (name, clf) in zip(axes, [("delta = 0", biased), ("delta chosen", tuned)], strict=True):
    display = UnseenConfusionDisplay.from_estimator(
        clf, X_unseen, y_unseen, candidates="all", order="table", ax=ax
    )
    ax.set_title(f"{name}: U = {display.accuracy:.2f}")
    display.image_.colorbar.remove()
    for text in display.text_.flat:
        text.set_fontsize(7)
_ = axes[1].set(yticks=[], ylabel="")

# %%
# All deltas at once
# ------------------
# As delta grows, accuracy on unseen species is bought with accuracy on seen ones. The area under
# the curve judges a model without any delta. Test pictures draw this curve: the best point on it is
# best in hindsight, and nothing one could have known.

display = SeenUnseenCurveDisplay.from_estimator(tuned, X[test], y[test], name="CVsC")
without = gzsl_scores(y[test], biased.predict(X[test]), seen_classes=biased.seen_classes_)
at = (without.unseen, without.seen)
display.ax_.plot(*at, "o", color="#d55e00", zorder=5)
display.ax_.annotate("δ = 0", at, (4, -14), textcoords="offset points")

unseen, seen, _ = display.curve
hindsight = np.max(2 * unseen * seen / (unseen + seen))
print(f"harmonic mean with the chosen delta {display.harmonic_mean:.3f}")
print(f"best in hindsight                   {hindsight:.3f}")
plt.show()
