"""An extractor and a classifier as one object: every method agrees with doing it step by step."""

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import zslearn
from zslearn import ClassAttributes, DAZLEClassifier, ESZSLClassifier, PrototypeRegressionClassifier
from zslearn.calibration import (
    FixedCalibrationClassifier,
    RejectionClassifierCV,
    TunedCalibrationClassifierCV,
)
from zslearn.feature_extraction import (
    ImageClassifier,
    PatchDictionaryExtractor,
    TimmRegionExtractor,
    _image_classifier,
)
from zslearn.inspection import AttributeAttentionDisplay, SemanticExplanationDisplay

NAMES = np.array([f"class {c}" for c in range(8)])


@pytest.fixture(scope="module")
def problem():
    """Pictures of six of eight classes, each a colour and a stripe."""
    rng = np.random.default_rng(0)
    values = np.array([[(c >> k) & 1 for k in range(3)] + [1] for c in range(8)], dtype=float)
    y = np.tile(np.arange(6), 8)
    pictures = rng.integers(0, 60, (48, 24, 24, 3))
    pictures += 120 * values[y][:, None, None, :3].astype(int)
    return pictures.astype(np.uint8), NAMES[y], ClassAttributes(values, labels=NAMES)


@pytest.fixture(scope="module")
def extractor():
    return TimmRegionExtractor(
        "resnet18", pretrained=False, layer=0, image_size=32, grid_shape=(2, 2), n_jobs=1
    ).fit()


def _means(X):
    return np.asarray(X, dtype=np.float32).mean(axis=1)


CLASSIFIERS = {
    "vectors": ESZSLClassifier(delta=0.3),
    "regions": DAZLEClassifier(max_epochs=1, random_state=0),
    "tuned": TunedCalibrationClassifierCV(PrototypeRegressionClassifier(), cv=2, random_state=0),
    "rejecting": RejectionClassifierCV(PrototypeRegressionClassifier(), cv=2, random_state=0),
    "pipeline": FixedCalibrationClassifier(
        make_pipeline(FunctionTransformer(_means), StandardScaler(), ESZSLClassifier()), delta=0.1
    ),
}


@pytest.fixture(scope="module", params=["vectors", "regions", "tuned", "rejecting", "pipeline"])
def fitted(request, problem, extractor):
    pictures, y, table = problem
    clf = ImageClassifier(FrozenEstimator(extractor), CLASSIFIERS[request.param])
    return clf.fit(pictures, y, table)


def test_every_method_is_the_classifier_s_of_the_features(fitted, problem, extractor):
    pictures, y, table = problem
    inner, X = fitted.classifier_, extractor.transform(pictures)
    for name in ("decision_function", "predict_proba", "uncalibrated_scores"):
        np.testing.assert_array_equal(getattr(fitted, name)(pictures), getattr(inner, name)(X))
    few = table.subset(NAMES[[0, 6, 7]])
    for options in ({}, {"candidates": "unseen"}, {"class_attributes": few}):
        np.testing.assert_array_equal(
            fitted.predict(pictures, **options), inner.predict(X, **options)
        )
    scores = fitted.uncalibrated_scores(pictures)
    np.testing.assert_array_equal(
        fitted.predict_from_uncalibrated(scores), inner.predict_from_uncalibrated(scores)
    )
    np.testing.assert_array_equal(
        fitted.calibration_scores(scores), inner.calibration_scores(scores)
    )
    assert fitted.score(pictures, y) == inner.score(X, y)
    assert fitted.score(pictures, y, candidates="seen") == inner.score(X, y, candidates="seen")
    assert fitted.unseen_classes_.tolist() == ["class 6", "class 7"]
    assert fitted.class_attributes_ == table


