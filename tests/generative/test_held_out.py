"""Epochs and delta from held-out classes, at looks that take a fit of the final classifier."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from tests.generative.test_latent_graphs import small
from zslearn import (
    CADAVAEClassifier,
    CEGZSLClassifier,
    FCLSWGANClassifier,
    FREEClassifier,
    FVAEGANClassifier,
    HSVAClassifier,
    TFVAEGANClassifier,
)
from zslearn.model_selection import HeldOutStopping
from zslearn.utils._toy_problems import Problem

SMALL = {"hidden_dim": 16, "critic_iter": 1, "n_synthetic": 12, "random_state": 0}
ADVERSARIAL = [
    *(FCLSWGANClassifier, FVAEGANClassifier, TFVAEGANClassifier, FREEClassifier, CEGZSLClassifier)
]


@pytest.fixture(scope="module")
def problem():
    return Problem.of(FCLSWGANClassifier())


def fitted(problem, cls=FCLSWGANClassifier, **params):
    return cls(**SMALL | params).fit(problem.X, problem.y, class_attributes=problem.table)


def test_epochs_by_held_out_classes(problem):
    clf = fitted(problem, early_stopping=HeldOutStopping(n_iter_no_change=2), max_epochs=6)
    assert 1 <= clf.best_epoch_ <= len(clf.validation_scores_) <= 6
    assert len(clf.net_.history) == clf.best_epoch_
    assert clf.unseen_classes_.tolist() == problem.labels[problem.unseen].tolist()
    assert np.isfinite(clf.validation_delta_)
    stays = fitted(problem, early_stopping=HeldOutStopping(refit=False), max_epochs=2)
    assert len(stays.unseen_classes_) == len(clf.unseen_classes_) + 1
    assert np.isfinite(stays.decision_function(problem.X)).all()


@pytest.mark.parametrize("cls", [*ADVERSARIAL, CADAVAEClassifier, HSVAClassifier])
def test_the_softmax_is_fitted_at_looks(problem, cls):
    clf = cls(**SMALL) if cls in ADVERSARIAL else small(cls)
    clf.set_params(max_epochs=2, early_stopping=True, classifier="softmax")
    clf.fit(problem.X, problem.y, class_attributes=problem.table)
    assert len(clf.validation_scores_) == 2
    assert clf.final_classifier_.classifier.n_epochs == 25


@pytest.mark.parametrize(
    ("every", "patience", "epochs", "looked"),
    [
        (None, 50, 45, [*range(2, 45, 2), 45]),
        (20, 50, 45, [20, 40, 45]),
        (7, 50, 14, [7, 14]),
        (3, 50, 2, [2]),
    ],
)
def test_looks_are_a_twentieth_apart(problem, every, patience, epochs, looked):
    stopping = HeldOutStopping(evaluate_every=every, n_iter_no_change=patience)
    clf = fitted(problem, max_epochs=epochs, early_stopping=stopping)
    areas = np.array(clf.validation_history_[:, "valid_ausuc"])
    assert (np.flatnonzero(~np.isnan(areas)) + 1).tolist() == looked
    assert areas[np.array(looked) - 1].tolist() == clf.validation_scores_
    assert clf.best_epoch_ == looked[int(np.argmax(clf.validation_scores_))]


def test_patience_counts_looks(problem, monkeypatch):
    areas = iter([0.3, 0.4, 0.2, 0.1, 0.1])
    monkeypatch.setattr(
        "zslearn._training._early_stopping.ausuc_score", lambda *_, **__: next(areas)
    )
    stopping = HeldOutStopping(evaluate_every=4, n_iter_no_change=2)
    clf = fitted(problem, max_epochs=40, early_stopping=stopping)
    assert clf.validation_scores_ == [0.3, 0.4, 0.2, 0.1]
    assert len(clf.validation_history_) == 16
    assert clf.best_epoch_ == 8


def test_no_stop_before_the_weights_have_risen(problem, monkeypatch):
    monkeypatch.setattr("zslearn._training._early_stopping.ausuc_score", lambda *_, **__: 0.5)
    stopping = HeldOutStopping(n_iter_no_change=1)
    clf = small(CADAVAEClassifier).set_params(max_epochs=20, early_stopping=stopping)
    clf.set_params(beta_warm_up=(0.0, 0.4), ca_warm_up=(0.2, 0.5), da_warm_up=(0.1, 0.9))
    clf.fit(problem.X, problem.y, class_attributes=problem.table)
    assert len(clf.validation_history_) == 19
    clf.set_params(lambda_da=0.0).fit(problem.X, problem.y, class_attributes=problem.table)
    assert len(clf.validation_history_) == 11


def test_a_generator_that_has_not_moved_is_told(problem):
    with pytest.warns(ConvergenceWarning, match="critic_iter=5 batches, and there were 2"):
        fitted(problem, critic_iter=5, max_epochs=2)
