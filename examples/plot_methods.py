"""
Which method: seconds first
===========================

Linear methods take one vector a picture and seconds a fit. Here are five of them on the same
vectors, with intervals that say how much ten unseen species can tell.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.linear_model import (
    ConSEClassifier,
    DAPClassifier,
    ESZSLClassifierCV,
    PrototypeRegressionClassifierCV,
    SAEClassifier,
)
from zslearn.metrics import best_calibration, bootstrap_interval

# %%
# One vector a picture
# --------------------
# Pictures of made-up birds, of 30 seen and 10 unseen species. All methods take regions too, and use
# the mean over them.

guide = make_field_guide(random_state=0)
extractor = PatchDictionaryExtractor(random_state=0).fit(guide.images[guide.train])
X = extractor.transform(guide.images).mean(axis=1)
y = guide.target
train, test = guide.train, np.concatenate([guide.test_seen, guide.test_unseen])
print(X.shape)

# %%
# How to scale them
# -----------------
# Scaling matters as much as the method, and is chosen like any other setting: on seen species held
# out of training. The ``...CV`` estimators try their whole grid of settings on such folds, with one
# eigenbasis a fold instead of a fit a setting.

held_out = {}
for scaling in ("unit_length", "standard", "min_max"):
    search = ESZSLClassifierCV(scaling=scaling)
    search.fit(X[train], y[train], class_attributes=guide.class_attributes)
    held_out[scaling] = search.best_score_
    print(f"{scaling:12} AUSUC on held-out species {search.best_score_:.3f}")
scaling = max(held_out, key=held_out.get)

# %%
# Five methods
# ------------
# T1 is accuracy among the unseen species alone. H is the harmonic mean of the accuracies on seen
# and unseen species, among all of them, with the best ``delta`` in hindsight: it compares methods,
# and is no claim about use, for which
# :class:`~zslearn.calibration.TunedCalibrationClassifierCV` chooses ``delta`` on held-out species.

methods = {
    "SAE": SAEClassifier(scaling=scaling),
    "DAP": DAPClassifier(scaling=scaling),
    "ConSE": ConSEClassifier(scaling=scaling),
    "ESZSL, tuned": ESZSLClassifierCV(scaling=scaling),
    "prototypes, tuned": PrototypeRegressionClassifierCV(scaling=scaling),
}
T1, H = {}, {}
for name, clf in methods.items():
    start = perf_counter()
    clf.fit(X[train], y[train], class_attributes=guide.class_attributes)
    seconds = perf_counter() - start
    unseen = guide.test_unseen
    T1[name] = bootstrap_interval(
        "per_class_accuracy_score",
        y[unseen],
        clf.predict(X[unseen], candidates="unseen"),
        random_state=0,
    )
    scores = clf.uncalibrated_scores(X[test])
    classes = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    H[name] = bootstrap_interval(best_calibration, y[test], scores, random_state=0, **classes)
    print(f"{name:18} T1 {T1[name].estimate:.2f}  H {H[name].estimate[1]:.2f}  {seconds:.1f} s")

# %%
# The bars span 95% of what other draws of species would give. Methods whose bars overlap are best
# compared pair by pair on the same draws, with ``bootstrap_interval(..., y_pred_other=...)``.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
places = np.arange(len(methods))
low, middle, high = np.array([(i.low, i.estimate, i.high) for i in T1.values()]).T
axes[0].errorbar(middle, places, xerr=[middle - low, high - middle], fmt="o", color="#0072b2")
axes[0].axvline(1 / len(guide.unseen_classes), color="0.6", linestyle=":")
axes[0].set(xlabel="T1 (dotted: chance)", yticks=places, yticklabels=list(methods))
low, middle, high = np.array([(i.low[1], i.estimate[1], i.high[1]) for i in H.values()]).T
axes[1].errorbar(middle, places, xerr=[middle - low, high - middle], fmt="o", color="#d55e00")
axes[1].set(xlabel="best H")
for ax in axes:
    ax.set_xlim(0, 1)
plt.show()
