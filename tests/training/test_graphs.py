"""Epochs on resident data equal ordinary ones, to the bit where nothing is captured.

Devices that capture are played by the CPU, and graphs by stand-ins that call the step.
"""

import math
import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, LRScheduler

from zslearn import ClassAttributes, CVsCClassifier, DAZLEClassifier
from zslearn._data._rows import RegionRows, TrainingBatches
from zslearn._training import _graphs as cs
from zslearn._training import _net
from zslearn.attention import CVsCObjective
from zslearn.exceptions import NonFiniteLossError
from zslearn.nn.functional import find_padding


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)))
    y = rng.integers(0, 4, size=62)  # batches of 16 and of 15
    X = table.values[y][:, None, :] @ rng.normal(size=(5, 8)) + rng.normal(size=(62, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


@pytest.fixture
def resident(monkeypatch):
    """Keep every data set; note the sizes of the steps taken without a wait."""
    steps = []
    real = cs.GraphEngine._step
    monkeypatch.setattr(RegionRows, "_should_keep", lambda self: True)
    monkeypatch.setattr(
        cs.GraphEngine, "_step", lambda self, key: (steps.append(key[0]), real(self, key))
    )
    return steps


def fit(data, method=CVsCClassifier, **params):
    X, y, table = data
    options = {"max_epochs": 3, "batch_size": 16, "random_state": 0}
    options |= {"learning_rate": 1e-2, "device": "cpu"}
    return method(**options | params).fit(X, y, class_attributes=table)


def fit_here(monkeypatch, data, *method, **params):
    with monkeypatch.context() as patch:
        patch.setattr(cs, "_DEVICES", {"cpu"})
        return fit(data, *method, **params)


def assert_equal_to_the_bit(a, b):
    for ours, theirs in zip(states(a), states(b), strict=True):
        assert torch.equal(ours, theirs)
    assert len(a.net_.history) == len(b.net_.history)
    for ours, theirs in zip(a.net_.history, b.net_.history, strict=True):
        assert without_time(ours) == without_time(theirs)
    groups = zip(a.net_.optimizer_.param_groups, b.net_.optimizer_.param_groups, strict=True)
    for ours, theirs in groups:
        assert {**ours, "params": 0} == {**theirs, "params": 0}


def states(clf):
    moments = clf.net_.optimizer_.state.values()
    return [
        *clf.net_.module_.parameters(),
        *(
            value
            for notes in moments
            for value in notes.values()
            if isinstance(value, torch.Tensor)
        ),
    ]


def without_time(row):
    return {name: value for name, value in row.items() if name != "dur"}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"precision": "bfloat16"},
        {"precision": "float16", "objective": CVsCObjective(counterfactual="permute")},
        {"objective": "released", "learning_rate_schedule": "cosine"},
        {"optimizer": "adamw", "optimizer_params": {"weight_decay": 0.1}},
        {"gradient_clip": 0.05, "learning_rate_schedule": "linear"},
        {"class_weight": {0: 3.0, 1: 0.2}, "precision": "bfloat16"},
        {"optimizer": "sgd", "lambda_sci": 0.0, "lambda_tci": 0.0},
        {"early_stopping": True},
        {"batch_size": 100},
    ],
    ids=str,
)
def test_equal_to_ordinary_training(monkeypatch, resident, data, params):
    ordinary = fit(data, **params)
    assert resident == []
    assert_equal_to_the_bit(fit_here(monkeypatch, data, **params), ordinary)
    assert len(resident) >= 3


@pytest.mark.parametrize("method", [CVsCClassifier, DAZLEClassifier])
def test_padding_is_read_beside_the_regions(monkeypatch, resident, data, method):
    X = data[0].copy()
    X[::2, 2] = 0
    padded, looked = (X, *data[1:]), []
    monkeypatch.setattr(_net, "find_padding", lambda X: looked.append(1) or find_padding(X))
    ordinary = fit(padded, method, optimizer="adam")
    assert len(looked) == 3 * 4 + 1
    assert_equal_to_the_bit(fit_here(monkeypatch, padded, method, optimizer="adam"), ordinary)
    assert len(looked) == 3 * 4 + 2  # before the first epoch
    assert len(resident) == 3 * 4
    fit(data, method)
    assert len(looked) == 3 * 4 + 2  # where it is known that there is none, nobody looks


