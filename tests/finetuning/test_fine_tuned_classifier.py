"""A classifier of regions, trained with its backbone."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import zslearn
from tests.finetuning.problems import TABLE, extractor, fine_tuned, fit, pictures
from zslearn import (
    APNClassifier,
    CVsCClassifier,
    DAZLEClassifier,
    ESZSLClassifier,
    TransZeroClassifier,
)
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.exceptions import UnreadableImagesError
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.finetuning import FineTunedClassifier, FineTuning, ViTZSLClassifier
from zslearn.model_selection import HeldOutStopping
from zslearn.nn.functional import find_padding, normalize_rows


@pytest.mark.parametrize("model", ["test_vit", "test_resnet"])
@pytest.mark.parametrize(
    "classifier",
    [
        CVsCClassifier(max_epochs=2, batch_size=6, random_state=0),
        DAZLEClassifier(max_epochs=2, batch_size=7, random_state=1),
        APNClassifier(max_epochs=2, random_state=1),
        TransZeroClassifier(max_epochs=2, dim=8, dim_feedforward=8, random_state=1),
    ],
    ids=["cvsc", "dazle", "apn", "transzero"],
)
def test_frozen_is_a_pipeline(problem, model, classifier):
    X, y = problem
    name = type(classifier).__name__.lower()
    pipeline = make_pipeline(extractor(model), clone(classifier))
    pipeline.fit(X, y, **{f"{name}__class_attributes": TABLE})
    frozen = FineTuning(freeze_epochs=2, augmentation="none")
    whole = fit(FineTunedClassifier(extractor(model), classifier, finetuning=frozen), X, y)
    np.testing.assert_array_equal(whole.transform(X), pipeline[:-1].transform(X))
    np.testing.assert_array_equal(whole.predict_proba(X), pipeline.predict_proba(X))
    np.testing.assert_array_equal(
        whole.attention_maps(X), pipeline[-1].attention_maps(pipeline[:-1].transform(X))
    )


def test_the_loss_reaches_the_pixels(problem, fitted):
    """One step's gradients for the backbone are those of the same loss written out."""
    learner = fitted.net_.module_.train()
    y = torch.from_numpy(fitted.class_attributes_.index_of(problem[1][:6]))
    x = fitted._rows(fitted._check_X(problem[0][:6], reset=False), TABLE, torch.device("cpu"))
    x = x.take(slice(None))

    def gradients(step):
        learner.zero_grad()
        step(torch.Generator().manual_seed(0))["loss"].backward()
        return {n: p.grad.clone() for n, p in learner.named_parameters() if p.grad is not None}

    def written_out(generator):
        regions = normalize_rows(learner.backbone.network.forward_features(x)[:, 1:])
        network, criterion = learner.head.network, learner.head.criterion
        return criterion(network(regions, find_padding(regions), generator=generator), y)

    batch = zslearn._training._learner.Batch
    found = gradients(lambda generator: learner.training_step(batch(x, y, generator)))
    expected = gradients(written_out)
    learner.zero_grad()
    assert "backbone.network.patch_embed.proj.weight" in found
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-7)


