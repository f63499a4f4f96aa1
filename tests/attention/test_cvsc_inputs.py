"""CVsCClassifier with every kind of input, and what it refuses."""

import copy
import re
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.base import clone

from tests.attention.cvsc_problem import NAMES, SEEN, small
from zslearn import CVsCClassifier
from zslearn.attention import CVsCObjective


def test_lists_arrays_and_torch_give_the_same(problem, fitted):
    X, y, table, seen = problem
    expected = fitted.decision_function(X)
    kinds = {
        "list": X.tolist(),
        "float64": X.astype(np.float64),
        "torch": torch.from_numpy(X),
        "fortran": np.asfortranarray(X),
    }
    for name, kind in kinds.items():
        np.testing.assert_allclose(
            fitted.decision_function(kind), expected, rtol=1e-5, atol=1e-6, err_msg=name
        )
    again = small().fit(X[seen].tolist(), y[seen].tolist(), class_attributes=table)
    np.testing.assert_allclose(again.decision_function(X), expected, rtol=1e-3, atol=1e-3)


def test_string_object_and_integer_labels(problem):
    X, y, table, seen = problem
    numbers = np.searchsorted(NAMES, y)
    plain = small().fit(X[seen], numbers[seen], class_attributes=table.values)
    frame = pd.DataFrame(table.values, index=NAMES)
    text = small().fit(X[seen], y[seen], class_attributes=frame)
    objects = small().fit(X[seen], y[seen].astype(object), class_attributes=frame)
    np.testing.assert_array_equal(plain.decision_function(X), text.decision_function(X))
    np.testing.assert_array_equal(text.predict(X), NAMES[plain.predict(X)])
    np.testing.assert_array_equal(text.predict(X), objects.predict(X))
    series = small().fit(X[seen], pd.Series(y[seen]), class_attributes=frame)
    np.testing.assert_array_equal(series.predict(X), text.predict(X))


def test_frames_of_features_keep_their_names(problem):
    X, y, table, seen = problem
    frame = pd.DataFrame(X[:, 0], columns=[f"f{i}" for i in range(16)])
    clf = small().fit(frame[seen], y[seen], class_attributes=table)
    assert clf.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(frame.rename(columns={"f0": "g0"}))


def test_no_table_is_an_ordinary_classifier(problem):
    X, y, _, seen = problem
    clf = small().fit(X[seen], y[seen])
    assert len(clf.unseen_classes_) == 0
    assert clf.score(X[seen], y[seen]) > 0.9


def test_fit_changes_no_parameter(problem):
    X, y, table, seen = problem
    clf = small(device="auto")
    before = clf.get_params()
    clf.fit(X[seen], y[seen], class_attributes=table)
    assert clf.get_params() == before


def test_one_picture_is_not_taken_for_many(fitted, problem):
    X = problem[0]
    with pytest.raises(ValueError, match=r"shape \(4, 16\), one vector a sample.*X\[None\]"):
        fitted.predict(X[0])
    assert fitted.predict(X[:1]).shape == (1,)


def test_delta_is_checked_and_may_be_infinite(fitted, problem):
    X = problem[0]
    clf = copy.copy(fitted)
    seen, unseen = (fitted.predict(X, candidates=side) for side in ("seen", "unseen"))
    np.testing.assert_array_equal(clf.set_params(delta=-np.inf).predict(X), seen)
    np.testing.assert_array_equal(clf.set_params(delta=np.inf).predict(X), unseen)
    with pytest.raises(ValueError, match="delta is NaN"):
        clf.set_params(delta=np.nan).predict(X)


@pytest.mark.parametrize("objective", ["default", "printed", "released"])
def test_objectives_by_name(problem, objective):
    X, y, table, seen = problem
    clf = small(max_epochs=2, objective=objective).fit(X[seen], y[seen], class_attributes=table)
    spelled_out = small(max_epochs=2, objective=CVsCObjective.named(objective))
    spelled_out.fit(X[seen], y[seen], class_attributes=table)
    np.testing.assert_array_equal(clf.decision_function(X), spelled_out.decision_function(X))
    criterion = clf.net_.module_.criterion
    printed = objective == "printed"
    assert criterion.weights["ce"] == (1.0 if printed else 3.0)
    assert criterion.correlation.standardize is not printed
    assert criterion.semantic_intervention.effect_weight == (-1.0 if printed else 0.0)
    assert criterion.calibration.bias == (2.0 if objective == "released" else 0.0)
    assert criterion.correlation.alpha == (1.0 if objective == "released" else 0.5)
    expected = "permute" if objective == "released" else "normal"
    assert clf.net_.module_.network.counterfactual == expected