def test_steps_and_sizes(monkeypatch, resident, data):
    clf = fit_here(monkeypatch, data)
    assert resident == 3 * [16, 16, 15, 15]
    assert list(clf.net_.history[-1]["batches"][-1]) == [
        *["lr", "ce", "cal", "cc", "sci", "tci", "train_loss", "train_batch_size"]
    ]
    assert clf.net_._engine is None  # what the graphs hold is given back


def test_order_is_that_of_the_batches(data):
    y = data[1]
    numbers = np.arange(len(y), dtype=np.float32)
    directions = np.stack([np.cos(numbers / 20), np.sin(numbers / 20)], axis=1)  # by which to know
    rows = RegionRows(directions, torch.device("cpu"), torch.float64)
    batches = TrainingBatches(rows, y, batch_size=16, seed=3)
    for batches.epoch in (0, 5):
        taken = batches.rows_of_epoch()
        for found, (regions, targets) in zip(taken, batches, strict=True):
            angles = torch.atan2(regions[:, 0, 1], regions[:, 0, 0]) * 20
            expected = torch.from_numpy((found + 31) % 126 - 31)
            turns = (angles - expected) / (40 * math.pi)
            torch.testing.assert_close(turns, turns.round(), rtol=0, atol=1e-5)
            assert targets.tolist() == y[found].tolist()


def test_continued_trainings(monkeypatch, resident, data):
    X, y, table = data
    fits = []
    for here in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(cs, "_DEVICES", {"cpu"} if here else set())
            clf = fit(data, warm_start=True)
            clf.set_params(max_epochs=2, lambda_cc=1.0).fit(X, y, class_attributes=table)
            clf.partial_fit(X, y)
        fits.append(clf)
    assert_equal_to_the_bit(*fits)
    assert len(resident) == 4 * (3 + 2)  # for one epoch nothing is made resident


@pytest.mark.parametrize(
    ("rate", "where"), [(1e4, "epoch 2, batch"), (1e12, "epoch 1, batch 3")], ids=["later", "first"]
)
def test_loss_that_is_not_finite(monkeypatch, resident, data, rate, where):
    messages = []
    for here in (False, True):
        monkeypatch.setattr(cs, "_DEVICES", {"cpu"} if here else set())
        with pytest.raises(NonFiniteLossError) as caught:
            fit(data, optimizer="sgd", learning_rate=rate)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert where in messages[0]


class WatchesBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


@pytest.mark.parametrize(
    "params",
    [
        {"callbacks": [WatchesBatches()]},
        {"callbacks": [LRScheduler("StepLR", step_size=1)]},
        {"optimizer": torch.optim.RMSprop},
    ],
    ids=["batches", "scheduler", "optimizer"],
)
def test_what_takes_ordinary_steps(monkeypatch, resident, data, params):
    assert_equal_to_the_bit(fit_here(monkeypatch, data, **params), fit(data, **params))
    assert resident == []


def test_data_that_are_not_resident_take_ordinary_steps(monkeypatch, resident, data):
    monkeypatch.setattr(RegionRows, "_should_keep", lambda self: False)
    fit_here(monkeypatch, data)
    assert resident == []


# -- graphs, played by stand-ins -------------------------------------------------------------------


def net_of(step):
    """The net whose step it is."""
    cells = [cell.cell_contents for cell in step.__closure__]
    return next(cell.net for cell in cells if hasattr(cell, "net"))


