"""Ranking methods: losses' gradients equal to released code, steps by hand, and training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from zslearn.attributes import ClassAttributes
from zslearn.linear_model import ALEClassifier, DeViSEClassifier, SJEClassifier
from zslearn.linear_model import _ranking as ranking

CASES = pytest.mark.parametrize("number", [1, 2])
ALL = pytest.mark.parametrize("cls", [ALEClassifier, DeViSEClassifier, SJEClassifier])
CLOSE = {"rtol": 0, "atol": 1e-12}


@CASES
@pytest.mark.parametrize(("name", "cls"), [("ale", ALEClassifier), ("devise", DeViSEClassifier)])
def test_parity_of_the_gradient(parity, name, cls, number):
    case = parity(name, number)
    X, T = case["X_train_l2"], case["class_attributes"][case["seen"]]
    scores = X @ case["W_init"] @ T.T
    assert_allclose(scores, case["full_scores_at_W_init"], **CLOSE)
    parts = cls(margin=float(case["margin"]))._gradient(scores, case["y_index"])
    assert_allclose(X.T @ parts @ T, case["full_grad_at_W_init"], **CLOSE)


@CASES
def test_steps_of_sje_are_the_papers(parity, number):
    case = parity("sje", number)
    X, T = case["X_train_l2"], case["class_attributes"][case["seen"]]
    clf = SJEClassifier(margin=float(case["margin"]))
    W = case["W_init"]
    for row, expected in zip(
        np.ravel(case["order"]), case["W_after_each_sample_paper"], strict=True
    ):
        x, y = X[[row]], case["y_index"][[row]]
        W = W - float(case["learning_rate"]) * x.T @ clf._gradient(x @ W @ T.T, y) @ T
        assert_allclose(W, expected, **CLOSE)


@ALL
def test_training_is_descent_on_the_map_itself(cls):
    rng = np.random.default_rng(0)
    table, X = rng.normal(size=(5, 6)), rng.normal(size=(40, 7))
    y = np.arange(40) % 4
    parameters = {"scaling": None, "attribute_scaling": None, "score_scale": 1.0}
    clf = cls(0.03, max_epochs=3, batch_size=40, random_state=0, **parameters)
    clf.fit(X, y, ClassAttributes(table))
    W = np.zeros((7, 6))
    for _ in range(3):
        W -= 0.03 * X.T @ clf._gradient(X @ W @ table[:4].T, y) @ table[:4]
    assert_allclose(clf.coef_, W, **CLOSE)


@ALL
def test_a_seed_decides_and_classes_are_learnt(cls):
    rng = np.random.default_rng(1)
    table = ClassAttributes(rng.normal(size=(6, 5)))
    y = np.arange(120) % 6
    X = table.values[y] @ rng.normal(size=(5, 9)) + 0.3 * rng.normal(size=(120, 9))
    kept = y < 5
    fits = [cls(random_state=s).fit(X[kept], y[kept], table) for s in (0, 0, 1)]
    assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert np.abs(fits[0].coef_ - fits[2].coef_).max() > 1e-6
    assert fits[0].score(X[kept], y[kept], candidates="seen") > 0.9


@ALL
@pytest.mark.parametrize("name", ["learning_rate", "margin", "max_epochs", "batch_size"])
def test_refuses_parameters(cls, name):
    with pytest.raises(ValueError, match=f"{name} must be a finite number above 0, found 0"):
        cls(**{name: 0}).fit(np.eye(4), [0, 0, 1, 1], ClassAttributes(np.eye(3)))


@ALL
def test_samples_read_in_parts_train_the_same(cls, monkeypatch):
    rng = np.random.default_rng(2)
    table = ClassAttributes(rng.normal(size=(6, 5)))
    y = np.arange(100) % 5
    X = table.values[y] @ rng.normal(size=(5, 9)) + 0.3 * rng.normal(size=(100, 9))
    held = cls(batch_size=7, max_epochs=3, random_state=0).fit(X, y, table)
    monkeypatch.setattr(ranking, "_HELD_BYTES", 0)
    monkeypatch.setattr(ranking, "_READ_NUMBERS", 9 * 7 * 4)
    parts = cls(batch_size=7, max_epochs=3, random_state=0).fit(X, y, table)
    assert_array_equal(parts.coef_, held.coef_)
    assert parts.score_scale_ == held.score_scale_
