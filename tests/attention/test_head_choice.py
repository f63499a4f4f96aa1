"""The head that suits the data, chosen on held-out classes by a rehearsal."""

from dataclasses import replace

import numpy as np
import pytest

import zslearn
from zslearn import ClassAttributes, CVsCClassifier, DAZLEClassifier
from zslearn._training import _estimator
from zslearn._training._parameters import epochs_for
from zslearn.attention import PrototypeHead, _attribute_classifier
from zslearn.attention._attribute_classifier import _few_of_each
from zslearn.attention._head_choice import HEADS, HeadChoice, Judgement
from zslearn.metrics import ausuc_score
from zslearn.model_selection import HeldOutStopping


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(16, 8)), labels=[*"abcdefghijklmnop"])
    y = np.repeat(table.labels[:12], 12)
    means = table.values[table.index_of(y)] @ rng.normal(size=(8, 10))
    X = means[:, None] + rng.normal(scale=0.4, size=(144, 3, 10))
    return X.astype(np.float32), y, table


def fit(data, cls=CVsCClassifier, **params):
    X, y, table = data
    params = {"max_epochs": 3, "random_state": 0, "precision": "float32", "head": "auto"} | params
    return cls(**params).fit(X, y, class_attributes=table)


@pytest.mark.parametrize("cls", [CVsCClassifier, DAZLEClassifier])
def test_the_best_head_on_held_out_classes_is_taken(data, cls):
    clf = fit(data, cls)
    areas = clf.head_choice_.areas
    assert set(areas) == set(HEADS)
    best = max(areas, key=lambda name: areas[name] + 0.02 * (name == "prototypes"))
    assert clf.head_choice_.name == best
    chosen = HEADS[best]
    given = fit(data, cls, head="own" if chosen is None else chosen)
    X = data[0]
    ours, theirs = clf.uncalibrated_scores(X), given.uncalibrated_scores(X)
    factor = np.vdot(ours, theirs) / np.vdot(theirs, theirs)  # the scale is the rehearsal's
    np.testing.assert_allclose(ours, factor * theirs, rtol=1e-4, atol=1e-4)


def test_areas_are_those_of_a_model_without_the_classes(data, monkeypatch):
    """By hand: what the rehearsal's net says of samples it was not given."""
    seen = []
    judge = CVsCClassifier._judge

    def watch(self, train, held_out):
        judge(self, train, held_out)
        seen.append((self.seen_classes_.copy(), train.y, held_out, self.head_choice_))
        every = np.ones(len(held_out.y), dtype=bool)
        predicted.append(self._vectors_of(held_out, every))

    predicted = []
    monkeypatch.setattr(CVsCClassifier, "_judge", watch)
    fit(data)
    ((trained, y_train, held_out, choice),) = seen
    assert np.unique(y_train).tolist() == trained.tolist()
    strangers = np.setdiff1d(held_out.y, trained)
    assert len(strangers) == 2
    assert not set(strangers) & set(y_train)
    assert np.isin(held_out.y, trained).any()
    attributes, _ = predicted[0]
    table = data[2].subset(np.unique(data[1]))
    rows = table.values / np.linalg.norm(table.values, axis=1, keepdims=True)
    area = ausuc_score(held_out.y, attributes @ rows.T, classes=table.labels, seen_classes=trained)
    assert choice.areas["own"] == pytest.approx(area, abs=1e-3)


@pytest.mark.parametrize(
    ("areas", "times", "max_epochs"),
    [((0.3, 0.32), 3, "auto"), ((0.3, 0.305), 1, "auto"), ((0.3, 0.32), 1, 3)],
)
def test_more_epochs_where_all_rests_on_the_network(data, monkeypatch, areas, times, max_epochs):
    epochs, choices = [], []

    def judge(self, train, held_out):
        epochs.append(len(self.net_.history))
        choices.append(HeadChoice("own", {"own": areas[len(epochs) - 1]}, 1.0))
        self.head_choice_ = choices[-1]

    monkeypatch.setattr(CVsCClassifier, "_judge", judge)
    monkeypatch.setattr(_estimator.HeldOutTraining, "_epochs", lambda self, samples: 2)
    clf = fit(data, max_epochs=max_epochs)
    assert epochs == ([2, 6] if max_epochs == "auto" else [2])
    assert len(clf.net_.history) == 2 * times
    assert clf.head_choice_ is choices[times == 3]


