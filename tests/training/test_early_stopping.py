"""The number of epochs is found on seen classes that training does not see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._training._early_stopping import hold_out_classes
from zslearn.exceptions import TrainingInterruptedWarning
from zslearn.metrics import ausuc_score
from zslearn.model_selection import HeldOutStopping


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    values = np.array([[(code >> k) & 1 for k in range(5)] for code in range(1, 15)])
    y = np.repeat(np.arange(12), 10)  # classes 12 and 13 have no samples
    X = values[y][:, None, :] @ rng.normal(size=(5, 12)) + rng.normal(size=(120, 2, 12)) * 0.4
    return X.astype(np.float32), y, ClassAttributes(values)


def make(**params):
    options = {"random_state": 0, "max_epochs": 25, "batch_size": 20}
    names = {"n_iter_no_change": 4, "refit": True}
    stopping = HeldOutStopping(**{k: params.pop(k, v) for k, v in names.items()})
    return CVsCClassifier(**options | {"early_stopping": stopping} | params)


@given(
    st.lists(st.integers(2, 9), min_size=2, max_size=8),
    st.floats(0.01, 0.6),
    st.integers(0, 5),
)
@settings(max_examples=100)
def test_classes_and_samples_are_held_out(counts, fraction, seed):
    if max(1, round(fraction * len(counts))) >= len(counts):
        return
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    train, held_out = hold_out_classes(y, fraction, seed)
    assert sorted([*train, *held_out]) == list(range(len(y)))
    trained, kept = set(y[train]), set(y[held_out])
    unseen = kept - trained
    assert len(unseen) == max(1, round(fraction * len(counts)))
    assert trained | kept == set(y)
    assert trained < kept  # each class that stays is in both parts


@pytest.mark.parametrize(
    ("y", "message"),
    [([1, 1, 1], "y has 1: at least two"), ([1, 2, 3], "2 that stay has only one, such as ")],
)
def test_too_little_to_hold_out(y, message):
    def any_seed():  # whichever class plays the unseen
        return [hold_out_classes(np.array(y), 0.2, seed) for seed in range(20)]

    with pytest.raises(ValueError, match=message):
        any_seed()


def test_a_share_near_all_leaves_a_class_and_samples_of_it():
    y = np.arange(20) % 5
    train, held_out = hold_out_classes(y, 0.95, seed=0)
    assert len(train) == 1
    assert sorted([*train, *held_out]) == list(range(20))


def test_a_class_with_one_sample_is_trained_on():
    y = np.array([1, 2, 2, 3, 3, 4, 4])
    splits = [hold_out_classes(y, 0.2, seed) for seed in range(20)]
    unseen = [set(y[held_out]) - set(y[train]) for train, held_out in splits]
    assert any(1 in classes for classes in unseen)
    assert all(
        (0 in held_out) is (1 in classes)
        for (_, held_out), classes in zip(splits, unseen, strict=True)
    )


def test_refits_on_everything_for_the_epochs_found(data):
    X, y, table = data
    clf = make().fit(X, y, class_attributes=table)
    scores = clf.validation_scores_
    assert clf.best_epoch_ == 1 + int(np.argmax(scores))
    assert len(scores) == min(25, clf.best_epoch_ + 4)
    assert len(clf.net_.history) == clf.best_epoch_
    assert clf.validation_history_[:, "valid_ausuc"] == scores
    assert clf.seen_classes_.tolist() == list(range(12))
    assert clf.unseen_classes_.tolist() == [12, 13]


def test_without_refit_the_best_weights_stand(data):
    X, y, table = data
    clf = make(refit=False).fit(X, y, class_attributes=table)
    curve = clf.net_.history[:, "valid_ausuc"]
    assert curve == clf.validation_scores_
    held_out = np.setdiff1d(np.arange(12), clf.seen_classes_)
    assert len(held_out) == round(0.2 * 12)
    assert set(clf.unseen_classes_) == {*held_out, 12, 13}
    assert clf.classes_.tolist() == list(range(14))
    assert clf.decision_function(X).shape == (120, 14)
    assert clf.net_.module_.criterion.unseen.sum() == len(clf.unseen_classes_)
    # The monitored figure, from the weights that stand.
    rng_seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    _, rows = hold_out_classes(y, 0.2, int(rng_seed))
    scores = clf.decision_function(X[rows])[:, :12]
    area = ausuc_score(y[rows], scores, classes=np.arange(12), seen_classes=clf.seen_classes_)
    assert area == pytest.approx(max(curve), abs=1e-12)


@pytest.mark.parametrize("refit", [True, False])
def test_heads_are_judged_on_the_best_weights(data, monkeypatch, refit):
    X, y, table = data
    X = X + np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    areas = []

    def watch(self, train, held_out):
        scores = self.decision_function(X[held_out.rows])
        areas.append(ausuc_score(held_out.y, scores, classes=range(12), seen_classes=self.trained))

    def make_net(self, classes):
        if not areas:
            self.trained = classes.seen_labels
        return new_net(self, classes)

    new_net = CVsCClassifier._new_net
    monkeypatch.setattr(CVsCClassifier, "_judge", watch)
    monkeypatch.setattr(CVsCClassifier, "_new_net", make_net)
    clf = make(refit=refit, head="own").fit(X, y, class_attributes=table)
    assert areas == [pytest.approx(max(clf.validation_scores_), abs=1e-12)]
    assert areas[0] > clf.validation_scores_[-1] + 1e-6


def test_classes_without_samples_have_no_part(data):
    """Other descriptions of the truly unseen classes leave the chosen epochs as they are."""
    X, y, table = data
    values = np.array(table.values)
    values[12:] = values[12:][:, ::-1] + 3
    other = ClassAttributes(values / 4)
    a = make().fit(X, y, class_attributes=ClassAttributes(table.values / 4))
    b = make().fit(X, y, class_attributes=other)
    np.testing.assert_allclose(a.validation_scores_, b.validation_scores_, atol=1e-3)


def test_held_out_samples_do_not_train(data):
    """Spoiling what is held out changes the curve, and not the weights before it is used."""
    X, y, table = data
    train, _ = hold_out_classes(y, 0.2, int(np.random.RandomState(0).randint(2**31 - 1)))
    watched = make(refit=False, max_epochs=15, n_iter_no_change=15).fit(
        X, y, class_attributes=table
    )
    other = X.copy()
    other[np.setdiff1d(np.arange(len(y)), train)] += 5
    spoilt = make(refit=False, max_epochs=15, n_iter_no_change=15).fit(
        other, y, class_attributes=table
    )
    for name in ("ce", "cc", "tci"):
        assert watched.net_.history[:, name] == spoilt.net_.history[:, name]
    assert watched.validation_scores_ != spoilt.validation_scores_


def test_curve_is_printed(data, capsys):
    X, y, table = data
    make(verbose=1, max_epochs=2).fit(X, y, class_attributes=table)
    assert "valid_ausuc" in capsys.readouterr().out


def test_a_later_plain_fit_forgets_the_curve(data):
    X, y, table = data
    clf = make(max_epochs=2).fit(X, y, class_attributes=table)
    clf.set_params(early_stopping=False).fit(X, y, class_attributes=table)
    assert not hasattr(clf, "validation_scores_")
    assert not hasattr(clf, "validation_history_")
    assert not hasattr(clf, "best_epoch_")


def test_interrupt_while_epochs_are_sought(data):
    from skorch.callbacks import Callback

    class Interrupt(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    X, y, table = data
    with pytest.warns(TrainingInterruptedWarning, match="after 2 of 25 epochs"):
        clf = make(callbacks=[Interrupt()]).fit(X, y, class_attributes=table)
    assert clf.classes_.tolist() == list(range(14))
    assert clf.predict(X).shape == (120,)


def test_not_with_warm_start(data):
    X, y, table = data
    clf = make(warm_start=True, max_epochs=1).fit(X, y, class_attributes=table)
    with pytest.raises(ValueError, match="set one of the two to False"):
        clf.fit(X, y, class_attributes=table)
