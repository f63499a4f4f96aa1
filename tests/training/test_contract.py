"""Any learner that keeps its word trains reproducibly, goes on, predicts; others are refused."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tests.training.learners import (
    CosineLearner,
    GANLearner,
    TransformerLearner,
    TwoHeadedLearner,
    estimator_of,
)
from zslearn import ClassAttributes
from zslearn._training._learner import Learner
from zslearn.model_selection import HeldOutStopping

LEARNERS = [TransformerLearner, CosineLearner, TwoHeadedLearner, GANLearner]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    values = np.array([[(code >> k) & 1 for k in range(5)] for code in range(1, 13)])
    y = np.repeat(np.arange(9), 12)
    X = values[y][:, None, :] @ rng.normal(size=(5, 12)) + rng.normal(size=(108, 3, 12)) * 0.3
    return X.astype(np.float32), y, ClassAttributes(values + 0.05)


def make(learner, **params):
    options = {"random_state": 0, "max_epochs": 3, "batch_size": 12, "learning_rate": 1e-2}
    return estimator_of(learner)(**options | params)


def states(clf):
    return [tensor.clone() for tensor in clf.net_.module_.state_dict().values()]


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(states(a), states(b), strict=True))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("learner", LEARNERS)
def test_trains_reproducibly_and_leaves_the_global_generator_alone(data, learner, precision):
    X, y, table = data
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    options = {"precision": precision, "max_epochs": 8}
    if learner is GANLearner:
        options |= {"max_epochs": 80, "optimizer_params": {"betas": (0.5, 0.9)}}
        options["learning_rate"] = 5e-3
    clf = make(learner, **options).fit(X, y, class_attributes=table)
    assert torch.equal(torch.rand(1), expected)
    assert equal(clf, make(learner, **options).fit(X, y, class_attributes=table))
    other = make(learner, **options | {"random_state": 1})
    assert not equal(clf, other.fit(X, y, class_attributes=table))
    assert clf.score(X, y, candidates="seen") > 0.4


@pytest.mark.parametrize("learner", LEARNERS)
def test_stops_early_and_goes_on(data, learner):
    X, y, table = data
    stopping = HeldOutStopping(n_iter_no_change=2)
    clf = make(learner, early_stopping=stopping, max_epochs=6).fit(X, y, class_attributes=table)
    assert len(clf.net_.history) == clf.best_epoch_
    long = make(learner, max_epochs=4).fit(X, y, class_attributes=table)
    short = make(learner, max_epochs=2, warm_start=True).fit(X, y, class_attributes=table)
    short = pickle.loads(pickle.dumps(short))
    assert equal(short.fit(X, y, class_attributes=table), long)


@pytest.mark.parametrize("learner", LEARNERS)
def test_saved_state_predicts_equally(data, learner):
    X, y, table = data
    clf = make(learner).fit(X, y, class_attributes=table)
    other = copy.copy(make(learner))
    other._set_saved_state(copy.deepcopy(clf._get_saved_state()))
    np.testing.assert_array_equal(other.decision_function(X), clf.decision_function(X))
    new = ClassAttributes(np.array(table.values)[:4][:, ::-1] + 0.1, labels=list("abcd"))
    np.testing.assert_array_equal(
        other.decision_function(X, class_attributes=new),
        clf.decision_function(X, class_attributes=new),
    )


def test_groups_keep_the_ratio_of_their_rates(data):
    X, y, table = data
    clf = make(TwoHeadedLearner, learning_rate_schedule="linear").fit(X, y, class_attributes=table)
    body, heads = clf.net_.optimizer_.param_groups
    assert body["lr"] / heads["lr"] == pytest.approx(1e-3 / 1e-2)
    assert heads["lr"] == pytest.approx(1e-2 / 27)  # the last of 27 steps
    assert hasattr(clf, "predict_attributes")
    assert not hasattr(clf, "attention_maps")


def test_phases_alternate(data):
    X, y, table = data
    clf = make(GANLearner, max_epochs=2).fit(X, y, class_attributes=table)
    batches = [b for epoch in clf.net_.history for b in epoch["batches"]]
    assert [i + 1 for i, b in enumerate(batches) if "generator_loss" in b] == [5, 10, 15]
    assert all({"critic_loss", "wasserstein", "penalty"} <= b.keys() for b in batches)
    first = clf.net_.history[0]
    expected = np.mean([b["generator_loss"] for b in first["batches"] if "generator_loss" in b])
    assert first["generator_loss"] == pytest.approx(expected)
    assert list(clf.net_.optimizers_) == ["critic", "generator"]
    assert clf.net_.optimizer_generator_.param_groups[0]["lr"] == 5e-3


def test_capabilities_are_absent_when_they_are_absent():
    for method in ("predict_attributes", "class_embeddings", "attention_maps"):
        assert not hasattr(make(CosineLearner), method)


def test_gradients_are_gathered(data):
    """Two batches of half the size, a step after both: the step of one batch."""
    X, y, table = data

    class Plain(CosineLearner):
        global_randomness = False

    whole = make(Plain, batch_size=108, max_epochs=1, optimizer="sgd", precision="float32")
    whole.fit(X, y, class_attributes=table)
    half = make(Plain, batch_size=54, max_epochs=1, optimizer="sgd", precision="float32")
    real = type(half)._make_net

    def gathering(self, *args):
        net = real(self, *args)
        net.accumulate = 2
        return net

    type(half)._make_net = gathering
    half.fit(X, y, class_attributes=table)
    for ours, theirs in zip(states(half), states(whole), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


class Linear(Learner):
    """The least there is; subclasses break a promise each."""

    def __init__(self, n_features, table):
        super().__init__()
        self.register_buffer("class_attributes", table)
        self.weight = nn.Parameter(torch.randn(n_features, table.shape[1]))

    def class_scores(self, X, table):
        return X.mean(1).float() @ self.weight @ table.float().T

    def training_step(self, batch):
        return {"loss": cross_entropy(self.class_scores(batch.X, self.class_attributes), batch.y)}


class SharedMoves(Linear):
    """Two phases: one moves both weights, the other the second alone."""

    def __init__(self, n_features, table):
        super().__init__(n_features, table)
        self.other = nn.Parameter(torch.ones(2))

    def phases(self, step):
        return ("both", "second")

    def optimizers_of(self, phase):
        return ("first", "second") if phase == "both" else ("second",)

    def configure_optimizers(self, make):
        return {"first": make([self.weight]), "second": make([self.other])}

    def training_step(self, batch):
        # Weights of the first get a gradient in either phase, and are to move in one.
        return {"loss": self.weight.sum() + (3 if batch.phase == "both" else 5) * self.other.sum()}


def test_a_phase_moves_several_optimisers(data):
    X, y, table = data
    options = {"optimizer": "sgd", "learning_rate": 0.1, "gradient_clip": None}
    clf = make(SharedMoves, max_epochs=1, batch_size=len(X), **options)
    clf.fit(X, y, class_attributes=table)
    learner = clf.net_.module_
    torch.testing.assert_close(learner.other.detach(), 1 - 0.1 * torch.full((2,), 8.0))
    start = clf._new_net(clf._fitted_classes()).module_.weight.detach()
    moved = start - learner.weight.detach()
    torch.testing.assert_close(moved, torch.full_like(moved, 0.1))


class NoOptimizer(SharedMoves):
    def optimizers_of(self, phase):
        return ()


class Standardised(Linear):
    """With running statistics, which the trial before the first epoch must not have moved."""

    def __init__(self, n_features, table):
        super().__init__(n_features, table)
        self.norm = nn.BatchNorm1d(n_features)

    def class_scores(self, X, table):
        return super().class_scores(self.norm(X.mean(1).float())[:, None], table)


def test_running_statistics_are_those_of_training(data):
    X, y, table = data
    clf = make(Standardised, max_epochs=2).fit(X, y, class_attributes=table)
    assert clf.net_.module_.norm.num_batches_tracked.item() == 2 * 108 / 12


class NoLoss(Linear):
    def training_step(self, batch):
        return {"ce": super().training_step(batch)["loss"]}


class NoGradient(Linear):
    def training_step(self, batch):
        return {"loss": super().training_step(batch)["loss"].detach()}


class WrongShape(Linear):
    def class_scores(self, X, table):
        return super().class_scores(X, self.class_attributes)[:, :5]

    def training_step(self, batch):
        return {
            "loss": cross_entropy(
                Linear.class_scores(self, batch.X, self.class_attributes), batch.y
            )
        }


class Company(Linear):
    def class_scores(self, X, table):
        return super().class_scores(X - X.mean(0), table)


class CosineWithEmbeddings(CosineLearner):
    """Cosines are no products with what it calls embeddings."""

    def attribute_scores(self, X):
        return self.of_picture(X.mean(1)).float()[:, :5]

    def class_embeddings(self, table):
        return table.float()


class Forgotten(Linear):
    def configure_optimizers(self, make):
        self.extra = nn.Parameter(torch.zeros(1))
        return {"main": make([self.weight])}


class UnknownPhase(Linear):
    def phases(self, step):
        return ("critic",)


class Unnormalised(Linear):
    def attention_maps(self, X, attributes):
        return torch.ones(len(X), len(attributes), X.shape[1])


@pytest.mark.parametrize(
    ("learner", "error", "message"),
    [
        (NoLoss, TypeError, r"training_step must return a dict .* entry 'loss'"),
        (NoGradient, TypeError, "scalar with a gradient; .* without a gradient"),
        (WrongShape, TypeError, r"class_scores must return a tensor of shape \(8, 12\)"),
        (Company, ValueError, "depends on its company"),
        (CosineWithEmbeddings, ValueError, "class_embeddings would mislead"),
        (Forgotten, TypeError, r"leaves out parameters .*\['extra'\]"),
        (UnknownPhase, TypeError, r"must name some of the optimisers \['main'\]"),
        (NoOptimizer, TypeError, r"\['first', 'second'\]; in phase 'both' found \[\]"),
        (Unnormalised, ValueError, "attention_maps do not sum to one"),
    ],
)
def test_refused_before_the_first_epoch(data, learner, error, message):
    X, y, table = data
    epochs = []
    clf = make(learner)
    real = type(clf)._run
    type(clf)._run = lambda self, *args: epochs.append(1) or real(self, *args)
    with pytest.raises(error, match=message):
        clf.fit(X, y, class_attributes=table)
    assert epochs == []
    assert not hasattr(clf, "net_")
    assert not hasattr(clf, "n_features_in_")


def test_float16_is_refused_under_autocast(data):
    X, y, table = data
    with pytest.raises(ValueError, match="use 'bfloat16' or 'float32'"):
        make(CosineLearner, precision="float16").fit(X, y, class_attributes=table)


def test_fits_in_threads_equal_serial_ones_although_they_draw_from_one_generator(data):
    from zslearn.model_selection import fit_many

    X, y, table = data
    clf, seeds = make(TransformerLearner), [{"random_state": seed} for seed in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        serial = fit_many(clf, seeds, X, y, class_attributes=table)
        threads = fit_many(clf, seeds, X, y, class_attributes=table, n_jobs=4)
    assert all(equal(a, b) for a, b in zip(serial, threads, strict=True))
