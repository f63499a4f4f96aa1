"""A store in place of an array: in classifiers, splits and searches, and under a memory limit."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import _safe_indexing, indexable

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._data import _rows
from zslearn.base import is_row_source
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.feature_extraction import FeatureStoreWriter
from zslearn.metrics import gzsl_multimetric_scorer
from zslearn.model_selection import RowView, SeenUnseenKFold, gzsl_train_test_split

SKIPPED = {0: "bad", 17: "worse"}


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    """A store of pictures of six of eight classes, two of them skipped, and the same in memory."""
    rng = np.random.default_rng(0)
    names = np.array(["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"])
    values = np.array([[(c >> k) & 1 for k in range(5)] for c in (1, 2, 4, 8, 16, 6, 24, 19)])
    labels = rng.permutation(np.repeat(np.arange(6), 9))
    X = values[labels][:, None, :] @ rng.normal(size=(5, 16)) + rng.normal(size=(54, 4, 16)) * 0.3
    X = X.astype(np.float16)
    shape = {"n_total": 54, "n_regions": 4, "n_features": 16, "grid_shape": (2, 2)}
    with FeatureStoreWriter(tmp_path_factory.mktemp("problem"), **shape, metadata={}) as writer:
        writer.append(np.delete(X, list(SKIPPED), axis=0), SKIPPED)
    store = writer.store()
    table = ClassAttributes(values, labels=names)
    return store, X[store.rows], names[labels][store.rows], table


@pytest.fixture
def most_rows(monkeypatch):
    """The most rows that were read at once."""
    read = RowView.__array__
    asked = []

    def counting(view, *args, **kwargs):
        asked.append(len(view))
        return read(view, *args, **kwargs)

    monkeypatch.setattr(RowView, "__array__", counting)
    # A chunk at predict: 4 bytes a number, or 8 a semantic vector's intermediate.
    monkeypatch.setattr(_rows, "_CHUNK_BYTES", 5 * max(4 * 4 * 16, 8 * 4 * 5))
    return lambda: max(asked)


def small(**options):
    options = {"max_epochs": 2, "batch_size": 6, "random_state": 0} | options
    return CVsCClassifier(**options)


def test_fit_and_predict(problem, most_rows):
    store, X, y, table = problem
    lazy = small().fit(store, y, class_attributes=table)
    plain = small().fit(X, y, class_attributes=table)
    for method in ("predict", "predict_proba", "predict_attributes", "attention_maps"):
        np.testing.assert_array_equal(getattr(lazy, method)(store), getattr(plain, method)(X))
    assert lazy.score(store[10:30], y[10:30]) == plain.score(X[10:30], y[10:30])
    for clf, rows in ((lazy, store), (plain, X)):
        clf.partial_fit(rows, y)
    np.testing.assert_array_equal(lazy.decision_function(store), plain.decision_function(X))
    assert most_rows() <= 8  # a trial of the learner, before batches of 6


def test_half_precision_keeps_no_copy_of_a_store(problem, most_rows):
    store, _, y, table = problem
    small(precision="bfloat16").fit(store, y, class_attributes=table).predict(store)
    assert most_rows() <= 8  # a trial of the learner, before batches of 6


def test_splits(problem):
    store, X, y, _ = problem
    assert indexable(store, y)[0] is store
    assert is_row_source(store)
    for key in (np.array([5, 2]), [5, 2], np.arange(len(y)) < 3, slice(0, 4)):
        assert isinstance(_safe_indexing(store, key), RowView)
    lazy, plain = (
        train_test_split(rows, y, test_size=0.25, stratify=y, random_state=0) for rows in (store, X)
    )
    split = gzsl_train_test_split(y, unseen_classes=["cat"], random_state=0)
    for rows in (split.train, split.test_seen, split.test_unseen):
        np.testing.assert_array_equal(np.asarray(store[rows]), X[rows])
    for found, expected in zip(lazy, plain, strict=True):
        np.testing.assert_array_equal(np.asarray(found), expected)
    assert isinstance(lazy[0], RowView)


SEARCHES = {
    "cross_validate": lambda X, y, table, call: cross_validate(
        small(), X, y, params={"class_attributes": table}, **call
    ),
    "GridSearchCV": lambda X, y, table, call: (
        GridSearchCV(small(), {"lambda_sci": [0.0, 2.0]}, refit="H", **call)
        .fit(X, y, class_attributes=table)
        .cv_results_
    ),
    "TunedCalibrationClassifierCV": lambda X, y, table, call: vars(
        TunedCalibrationClassifierCV(small(), cv=call["cv"], n_jobs=call["n_jobs"]).fit(
            X, y, class_attributes=table
        )
    ),
    "Pipeline": lambda X, y, table, call: cross_validate(
        make_pipeline(FunctionTransformer(), small()),
        X,
        y,
        params={"cvscclassifier__class_attributes": table},
        **call,
    ),
}


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("search", SEARCHES)
def test_searches(problem, most_rows, search, n_jobs, request):
    if n_jobs is not None:
        request.getfixturevalue("two_processes")
    store, X, y, table = problem
    call = {"cv": SeenUnseenKFold(2, random_state=0), "scoring": gzsl_multimetric_scorer}
    call |= {"error_score": "raise", "n_jobs": n_jobs}
    lazy, plain = (SEARCHES[search](rows, y, table, call) for rows in (store, X))
    compared = [name for name in plain if "test_" in name or name.startswith("best_")]
    assert compared
    for name in compared:
        np.testing.assert_array_equal(lazy[name], plain[name])
    if n_jobs is None:
        assert most_rows() <= 8  # a trial of the learner, before batches of 6


# -- larger than memory ------------------------------------------------------------------------

LARGER_THAN_MEMORY = """
import resource, sys
import numpy as np
from sklearn.model_selection import cross_validate
from zslearn import ClassAttributes, CVsCClassifier
from zslearn._data import _rows
from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter
from zslearn.metrics import gzsl_multimetric_scorer
from zslearn.model_selection import SeenUnseenKFold