def test_methods_are_there_where_the_classifier_has_them(fitted, problem, extractor):
    pictures = problem[0][:3]
    inner, X = fitted.classifier_, extractor.transform(pictures)
    for name in ("attention_maps", "predict_attributes", "score_terms", "class_embeddings"):
        assert hasattr(fitted, name) == hasattr(inner, name)
    if hasattr(fitted, "predict_attributes"):
        np.testing.assert_array_equal(
            fitted.predict_attributes(pictures), inner.predict_attributes(X)
        )
    if hasattr(fitted, "attention_maps"):
        maps = fitted.attention_maps(pictures, [2, 0])
        assert maps.shape == (3, 2, 4)
        np.testing.assert_array_equal(maps, inner.attention_maps(X, [2, 0]))


def test_pictures_in_parts_give_the_same_answers(fitted, problem, monkeypatch, tmp_path):
    pictures = problem[0][:20]
    whole = fitted.uncalibrated_scores(pictures), fitted.predict(pictures)
    one = 2 * 4 * 64
    monkeypatch.setattr(_image_classifier, "_BLOCK_BYTES", 8 * one)
    lengths = [len(block) for block in fitted._blocks(pictures)]
    assert lengths == [8, 8, 4]
    np.testing.assert_allclose(fitted.uncalibrated_scores(pictures), whole[0], rtol=1e-5, atol=1e-6)
    assert fitted.predict(pictures).tolist() == whole[1].tolist()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    assert fitted.predict(tmp_path).tolist() == whole[1].tolist()


def test_other_classes_share_the_extractor(fitted, problem):
    pictures, _, table = problem
    few = table.subset(NAMES[[0, 6, 7]])
    changed = fitted.with_class_attributes(few)
    assert changed.classes_.tolist() == few.labels.tolist()
    assert changed.extractor_ is fitted.extractor_
    assert fitted.classes_.tolist() == NAMES.tolist()
    np.testing.assert_array_equal(
        changed.predict(pictures), fitted.predict(pictures, class_attributes=few)
    )


def test_saved_with_the_weights_of_the_network(problem, tmp_path):
    pictures, y, table = problem
    weights = tmp_path / "network.safetensors"
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("resnet18", num_classes=0).state_dict(), weights)
    extractor = TimmRegionExtractor(
        "resnet18", checkpoint_path=weights, layer=0, image_size=32, n_jobs=1
    )
    clf = ImageClassifier(extractor, CLASSIFIERS["tuned"]).fit(pictures, y, table)
    expected = clf.predict_proba(pictures)
    zslearn.save(clf, tmp_path / "model.safetensors")
    weights.unlink()  # nothing but the one file is needed
    loaded = zslearn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(pictures), expected)
    assert loaded.extractor_.weights_checksum_ == clf.extractor_.weights_checksum_
    assert loaded.with_class_attributes(table).predict(pictures).tolist()
    zslearn.save(loaded, tmp_path / "again.safetensors")
    again = zslearn.load(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.predict_proba(pictures), expected)


def test_saved_in_half_precision(problem, tmp_path):
    pictures, y, table = problem
    extractor = TimmRegionExtractor(
        "test_vit", pretrained=False, precision="bfloat16", image_size=160, grid_shape=(1, 1)
    )
    clf = ImageClassifier(extractor, ESZSLClassifier()).fit(pictures[:12], y[:12], table)
    zslearn.save(clf, tmp_path / "m.safetensors")
    loaded = zslearn.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(
        loaded.uncalibrated_scores(pictures[:5]), clf.uncalibrated_scores(pictures[:5])
    )


def test_saved_with_a_dictionary_of_patches(problem, tmp_path):
    pictures, y, table = problem
    clf = ImageClassifier(
        PatchDictionaryExtractor(n_atoms=8, grid_shape=(2, 2), random_state=0), ESZSLClassifier()
    ).fit(pictures, y, table)
    zslearn.save(clf, tmp_path / "m.safetensors")
    loaded = zslearn.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(
        loaded.uncalibrated_scores(pictures), clf.uncalibrated_scores(pictures)
    )