@pytest.mark.parametrize("name", ["nope", None, ["default"]])
def test_objectives_of_no_name_are_refused(name):
    message = r"name must be one of 'default', 'released', 'printed'; found "
    with pytest.raises(ValueError, match=message + re.escape(repr(name))):
        CVsCObjective.named(name)
    with pytest.raises(ValueError, match="found 'nope'"):
        CVsCClassifier(objective="nope").set_params(objective__alpha=1.0)


def test_fields_of_a_named_objective_are_set_on_a_copy():
    clf = small(objective="released").set_params(objective__alpha=0.3)
    assert clf.objective.get_params() == CVsCObjective.named("released").get_params() | {
        "alpha": 0.3
    }
    assert clone(clf).objective is not clf.objective
    with pytest.raises(ValueError, match="Invalid parameter 'alpah'"):
        clf.set_params(objective__alpah=1.0)


def test_scores_that_are_not_finite_name_no_class(fitted):
    scores = np.zeros((3, 10))
    scores[1, 4] = np.nan
    with pytest.raises(ValueError, match=r"not finite|NaN or infinite for 1 sample.*rows \[1\]"):
        fitted.predict_from_uncalibrated(scores)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda t: "classes.csv", TypeError, r"found the path 'classes.csv'.*from_csv"),
        (lambda t: {"ant": [1, 2]}, TypeError, "found dict"),
        (lambda t: 5, TypeError, "found int"),
        (lambda t: scipy.sparse.csr_array(t.values), TypeError, "sparse matrix: .toarray"),
        (lambda t: t.to_frame().T, ValueError, r"Pass class_attributes.T"),
    ],
)
def test_what_is_no_table(problem, make, error, message):
    X, y, table, seen = problem
    with pytest.raises(error, match=message):
        small().fit(X[seen], y[seen], class_attributes=make(table))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["ant", None, "bee"], r"missing labels, in 1 row\(s\): \[1\]"),
        (pd.Series(["ant", pd.NA, "bee"], dtype="string"), r"missing labels.*\[1\]"),
        ([0.0, np.nan, 1.0], "NaN"),
        ([0.5, 1.5, 2.25], "continuous"),
    ],
)
def test_labels_with_gaps(y, message):
    with pytest.raises(ValueError, match=message):
        small().fit(np.ones((3, 2, 4)), y)


@pytest.mark.parametrize(
    "kind",
    [
        lambda y: pd.Categorical(y),
        lambda y: pd.Series(y, dtype="string"),
        lambda y: np.array(y, dtype=np.dtypes.StringDType()),
        lambda y: np.array(y, dtype=object),
        lambda y: y.tolist(),
    ],
    ids=["categorical", "pandas string", "StringDType", "object", "list"],
)
def test_kinds_of_text_labels(problem, fitted, kind):
    X, y, table, seen = problem
    clf = small().fit(X[seen], kind(y[seen]), class_attributes=table)
    np.testing.assert_array_equal(clf.predict(X), fitted.predict(X))


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.float64, bool, object])
def test_kinds_of_number_labels(problem, dtype):
    X = problem[0]
    y = np.arange(120) % 2
    plain = small(max_epochs=2).fit(X, y).decision_function(X)
    clf = small(max_epochs=2).fit(X, y.astype(dtype))
    np.testing.assert_array_equal(clf.decision_function(X), plain)
    assert clf.predict(X).astype(int).tolist() == (plain > 0).astype(int).tolist()


