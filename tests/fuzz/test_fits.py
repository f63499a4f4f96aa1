"""Random fits: every method, random parameters, odd samples, labels and tables.

A trial fails on a result that is none (scores that are not finite, columns out of order,
predictions that are no candidates), on damage that was accepted, on an estimator that a refused
call has changed, on an error in the words of another library, and on one that takes too long.
"""

import time
import traceback
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone

import zslearn
from zslearn import ClassAttributes, ESZSLClassifier, registry
from zslearn.model_selection import RowView

PACKAGE = str(Path(zslearn.__file__).parent)
# scikit-learn's, whose own checks ask for these words; all of them name the argument or its shape.
LISTED = (
    "Input y contains",
    "Unknown label type: continuous",
    "Expected 2D array, got 1D array",
    "Found array with 0 ",
    "Complex data not supported",
    "X has ",
)
LONGEST = 30.0  # seconds of a trial, on a busy machine
NAMES = np.array(["ant", "bee", "cat", "dog", "eel", "fox", "gnu"])

SETTINGS = {
    "delta": [0.0, 2.0, -1.5, np.inf, -np.inf, 2**70],
    "random_state": [0, 1],
    "batch_size": [1, 2, 5, 64],
    "batch_sampling": ["shuffled", "shuffled", "balanced", "episodes"],
    "max_epochs": [1, 2],
    "learning_rate": [1e-4, 1e-2, 0.5],
    "learning_rate_schedule": ["constant", "cosine"],
    "optimizer": ["adam", "sgd", "rmsprop"],
    "precision": ["auto", "float32", "bfloat16"],
    "early_stopping": [False, False, True],
    "gradient_clip": [None, 1.0],
    "objective": ["default", "printed", "released"],
    "lambda_cal": [0.0, 0.4],
    "lambda_cc": [0.0, 0.5],
    "lambda_sci": [0.0, 2.0],
    "lambda_tci": [0.0, 2.0],
    "ce_classes": ["all", "seen"],
    "normalize_vectors": [False, True],
    "gate": [False, True],
    "scaling": [None, "unit_length", "standard"],
    "attribute_scaling": [None, "unit_length", "standard"],
    "score_scale": ["auto", 1.0, 7],
    "center": [False, True],
    "alpha": [1e-3, 1.0, 100],
    "gamma": [0.01, 1.0, 10],
    "lam": [0.01, 1.0, 10],
    "direction": ["visual_to_semantic", "semantic_to_visual"],
    "targets": ["binary", "signed"],
    "normalize_projection": [False, True],
    "margin": [0.1, 1.0],
    "n_top": [1, 5],
    "indirect": [False, True],
    "threshold": ["mean", 0.5],
    "kernel": ["rbf", "linear"],
    "metric": ["lda", "euclidean", "cosine"],
    "shrinkage": [0.03, 0.5],
    "cv": [2, 5],
}


class Wrong(AssertionError):
    """What must not be."""


def expect(condition, *seen):
    if not condition:
        raise Wrong(seen)


def pick(rng, items):
    return items[rng.integers(len(items))]


def estimator_of(rng):
    """Any method, a few of its parameters drawn."""
    of_features = [
        n for n in registry.list_methods() if registry.method_info(n).input != "pictures"
    ]
    name = pick(rng, of_features)
    estimator = registry.make(name)
    known = estimator.get_params(deep=False)
    params = {"device": "cpu"} if "device" in known else {}
    params |= {
        key: pick(rng, SETTINGS[key]) for key in ("max_epochs", "random_state") if key in known
    }
    for key in SETTINGS:
        if key in known and key not in params and rng.random() < 0.35:
            params[key] = pick(rng, SETTINGS[key])
    return estimator.set_params(**params), registry.method_info(name).input


