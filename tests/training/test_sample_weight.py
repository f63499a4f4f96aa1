"""Weights of samples and classes in the training of networks."""

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.utils.class_weight import compute_sample_weight

from tests.training.learners import CosineLearner, GANLearner, TwoHeadedLearner, estimator_of
from zslearn import (
    APNClassifier,
    ClassAttributes,
    CVsCClassifier,
    DAZLEClassifier,
    HASClassifier,
)
from zslearn._training._learner import Learner
from zslearn.model_selection import HeldOutStopping

METHODS = [CVsCClassifier, DAZLEClassifier, APNClassifier, HASClassifier]
DRAWN = [estimator_of(one) for one in (CosineLearner, TwoHeadedLearner, GANLearner)]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)))
    y = rng.integers(0, 4, size=60)
    X = table.values[y][:, None, :] @ rng.normal(size=(5, 8)) + rng.normal(size=(60, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


def make(cls, **params):
    options = {"max_epochs": 2, "batch_size": 16, "random_state": 0, "device": "cpu"}
    options |= {"precision": "float32", "learning_rate": 1e-3}
    return cls(**options | {"learning_rate_schedule": "constant"} | params)


def fit(cls, data, sample_weight=None, **params):
    X, y, table = data
    return make(cls, **params).fit(X, y, class_attributes=table, sample_weight=sample_weight)


def equal(a, b):
    pairs = zip(a.net_.module_.parameters(), b.net_.module_.parameters(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("cls", METHODS + DRAWN)
def test_equal_weights_change_no_bit(data, cls):
    plain = fit(cls, data)
    for weights in (np.ones(60), np.full(60, 0.3), 2):
        assert equal(fit(cls, data, weights), plain)
    assert equal(fit(cls, data, class_weight={0: 1.0}), plain)


@pytest.mark.parametrize("early_stopping", [False, True, HeldOutStopping(refit=False)], ids=str)
@pytest.mark.parametrize("cls", [*METHODS, DRAWN[0], DRAWN[2]])
def test_samples_of_weight_zero_are_as_if_absent(data, cls, early_stopping):
    X, y, table = data
    weights = np.random.default_rng(1).uniform(0.1, 3, size=60)
    weights[[3, 8, 20, 41]] = 0
    spoilt = X.copy()
    spoilt[weights == 0] = np.nan  # not even read
    kept = weights > 0
    params = {"early_stopping": early_stopping}
    there = fit(cls, (spoilt, y, table), weights, **params)
    absent = fit(cls, (X[kept], y[kept], table), weights[kept], **params)
    assert equal(there, absent)
    assert not equal(there, fit(cls, (X[kept], y[kept], table), **params))
    if early_stopping:
        assert there.validation_scores_ == absent.validation_scores_


@pytest.mark.parametrize("cls", METHODS + DRAWN[:2])
def test_weights_decide_between_contradicting_labels(data, cls):
    """The same pictures under two labels: the heavier label is learned."""
    X, y, table = data
    twice, labels = np.concatenate([X, X]), np.concatenate([y, (y + 1) % 4])
    scores = []
    for heavy in (0, 1):
        weights = np.where(np.arange(120) // 60 == heavy, 50.0, 1.0)
        clf = fit(cls, (twice, labels, table), weights, max_epochs=40, learning_rate=1e-2)
        seen = clf.predict(X, candidates="seen")
        scores.append(np.mean(seen == (y + heavy) % 4) - np.mean(seen == (y + 1 - heavy) % 4))
    assert min(scores) > 0.25, scores


def test_a_step_takes_the_gradient_of_the_weighted_loss(data):
    X, y, table = data
    weights = np.random.default_rng(2).uniform(0.1, 3, size=60)
    options = {"optimizer": "sgd", "learning_rate": 1.0, "batch_size": 60, "max_epochs": 1}
    options |= {"lambda_sci": 0.0, "lambda_tci": 0.0}
    clf = fit(CVsCClassifier, data, weights, **options)
    start = make(CVsCClassifier, **options | {"learning_rate": 1e-30})
    learner = start.fit(X, y, class_attributes=table).net_.module_
    network = learner.network.train()
    regions = torch.nn.functional.normalize(torch.from_numpy(X), dim=2)
    output = network(regions, generator=torch.Generator())
    loss = learner.criterion(output, torch.from_numpy(y), torch.from_numpy(weights).float())
    loss["loss"].backward()
    for before, after in zip(learner.parameters(), clf.net_.module_.parameters(), strict=True):
        torch.testing.assert_close(after, before - before.grad, rtol=1e-4, atol=1e-6)
    assert clf.net_.history[0, "train_loss"] == pytest.approx(float(loss["loss"]), rel=1e-5)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 5.0, 2: 0.1}], ids=str)
@pytest.mark.parametrize("cls", METHODS + DRAWN[:1])
def test_weights_of_classes_are_those_of_their_samples(data, cls, class_weight):
    y = data[1]
    full = class_weight
    if class_weight != "balanced":
        full = dict.fromkeys(range(4), 1.0) | class_weight
    by_sample = fit(cls, data, compute_sample_weight(full, y))
    clf = fit(cls, data, class_weight=class_weight)
    assert equal(clf, by_sample)
    assert not equal(clf, fit(cls, data))
    own = np.arange(1.0, 61)
    if class_weight != "balanced":
        expected = fit(cls, data, own * compute_sample_weight(full, y))
        assert equal(fit(cls, data, own, class_weight=class_weight), expected)


@pytest.mark.parametrize("cls", METHODS)
def test_partial_fit_weighs(data, cls):
    X, y, table = data
    weights = np.arange(1.0, 61)
    clf = make(cls)
    for _ in range(2):
        clf.partial_fit(X, y, class_attributes=table, sample_weight=weights)
    assert equal(clf, fit(cls, data, weights))
    warm = fit(cls, data, weights, max_epochs=1, warm_start=True)
    assert equal(warm.fit(X, y, class_attributes=table, sample_weight=weights), clf)
    by_class = make(cls, class_weight={0: 3.0}).partial_fit(X, y, class_attributes=table)
    assert equal(by_class, fit(cls, data, class_weight={0: 3.0}, max_epochs=1))


def test_partial_fit_cannot_balance(data):
    X, y, table = data
    clf = make(CVsCClassifier, class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight='balanced' needs all samples.*compute_samp"):
        clf.partial_fit(X, y, class_attributes=table)
    assert not hasattr(clf, "n_features_in_")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("weights", "params", "message"),
    [
        (-np.ones(60), {}, "negative for 60"),
        (np.where(np.arange(60) == 7, np.nan, 1), {}, r"NaN or infinite for 1 .* rows \[7\]"),
        (np.ones(59), {}, r"each of the 60 samples, found shape \(59,\)"),
        (np.zeros(60), {}, "zero for every sample of 4 class"),
        (None, {"class_weight": {0: 0}}, r"zero for every sample of 1 class\(es\), such as \[0\]"),
        (None, {"class_weight": {7: 2}}, r"class_weight names \[7\]"),
        (None, {"class_weight": {0: -1}}, "class_weight must be finite and at least 0"),
        (None, {"class_weight": "even"}, "'class_weight' parameter"),
    ],
)
def test_bad_weights_are_refused(data, method, weights, params, message):
    X, y, table = data
    clf = make(CVsCClassifier, **params)
    with pytest.raises(ValueError, match=message):
        getattr(clf, method)(X, y, class_attributes=table, sample_weight=weights)
    assert not hasattr(clf, "n_features_in_")


def test_a_class_of_the_table_may_be_weighed_before_it_is_seen(data):
    X, y, table = data
    clf = make(CVsCClassifier, class_weight={5: 4.0})
    assert equal(
        clf.partial_fit(X, y, class_attributes=table),
        make(CVsCClassifier).partial_fit(X, y, class_attributes=table),
    )


def test_weights_are_routed_on_request():
    with config_context(enable_metadata_routing=True):
        clf = make(CVsCClassifier).set_fit_request(sample_weight=True)
        assert clf.get_metadata_routing().fit.requests["sample_weight"] is True
        assert make(CVsCClassifier).get_metadata_routing().fit.requests["sample_weight"] is None


def test_learners_draw_by_default():
    assert not Learner.weighs_samples
    assert all(cls._learner_type.weighs_samples for cls in METHODS)
