"""
A new class after training
==========================

A classifier is in use, and somebody describes five more species. A description is enough to name
them: nothing is trained. Later some pictures of them arrive, and the classifier learns from these.
"""

import copy

import matplotlib.pyplot as plt
import numpy as np

from zslearn import CVsCClassifier
from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.metrics import per_class_accuracy_score

# %%
# The classifier in use
# ---------------------
# It was fitted to the pictures of 30 species and their descriptions. The five others are not in its
# table: nobody had described them yet.

guide = make_field_guide(n_classes=35, n_unseen=5, random_state=0)
new_species = guide.unseen_classes
described = guide.class_attributes  # all 35
old = described.subset(guide.seen_classes)

extractor = PatchDictionaryExtractor(n_atoms=128, random_state=0)
X = extractor.fit(guide.images[guide.train]).transform(guide.images)
y = guide.target
clf = CVsCClassifier(random_state=0).fit(X[guide.train], y[guide.train], class_attributes=old)
print(f"{len(clf.classes_)} species known, each of them seen")

# %%
# A description is enough
# -----------------------
# The table of the call takes the place of the fitted one. It has a row for each species that may be
# an answer, so the old ones are in it, too.

rows = guide.test_unseen
answers = clf.predict(X[rows], class_attributes=described)

accuracy = per_class_accuracy_score(y[rows], answers)
print(f"new species, among all {described.n_classes}: {accuracy:.2f} (chance {1 / 35:.3f})")

# %%
# What happens to the scores of the old species? Nothing: the score of a species is the product of
# the picture's attributes with its own row. Only the choice is larger, so an old species can lose a
# picture to a new one. How readily is a matter of ``delta``, which is added to the scores of
# species without pictures. It is the default here; :doc:`another example
# </auto_examples/plot_calibration>` chooses it.

before = clf.decision_function(X[guide.test_seen])
after = clf.decision_function(X[guide.test_seen], class_attributes=described)
is_old = np.isin(described.labels, old.labels)
print("largest change of an old score:", np.abs(after[:, is_old] - before).max())

y_seen = y[guide.test_seen]
for name, table in (("before", old), ("after", described)):
    said = clf.predict(X[guide.test_seen], class_attributes=table)
    print(f"seen species, {name}: {per_class_accuracy_score(y_seen, said):.2f}")

# %%
# The five new species, with the share of their pictures that was recognised.

fig, axes = plt.subplots(1, 5, figsize=(8.5, 2.1), layout="constrained")
for ax, species in zip(axes, new_species, strict=True):
    own = y[rows] == species
    ax.imshow(guide.images[rows[own][0]])
    ax.set_title(f"{species}\n{np.mean(answers[own] == species):.0%} recognised", fontsize=9)
    ax.set_axis_off()

# %%
# Pictures arrive
# ---------------
# Twelve pictures of each new species may be learned from; the others stay for the test. The species
# must be in the table that the training goes on with. So fit once with the larger table, still
# without their pictures. (Describe species at the first ``fit`` if you know that they will come.)

arrived = np.concatenate([rows[y[rows] == species][:12] for species in new_species])
test_new = np.setdiff1d(rows, arrived)


def accuracies(clf):
    """Accuracy on new and on old species, among all."""
    return [
        per_class_accuracy_score(y[test], clf.predict(X[test]))
        for test in (test_new, guide.test_seen)
    ]


clf = CVsCClassifier(random_state=0)
clf.fit(X[guide.train], y[guide.train], class_attributes=described)

# %%
# ``partial_fit`` makes one pass over the pictures given. Given new ones alone, the classifier
# forgets the old species. So mix in pictures of these: here twelve each, drawn anew for each pass.

rng = np.random.default_rng(0)


def some_old():
    """Twelve pictures of each old species."""
    order = rng.permutation(guide.train)
    return np.concatenate([order[y[order] == species][:12] for species in guide.seen_classes])


curves = {}
for name in ("new pictures alone", "old pictures mixed in"):
    learner = copy.deepcopy(clf)
    curves[name] = [accuracies(learner)]
    for _ in range(6):
        batch = arrived
        if name == "old pictures mixed in":
            batch = np.concatenate([arrived, some_old()])
        learner.partial_fit(X[batch], y[batch])
        curves[name].append(accuracies(learner))

# %%
# The other way is to fit anew, to everything. That takes longer, and is not bound to be better: a
# new species has a third of the pictures of an old one, no ``delta`` stands by it any more, and
# each pass sees mostly old ones, while the passes above had as many of each.

everything = np.concatenate([guide.train, arrived])
anew = CVsCClassifier(random_state=0).fit(X[everything], y[everything], class_attributes=described)
refitted = accuracies(anew)

print(f"{'':24}{'new':>6}{'old':>6}")
print("{:24}{:6.2f}{:6.2f}".format("description alone", *curves["new pictures alone"][0]))
for name, curve in curves.items():
    print("{:24}{:6.2f}{:6.2f}".format(name, *curve[-1]))
print("{:24}{:6.2f}{:6.2f}".format("fitted anew", *refitted))

fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.4), sharey=True, layout="constrained")
for ax, kind, column in zip(axes, ("new species", "old species, held out"), (0, 1), strict=True):
    styles = (("#d55e00", "o", "--"), ("#0072b2", "s", "-"))
    for (name, curve), (color, marker, line) in zip(curves.items(), styles, strict=True):
        values = [point[column] for point in curve]
        ax.plot(values, color=color, marker=marker, linestyle=line, label=f"partial_fit, {name}")
    ax.axhline(refitted[column], color="0.4", linestyle=":", label="fitted anew")
    ax.set(title=kind, xlabel="calls of partial_fit", ylim=(0, 1))
axes[0].set_ylabel("mean per-class accuracy, among all 35")
axes[1].legend(fontsize="small", loc="lower left")
plt.show()
