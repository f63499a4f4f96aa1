"""The parameter batch_sampling."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

import zslearn
from tests.training.learners import CosineLearner, estimator_of
from zslearn import ClassAttributes, DAZLEClassifier
from zslearn._data._rows import TrainingBatches
from zslearn.model_selection import EpisodeSampling

N_EACH = [30, 20, 9, 1]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)))
    y = rng.permutation(np.repeat([4, 2, 1, 0], N_EACH))
    X = table.values[y][:, None, :] @ rng.normal(size=(5, 8)) + rng.normal(size=(60, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


@pytest.fixture
def taken(monkeypatch):
    batches, rows_of_epoch = [], TrainingBatches.rows_of_epoch

    def watch(self):
        rows = rows_of_epoch(self)
        batches.append([self.targets[one] for one in rows])
        return rows

    monkeypatch.setattr(TrainingBatches, "rows_of_epoch", watch)
    return batches


def fit(data, sample_weight=None, cls=DAZLEClassifier, **params):
    X, y, table = data
    options = {"max_epochs": 2, "batch_size": 10, "random_state": 0, "device": "cpu"}
    clf = cls(**options | {"learning_rate": 1e-3, "precision": "float32"} | params)
    return clf.fit(X, y, class_attributes=table, sample_weight=sample_weight)


def weights(clf):
    return torch.cat([p.detach().flatten() for p in clf.net_.module_.parameters()])


@pytest.mark.parametrize(
    ("sampling", "batch_size", "n_batches", "n_classes", "n_each"),
    [
        ("balanced", 10, 6, 4, 2),
        ("balanced", 3, 20, 3, 1),
        ("episodes", 10, 8, 4, 2),
        (EpisodeSampling(n_way=2, n_shot=5), 50, 6, 2, 5),
        (EpisodeSampling(n_way=2, n_shot=5, n_batches=9), 50, 9, 2, 5),
    ],
    ids=str,
)
def test_batches_have_as_many_samples_of_each_class(
    data, taken, sampling, batch_size, n_batches, n_classes, n_each
):
    clf = fit(data, batch_sampling=sampling, batch_size=batch_size)
    assert [len(epoch) for epoch in taken] == [n_batches] * 2
    for targets in (one for epoch in taken for one in epoch):
        counts = np.unique(targets, return_counts=True)[1]
        assert counts.tolist() == [n_each] * n_classes
    assert clf.class_count_.tolist() == [1, 9, 20, 0, 30, 0]
    assert len(clf.net_.history[0]["batches"]) == n_batches


@pytest.mark.parametrize("sampling", ["balanced", "episodes"])
def test_a_continued_training_equals_an_uninterrupted_one(data, sampling):
    X, y, table = data
    whole = fit(data, batch_sampling=sampling, max_epochs=4)
    parts = fit(data, batch_sampling=sampling, max_epochs=1, warm_start=True)
    parts.set_params(max_epochs=3).fit(X, y, class_attributes=table)
    assert torch.equal(weights(whole), weights(parts))
    assert torch.equal(weights(whole), weights(clone(whole).fit(X, y, class_attributes=table)))
    assert not torch.equal(weights(whole), weights(fit(data, max_epochs=4)))


@pytest.mark.parametrize("sampling", ["balanced", "episodes"])
def test_weights_come_with_the_samples(data, sampling):
    heavy = np.random.default_rng(1).uniform(0.1, 3, size=60)
    plain, weighed = fit(data, batch_sampling=sampling), fit(data, heavy, batch_sampling=sampling)
    assert not torch.equal(weights(plain), weights(weighed))
    assert torch.equal(weights(plain), weights(fit(data, 2.0, batch_sampling=sampling)))
    drawn = estimator_of(CosineLearner)
    fit(data, cls=drawn, batch_sampling=sampling)
    with pytest.raises(ValueError, match="heed sample_weight and class_weight by that alone"):
        fit(data, heavy, cls=drawn, batch_sampling=sampling)


def test_steps_count_in_automatic_epochs(data, taken):
    episodes = EpisodeSampling(n_way=2, n_shot=5, n_batches=25)
    fit(data, batch_sampling=episodes, max_epochs="auto")
    assert len(taken) == 20


def test_it_is_searched_and_saved_like_a_parameter(data, tmp_path):
    clf = DAZLEClassifier(batch_sampling=EpisodeSampling())
    clf = clone(clf).set_params(batch_sampling__n_way=2, batch_sampling__n_shot=3)
    clf.set_params(max_epochs=1, random_state=0).fit(data[0], data[1], class_attributes=data[2])
    zslearn.save(clf, tmp_path / "model.zsl")
    loaded = zslearn.load(tmp_path / "model.zsl")
    assert loaded.get_params()["batch_sampling__n_shot"] == 3
    np.testing.assert_array_equal(loaded.predict_proba(data[0]), clf.predict_proba(data[0]))


@pytest.mark.parametrize(
    ("sampling", "match"),
    [
        ("even", "'batch_sampling' parameter"),
        (EpisodeSampling(n_way=0), "'n_way' parameter of EpisodeSampling"),
        (EpisodeSampling(n_batches=0), "'n_batches' parameter of EpisodeSampling"),
    ],
)
def test_bad_values_are_named(data, sampling, match):
    with pytest.raises(ValueError, match=match):
        fit(data, batch_sampling=sampling)
