"""
First fit: name birds nobody has shown
======================================

A field guide of made-up birds. It describes 40 species in words, and has pictures of 30 of them to
learn from. The classifier learns how words look, and then names the other ten.
"""

import matplotlib.pyplot as plt
import numpy as np

from zslearn import CVsCClassifier
from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.inspection import UnseenConfusionDisplay
from zslearn.metrics import gzsl_scores, per_class_accuracy_score

# %%
# Pictures and descriptions
# -------------------------
# The pictures come with a table: a row for each species, seen or not, and a column for each
# attribute, which says what share of the species has it. That table is all we know of the unseen
# species.

guide = make_field_guide(random_state=0)
table = guide.class_attributes
print(f"{len(guide.images)} pictures of {table.n_classes} species, {table.n_attributes} attributes")
print(f"species with pictures to learn from: {len(guide.seen_classes)}")

species = guide.unseen_classes[0]
usual = np.flatnonzero(table.subset([species]).values[0] > 0.5)
print(f"\n{species} (unseen):")
for k in usual[:6]:
    print(f"  {table.attribute_names[k]:28} {table.subset([species]).values[0, k]:.0%}")
print(f"  ... and {len(usual) - 6} more")

# %%
# Regions
# -------
# An attribute belongs to a part of the bird, so the classifier wants a picture as regions: here 8 x
# 8, each described by how much it looks like 256 patches learned from the training pictures. With
# photographs, :class:`~zslearn.feature_extraction.TimmRegionExtractor` takes the regions from a
# pretrained network.

extractor = PatchDictionaryExtractor(random_state=0).fit(guide.images[guide.train])
X = extractor.transform(guide.images)
y = guide.target
print(X.shape)

# %%
# Fit and predict
# ---------------
# ``fit`` gets pictures of the 30 seen species and the whole table: a species without pictures is
# an unseen class. ``predict`` chooses among all species unless it is told otherwise.

clf = CVsCClassifier(random_state=0)
clf.fit(X[guide.train], y[guide.train], class_attributes=table)

X_seen, y_seen = X[guide.test_seen], y[guide.test_seen]
X_unseen, y_unseen = X[guide.test_unseen], y[guide.test_unseen]

among_unseen = clf.predict(X_unseen, candidates="unseen")
accuracy = per_class_accuracy_score(y_unseen, among_unseen)
chance = 1 / len(clf.unseen_classes_)
print(f"unseen species, told apart among themselves: {accuracy:.2f} (chance {chance:.2f})")

y_test = np.concatenate([y_seen, y_unseen])
named = np.concatenate([clf.predict(X_seen), clf.predict(X_unseen)])
scores = gzsl_scores(y_test, named, seen_classes=clf.seen_classes_)
print(f"among all {len(clf.classes_)} species (chance {1 / len(clf.classes_):.3f}):")
print(f"  unseen species {scores.unseen:.2f}")
print(f"  seen species   {scores.seen:.2f}, on pictures that were held out")
print(f"  harmonic mean  {scores.harmonic_mean:.2f}")

# %%
# All accuracies are means over species. The last three depend on ``delta``, a bonus for unseen
# species, which :doc:`another example </auto_examples/plot_calibration>` chooses.
#
# Which species are hard
# ----------------------
# A picture of each unseen species, with its name where it was recognised among the unseen ones,
# and otherwise with what it was taken for.

first = [np.flatnonzero(y_unseen == name)[0] for name in clf.unseen_classes_]
fig, axes = plt.subplots(2, 5, figsize=(8.5, 4.1), layout="constrained")
for ax, row in zip(axes.flat, first, strict=True):
    right = among_unseen[row] == y_unseen[row]
    ax.imshow(guide.images[guide.test_unseen[row]])
    ax.set_title(
        f"{y_unseen[row]}\n{'recognised' if right else f'said: {among_unseen[row]}'}",
        fontsize=8.5,
        color="#0072b2" if right else "#d55e00",
    )
    ax.set_axis_off()

# %%
# Over all pictures: a row for each species, and what share of its pictures was taken for which.
# Species with similar descriptions are neighbours. Some are recognised far better than others, and
# so ten species say little about a difference of a few points.

display = UnseenConfusionDisplay.from_estimator(clf, X_unseen, y_unseen)
display.ax_.set_title(f"Told apart among the unseen: {display.accuracy:.2f}")
plt.show()
