"""Training and prediction on a CUDA device agree with the CPU."""

import pickle

import numpy as np
import pytest
import torch

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._training._rows import RegionRows

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    values = rng.uniform(0.1, 1, size=(12, 20))
    y = rng.integers(0, 9, size=300)
    X = values[y][:, None, :] @ rng.normal(size=(20, 64)) + rng.normal(size=(300, 9, 64)) * 0.3
    return X.astype(np.float32), y, ClassAttributes(values)


def make(**params):
    options = {"max_epochs": 5, "random_state": 0, "attribute_dim": 30, "device": "cuda"}
    return CVsCClassifier(**options | params)


def test_scores_agree_with_the_cpu(data):
    X, y, table = data
    gpu = make(precision="float32").fit(X, y, class_attributes=table)
    cpu = make(precision="float32", device="cpu").fit(X[:50], y[:50], class_attributes=table)
    cpu.net_.module_.load_state_dict(gpu.net_.module_.cpu().state_dict())
    expected = cpu.decision_function(X)
    gpu.net_.module_.cuda()
    np.testing.assert_allclose(gpu.decision_function(X), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gpu.attention_maps(X), cpu.attention_maps(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("counterfactual", ["normal", "uniform", "permute"])
def test_trains_in_every_precision(data, precision, counterfactual):
    X, y, table = data
    clf = make(precision=precision, counterfactual=counterfactual)
    clf.fit(X, y, class_attributes=table)
    losses = clf.net_.history[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert clf.score(X, y, candidates="seen") > 2 / 9


def test_kinds_of_input(data):
    X, y, table = data
    expected = make(precision="float32").fit(X, y, class_attributes=table).predict(X)
    for kind in (torch.from_numpy(X), torch.from_numpy(X).cuda(), X.astype(np.float64)):
        clf = make(precision="float32").fit(kind, y, class_attributes=table)
        assert (clf.predict(kind) == expected).mean() > 0.97


def test_resident_copy_is_on_the_device(data):
    rows = RegionRows(data[0], torch.device("cuda", 0), torch.bfloat16, keep=True)
    assert rows._resident.device == torch.device("cuda", 0)
    streamed = RegionRows(data[0], torch.device("cuda", 0), torch.bfloat16)
    picked = np.array([1, 5, 299])
    assert torch.equal(rows.take(picked), streamed.take(picked))


def test_pickled(data):
    X, y, table = data
    clf = make().fit(X, y, class_attributes=table)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict(X), clf.predict(X))
    again.partial_fit(X, y)


def test_early_stopping_and_warm_start(data):
    X, y, table = data
    clf = make(early_stopping=True, refit=False).fit(X, y, class_attributes=table)
    assert clf.predict(X).shape == (300,)
    clf = make(warm_start=True).fit(X, y, class_attributes=table)
    clf.fit(X, y, class_attributes=table)
    assert len(clf.net_.history) == 10