def problem_of(rng, kind):
    """Samples, labels and a table; odd ones among them, none of them wrong."""
    n_classes, n_attributes, width = (int(n) for n in rng.integers([1, 1, 1], [8, 6, 7]))
    n_seen = int(rng.integers(1, n_classes + 1))
    codes = np.repeat(np.arange(n_seen), rng.integers(1, 7, size=n_seen))
    codes = rng.permutation(codes)
    values = rng.random((n_classes, n_attributes)) + 0.05
    values = pick(
        rng, [values, values, 1e3 * values, np.round(values) + 0.01, np.ones_like(values)]
    )
    shape = (len(codes), int(rng.integers(1, 4)), width)
    X = values[codes] @ rng.normal(size=(n_attributes, width))
    X = X[:, None] + 0.3 * rng.normal(size=shape)
    X = pick(rng, [X, X, X, np.zeros(shape), np.abs(X), 1e-3 * X, np.repeat(X[:1], len(X), 0)])
    X = X[:, 0] if kind == "vectors" or rng.random() < 0.2 else X
    names = pick(rng, [NAMES, np.arange(7), np.arange(7) * 3 - 5, NAMES.astype(object)])
    order = rng.permutation(n_classes)
    table = ClassAttributes(values[order], labels=names[:n_classes][order])
    return X, names[codes], table


def dressed(rng, X, y):
    """The same samples and labels in other containers and precisions."""
    X = X.astype(pick(rng, [np.float16, np.float32, np.float64]))
    makers = [lambda a: a, lambda a: a, np.asfortranarray, np.ndarray.tolist, torch.from_numpy]
    makers += [lambda a: RowView(a), lambda a: a[::-1].copy()[::-1]]
    makers += [pd.DataFrame] if X.ndim == 2 else []
    labels = [lambda a: a, lambda a: a, list, lambda a: a.astype(object), pd.Series]
    return pick(rng, makers)(X), pick(rng, labels)(y)


def damaged(rng, X, y, table):
    """One thing that must be refused."""
    X, y = X.copy(), y.copy()
    row = int(rng.integers(len(y)))
    kind = rng.integers(9)
    if kind == 0:
        X[row].flat[rng.integers(X[row].size)] = pick(rng, [np.nan, np.inf, -np.inf])
    elif kind == 1:
        y = y[:-1] if len(y) > 1 else np.repeat(y, 2)
    elif kind == 2:
        y = y.astype(object)
        y[row] = pick(rng, [None, np.nan, "zebra", 10**6])
    elif kind == 3:
        X = X.reshape(-1)
    elif kind == 4:
        X = X[..., :0]
    elif kind == 5:
        X, y = X[:0], y[:0]
    elif kind == 6:
        X = X.astype(complex) + 1j
    elif kind == 7:
        X = X.astype(object)
        X[row].flat[0] = pick(rng, ["text", [1, 2], {}])
    else:
        table = pick(
            rng, ["table", 3, np.eye(2)[None], np.full((7, 2), np.nan), table.values.tolist]
        )
    return X, y, table


def state_of(estimator):
    """Hash of all that a call could change: parameters, fitted attributes, weights."""
    state = {}
    for name, value in vars(estimator).items():
        if name == "net_":
            weights = value.module_.state_dict()
            state[name] = {key: tensor.numpy().copy() for key, tensor in weights.items()}
            state["history"] = len(value.history), value.steps_
            moments = [one.state_dict()["state"] for one in value.optimizers_.values()]
            state["moments"] = [
                {k: v.numpy().copy() if torch.is_tensor(v) else v for k, v in of_one.items()}
                for one in moments
                for of_one in one.values()
            ]
        else:
            state[name] = value
    return joblib.hash(state)


def is_foreign(error):
    """Whether an error is neither the package's nor one of scikit-learn's that are listed."""
    if str(error).startswith(LISTED):
        return False
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    ours = last.startswith(PACKAGE) or last.endswith("_param_validation.py")
    return not ours or not isinstance(error, ValueError | TypeError | FloatingPointError)


def refusal_of(call):
    """Return the error of a call that must be refused in words of the package's own."""
    try:
        result = call()
    except (ValueError, TypeError, FloatingPointError) as error:
        if is_foreign(error):
            raise
        return error
    raise Wrong("damage was accepted", repr(result)[:80])