class LazyStore:
    """Rows on demand from an array; never given whole."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        picked = self.array[rows]
        assert len(picked) <= 50, "a batch at most"
        return picked


def test_lazy_stores_and_bfloat16(problem, fitted, monkeypatch):
    X, y, table, seen = problem
    monkeypatch.setattr("zslearn._data._rows._CHUNK_BYTES", 50 * 4 * 64)
    lazy = small().fit(LazyStore(X[seen]), y[seen], class_attributes=table)
    np.testing.assert_array_equal(lazy.predict(LazyStore(X)), fitted.predict(X))
    low = torch.from_numpy(X).bfloat16()
    rounded = small().fit(low.float().numpy()[seen], y[seen], class_attributes=table)
    half = small().fit(low[seen], y[seen], class_attributes=table)
    np.testing.assert_array_equal(half.predict(low), rounded.predict(low.float().numpy()))
    with pytest.raises(ValueError, match="real numbers, found dtype torch.complex64"):
        fitted.predict(torch.zeros(2, 4, 16, dtype=torch.complex64))


def test_nan_in_one_batch_only(problem):
    X, y, table, seen = problem
    X = X[seen].copy()
    X[37, 2, 5] = np.nan
    clf = small(batch_size=8)
    with pytest.raises(ValueError, match=r"X contains NaN.*rows \[37\]"):
        clf.fit(X, y[seen], class_attributes=table)
    assert not hasattr(clf, "net_")


def test_infinite_features_at_predict(fitted, problem):
    X = problem[0].copy()
    X[101, 0, 0] = np.inf
    with pytest.raises(ValueError, match=r"X contains infinity.*rows \[101\]"):
        fitted.predict(X)


def test_label_missing_from_the_table(problem):
    X, y, table, seen = problem
    with pytest.raises(ValueError, match="not described in class_attributes: 'cat'"):
        small().fit(X[seen], y[seen], class_attributes=table.subset([*SEEN[:2], *SEEN[3:]]))


def test_table_narrower_than_at_fit(fitted, problem):
    X, _, table, _ = problem
    with pytest.raises(ValueError, match="has 3 attributes, at fit it had 5"):
        fitted.predict(X, class_attributes=table.to_frame().iloc[:, :3] + 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((5, 4, 15), "X has 15 features"), ((5, 2, 4, 16), "shape"), ((16,), "1D array")],
)
def test_x_of_the_wrong_width_or_rank(fitted, shape, message):
    with pytest.raises(ValueError, match=message):
        fitted.predict(np.ones(shape))
    if len(shape) != 3:
        with pytest.raises(ValueError, match=message):
            small().fit(np.ones(shape), np.zeros(shape[0], dtype=int))


def test_unseen_candidates_when_there_are_none(problem):
    X, y, _, seen = problem
    clf = small(max_epochs=1).fit(X[seen], y[seen])
    with pytest.raises(ValueError, match="every class had samples at fit"):
        clf.predict(X, candidates="unseen")


def test_memmap_is_not_loaded_whole(tmp_path):
    """Fit and predict on a float16 memmap twice as large as the memory allowed."""
    script = f"""
    import resource
    import numpy as np
    from zslearn import CVsCClassifier

    def table(k):
        return np.eye(k) + 0.1

    rng = np.random.default_rng(0)
    warm = rng.normal(size=(64, 4, 256)).astype(np.float16)
    options = dict(max_epochs=1, batch_size=512, random_state=0, precision="bfloat16")
    clf = CVsCClassifier(**options).fit(warm, np.arange(64) % 3, class_attributes=table(4))
    clf.predict(warm)

    n = 2**17  # 256 MiB
    X = np.lib.format.open_memmap({str(tmp_path / "X.npy")!r}, "w+", "f2", (n, 4, 256))
    for start in range(0, n, 2**14):
        X[start : start + 2**14] = warm[:1]
    X.flush()
    del X
    X = np.load({str(tmp_path / "X.npy")!r}, mmap_mode="r")
    with open("/proc/self/status") as file:
        held = next(int(line.split()[1]) for line in file if line.startswith("VmData")) * 1024
    limit = held + 2**27
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        np.array(X)
    except MemoryError:
        print("the limit holds")
    clf = CVsCClassifier(**options).fit(X, np.arange(n) % 3, class_attributes=table(4))
    print(clf.predict(X, candidates="unseen").shape)
    """
    pytest.importorskip("resource")
    if not sys.platform.startswith("linux"):
        pytest.skip("memory limits are tried on Linux")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:2] == ["the limit holds", "(131072,)"]
