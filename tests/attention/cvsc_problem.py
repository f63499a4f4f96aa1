"""A problem of ten classes for CVsC, and the estimator that learns it in a second."""

import numpy as np

from zslearn import CVsCClassifier

NAMES = np.array(sorted(["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibex", "jay"]))
SEEN, UNSEEN = NAMES[:8].tolist(), NAMES[8:].tolist()


def small(**params):
    options = {"max_epochs": 30, "head": "own", "random_state": 0, "delta": 0.0}
    return CVsCClassifier(**options | params)
