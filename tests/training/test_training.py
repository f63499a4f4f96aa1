"""Training through the net: reproducible, interruptible, loud about what is not finite."""

import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, EpochTimer

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._data._rows import RegionRows
from zslearn.attention import CVsCObjective
from zslearn.exceptions import NonFiniteLossError, TrainingInterruptedWarning
from zslearn.model_selection import HeldOutStopping

TERMS = ["ce", "cal", "cc", "sci", "tci"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)))
    y = rng.integers(0, 4, size=60)
    X = table.values[y][:, None, :] @ rng.normal(size=(5, 8)) + rng.normal(size=(60, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


def fit(data, **params):
    X, y, table = data
    options = {"max_epochs": 3, "batch_size": 16, "random_state": 0}
    options |= {"learning_rate": 1e-3, "learning_rate_schedule": "constant", "head": "own"}
    return CVsCClassifier(**options | params).fit(X, y, class_attributes=table)


def weights(clf):
    return [p.detach().clone() for p in clf.net_.module_.parameters()]


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


@pytest.mark.parametrize("counterfactual", ["normal", "uniform", "permute"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_refits_are_equal_to_the_bit(data, counterfactual, precision):
    objective = CVsCObjective(counterfactual=counterfactual)
    options = {"objective": objective, "precision": precision}
    first = fit(data, **options)
    torch.manual_seed(99)  # the global source of randomness has no part in it
    np.random.seed(99)  # noqa: NPY002
    assert equal(first, fit(data, **options))
    assert not equal(first, fit(data, random_state=1, **options))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_keeping_rows_changes_memory_only(data, precision, monkeypatch):
    kept = []
    prepare = RegionRows.prepare
    monkeypatch.setattr(
        RegionRows,
        "prepare",
        lambda rows, *args, **kw: kept.append(rows) or prepare(rows, *args, **kw),
    )
    fits = {}
    for keep in (True, False):
        kept.clear()
        monkeypatch.setattr(RegionRows, "_should_keep", lambda self, keep=keep: keep)
        fits[keep] = fit(data, precision=precision)
        assert (kept[0].resident is not None) is keep
    assert equal(fits[True], fits[False])


def test_global_randomness_is_left_alone(data):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fit(data)
    assert torch.equal(torch.rand(1), expected)


def test_history_has_every_term(data):
    history = fit(data).net_.history
    assert len(history) == 3
    for row in history:
        assert all(math.isfinite(row[name]) for name in [*TERMS, "train_loss", "dur"])
        total = sum(w * row[name] for name, w in zip(TERMS, [3.0, 0.4, 0.5, 2.0, 2.0], strict=True))
        assert row["train_loss"] == pytest.approx(total, rel=1e-5)
        assert sum(batch["train_batch_size"] for batch in row["batches"]) == 60
    assert history[-1, "train_loss"] < history[0, "train_loss"]


def test_averages_are_over_images(data):
    history = fit(data, batch_size=25).net_.history
    batches = history[0, "batches"]
    sizes = [b["train_batch_size"] for b in batches]
    assert sizes == [20, 20, 20]
    mean = np.average([b["ce"] for b in batches], weights=sizes)
    assert history[0, "ce"] == pytest.approx(mean, rel=1e-12)


def test_verbose_prints_a_line_an_epoch(data, capsys):
    fit(data, verbose=1)
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 5  # names, a rule, three epochs
    assert set(lines[0].split()) == {"epoch", *TERMS, "train_loss", "dur"}
    fit(data)
    assert capsys.readouterr().out == ""


class Recorder(Callback):
    def __init__(self):
        self.rates, self.norms, self.batches = [], [], 0

    def on_batch_begin(self, net, training=None, **kwargs):
        self.rates.append(net.optimizer_.param_groups[0]["lr"])

    def on_batch_end(self, net, **kwargs):
        self.batches += 1
        grads = [p.grad for p in net.module_.parameters()]
        self.norms.append(float(torch.linalg.vector_norm(torch.cat([g.ravel() for g in grads]))))


def recorded(clf):
    return dict(clf.net_.callbacks_)["Recorder"]


def test_callbacks_reach_the_net(data):
    recorder = Recorder()
    clf = fit(data, callbacks=[recorder])
    assert recorder.batches == 3 * 4
    assert recorder.rates == [1e-3] * 12
    assert recorded(clf) is recorder


def test_callbacks_are_checked(data):
    with pytest.raises(TypeError, match="list of skorch callbacks.*found 'early'"):
        fit(data, callbacks=["early"])


def line(t):
    return 1 - t


def half_wave(t):
    return (1 + math.cos(math.pi * t)) / 2


@pytest.mark.parametrize(("name", "factor"), [("linear", line), ("cosine", half_wave)])
def test_learning_rate_schedules(data, name, factor):
    X, y, table = data
    options = {"learning_rate_schedule": name, "learning_rate": 0.01, "warm_start": True}
    clf = fit(data, callbacks=[Recorder()], **options)
    expected = [0.01 * factor(i / 12) for i in range(12)]
    np.testing.assert_allclose(recorded(clf).rates, expected)
    assert [b["lr"] for b in clf.net_.history[-1, "batches"]] == pytest.approx(expected[8:])
    # Continued, each run has its schedule whole; partial_fit keeps the rate.
    clf.set_params(max_epochs=2).fit(X, y, class_attributes=table)
    again = [0.01 * factor(i / 8) for i in range(8)]
    np.testing.assert_allclose(recorded(clf).rates, expected + again)
    clf.partial_fit(X, y)
    np.testing.assert_allclose(recorded(clf).rates, expected + again + [0.01] * 4)


def test_gradient_clip(data):
    clipped = recorded(fit(data, callbacks=[Recorder()], gradient_clip=0.05))
    assert max(clipped.norms) <= 0.05 * (1 + 1e-5)
    free = recorded(fit(data, callbacks=[Recorder()]))
    assert max(free.norms) > 0.05


@pytest.mark.parametrize(
    "optimizer", ["adam", "AdamW", "sgd", "rmsprop", torch.optim.RMSprop, torch.optim.NAdam]
)
def test_optimizers(data, optimizer):
    clf = fit(data, optimizer=optimizer, optimizer_params={"weight_decay": 0.01})
    kind = {"adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}
    name = optimizer if isinstance(optimizer, str) else optimizer.__name__
    assert type(clf.net_.optimizer_) is getattr(torch.optim, kind.get(name, name))
    group = clf.net_.optimizer_.param_groups[0]
    assert group["weight_decay"] == 0.01
    assert group.get("betas", (0.5, 0.999)) == (0.5, 0.999)
    assert clf.net_.history[-1, "train_loss"] < clf.net_.history[0, "train_loss"]


class Interrupt(Callback):
    """Ctrl-C in a given batch."""

    def __init__(self, after):
        self.left = after

    def on_batch_end(self, net, **kwargs):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_interrupt_leaves_a_usable_estimator(data):
    X, y, _ = data
    with pytest.warns(TrainingInterruptedWarning, match="after 1 of 3 epochs"):
        clf = fit(data, callbacks=[Interrupt(after=6)])
    assert clf.predict(X).shape == y.shape
    assert len(clf.net_.history) == 1
    assert all(torch.isfinite(w).all() for w in weights(clf))
    full = fit(data, max_epochs=1)
    assert not equal(clf, full)  # two more batches


def test_interrupt_can_be_followed_by_more_training(data):
    X, y, _ = data
    with pytest.warns(TrainingInterruptedWarning):
        clf = fit(data, callbacks=[Interrupt(after=5)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.partial_fit(X, y)
    assert len(clf.net_.history) == 2


class Poison(Callback):
    """Spoil the weights before a given batch."""

    def __init__(self, name, value, epoch=2, batch=3):
        self.name, self.value, self.epoch, self.batch = name, value, epoch, batch

    def on_batch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch and len(net.history[-1]["batches"]) == self.batch:
            with torch.no_grad():
                getattr(net.module_.network, self.name)[0, 0] = self.value


def test_loss_that_is_not_finite_names_term_epoch_and_batch(data):
    with pytest.raises(NonFiniteLossError, match=r"epoch 2, batch 3: term ce, cal, cc, sci, tci"):
        fit(data, callbacks=[Poison("embedding_weight", math.nan)])


def test_only_the_guilty_terms_are_named(data):
    class Huge(Callback):
        def on_train_begin(self, net, **kwargs):
            net.module_.criterion.class_attributes[:, 0] = math.inf

    with pytest.raises(NonFiniteLossError, match=r"epoch 1, batch 1: term cc, sci \(loss=nan, ce="):
        fit(data, callbacks=[Huge()])


def test_no_fitted_estimator_after_a_failure(data):
    from sklearn.exceptions import NotFittedError

    X, y, table = data
    clf = fit(data)
    clf.set_params(callbacks=[Poison("query_weight", math.inf)])
    with pytest.raises(NonFiniteLossError):
        clf.fit(X, y, class_attributes=table)
    with pytest.raises(NotFittedError):
        clf.predict(X)


def test_weights_that_are_not_finite_after_the_last_step(data):
    class Last(Callback):
        def on_train_end(self, net, **kwargs):
            with torch.no_grad():
                net.module_.network.query_weight[0, 0] = math.inf

    with pytest.raises(
        NonFiniteLossError, match="network.query_weight is not finite after epoch 3"
    ):
        fit(data, callbacks=[Last()])


def test_warm_start_continues_where_fit_ended(data):
    X, y, table = data
    clf = fit(data, max_epochs=2, warm_start=True)
    clf.fit(X, y, class_attributes=table)
    assert len(clf.net_.history) == 4
    assert equal(clf, fit(data, max_epochs=4))


def test_without_warm_start_fit_begins_anew(data):
    X, y, table = data
    clf = fit(data)
    clf.fit(X, y, class_attributes=table)
    assert len(clf.net_.history) == 3
    assert equal(clf, fit(data))


def test_a_refused_continuation_leaves_the_model_as_it_was(data):
    X, y, table = data
    clf = fit(data, warm_start=True, precision="float32")
    before = clf.decision_function(X)
    spoilt = X.copy()
    spoilt[7, 0, 0] = np.nan
    refused = [
        (clf.fit, X[..., :4], y, table, "X has 4 features"),
        (clf.fit, X, y, table.subset([0, 1, 2, 3, 5]), "class_attributes must be equal"),
        (clf.fit, X, y + 6, table, "not described"),
        (clf.partial_fit, X[..., :4], y, table, "X has 4 features"),
        (clf.partial_fit, X, y + 6, None, "not described"),
        (clf.partial_fit, X, y, table.subset([0, 1, 2, 3]), "differs from that of the first call"),
        (clf.partial_fit, spoilt[:16], y[:16], None, r"NaN.*rows \[7\]"),
    ]
    for method, features, labels, described, message in refused:
        with pytest.raises(ValueError, match=message):
            method(features, labels, class_attributes=described)
        np.testing.assert_array_equal(clf.decision_function(X), before)
    assert len(clf.net_.history) == 3


def test_a_continued_training_heeds_changed_parameters(data):
    X, y, table = data
    clf = fit(data, warm_start=True)
    clf.set_params(lambda_sci=0, lambda_tci=0, objective__alpha=0.9, objective__scale=2.0)
    clf.set_params(learning_rate=0.5)
    clf.fit(X, y, class_attributes=table)
    criterion, network = clf.net_.module_.criterion, clf.net_.module_.network
    assert (criterion.weights["sci"], criterion.weights["tci"]) == (0, 0)
    assert criterion.correlation.alpha == 0.9
    assert network.scale == 2.0
    assert network.counterfactual is None
    assert clf.net_.history[-1, "batches", :, "lr"] == [0.5] * 4


def test_partial_fit_is_one_epoch_at_a_time(data):
    X, y, table = data
    options = {"batch_size": 16, "random_state": 0, "learning_rate": 1e-3, "head": "own"}
    clf = CVsCClassifier(**options)
    for _ in range(3):
        clf.partial_fit(X, y, class_attributes=table)
    assert equal(clf, fit(data))


def test_partial_fit_turns_unseen_classes_into_seen(data):
    X, y, table = data
    clf = CVsCClassifier(random_state=0)
    clf.partial_fit(X[y < 2], y[y < 2], class_attributes=table)
    assert clf.seen_classes_.tolist() == [0, 1]
    assert clf.net_.module_.criterion.unseen.tolist() == [False] * 2 + [True] * 4
    clf.partial_fit(X[y >= 2], y[y >= 2])
    assert clf.seen_classes_.tolist() == [0, 1, 2, 3]
    assert clf.unseen_classes_.tolist() == [4, 5]
    assert clf.net_.module_.criterion.unseen.tolist() == [False] * 4 + [True] * 2
    with pytest.raises(ValueError, match="differs from that of the first call"):
        clf.partial_fit(X, y, class_attributes=table.subset([0, 1, 2, 3]))


def test_pickled_estimators_train_on_alike(data):
    X, y, table = data
    clf = fit(data, max_epochs=2, warm_start=True)
    other = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(clf.decision_function(X), other.decision_function(X))
    clf.fit(X, y, class_attributes=table)
    other.fit(X, y, class_attributes=table)
    assert equal(clf, other)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_continuation_that_fails_leaves_the_model_as_it_was(data, method):
    """Weights, moments, history, classes and how it trains on."""
    X, y, table = data
    subset = y < 3
    clf, other = (
        fit((X[subset], y[subset], table), warm_start=True, precision="float32") for _ in range(2)
    )
    poison = ("poison", Poison("query_weight", math.nan, epoch=4, batch=3))
    clf.net_.callbacks_.append(poison)
    with pytest.raises(NonFiniteLossError):
        getattr(clf, method)(X, y, class_attributes=table)
    clf.net_.callbacks_.remove(poison)
    assert equal(clf, other)
    assert clf.seen_classes_.tolist() == [0, 1, 2]
    assert len(clf.net_.history) == 3
    for one in (clf, other):
        getattr(one, method)(X, y, class_attributes=table)
    assert equal(clf, other)


def test_a_bad_row_late_in_the_data_changes_nothing(data):
    X, y, _ = data
    clf = fit(data, precision="float32")
    before = weights(clf)
    spoilt = X.copy()
    spoilt[[5, 40]] = np.inf  # whatever batches they come in, others have been trained on
    with pytest.raises(ValueError, match="infinity"):
        clf.partial_fit(spoilt, y)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(clf), strict=True))


def test_partial_fit_needs_names_for_its_tables(data):
    X, y, table = data
    with pytest.raises(TypeError, match="positional"):
        CVsCClassifier().partial_fit(X, y, table)
    with pytest.raises(ValueError, match=r"classes holds labels .* \[77\]"):
        CVsCClassifier().partial_fit(X, y, classes=[0, 77], class_attributes=table)
    few = CVsCClassifier().partial_fit(X[:6], y[:6], class_attributes=table.values)
    assert few.classes_.tolist() == [0, 1, 2, 3, 4, 5]  # a batch may be as long as the table


def test_early_stopping_of_skorch_is_no_interrupt(data):
    stop = EarlyStopping(monitor="train_loss", patience=1, threshold=10, threshold_mode="abs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = fit(data, max_epochs=10, callbacks=[stop])
    assert len(clf.net_.history) == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"optimizer": "adamz"}, "name of a torch optimiser, one of .*'adamw'"),
        ({"optimizer": "sgd", "optimizer_params": {"beta": 1}}, "do not suit the optimizer.*beta"),
        ({"optimizer_params": {"lr": 1}}, "holds 'lr': set learning_rate"),
        ({"max_epochs": 0}, "'max_epochs' parameter"),
        ({"precision": "float64"}, "'precision' parameter"),
        ({"lambda_sci": -1.0}, "'lambda_sci' parameter"),
        ({"objective": "swap"}, "'objective' parameter"),
        ({"objective": CVsCObjective(counterfactual="swap")}, "'counterfactual' parameter"),
        ({"early_stopping": HeldOutStopping(n_iter_no_change=0)}, "'n_iter_no_change' parameter"),
        ({"learning_rate_schedule": "step"}, "'learning_rate_schedule' parameter"),
        ({"gradient_clip": 0}, "'gradient_clip' parameter"),
        ({"device": "cuda:99"}, "CUDA device"),
        ({"device": "gpu"}, "device must be"),
    ],
)
def test_bad_parameters(data, params, message):
    with pytest.raises(ValueError, match=message):
        fit(data, **params)


def test_every_weight_zero_is_refused(data):
    names = ["lambda_cal", "lambda_cc", "lambda_sci", "lambda_tci"]
    with pytest.raises(ValueError, match="no loss term is left"):
        fit(data, objective=CVsCObjective(lambda_ce=0), **dict.fromkeys(names, 0))


def test_callbacks_come_with_and_without_names(data):
    timer = EpochTimer()
    clf = fit(data, callbacks=[("clock", timer), EpochTimer()], max_epochs=1)
    assert "clock" in dict(clf.net_.callbacks_)
    assert "dur" in clf.net_.history[0]
    for entry in ("clock", ("clock", "timer"), ("clock", timer, 1), (timer,)):
        with pytest.raises(TypeError, match=r"callbacks must be a list of skorch callbacks, or pa"):
            fit(data, callbacks=[entry])
