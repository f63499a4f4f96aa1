"""
From a folder of pictures to classes without any
================================================

What you need is a folder with a sub-folder of pictures for each class you have, and a CSV file that
describes those classes, and others, by attributes. Here both are made up: birds, drawn into a
temporary folder. Six of the 24 species in the table have no pictures to learn from.

The backbone has random weights, so that nothing is downloaded. With the weights it was trained to
(``pretrained=True``, the default) use its last layer; the rest stays as it is.
"""

import csv
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from zslearn import CVsCClassifier
from zslearn.datasets import load_image_folder, make_field_guide
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.inspection import AttributeAttentionDisplay, UnseenConfusionDisplay
from zslearn.metrics import per_class_accuracy_score

# %%
# A folder and a table
# --------------------
# Pictures lie in ``birds/<species>/``. The table has a row for each species, seen or not. The
# pictures of ``new/`` are of unseen species; their names are used only to judge the answers.

folder = tempfile.TemporaryDirectory()
root = Path(folder.name)
guide = make_field_guide(1000, n_classes=24, n_unseen=6, random_state=0)


def save(rows, place):
    """Write pictures into a folder for each species."""
    for row in rows:
        path = root / place / str(guide.target[row]) / f"{row:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(guide.images[row]).save(path)


save(guide.train, "birds")
save(guide.test_unseen, "new")

table = guide.class_attributes
with open(root / "classes.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["species", *table.attribute_names])
    writer.writerows([label, *row] for label, row in zip(table.labels, table.values, strict=True))

# %%
# Ten lines
# ---------
# Features are kept in a store on disk: calling again reads them, and a run that was stopped goes on
# where it was.

data = load_image_folder(root / "birds", root / "classes.csv")
extractor = TimmRegionExtractor(
    "resnet18", pretrained=False, layer=0, image_size=64, grid_shape=(8, 8)
).fit()
X = extractor.extract(data.image_paths, root / "features")
y = data.target
clf = CVsCClassifier(max_epochs=20, random_state=0)
clf.fit(X, y, class_attributes=data.class_attributes)

new = load_image_folder(root / "new", root / "classes.csv")
X_new = extractor.extract(new.image_paths, root / "new_features")
predicted = clf.predict(X_new, candidates="unseen")

print(f"{len(y)} pictures of {len(clf.seen_classes_)} species, {X.shape[1]} regions each")
accuracy = per_class_accuracy_score(new.target, predicted)
print(f"{len(predicted)} pictures of {len(clf.unseen_classes_)} species without any to learn from:")
print(f"accuracy {accuracy:.2f}, chance {1 / len(clf.unseen_classes_):.2f}")

# %%
# The answers
# -----------
# One picture of each unseen species, blue where it was recognised.

fig, axes = plt.subplots(1, 6, figsize=(8.5, 1.85), layout="constrained")
for ax, species in zip(axes, clf.unseen_classes_, strict=True):
    row = np.flatnonzero(new.target == species)[0]
    answer = predicted[row]
    ax.imshow(plt.imread(new.image_paths[row]))
    ax.set_title(
        f"{species}\n{'recognised' if answer == species else f'said: {answer}'}",
        fontsize=7.5,
        color="#0072b2" if answer == species else "#d55e00",
    )
    ax.set_axis_off()

# %%
# What share of the pictures of each species got each answer. Even random filters tell colours, so
# accuracy is above chance, and below that of a trained network.

UnseenConfusionDisplay.from_estimator(clf, X_new, new.target)

# %%
# A store knows its pictures, so the maps of attention need nothing else: here the attributes that
# did most for the true species. With random weights, attention often strays from the bird.

AttributeAttentionDisplay.from_estimator(clf, X_new[[0, 70]], y=new.target[[0, 70]], n_attributes=4)
plt.show()

folder.cleanup()
