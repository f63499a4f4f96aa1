"""Latent embeddings: steps of the released code, the loss's gradient, and training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from zslearn.attributes import ClassAttributes
from zslearn.linear_model import LatEmClassifier

CASES = pytest.mark.parametrize("number", [1, 2])
CLOSE = {"rtol": 0, "atol": 1e-12}


@CASES
def test_steps_and_scores_of_the_released_code(parity, fit, scores_of, number):
    """Its step is this one's with the class drawn as the only wrong one."""
    case = parity("latem", number)
    X, y, T = case["X_train_normalised"], case["y_index"], case["class_attributes"][case["seen"]]
    clf = LatEmClassifier(margin=float(case["margin"]))
    W, n_steps = case["W_init"].copy(), 0
    for order, draws in zip(case["orders"], case["draws"], strict=True):
        for row, drawn in zip(order, draws, strict=True):
            pair = T[[y[row], drawn]]
            x = X[[row]]
            parts = clf._gradient(x @ W @ pair.T, np.array([0]))
            W = W - float(case["learning_rate"]) * x.T @ parts @ pair
            n_steps += parts.any()
    assert n_steps > 2
    assert_allclose(W, case["W_authors"], **CLOSE)
    fitted = fit(LatEmClassifier, case, n_maps=len(W), max_epochs=1, random_state=0)
    fitted.coef_ = W
    assert_allclose(scores_of(fitted, case["X_test_normalised"]), case["scores"], **CLOSE)


def problem(seed=0, n_classes=6, n_samples=120):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n_classes, 5))
    y = np.arange(n_samples) % n_classes
    X = table[y] @ rng.normal(size=(5, 9)) + 0.3 * rng.normal(size=(n_samples, 9))
    return X, y, table


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(3, 8, 5)), rng.integers(5, size=8)

    def loss(scores):
        best = scores.max(axis=0)
        excess = 1.5 + best - best[np.arange(8), targets][:, None]
        excess[np.arange(8), targets] = 0
        return np.maximum(excess, 0).sum()

    expected = np.empty_like(scores)
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-6
        expected[place] = (loss(scores + step) - loss(scores - step)) / 2e-6
    found = LatEmClassifier(margin=1.5)._gradient(scores, targets)
    assert_allclose(found, expected, rtol=0, atol=1e-8)
    assert {0.0, 1.0} < set(np.unique(found))


def test_training_is_descent_on_the_maps_themselves():
    X, y, table = problem()
    parameters = {"scaling": None, "attribute_scaling": None, "score_scale": 1.0}
    clf = LatEmClassifier(3, learning_rate=0.003, batch_size=120, random_state=0, **parameters)
    start = clf.set_params(learning_rate=1e-300, max_epochs=1).fit(X, y, table).coef_
    assert start.std() == pytest.approx(1 / 3, rel=0.2)
    W, steps = start.copy(), clf.set_params(learning_rate=0.003, max_epochs=4).fit(X, y, table)
    for _ in range(4):
        W -= 0.003 * X.T @ clf._gradient(X @ W @ table.T, y) @ table
    assert_allclose(steps.coef_, W, **CLOSE)
    assert np.abs(W - start).max(axis=(1, 2)).min() > 0.01


def test_a_seed_decides_and_classes_are_learnt():
    X, y, table = problem(1)
    kept, table = y < 5, ClassAttributes(table)
    fits = [LatEmClassifier(random_state=s).fit(X[kept], y[kept], table) for s in (0, 0, 1)]
    assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert np.abs(fits[0].coef_ - fits[2].coef_).max() > 1e-6
    assert fits[0].score(X[kept], y[kept], candidates="seen") > 0.9


@pytest.mark.parametrize("name", ["n_maps", "learning_rate", "margin", "max_epochs", "batch_size"])
def test_refuses_parameters(name):
    with pytest.raises(ValueError, match=f"{name} must be a finite number above 0, found 0"):
        LatEmClassifier(**{name: 0}).fit(np.eye(4), [0, 0, 1, 1], ClassAttributes(np.eye(3)))
