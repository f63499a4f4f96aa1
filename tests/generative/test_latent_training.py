"""Latent methods through held-out classes, precisions, files, and continued training."""

import numpy as np
import pytest

import zslearn
from tests.generative.test_latent_graphs import METHODS, small
from zslearn import CADAVAEClassifier, CEGZSLClassifier, ClassAttributes, HSVAClassifier
from zslearn.model_selection import HeldOutStopping
from zslearn.model_selection._trained_to import trained_to


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table, y = ClassAttributes(rng.uniform(0.1, 1, (8, 4))), rng.integers(6, size=80)
    X = (table.values @ rng.normal(size=(4, 8)))[y] + 0.05 * rng.normal(size=(80, 8))
    return X.astype(np.float32), y, table


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("refit", [True, False])
def test_epochs_from_held_out_classes(method, refit, data, tmp_path):
    X, y, table = data
    clf = small(method).set_params(early_stopping=HeldOutStopping(refit=refit))
    clf.fit(X, y, class_attributes=table)
    assert 1 <= clf.best_epoch_ <= 4
    assert np.isfinite(clf.validation_delta_)
    assert clf.decision_function(X).shape == (80, 8)
    zslearn.save(clf, tmp_path / "clf")
    again = zslearn.load(tmp_path / "clf")
    np.testing.assert_array_equal(again.decision_function(X), clf.decision_function(X))


@pytest.mark.parametrize("method", METHODS)
def test_bfloat16_is_near_float32(method, data):
    X, y, table = data
    whole = small(method).fit(X, y, class_attributes=table)
    half = small(method).set_params(precision="bfloat16").fit(X, y, class_attributes=table)
    found = [np.array(clf.net_.history[:, "train_loss"]) for clf in (half, whole)]
    np.testing.assert_allclose(*found, rtol=0.05)


def test_continued_training_has_the_same_classes(data):
    X, y, table = data
    few = y < 5
    clf = small(HSVAClassifier).set_params(warm_start=True)
    clf.fit(X[few], y[few], class_attributes=table)
    clf.fit(X[few], y[few], class_attributes=table)
    assert len(clf.net_.history) == 8
    before = clf.decision_function(X)
    with pytest.raises(ValueError, match="set warm_start=False"):
        clf.fit(X, y, class_attributes=table)
    np.testing.assert_array_equal(clf.decision_function(X), before)


WIDE = {"cada": {"encoder_dims": (64, 64), "decoder_dims": (64, 64)}}
WIDE["hsva"] = {"structure_dim": 64, "hidden_dim": 64, "encoder_dim": 64, "classifier_dim": 32}
WIDE["contrast"] = {"embedding_dim": 64, "projection_dim": 32, "comparator_dim": 64}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        (CADAVAEClassifier, WIDE["cada"] | {"latent_dim": 16, "max_epochs": 60}),
        (HSVAClassifier, WIDE["hsva"] | {"latent_dim": 16, "max_epochs": 40}),
        (
            CEGZSLClassifier,
            WIDE["contrast"]
            | {"hidden_dim": 64, "batch_size": 64, "critic_iter": 1, "n_synthetic": 40}
            | {"lambda_class": 0.1, "max_epochs": 100, "scaling": "min_max"},
        ),
    ],
)
def test_unseen_classes_are_learned(method, params):
    rng = np.random.default_rng(0)
    table = rng.uniform(size=(25, 8))
    centres = np.maximum(table @ rng.normal(size=(8, 24)), 0)
    y, y_new = np.repeat(np.arange(20), 20), np.repeat(np.arange(20, 25), 20)
    X, X_new = (centres[t] + 0.3 * rng.normal(size=(len(t), 24)) for t in (y, y_new))
    params = {"scaling": "standard", "learning_rate": 3e-3, "random_state": 0} | params
    clf = method(**params).fit(X, y, class_attributes=table)
    accuracy = (clf.predict(X_new, candidates="unseen") == y_new).mean()
    assert accuracy > 0.6  # 0.2 by chance; 0.91, 0.95 and 0.89 when this was written


def test_the_softmax_takes_batches_of_latents(data):
    X, y, table = data
    clf = small(CADAVAEClassifier).set_params(classifier="softmax", n_real=20, n_synthetic=20)
    clf.fit(X, y, class_attributes=table)
    assert clf.final_classifier_.classifier.batch_size == 32


def test_looks_on_the_way_are_trainings_of_their_own(data):
    # Weights of the losses rise over shares of max_epochs.
    X, y, table = data
    clf = small(CADAVAEClassifier).set_params(encoder_dims=(8, 8), decoder_dims=(8, 8))
    for epochs, reached in trained_to(clf, (2, 3), X, y, table):
        alone = clf.set_params(max_epochs=epochs).fit(X, y, class_attributes=table)
        np.testing.assert_array_equal(alone.transform(X), reached.transform(X))