class Graph:
    """Replays a step by calling it, with the rate where a graph would read it."""

    made = []

    def __init__(self, step, noise, stream):
        self.step = step
        self.n_replays = 0
        groups = self.groups = net_of(step).optimizer_.param_groups
        assert all(isinstance(group["lr"], torch.Tensor) for group in groups)
        self.rates = [group["lr"] for group in groups]
        self.made.append(self)

    def replay(self):
        self.n_replays += 1
        host = [group["lr"] for group in self.groups]
        for group, rate in zip(self.groups, self.rates, strict=True):
            group["lr"] = rate
        self.step()
        for group, rate in zip(self.groups, host, strict=True):
            group["lr"] = rate


class Forgetful(Graph):
    """Leaves out the step of the optimiser's weights, as a broken capture might."""

    def replay(self):
        net = net_of(self.step)
        before = [p.detach().clone() for p in net.module_.parameters()]
        super().replay()
        for parameter, value in zip(net.module_.parameters(), before, strict=True):
            parameter.data.copy_(value)


def fails(*args):
    raise RuntimeError("operation not permitted when stream is capturing")


@pytest.fixture
def graphs(monkeypatch, resident):
    monkeypatch.delenv(cs.GRAPH_VARIABLE, raising=False)
    monkeypatch.setattr(cs, "_CAPTURES", {"cpu"})
    monkeypatch.setattr(cs, "capture", Graph)
    monkeypatch.setattr(Graph, "made", [])
    return Graph.made


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("counterfactual", ["normal", "permute"])
def test_replays_equal_ordinary_training(monkeypatch, graphs, data, schedule, counterfactual):
    objective = CVsCObjective(counterfactual=counterfactual)
    params = {"objective": objective, "learning_rate_schedule": schedule, "max_epochs": 5}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        replayed = fit_here(monkeypatch, data, **params)
    assert_equal_to_the_bit(replayed, fit(data, **params))
    # Of each size 10 steps, 3 to warm up; and the trial.
    assert [graph.n_replays for graph in graphs] == [8, 8]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (fails, "fails with RuntimeError: operation not permitted"),
        (Forgetful, "what a replay changes differs by"),
    ],
    ids=["fails", "differs"],
)
def test_capture_that_goes_wrong(monkeypatch, graphs, data, kind, reason):
    monkeypatch.setattr(cs, "capture", kind)
    with pytest.warns(RuntimeWarning, match=f"not replayed as a CUDA graph: .*{reason}") as caught:
        clf = fit_here(monkeypatch, data)
    assert len(caught) == 1
    assert_equal_to_the_bit(clf, fit(data))


def test_switched_off(monkeypatch, graphs, data):
    monkeypatch.setenv("ZSLEARN_CUDA_GRAPHS", "0")
    fit_here(monkeypatch, data)
    assert graphs == []


class Anneal(Callback):
    """Changes a number that a graph would have taken for a constant."""

    def on_epoch_begin(self, net, **kwargs):
        net.module_.network.scale *= 0.5


def test_callbacks_that_may_change_constants(monkeypatch, graphs, data):
    params = {"callbacks": [Anneal()], "max_epochs": 5}
    clf = fit_here(monkeypatch, data, **params)
    assert graphs == []
    assert clf.net_.module_.network.scale == 0.5**5
    assert_equal_to_the_bit(clf, fit(data, **params))


class Replace(Callback):
    """Gives the net other tensors, though equal ones."""

    epoch = 0

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            weight = net.module_.network.query_weight
            weight.data = weight.data.clone()


@pytest.mark.parametrize("epoch", [3, 5])  # that after the capture, and a later one
def test_graphs_of_other_addresses_are_forgotten(monkeypatch, graphs, data, epoch):
    monkeypatch.setattr(Replace, "watches_batches", False, raising=False)
    monkeypatch.setattr(Replace, "epoch", epoch)
    params = {"callbacks": [Replace()], "max_epochs": 7}
    clf = fit_here(monkeypatch, data, **params)
    assert len(graphs) == 4
    assert_equal_to_the_bit(clf, fit(data, **params))
