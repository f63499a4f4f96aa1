"""
Saving and loading
==================

A fitted classifier, the extractor of its features and a store of features: what is in the files,
what is not, and that all answers stay the same to the bit.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

import zslearn
from zslearn import CVsCClassifier
from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import (
    FeatureStore,
    FeatureStoreWriter,
    PatchDictionaryExtractor,
)
from zslearn.inspection import SemanticExplanationDisplay

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)

guide = make_field_guide(900, n_classes=24, n_unseen=6, random_state=0)
y = guide.target

# %%
# Features beside the model
# -------------------------
# Features are worth keeping: they take longer than a fit. A store is a folder with an array on disk
# and what is to be known about it. :class:`~zslearn.feature_extraction.TimmRegionExtractor` writes
# stores by itself; any other features go in a batch at a time.

extractor = PatchDictionaryExtractor(n_atoms=128, dtype="float16", random_state=0)
extractor.fit(guide.images[guide.train])

down, across = extractor.grid_shape_
with FeatureStoreWriter(
    folder / "features",
    n_total=len(guide.images),
    n_regions=down * across,
    n_features=extractor.n_features_out_,
    grid_shape=extractor.grid_shape_,
    metadata={"extractor": repr(extractor)},
) as writer:
    for start in range(0, len(guide.images), 100):
        writer.append(extractor.transform(guide.images[start : start + 100]))

store = FeatureStore(folder / "features")
print(store.shape, store.dtype, f"{store.nbytes / 1e6:.0f} MB")
print(store.metadata)

# %%
# Fit and save
# ------------
# The classifier reads the store a batch at a time. With the extractor before it in a pipeline, one
# file leads from a picture to a name.

clf = CVsCClassifier(max_epochs=30, random_state=0)
clf.fit(store[guide.train], y[guide.train], class_attributes=guide.class_attributes)
zslearn.save(make_pipeline(extractor, clf), folder / "birds.safetensors")

for path in sorted(path for path in folder.rglob("*") if path.is_file()):
    if path.stat().st_size:
        print(f"{path.relative_to(folder)!s:24} {path.stat().st_size / 1e6:8.3f} MB")

# %%
# In the file are parameters, the table with its names, weights and the history of the losses:
# numbers and text, nothing that could be run. Not in it are pictures, features, and the state of
# the optimiser.
#
# Load
# ----
# The file is checked as a whole before anything is made of it. The loaded pipeline takes pictures;
# its last step takes features.

loaded = zslearn.load(folder / "birds.safetensors")
clf_again = loaded[-1]

new = guide.test_unseen
scores = clf.decision_function(store[new])
print("from the store:     ", np.array_equal(clf_again.decision_function(store[new]), scores))
print("from pictures:      ", np.array_equal(loaded.decision_function(guide.images[new]), scores))

# %%
# A file that was damaged on its way is noticed.

data = bytearray((folder / "birds.safetensors").read_bytes())
data[len(data) // 2] ^= 1
(folder / "damaged.safetensors").write_bytes(data)
try:
    zslearn.load(folder / "damaged.safetensors")
except zslearn.exceptions.ModelFileError as error:
    print("damaged.safetensors", error.found)

# %%
# Any array on disk will do as well. A memory map is read as it is needed, and never as a whole.

mapped = np.load(folder / "features" / "features.npy", mmap_mode="r")
everywhere = clf_again.decision_function(mapped)
print("from a memory map:  ", np.array_equal(everywhere[new], scores))

# %%
# The table is in there, too, so the loaded classifier can say what it knows and judge species by
# their descriptions.

print(f"{len(clf_again.seen_classes_)} species seen, {len(clf_again.unseen_classes_)} described")
print("losses of the last epoch:", f"{clf_again.net_.history[-1]['train_loss']:.3f}")
answers = loaded.predict(guide.images[new], candidates="unseen")

fig, axes = plt.subplots(2, 6, figsize=(8.5, 3.6), layout="constrained")
for column, species in zip(axes.T, clf_again.unseen_classes_, strict=True):
    for ax, row in zip(column, np.flatnonzero(y[new] == species)[:2], strict=True):
        right = answers[row] == species
        ax.imshow(guide.images[new[row]])
        title = f"{species}\nrecognised" if right else f"{species}\nsaid: {answers[row]}"
        ax.set_title(title, fontsize=7.5, color="#0072b2" if right else "#d55e00")
        ax.set_axis_off()

# %%
# Why that species and not the runner-up? The display asks the pipeline, and so reads the picture:
# the one that was surest to be of its own species.

likely = loaded.predict_proba(guide.images[new])
own = likely[np.arange(len(new)), np.searchsorted(loaded.classes_, y[new])]
row = new[own.argmax()]
SemanticExplanationDisplay.from_estimator(
    loaded, guide.images[row : row + 1], image=guide.images[row], max_attributes=8
)
plt.show()

del mapped, store
temporary.cleanup()
