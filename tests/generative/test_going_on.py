"""Fits that go on from the last one, and what they may not change."""

import numpy as np
import pytest

from tests.generative.test_latent_graphs import small
from zslearn import (
    CADAVAEClassifier,
    FCLSWGANClassifier,
    FREEClassifier,
    FVAEGANClassifier,
    HSVAClassifier,
    TFVAEGANClassifier,
)
from zslearn.utils._toy_problems import Problem

SMALL = {"hidden_dim": 16, "critic_iter": 1, "n_synthetic": 12, "random_state": 0, "max_epochs": 3}


@pytest.fixture(scope="module")
def problem():
    return Problem.of(FCLSWGANClassifier())


def warm(problem, cls=FCLSWGANClassifier, **params):
    clf = cls(**SMALL | {"warm_start": True} | params)
    return clf.fit(problem.X, problem.y, class_attributes=problem.table)


def test_training_goes_on(problem):
    clf = warm(problem)
    scaling = clf.scaling_
    clf.fit(problem.X, problem.y, class_attributes=problem.table)
    assert len(clf.net_.history) == 6
    assert clf.scaling_ is scaling
    assert not hasattr(clf, "partial_fit")


@pytest.mark.parametrize(
    ("params", "factor", "words"),
    [
        ({"scaling": "unit_length"}, 1, "scaling is 'unit_length', and warm_start=True"),
        ({}, 10, "FVAEGANClassifier needs features between 0 and 1.*set warm_start=False"),
        ({"hidden_dim": 8}, 1, "set the parameters back that make the network"),
        ({"noise_dim": 3}, 1, r"by the parameters set since it would be \(16, 9\)"),
    ],
)
def test_what_cannot_go_on_is_refused(problem, params, factor, words):
    clf = warm(problem, FVAEGANClassifier)
    before = clf.decision_function(problem.X)
    clf.set_params(**params)
    with pytest.raises(ValueError, match=words):
        clf.fit(problem.X * factor, problem.y, class_attributes=problem.table)
    np.testing.assert_array_equal(clf.decision_function(problem.X), before)


@pytest.mark.parametrize(
    ("cls", "network", "params"),
    [
        (TFVAEGANClassifier, "feedback", {"feedback_learning_rate": 0.5}),
        (TFVAEGANClassifier, "decoder", {"decoder_learning_rate": 0.5}),
        (FREEClassifier, "refiner", {"refiner_learning_rate": 0.5}),
        (HSVAClassifier, "classifiers", {"discriminator_learning_rate": 0.5}),
    ],
)
def test_other_rates_are_heeded(problem, cls, network, params):
    if cls is HSVAClassifier:
        clf = small(cls).set_params(warm_start=True)
        clf.fit(problem.X, problem.y, class_attributes=problem.table)
    else:
        clf = warm(problem, cls)
    clf.set_params(**params).fit(problem.X, problem.y, class_attributes=problem.table)
    assert [group["lr"] for group in clf.net_.optimizers_[network].param_groups] == [0.5]


def test_other_betas_are_heeded(problem):
    clf = warm(problem, FVAEGANClassifier)
    clf.set_params(encoder_betas=(0.3, 0.9))
    clf.fit(problem.X, problem.y, class_attributes=problem.table)
    assert clf.net_.optimizers_["encoder"].param_groups[0]["betas"] == (0.3, 0.9)


@pytest.mark.parametrize("kept", [True, False])
def test_classes_without_new_samples(problem, kept):
    clf = warm(problem, FVAEGANClassifier, keep_features=kept, scaling="min_max")
    few = problem.y != problem.y[0]
    if not kept:
        with pytest.raises(ValueError, match="y has no sample of 1 class.*keep_features=True"):
            clf.fit(problem.X[few], problem.y[few], class_attributes=problem.table)
        return
    fits, fit_final = [], clf._fit_final
    clf._fit_final = lambda net, table, samples: (
        fits.append(samples) or fit_final(net, table, samples)
    )
    clf.fit(problem.X[few], problem.y[few], class_attributes=problem.table)
    assert sorted(fits[0].y) == sorted(problem.y)
    order = np.r_[np.flatnonzero(few), np.flatnonzero(~few)]
    np.testing.assert_array_equal(fits[0].y, problem.y[order])
    np.testing.assert_allclose(fits[0].X, problem.X.reshape(len(few), -1)[order], rtol=1e-6)
    assert clf.kept_ is fits[0]


@pytest.mark.parametrize("n_real", [9, None])
def test_weights_count_within_classes_of_a_given_number(problem, n_real):
    clf = small(CADAVAEClassifier).set_params(n_real=n_real, class_weight="balanced")
    masses, y = [], problem.y

    class Watched(CADAVAEClassifier):
        def _chosen(self, samples, seed):
            chosen = super()._chosen(samples, seed)
            masses.append([chosen.weights[chosen.y == c].sum() for c in np.unique(y)])
            return chosen

    few = np.flatnonzero(y == y[0])[:2]
    rows = np.r_[np.flatnonzero(y != y[0]), few]
    Watched(**clf.get_params()).fit(problem.X[rows], y[rows], class_attributes=problem.table)
    np.testing.assert_allclose(masses[0], masses[0][0])
    if n_real:
        np.testing.assert_allclose(masses[0], n_real)
        Watched(**clf.get_params() | {"class_weight": {y[0]: 3.0}}).fit(
            problem.X[rows], y[rows], class_attributes=problem.table
        )
        np.testing.assert_allclose(masses[1], n_real * np.where(np.unique(y) == y[0], 3.0, 1.0))


def test_parameters_out_of_range(problem):
    for betas in ((0.5,), (2, 3), ("a", "b")):
        with pytest.raises(ValueError, match="encoder_betas must be two numbers"):
            warm(problem, FVAEGANClassifier, encoder_betas=betas)
    with pytest.raises(ValueError, match="encoder_dims must be two widths"):
        small(CADAVAEClassifier).set_params(encoder_dims=(True, 8)).fit(
            problem.X, problem.y, class_attributes=problem.table
        )


def test_settings_of_the_authors_for_the_softmax():
    assert CADAVAEClassifier.from_preset("awa2").classifier_epochs == 29
    assert HSVAClassifier.from_preset("sun").classifier_epochs == 22
    for cls in (FCLSWGANClassifier, FVAEGANClassifier, TFVAEGANClassifier, FREEClassifier):
        assert cls.from_preset("sun").classifier_learning_rate == 5e-4
        assert cls.from_preset("cub").classifier_learning_rate == 1e-3


def test_the_softmax_is_trained_as_asked(problem):
    options = {"classifier_epochs": 3, "classifier_learning_rate": 0.02}
    model = warm(problem, classifier="softmax", **options).final_classifier_.classifier
    assert (model.n_epochs, model.learning_rate, model.batch_size) == (3, 0.02, 12)


def test_attributes_are_decoded_by_either_loss(problem):
    rest = {"max_epochs": 1, "lambda_rec": 1.0}
    weighed = warm(problem, TFVAEGANClassifier, **rest).net_.history[:, "decoding"]
    plain = warm(problem, TFVAEGANClassifier, reconstruction="l1", **rest)
    assert plain.net_.history[:, "decoding"][0] > weighed[0]  # of differences below their length
