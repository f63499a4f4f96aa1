"""A small feature store that tests write."""

import numpy as np

from zslearn.feature_extraction import FeatureStoreWriter

F = np.arange(60, dtype=np.float16).reshape(10, 3, 2) - 7
NAMES = [f"birds/{row:02d}.png" for row in range(10)]
CALL = {
    "n_total": 10,
    "n_regions": 3,
    "n_features": 2,
    "grid_shape": (1, 3),
    "metadata": {"model": "m", "layer": -1, "transform": {"size": [8, 8], "crop": 0.5}},
    "images": NAMES,
    "image_root": "/pictures",
    "fingerprints": list(range(100, 110)),
}


def written(folder, n=10, **changes):
    with FeatureStoreWriter(folder, **CALL | changes) as writer:
        writer.append(F[writer.n_finished : n])
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
