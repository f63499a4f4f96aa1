"""Rows that are made a batch at a time are those that stand whole."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from zslearn import CADAVAEClassifier, CEGZSLClassifier, FCLSWGANClassifier, TFVAEGANClassifier
from zslearn._sample_weights import Samples
from zslearn.exceptions import NonFiniteLossError
from zslearn.generative import _rows
from zslearn.generative._rows import GeneratedRows, ScaledRows
from zslearn.generative._softmax import SoftmaxClassifier
from zslearn.utils._toy_problems import CountingRows, Problem

SMALL = {"max_epochs": 1, "n_synthetic": 12, "random_state": 0, "classifier": "softmax"}


@pytest.fixture(scope="module")
def problem():
    return Problem.of(TFVAEGANClassifier())


@pytest.fixture(
    scope="module",
    params=[
        TFVAEGANClassifier(hidden_dim=16, **SMALL),
        CEGZSLClassifier(hidden_dim=16, embedding_dim=8, comparator_dim=8, critic_iter=1, **SMALL),
        CADAVAEClassifier(encoder_dims=(8, 8), decoder_dims=(8, 8), n_real=9, **SMALL),
    ],
    ids=lambda clf: type(clf).__name__,
)
def clf(problem, request):
    return request.param.fit(problem.X, problem.y, class_attributes=problem.table)


def rows_of(clf, problem, X=None):
    clf.net_.module_.double()
    samples = clf._chosen(Samples(problem.X if X is None else X, problem.y), 0)
    values = problem.table.subset(clf.unseen_classes_).values
    return samples, GeneratedRows(clf.net_, clf.scaling_, samples, values, 12)


def test_any_rows_are_those_of_the_whole(clf, problem, monkeypatch):
    samples, rows = rows_of(clf, problem)
    everything = rows.make(np.arange(len(samples.y) + 36))
    assert everything.shape == rows.shape
    rng = np.random.default_rng(0)
    for index in (rng.permutation(rows.shape[0])[:17], [rows.shape[0] - 1], [3, 3, 0]):
        torch.testing.assert_close(rows.make(index), everything[index], rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(_rows, "_BLOCK_BYTES", 4 * 5 * rows.shape[1])  # five rows
    np.testing.assert_allclose(rows.whole(), everything.numpy(), rtol=1e-6, atol=1e-6)
    # Another source with the same seed draws the same noise.
    torch.testing.assert_close(rows_of(clf, problem)[1].make([40, 2]), everything[[40, 2]])


def test_the_softmax_is_that_of_whole_rows(clf, problem, monkeypatch):
    X = CountingRows(problem.X)
    samples, _ = rows_of(clf, problem, X)
    before = clf._fit_final(clf.net_, clf.class_attributes_, samples).classifier
    made, make = [], GeneratedRows.make

    def spied(self, index):
        made.append(len(index))
        return make(self, index)

    def whole(self):
        raise AssertionError("all rows at once")

    monkeypatch.setattr(_rows, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(GeneratedRows, "make", spied)
    monkeypatch.setattr(GeneratedRows, "whole", whole)
    after = clf._fit_final(clf.net_, clf.class_attributes_, samples).classifier
    # float32 rows of networks in float64: equal but for a rounding that falls the other way.
    np.testing.assert_allclose(after.coef_, before.coef_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after.intercept_, before.intercept_, rtol=1e-5, atol=1e-6)
    n_rows = len(clf._chosen(samples, clf.net_.seed).y) + 36
    assert max(made) == min(before.batch_size, n_rows)
    assert sum(made) == 25 * n_rows + 1  # every row once an epoch, and one for the width
    with pytest.raises(AssertionError, match="all rows at once"):
        clf.set_params(classifier=LogisticRegression())._fit_final(
            clf.net_, clf.class_attributes_, samples
        )
    clf.set_params(classifier="softmax")


def test_the_classifier_of_seen_classes_reads_by_the_batch(problem, monkeypatch):
    def read(self):
        raise AssertionError("all rows at once")

    X, y = problem.X, problem.y
    clf = FCLSWGANClassifier(hidden_dim=16, critic_iter=1, **SMALL).fit(
        X, y, class_attributes=problem.table
    )
    scaled = clf.scaling_(X.reshape(len(X), -1)) if X.ndim == 2 else clf.scaling_(X.mean(axis=1))
    expected = SoftmaxClassifier(n_epochs=50).fit(
        scaled.astype(np.float32), np.unique(y, return_inverse=True)[1]
    )
    monkeypatch.setattr(_rows, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(ScaledRows, "whole", read)
    clf.fit(CountingRows(X), y, class_attributes=problem.table)
    found = clf.seen_classifier_.classifier
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-5, atol=1e-6)
    with pytest.raises(AssertionError, match="all rows at once"):
        clf.set_params(classifier=None).fit(X, y, class_attributes=problem.table)


def test_rows_of_no_class_and_no_sample(clf, problem):
    rows = GeneratedRows(clf.net_, clf.scaling_, None, problem.table.values[:0], 12)
    assert rows.shape == (0, 0)
    assert rows.whole().shape == (0, 0)
    alone = GeneratedRows(clf.net_, clf.scaling_, None, problem.table.values[:2], 3)
    assert alone.shape[0] == 6
    assert alone.nbytes == alone.whole().nbytes


def test_rows_of_a_training_that_diverged_are_refused(problem, monkeypatch):
    clf = FCLSWGANClassifier(hidden_dim=16, critic_iter=1, **SMALL)
    clf.fit(problem.X, problem.y, class_attributes=problem.table)
    clf.net_.module_.double()
    with torch.no_grad():
        clf.net_.module_.generator.out.bias.fill_(1e300)
    with pytest.raises(NonFiniteLossError, match="rows for the classifier.*Lower learning_rate"):
        clf.synthesize(n=2)
    monkeypatch.setattr(_rows, "_WHOLE_BYTES", 0)  # by the batch
    with pytest.raises(NonFiniteLossError, match="rows for the classifier.*Lower learning_rate"):
        clf._fit_final(clf.net_, problem.table, Samples(problem.X, problem.y))
