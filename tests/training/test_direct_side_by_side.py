"""Estimators that can take prepared steps take them by turns, and are what they are alone."""

import numpy as np
import pytest
import torch

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._training._direct_epochs import BatchPlaces
from zslearn._training._stacked import fit_side_by_side
from zslearn.exceptions import NonFiniteLossError
from zslearn.nn._native import library, why_not
from zslearn.nn._network_stack import CVsCNetworkStack

pytestmark = pytest.mark.skipif(library() is None, reason=why_not() or "there is compiled code")

K, C = 130, 130


# Images whose regions are gathered, and such as are read where they are.
@pytest.fixture(scope="module", params=[(16, 512), (30, 288)], ids=["gathered", "in place"])
def data(request):
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(C, K)))
    y = np.tile(np.arange(10), 5)
    return rng.normal(size=(len(y), *request.param)).astype(np.float32), y, table


def new(**options):
    settings = {"max_epochs": 2, "batch_size": 20, "random_state": 0, "attribute_dim": 32}
    settings |= {"learning_rate": 1e-3, "precision": "bfloat16", "device": "cpu"}
    return CVsCClassifier(**settings | options)


def fit(data, **options):
    X, y, table = data
    return new(**options).fit(X, y, class_attributes=table)


def fit_together(data, settings):
    X, y, table = data
    many = [new(**setting) for setting in settings]
    return many, fit_side_by_side(many, X, y, table)


def check_same(ours, theirs):
    pairs = zip(ours.net_.module_.parameters(), theirs.net_.module_.parameters(), strict=True)
    assert all(torch.equal(left, right) for left, right in pairs)
    for one, other in zip(ours.net_.history, theirs.net_.history, strict=True):
        assert list(one) == list(other)
        assert one["batches"] == other["batches"]
        assert {**one, "dur": 0} == {**other, "dur": 0}


@pytest.fixture
def stacked(monkeypatch):
    """Passes over a batch for several networks at once."""
    passes = []
    call = CVsCNetworkStack.__call__
    monkeypatch.setattr(
        CVsCNetworkStack, "__call__", lambda *arguments: passes.append(1) or call(*arguments)
    )
    return passes


@pytest.fixture
def reads(monkeypatch):
    """How often the batches of an epoch were put in their places."""
    found = []
    put = BatchPlaces.__iter__
    monkeypatch.setattr(
        BatchPlaces, "__iter__", lambda places: found.append(len(places.batches)) or put(places)
    )
    return found


def test_by_turns(data, stacked, reads):
    settings = [
        {},
        {"lambda_cc": 0.1, "learning_rate_schedule": "cosine"},
        {"gradient_clip": 0.1, "scale": 2.0, "weight_decay": 0.1},
        {"optimizer": "sgd", "train_attribute_vectors": False},
    ]
    many, errors = fit_together(data, settings)
    assert errors == [None] * 4
    assert reads == [3, 3]
    assert not stacked
    for one, setting in zip(many, settings, strict=True):
        check_same(one, fit(data, **setting))


def test_one_that_does_not_serve(data, stacked, reads):
    settings = [{}, {"counterfactual": "permute"}]
    many, errors = fit_together(data, settings)
    assert errors == [None] * 2
    assert len(stacked) == 2 * 3
    assert not reads
    for one, setting in zip(many, settings, strict=True):
        alone = fit(data, **setting)
        for left, right in zip(one.net_.history, alone.net_.history, strict=True):
            # Sums in another order round to other bfloat16 numbers here and there.
            assert left["train_loss"] == pytest.approx(right["train_loss"], rel=1e-3)


EXPLODE = {"optimizer": "sgd", "learning_rate": 1e30}


def test_one_that_diverges_leaves_the_others_alone(data, stacked):
    many, errors = fit_together(data, [{}, EXPLODE, {"lambda_cc": 0.1}])
    assert [type(error) for error in errors] == [type(None), NonFiniteLossError, type(None)]
    assert "epoch 1, batch 2" in str(errors[1])
    check_same(many[0], fit(data))
    check_same(many[2], fit(data, lambda_cc=0.1))
    assert not stacked


def test_all_diverge(data, reads):
    _, errors = fit_together(data, [EXPLODE, {**EXPLODE, "scale": 2.0}])
    assert [type(error) for error in errors] == [NonFiniteLossError] * 2
    assert reads == [3]