def test_training_moves_the_backbone_and_helps(problem):
    X, y = problem
    before = extractor().fit().transform(X)
    clf = fit(fine_tuned(max_epochs=12, learning_rate=1e-2, delta=0.0), X, y)
    assert not np.array_equal(clf.transform(X), before)
    assert clf.transform(X).shape == before.shape
    losses = clf.net_.history[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert clf.score(X, y) > 0.9
    new, labels = pictures(seed=1)
    assert clf.score(new, labels, candidates="seen") > 0.9


def test_what_pictures_may_come_as(fitted, problem, tmp_path):
    X, y = problem
    for i, pixels in enumerate(X):
        Image.fromarray(pixels).save(tmp_path / f"{i:02}.png")
    paths = sorted(tmp_path.glob("*.png"))
    images = [Image.fromarray(pixels) for pixels in X]
    expected = fitted.predict_proba(X)
    for given in (paths, [str(path) for path in paths], images, tmp_path, np.array(paths, str)):
        np.testing.assert_array_equal(fitted.predict_proba(given), expected)
    for given in (paths, images, tmp_path):
        again = fit(fine_tuned(), given, y)
        np.testing.assert_array_equal(again.predict_proba(X), expected)


def test_blocks_change_nothing(fitted, problem):
    X, _ = problem
    again = pickle.loads(pickle.dumps(fitted))
    again.extractor_.batch_size = 5
    np.testing.assert_allclose(
        again.uncalibrated_scores(X), fitted.uncalibrated_scores(X), rtol=0, atol=2e-3
    )


def test_skipped_pictures_drop_their_labels(problem, tmp_path):
    X, y = problem
    paths = []
    for i, pixels in enumerate(X):
        paths.append(tmp_path / f"{i:02}.png")
        Image.fromarray(pixels).save(paths[-1])
    paths[2].write_bytes(b"nothing")
    weights = np.arange(1.0, len(y) + 1)
    clf = fine_tuned()
    with pytest.raises(UnreadableImagesError, match="row 2"):
        fit(clf, paths, y, sample_weight=weights)
    assert not hasattr(clf, "net_")
    clf.set_params(extractor__on_error="skip")
    with pytest.warns(UserWarning, match="1 of 24 pictures are skipped"):
        fit(clf, paths, y, sample_weight=weights)
    assert [picture.row for picture in clf.skipped_] == [2]
    kept = np.delete(np.arange(len(y)), 2)
    assert clf.class_count_.sum() == len(kept)
    without = fit(fine_tuned(), X[kept], y[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(clf.predict_proba(X[kept]), without.predict_proba(X[kept]))
    with pytest.raises(UnreadableImagesError):
        clf.predict(paths)


def test_what_is_fitted_at_the_end_sees_pictures_as_predictions_do(problem):
    X, y = problem
    seen = []

    class Noted(CVsCClassifier):
        def _after_training(self, samples, *, more=False):
            seen.append(samples.X[:])
            super()._after_training(samples, more=more)

    classifier = Noted(max_epochs=1, batch_size=6, random_state=0)
    settings = FineTuning(augmentation="crop")
    clf = fit(FineTunedClassifier(extractor(), classifier, finetuning=settings), X, y)
    (regions,) = seen
    np.testing.assert_array_equal(regions, clf.transform(X))


def test_early_stopping_keeps_the_best_weights(problem):
    X, y = problem
    stopping = HeldOutStopping(n_iter_no_change=2, refit=False, validation_fraction=0.3)
    params = {"max_epochs": 6, "early_stopping": stopping, "learning_rate": 1e-2}
    clf = fit(fine_tuned(finetuning={"freeze_epochs": 2}, **params), X, y)
    scores = clf.validation_scores_
    assert 3 <= len(scores) <= 6
    assert scores[clf.best_epoch_ - 1] == max(scores)
    assert len(clf.seen_classes_) == 2
    assert clf.predict(X).shape == y.shape
    refitted = fit(fine_tuned(**{**params, "early_stopping": True}), X, y)
    assert len(refitted.net_.history) == refitted.best_epoch_
    assert len(refitted.seen_classes_) == 3


def test_passes_and_warm_starts(problem, tmp_path):
    X, y = problem
    clf = fine_tuned(finetuning={"augmentation": "none"})
    for _ in range(2):
        clf.partial_fit(X, y, class_attributes=TABLE)
    assert len(clf.net_.history) == 2
    assert clf.class_count_.sum() == 2 * len(y)
    once = clf.predict_proba(X)
    zslearn.save(clf, tmp_path / "passes")
    np.testing.assert_array_equal(zslearn.load(tmp_path / "passes").predict_proba(X), once)
    rate = clf.net_.optimizer_.param_groups[-1]["initial_lr"]
    clf.set_params(finetuning__backbone_learning_rate=2 * rate, finetuning__frozen_layers=1)
    clf.partial_fit(X, y)
    assert clf.net_.optimizer_.param_groups[-1]["initial_lr"] == 2 * rate
    assert not clf.net_.module_.backbone.network.cls_token.requires_grad
    clf.set_params(classifier__warm_start=True)
    fit(clf, X, y)
    assert len(clf.net_.history) == 5
    assert not np.array_equal(clf.predict_proba(X), once)


def test_saved_without_pickle(fitted, problem, tmp_path):
    X, _ = problem
    zslearn.save(fitted, tmp_path / "model.safetensors")
    loaded = zslearn.load(tmp_path / "model.safetensors")
    for method in ("predict_proba", "transform", "attention_maps", "predict_attributes"):
        np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(fitted, method)(X))
    assert loaded.classifier_.net_.module_ is loaded.net_.module_.head


def test_new_classes(fitted, problem):
    X, _ = problem
    table = TABLE.subset(["green", "yellow"])
    told = fitted.with_class_attributes(table)
    np.testing.assert_array_equal(
        told.predict_proba(X), fitted.predict_proba(X, class_attributes=table)
    )
    assert told.unseen_classes_.tolist() == ["yellow"]


@pytest.mark.parametrize(
    ("estimator", "error", "words"),
    [
        (FineTunedClassifier(extractor(), ESZSLClassifier()), TypeError, "deep classifier"),
        (
            FineTunedClassifier(PatchDictionaryExtractor(), CVsCClassifier()),
            ValueError,
            "extractor",
        ),
        (fine_tuned(finetuning={"layer_decay": 2.0}), ValueError, "layer_decay"),
        (fine_tuned(device="cpu").set_params(extractor__device="cuda"), ValueError, "extractor"),
        (fine_tuned().set_params(extractor__precision="float16"), ValueError, "float16"),
        (fine_tuned(finetuning={"frozen_layers": 50}), ValueError, "frozen_layers"),
    ],
    ids=["linear", "dictionary", "decay", "device", "half", "layers"],
)
def test_refusals(estimator, error, words):
    with pytest.raises(error, match=words):
        fit(estimator)
    assert not hasattr(estimator, "classes_")


def test_features_are_refused(fitted):
    with pytest.raises(TypeError, match="uint8"):
        fitted.predict(np.zeros((3, 4, 64)))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        fit(fine_tuned(), *(part[:n] for part, n in zip(pictures(), (5, 6), strict=True)))


@pytest.mark.parametrize(
    "member", [fine_tuned(max_epochs=1), ViTZSLClassifier(extractor(), max_epochs=1, batch_size=8)]
)
def test_ensembles_of_pictures(problem, tmp_path, member):
    X, y = problem
    ensemble = SeedEnsembleClassifier(member, n_estimators=2, random_state=0)
    ensemble.fit(X, y, class_attributes=TABLE)
    scores = [one.uncalibrated_scores(X) for one in ensemble.estimators_]
    assert not np.allclose(*scores)
    np.testing.assert_allclose(ensemble.uncalibrated_scores(X), np.mean(scores, 0), rtol=1e-6)
    zslearn.save(ensemble, tmp_path / "model.safetensors")
    loaded = zslearn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), ensemble.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict_attributes(X), ensemble.predict_attributes(X))
    with pytest.raises(TypeError, match="uint8"):
        ensemble.predict(np.zeros((3, 4, 64)))