def expect_largest(values, columns, *seen):
    """Each row has one of its largest values, but for rounding, in the column named."""
    chosen = values[np.arange(len(values)), columns]
    slack = 1e-5 * np.abs(values).max(axis=1) + 1e-30
    expect((chosen >= values.max(axis=1) - slack).all(), "not the largest", *seen)


def check_predictions(clf, X, table):
    """Scores, probabilities and predictions agree, and are of the classes."""
    classes = np.sort(table.labels)
    expect(np.array_equal(clf.classes_, classes), "classes_", clf.classes_)
    uncalibrated = getattr(clf, "uncalibrated_scores", clf.decision_function)
    scores = uncalibrated(X)
    if scores.ndim == 1:  # of two classes
        scores = np.column_stack([-scores / 2, scores / 2])
    expect(scores.shape == (X.shape[0], len(classes)), "shape", scores.shape)
    expect(np.isfinite(scores).all(), "scores", scores)
    proba = clf.predict_proba(X)
    expect(proba.shape == scores.shape, "shape", proba.shape)
    expect(np.isfinite(proba).all() and (proba >= 0).all(), "probabilities", proba)
    expect(np.allclose(proba.sum(axis=1), 1), "sums of probabilities", proba.sum(axis=1))
    kinds = {"all": classes, "seen": clf.seen_classes_, "unseen": clf.unseen_classes_}
    for kind, among in kinds.items():
        if not len(among):
            continue
        y_pred = clf.predict(X, candidates=kind)
        expect(np.isin(y_pred, among).all(), kind, y_pred)
        unseen = np.isin(among, clf.unseen_classes_)
        within = np.searchsorted(classes, among)
        values = scores[:, within].astype(np.float64)
        if not unseen.all() and unseen.any():
            if getattr(clf, "delta_scale", "logit") == "probability":
                values = softmax(values, axis=1)
            # Of an infinite delta it is enough to stand far above all scores.
            values += np.clip(float(clf.delta), -1e9, 1e9) * unseen
        expect_largest(values, np.searchsorted(among, y_pred), kind)
        if kind != "all":  # within a kind of classes delta has no say
            expect_largest(proba[:, within], np.searchsorted(among, y_pred), "probabilities", kind)


def check_refusals(rng, clf, X, y, table):
    """Refused calls leave a fitted classifier as it was."""
    before = state_of(clf)
    bad = np.array(X, dtype=np.float64)
    bad[rng.integers(len(bad))] = np.nan
    calls = [
        lambda: clf.predict(bad),
        lambda: clf.predict_proba(X[..., :-1] if X.shape[-1] > 1 else X[..., [0, 0]]),
        lambda: clf.predict(X, candidates=["zebra"]),
        lambda: clf.predict(X, class_attributes=table.values),
        lambda: clf.score(X, y[:-1] if len(y) > 1 else [*y, *y]),
    ]
    if hasattr(clf, "partial_fit"):
        calls += [
            lambda: clf.partial_fit(bad, y),
            lambda: clf.partial_fit(X, y, class_attributes=ClassAttributes([[1.0], [2.0]])),
        ]
    for call in calls:
        refusal_of(call)
        expect(state_of(clf) == before, "a refused call has changed the estimator")


