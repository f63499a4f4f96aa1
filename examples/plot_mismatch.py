"""
Descriptions say more than pictures show
========================================

A description is of a species; a picture is of one bird, half of it behind a leaf. And attributes
that go together among the seen species invite a model to look at the wrong part. Both lead to
spurious correlation of words and looks (Figure 1 of the paper). Here the truth about every picture
is known, so that we can ask what each loss of CVsC does about it.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from scipy.stats import rankdata

from zslearn import CVsCClassifier
from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.model_selection import fit_many

guide = make_field_guide(1000, random_state=0)
table = guide.class_attributes

# %%
# Eight training pictures of a species, and what its description says it usually has. Only the blue
# cells can be seen in the picture; the model is told that all of them are there.

species = guide.seen_classes[0]
rows = guide.train[guide.target[guide.train] == species][:8]
usual = np.flatnonzero(table.subset([species]).values[0] > 0.5)
fate = guide.attributes_present[rows].astype(int) + guide.attributes_shown[rows]

fig = plt.figure(figsize=(8.6, 5.6), layout="constrained")
fig.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
cells = fig.add_gridspec(2, len(rows), height_ratios=[1, 4])
for place, row in enumerate(rows):
    ax = fig.add_subplot(cells[0, place])
    ax.imshow(guide.images[row])
    ax.set_axis_off()
ax = fig.add_subplot(cells[1, :])
colors = ListedColormap(["#d55e00", "0.85", "#0072b2"])
ax.pcolormesh(fate[:, usual].T, cmap=colors, vmin=0, vmax=2, edgecolors="white", linewidth=1.5)
ax.set_yticks(np.arange(len(usual)) + 0.5, [table.attribute_names[k] for k in usual], fontsize=8)
ax.invert_yaxis()
ax.set(xticks=[], xlabel="blue: shown    grey: hidden    orange: this bird is different")
fig.suptitle(f"{species}, as described and as pictured")

share = (fate[:, usual] == 2).mean()
print(f"{share:.0%} of what the description says is shown in these pictures")

# %%
# Attributes that go together
# ---------------------------
# The generator makes some attributes go together, such as a red crown and a red breast. Among the
# unseen species they do so only by chance.

confounded = guide.confounded_attributes
for kind, names in [("seen", guide.seen_classes), ("unseen", guide.unseen_classes)]:
    says = table.subset(names).values > 0.5
    first, second = (says[:, attributes] for attributes in confounded.T)
    together = (first & second).sum() / first.sum()
    print(f"{kind:6} species with the first of a pair that have the second: {together:.0%}")

# %%
# Models
# ------
# The baseline has none of the three losses, the others one of them or all, with default weights.
# Three seeds each, all trained in one pass over the data.

off = {"lambda_cc": 0.0, "lambda_sci": 0.0, "lambda_tci": 0.0}
models = {
    "baseline": off,
    "+ correlation": {**off, "lambda_cc": 0.5},
    "+ semantic interv.": {**off, "lambda_sci": 2.0},
    "+ target interv.": {**off, "lambda_tci": 2.0},
    "all (CVsC)": {},
}
n_seeds = 3
extractor = PatchDictionaryExtractor(n_atoms=128, random_state=0).fit(guide.images[guide.train])
X = extractor.transform(guide.images)
fitted = fit_many(
    CVsCClassifier(max_epochs=15),
    [{**losses, "random_state": seed} for losses in models.values() for seed in range(n_seeds)],
    X[guide.train],
    guide.target[guide.train],
    class_attributes=table,
)

# %%
# What is measured
# ----------------
# On pictures of 60 other species, among which nothing goes together. Every measure is the chance
# that one of two predicted values is the larger: 0.5 is no relation.
#
# - *Follows the picture*: of two birds of a species, described as having an attribute, has the one
#   whose picture shows it the larger value?
# - *Right attributes*: within a picture, has an attribute that is shown a larger value than one
#   that the bird does not have?
# - *Leak*: among birds without an attribute, is its value larger where its partner is shown? Ideal
#   is 0.5. For comparison, the same for attributes of one word that do not go together, such as
#   a red crown and a red tail.

others = make_field_guide(600, n_classes=60, n_unseen=0, correlation=0, random_state=100)
X_others = extractor.transform(others.images)
present, shown = others.attributes_present, others.attributes_shown
pairs = np.vstack([confounded, confounded[:, ::-1]])
words = np.array([name.split("::")[1] for name in table.attribute_names])
groups = guide.attribute_groups
one_word = (words[:, None] == words) & (groups[:, None] != groups)
one_word[tuple(pairs.T)] = False


def chance_of_larger(values, yes, no):
    """Pairs of a row in `yes` and one in `no` of which the first is larger; and all such pairs."""
    ranks = rankdata(np.where(yes | no, values, np.inf), axis=0)
    n_yes, n_no = yes.sum(axis=0), no.sum(axis=0)
    return (ranks * yes).sum(axis=0) - n_yes * (n_yes + 1) / 2, n_yes * n_no


def follows_picture(s):
    counts = np.zeros(2)
    described = others.class_attributes
    for name, description in zip(described.labels, described.values, strict=True):
        cells = np.ix_(others.target == name, description > 0.5)
        counts += np.sum(chance_of_larger(s[cells], shown[cells], ~shown[cells]), axis=1)
    return counts[0] / counts[1]


def right_attributes(s):
    larger, compared = np.sum(chance_of_larger(s.T, shown.T, ~present.T), axis=1)
    return larger / compared


def leak(s, pairs):
    partner, attribute = pairs.T
    without, with_partner = ~present[:, attribute], shown[:, partner]
    larger, compared = chance_of_larger(
        s[:, attribute], without & with_partner, without & ~with_partner
    )
    return np.mean(larger / compared)


def measure(clf):
    s = clf.predict_attributes(X_others)
    unseen = guide.test_unseen
    accuracy = clf.score(X[unseen], guide.target[unseen], candidates="unseen")
    leaks = leak(s, pairs), leak(s, np.argwhere(one_word))
    return [follows_picture(s), right_attributes(s), *leaks, accuracy]


names = ["follows picture", "right attributes", "leak of partner", "same word only", "T1"]
found = np.array([measure(clf) for clf in fitted]).reshape(len(models), n_seeds, len(names))
mean, spread = found.mean(axis=1), found.std(axis=1, ddof=1)
print(" " * 20 + "".join(f"{name:>17}" for name in names))
for row, model in enumerate(models):
    cells = (f"{m:11.3f} ±{s:.3f}" for m, s in zip(mean[row], spread[row], strict=True))
    print(f"{model:20}" + "".join(cells))

# %%
# What each loss does
# -------------------
# Mean, standard deviation, and each seed. T1 is the accuracy on the ten unseen species of the first
# field guide, told apart among themselves.

fig, axes = plt.subplots(2, 2, figsize=(8, 5.6), sharey=True, layout="constrained")
places = np.arange(len(models))
for k, panel in enumerate([0, 1, 2, 2, 3]):
    ax = axes.flat[panel]
    style = {"color": "0.55" if k == 3 else "#0072b2", "marker": "s" if k == 3 else "o"}
    ax.plot(found[:, :, k], places, **style, linestyle="none", alpha=0.3, markersize=4)
    ax.errorbar(
        mean[:, k], places, xerr=spread[:, k], **style, linestyle="none", capsize=3, label=names[k]
    )
    ax.grid(axis="x", alpha=0.4)
    if k != 3:
        ax.set_title(names[k])
    if k != 4:
        ax.set(xlim=(0.5, 0.67), xticks=[0.5, 0.55, 0.6, 0.65])
axes[1, 0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False)
axes[0, 0].set_yticks(places, models)
axes[0, 0].invert_yaxis()
plt.show()

# %%
# Three things were the same in field guides of other seeds (``random_state=1`` and ``2``):
#
# - The correlation loss is what helps here, alone or with the others: it ranks attributes better
#   within a picture, and T1 rises with it. The semantic intervention alone ranks them better, too,
#   by about half as much; the target intervention does not. What either intervention alone adds to
#   T1 is little more than seeds differ.
# - Predictions follow the picture rather than the species a little more closely with the
#   correlation loss, by a hundredth or two.
# - No loss makes the leak smaller. It is larger than what attributes of one word share, in all
#   models: habits of the seen species are learned, and stay.