def test_a_store_stands_for_its_pictures(problem, extractor, tmp_path):
    pictures, y, table = problem
    store = extractor.extract(pictures, tmp_path / "store")
    clf = ImageClassifier(FrozenEstimator(extractor), ESZSLClassifier())
    from_store = clone(clf).fit(store, y, table)
    np.testing.assert_array_equal(
        from_store.predict_proba(store), clone(clf).fit(pictures, y, table).predict_proba(pictures)
    )
    other = ImageClassifier(clone(extractor).set_params(grid_shape=(1, 1)), ESZSLClassifier())
    with pytest.raises(ValueError, match="other settings or weights"):
        other.fit(store, y, table)
    assert not hasattr(other, "classifier_")


def test_broken_pictures(problem, extractor, tmp_path):
    pictures, y, table = problem
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes(b"no picture")
    strict = ImageClassifier(clone(extractor), ESZSLClassifier())
    with pytest.raises(zslearn.exceptions.UnreadableImagesError, match="3.png"):
        strict.fit(tmp_path, y, table)
    lenient = ImageClassifier(clone(extractor).set_params(on_error="skip"), ESZSLClassifier())
    weights = np.linspace(1, 2, len(y))
    with pytest.warns(UserWarning, match="1 of 48 pictures are skipped"):
        lenient.fit(tmp_path, y, table, weights)
    rest = np.delete(np.arange(48), 3)
    expected = ESZSLClassifier().fit(
        extractor.transform(pictures[rest]), y[rest], table, weights[rest]
    )
    np.testing.assert_array_equal(
        lenient.uncalibrated_scores(pictures),
        expected.uncalibrated_scores(extractor.transform(pictures)),
    )
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(ValueError, match="each picture is to have its answer"),
    ):
        lenient.predict(tmp_path)


def test_labels_are_counted_before_anything_is_extracted(problem):
    pictures, y, table = problem
    clf = ImageClassifier(TimmRegionExtractor("no model of this name"), ESZSLClassifier())
    with pytest.raises(ValueError, match="48"):
        clf.fit(pictures, y[:7], table)


class Foreign(BaseEstimator):
    """A classifier of somebody else, which takes a table all the same."""

    def fit(self, X, y, class_attributes=None):
        return self

    def predict(self, X):
        return X


def test_refused(problem, extractor):
    pictures, y, table = problem
    frozen = FrozenEstimator(extractor)
    with pytest.raises(ValueError, match="sample_weight must have shape"):
        ImageClassifier(frozen, ESZSLClassifier()).fit(pictures, y, table, [1.0])
    inside = ImageClassifier(frozen, ESZSLClassifier())
    for wrong, message in (
        (Foreign(), "found a Foreign"),
        (LogisticRegression(), "found a Logistic"),
        (inside, "but ImageClassifier takes pictures"),
    ):
        with pytest.raises(TypeError, match=message):
            ImageClassifier(frozen, wrong).fit(pictures, y, table)
    with pytest.raises(ValueError, match="'extractor' parameter of ImageClassifier"):
        ImageClassifier(None, ESZSLClassifier()).fit(pictures, y, table)
    with pytest.raises(NotFittedError):
        ImageClassifier(frozen, ESZSLClassifier()).predict(pictures)


def test_displays_see_through_it(problem, extractor):
    pytest.importorskip("matplotlib.pyplot")

    pictures, y, table = problem
    clf = ImageClassifier(FrozenEstimator(extractor), CLASSIFIERS["regions"]).fit(
        pictures, y, table
    )
    display = AttributeAttentionDisplay.from_estimator(clf, pictures[:1], n_attributes=2)
    assert display.grid_shape == (2, 2)
    np.testing.assert_array_equal(display.images[0], pictures[0])
    clf = ImageClassifier(FrozenEstimator(extractor), ESZSLClassifier()).fit(pictures, y, table)
    why = SemanticExplanationDisplay.from_estimator(clf, pictures[:1])
    assert why.predicted_name == clf.predict(pictures[:1])[0]
