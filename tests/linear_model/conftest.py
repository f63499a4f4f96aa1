"""Parity data: tiny problems, and what released code and formulas make of them."""

from pathlib import Path

import numpy as np
import pytest

from zslearn.attributes import ClassAttributes

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture
def parity():
    """Read a case of a method as a dict of arrays."""

    def read(name, case):
        with np.load(PARITY / f"{name}_case{case}.npz") as file:
            return {key: file[key] for key in file.files}

    return read


@pytest.fixture
def fit():
    """Fit on the samples of a case, tables and features as they are, scores not scaled."""

    def fitted(cls, case, X="X_train", **parameters):
        usual = {"scaling": None, "attribute_scaling": None, "score_scale": 1.0}
        clf = cls(**(usual | parameters))
        table = ClassAttributes(case["class_attributes"])
        return clf.fit(case[X], case["y_train"], class_attributes=table)

    return fitted


@pytest.fixture
def scores_of():
    """Scores with a column a class, also of two classes."""

    def scores(clf, X):
        return clf._class_scores(X, clf.class_attributes_)

    return scores