_rows._CHUNK_BYTES = 2**22
folder, n, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
shape = dict(n_total=n, n_regions=4, n_features=1024, grid_shape=(2, 2))
batch = np.random.default_rng(0).normal(size=(n // 16, 4, 1024)).astype(np.float16)
with FeatureStoreWriter(folder, **shape, metadata={}) as writer:
    writer.append(batch[1:], skipped={0: "so that the rows are not simply those of the file"})
    for _ in range(15):
        writer.append(batch)
store = writer.store()
y = np.arange(n)[store.rows] % 4
table = ClassAttributes(np.eye(5) + 0.1)
# Prototypes take D x D numbers, several times.
options = dict(max_epochs=1, batch_size=128, head="own", random_state=0)

def use(store, y):
    clf = CVsCClassifier(**options).fit(store, y, class_attributes=table)
    predicted = clf.predict(store, candidates="unseen")
    cv = list(SeenUnseenKFold(2, random_state=0).split(store, y))[:1]
    scores = cross_validate(
        CVsCClassifier(**options), store, y, cv=cv, params={"class_attributes": table},
        scoring=gzsl_multimetric_scorer, error_score="raise",
    )
    return predicted.shape, np.isfinite(scores["test_H"]).all()

use(store[:256], y[:256])
del batch
with open("/proc/self/status") as file:
    held = next(int(line.split()[1]) for line in file if line.startswith("VmData")) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + limit, held + limit))
for load in (lambda: np.asarray(store), lambda: np.asarray(store[: n // 2])):
    try:
        load()
    except MemoryError:
        print("the limit holds")
print(store.nbytes // limit, *use(store, y), sep="; ")
"""


@pytest.mark.parametrize(
    ("n", "limit", "times"),
    [(2**14, 2**25, 3), pytest.param(2**17, 2**26, 15, marks=pytest.mark.slow)],
    ids=["128 MiB", "1 GiB"],
)
def test_a_store_several_times_larger_than_memory(tmp_path, n, limit, times):
    """Neither the store nor half of it may be read; fitting, predicting and folds do not."""
    pytest.importorskip("resource")
    if not sys.platform.startswith("linux"):
        pytest.skip("memory limits are tried on Linux")
    done = subprocess.run(
        [sys.executable, "-c", LARGER_THAN_MEMORY, tmp_path, str(n), str(limit)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    limits, said = ["the limit holds"] * 2, f"{times}; ({n - 1},); True"
    assert done.stdout.splitlines() == [*limits, said]
