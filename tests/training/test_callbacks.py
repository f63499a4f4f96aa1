"""Callbacks that are given: called as they are, or refused before the first epoch."""

import numpy as np
import pytest
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
    ParamMapper,
    PrintLog,
    ProgressBar,
)

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.model_selection import HeldOutStopping


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(8, 5)))
    y = np.repeat(np.arange(6), 12)
    X = table.values[y][:, None, :] @ rng.normal(size=(5, 8)) + rng.normal(size=(72, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


def make(**params):
    options = {"max_epochs": 3, "batch_size": 16, "random_state": 0, "device": "cpu"}
    return CVsCClassifier(**options | params)


def fit(data, **params):
    X, y, table = data
    return make(**params).fit(X, y, class_attributes=table)


class Collect(Callback):
    def __init__(self):
        self.losses = []

    def on_epoch_begin(self, net, **kwargs):
        self.began = True

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1]["train_loss"])


def test_what_a_callback_collects_is_there_after_fit(data):
    mine = Collect()
    clf = fit(data, callbacks=[mine])
    assert mine.losses == clf.net_.history[:, "train_loss"]
    clf.partial_fit(*data[:2])
    assert mine.losses == clf.net_.history[:, "train_loss"]
    assert len(mine.losses) == 4


def test_callbacks_watch_both_trainings_of_early_stopping(data):
    mine = Collect()
    clf = fit(data, callbacks=[mine], early_stopping=True)
    watched = clf.validation_history_[:, "train_loss"]
    assert mine.losses == watched + clf.net_.history[:, "train_loss"]


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (EpochScoring("accuracy", name="a"), "EpochScoring.*early_stopping=True.*partial_fit"),
        (EpochScoring("accuracy", on_train=True), "EpochScoring.*early_stopping=True"),
        (BatchScoring("accuracy", on_train=True, name="b"), "BatchScoring.*early_stopping=True"),
        (EarlyStopping(), "EarlyStopping with monitor='valid_loss'.*monitor='train_loss'"),
        (("stop", EarlyStopping()), "monitor='valid_loss'"),
        (EarlyStopping("valid_ausuc", lower_is_better=False), "valid_ausuc.*refit=False"),
        (Checkpoint(), "Checkpoint with monitor='valid_loss_best'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("how", ["fit", "warm", "partial_fit", "later", "early_stopping"])
def test_scores_that_are_not_there_are_refused_before_the_first_epoch(data, callback, message, how):
    X, y, table = data
    mine = Collect()
    clf = make(warm_start=how == "warm", early_stopping=how == "early_stopping")
    if how in ("warm", "later"):
        clf.fit(X, y, class_attributes=table)
    clf.set_params(callbacks=[mine, callback])
    method = clf.partial_fit if how in ("partial_fit", "later") else clf.fit
    with pytest.raises(ValueError, match=message):
        method(X, y, class_attributes=table)
    assert not hasattr(mine, "began")


def test_early_stopping_of_skorch_on_what_is_recorded(data):
    stop = EarlyStopping("valid_ausuc", patience=1, threshold=2, lower_is_better=False)
    stopping = HeldOutStopping(refit=False, n_iter_no_change=50)
    clf = fit(data, callbacks=[stop], early_stopping=stopping, max_epochs=9)
    assert len(clf.validation_scores_) == 2
    on_a_term = EarlyStopping("cal", patience=1, threshold=1e9, threshold_mode="abs")
    assert len(fit(data, callbacks=[on_a_term]).net_.history) == 2


def test_other_names_are_told_with_those_there_are(data):
    with pytest.raises(ValueError, match="monitors 'train_los', but an epoch records .*ce,.*train"):
        fit(data, callbacks=[EarlyStopping("train_los")])
    clf = fit(
        data,
        early_stopping=HeldOutStopping(refit=False),
        callbacks=[EarlyStopping("valid_ausuc", lower_is_better=False)],
    )
    epochs = len(clf.net_.history)
    with pytest.raises(ValueError, match="monitors 'valid_ausuc', but an epoch records"):
        clf.partial_fit(*data[:2])  # which watches nothing
    assert len(clf.net_.history) == epochs


def test_a_key_error_of_ones_own_stays(data):
    class Mistaken(Callback):
        monitor = "train_loss"

        def on_epoch_end(self, net, **kwargs):
            {}["mine"]

    with pytest.raises(KeyError, match="mine"):
        fit(data, callbacks=[Mistaken()])


def test_skorch_callbacks_that_work(data, tmp_path):
    callbacks = [
        Checkpoint(monitor="train_loss_best", dirname=str(tmp_path)),
        ("again", EpochTimer()),
        GradientNormClipping(0.5),
        LRScheduler("StepLR", step_size=1),
        ParamMapper("network.attribute_vectors"),
        ("log", PrintLog(sink=lambda line: None)),
        ProgressBar(),
    ]
    clf = fit(data, callbacks=callbacks)
    assert len(clf.net_.history) == 3
    assert (tmp_path / "params.pt").exists()
    assert clf.get_params()["callbacks"] is callbacks