def trial(rng):
    """One fit; whether it was refused."""
    estimator, kind = estimator_of(rng)
    X, y, table = problem_of(rng, kind)
    if rng.random() < 0.35:
        before = joblib.hash(estimator.get_params())
        if rng.random() < 0.2:
            damage = {pick(rng, list(estimator.get_params(deep=False))): pick(rng, ["?", -3, {}])}
            if damage.keys() & {"callbacks", "random_state", "delta", "verbose", "cv", "scaling"}:
                return True
            estimator.set_params(**damage)
            try:
                estimator.fit(X, y, class_attributes=table)
            except (ValueError, TypeError) as error:
                if is_foreign(error):
                    raise
            else:
                return False  # some parameters take anything of these
        else:
            wrong = damaged(rng, X, y, table)
            refusal_of(lambda: estimator.fit(wrong[0], wrong[1], class_attributes=wrong[2]))
            expect(joblib.hash(estimator.get_params()) == before, "parameters have changed")
        left = [name for name in vars(estimator) if name.endswith("_")]
        expect(not left, "a refused fit has left", left)
        return True
    given = dressed(rng, X, y)
    params = joblib.hash(estimator.get_params())
    try:
        clf = estimator.fit(*given, class_attributes=table)
    except (ValueError, TypeError, FloatingPointError) as error:
        if is_foreign(error):
            raise
        left = [name for name in vars(estimator) if name.endswith("_")]
        expect(not left, "a refused fit has left", left)
        return True
    expect(joblib.hash(clf.get_params()) == params, "fit has changed parameters")
    check_predictions(clf, X, table)
    if rng.random() < 0.3:
        turned = ClassAttributes(table.values[::-1], labels=table.labels[::-1])
        again = clone(estimator).fit(*given, class_attributes=turned)
        same = np.allclose(again.predict_proba(X), clf.predict_proba(X), atol=1e-6)
        expect(same, "the order of the table's rows has an effect")
    if rng.random() < 0.5:
        check_refusals(rng, clf, X, y, table)
    return False


def run(seeds):
    """Run trials; the number of refusals, and what went wrong."""
    faults, refused = [], 0
    for seed in seeds:
        began = time.perf_counter()
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                refused += trial(np.random.default_rng([30, seed]))
        except Exception as error:
            faults.append(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}")
        if time.perf_counter() - began > LONGEST:
            faults.append(f"seed {seed}: took {time.perf_counter() - began:.0f} s")
    return refused, faults


def test_a_hundred_fits():
    refused, faults = run(range(100))
    assert not faults, "\n".join(faults)
    assert 25 < refused < 60


@pytest.mark.slow
@pytest.mark.parametrize("block", range(6))
def test_fifteen_hundred_fits(block):
    _, faults = run(range(250 * block, 250 * (block + 1)))
    assert not faults, "\n".join(faults[:20])


FAULTS = {
    "sums of probabilities": ("predict_proba", lambda proba: 2 * proba),
    "not the largest": ("predict_proba", lambda proba: proba[:, ::-1]),
    "scores": ("_class_scores", lambda scores: np.nan * scores),
    "shape": ("_class_scores", lambda scores: scores[1:]),
    "classes_": ("fit", lambda clf: clf.__dict__.update(classes_=clf.classes_[::-1]) or clf),
    "fit has changed parameters": ("fit", lambda clf: clf.set_params(gamma=3.0)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_found(monkeypatch, fault):
    name, change = FAULTS[fault]

    class Faulty(ESZSLClassifier):
        pass

    def method(self, *args, **kwargs):
        return change(getattr(super(Faulty, self), name)(*args, **kwargs))

    monkeypatch.setattr(Faulty, name, method, raising=False)
    monkeypatch.setitem(globals(), "estimator_of", lambda rng: (Faulty(), "vectors"))
    _, faults = run(range(12))
    assert any(fault in found for found in faults), faults


def test_states_that_lie_are_found(monkeypatch):
    class Hasty(ESZSLClassifier):
        def predict(self, X, **options):
            self.note = np.random.default_rng().random()
            return super().predict(X, **options)

        def fit(self, X, y, class_attributes=None):
            self.width_ = 3
            return super().fit(X, y, class_attributes)

        def _forget(self):
            pass

    monkeypatch.setitem(globals(), "estimator_of", lambda rng: (Hasty(), "vectors"))
    _, faults = run(range(30))
    for found in ("a refused fit has left", "a refused call has changed the estimator"):
        assert any(found in fault for fault in faults), faults


def test_words_of_others_are_found(monkeypatch):
    def foreign(self, *args):
        return np.zeros(2) @ np.zeros(3)

    monkeypatch.setattr(ESZSLClassifier, "_class_scores", foreign)
    monkeypatch.setitem(globals(), "estimator_of", lambda rng: (ESZSLClassifier(), "vectors"))
    _, faults = run(range(12))
    assert any("matmul" in fault for fault in faults), faults