def test_few_classes_or_samples_have_no_rehearsal(data):
    X, y, table = data
    few = np.isin(y, [*"abcdefg"])
    for kept in (few, np.r_[True, np.repeat(False, 11), np.repeat(True, 132)]):
        clf = CVsCClassifier(max_epochs=1, head="auto", random_state=0)
        clf.fit(X[kept], y[kept], class_attributes=table)
        assert not hasattr(clf, "head_choice_")
        assert hasattr(clf, "head_")


@pytest.mark.parametrize("stopping", [False, True])
def test_eight_classes_and_two_samples_each_are_enough(data, stopping):
    X, y, table = data
    for kept in (np.isin(y, [*"abcdefgh"]), np.arange(len(y)) % 12 < 2):
        clf = fit((X[kept], y[kept], table), max_epochs=1, early_stopping=stopping)
        assert len(clf.head_choice_.areas) == 4


@pytest.mark.parametrize("refit", [True, False])
def test_early_stopping_is_a_rehearsal_already(data, refit):
    clf = fit(data, early_stopping=HeldOutStopping(refit=refit))
    assert len(clf.head_choice_.areas) == 4
    assert len(clf.validation_scores_) <= 3


def test_chosen_heads_are_kept_and_saved(data, tmp_path):
    X, y, _ = data
    clf = fit(data)
    zslearn.save(clf, tmp_path / "model")
    again = zslearn.load(tmp_path / "model")
    np.testing.assert_array_equal(again.uncalibrated_scores(X), clf.uncalibrated_scores(X))
    choice = clf.head_choice_
    clf.partial_fit(X[:20], y[:20])
    assert clf.head_choice_ is choice
    clf.set_params(head="own").fit(X, y, class_attributes=data[2])
    assert not hasattr(clf, "head_choice_")


def test_number_of_epochs():
    assert epochs_for(7, 1) == 7
    assert epochs_for("auto", 37) == 14  # 37 steps each
    assert epochs_for("auto", 18) == 28
    assert epochs_for("auto", 2) == 40
    assert epochs_for("auto", 600) == 12


@pytest.mark.parametrize("name", list(HEADS))
def test_terms_of_every_choice_add_up_to_the_scores(data, monkeypatch, name):
    X = data[0][:5]
    choose = Judgement.choose

    def fixed(self, *args):
        return replace(choose(self, *args), name=name)

    monkeypatch.setattr(Judgement, "choose", fixed)
    clf = fit(data)
    terms = clf.score_terms(X)
    assert terms.shape == (5, 16, 9)
    scores = clf.uncalibrated_scores(X)
    np.testing.assert_allclose(terms.sum(axis=2), scores, rtol=1e-4, atol=1e-4)
    assert (np.abs(terms[..., -1]).max() > 0) == (name in ("prototypes", "features"))
    assert not hasattr(clf, "class_embeddings")


def test_a_few_held_out_samples_of_each_class_judge():
    y = np.array([*"abacabbbbc"])
    assert _few_of_each(y, 10).all()
    assert np.flatnonzero(_few_of_each(y, 6)).tolist() == [0, 1, 2, 3, 5, 9]
    assert np.flatnonzero(_few_of_each(y, 1)).tolist() == [0, 1, 3]


def test_memory_of_the_choice_is_bounded(data, monkeypatch):
    sizes = []
    vectors_of = CVsCClassifier._vectors_of

    def watch(self, samples, some):
        sizes.append(int(some.sum()))
        return vectors_of(self, samples, some)

    monkeypatch.setattr(CVsCClassifier, "_vectors_of", watch)
    monkeypatch.setattr(_attribute_classifier, "_JUDGED_BY", 22)
    monkeypatch.setattr(_attribute_classifier, "_SCALED_ON", 9)
    clf = fit(data)
    assert max(sizes) <= 22
    assert clf.head_choice_.name in HEADS


def test_a_head_that_scores_by_nothing_is_refused_before_training(data, monkeypatch):
    monkeypatch.setattr(CVsCClassifier, "_train", None)  # not reached
    with pytest.raises(ValueError, match="scores by nothing"):
        fit(data, head=PrototypeHead(attribute_weight=0.0, feature_weight=0.0))
