"""What is particular to some estimators: devices, callbacks, trained nets, weights by reference."""

import warnings

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EarlyStopping

import zslearn
from zslearn import CVsCClassifier
from zslearn.attention import CVsCObjective
from zslearn.calibration import FixedCalibrationClassifier, TunedCalibrationClassifierCV
from zslearn.exceptions import ModelFileError
from zslearn.feature_extraction import PatchDictionaryExtractor, TimmRegionExtractor
from zslearn.persistence import _model_file


@pytest.fixture(scope="module")
def data(toy):
    return toy.problem()


@pytest.fixture
def trip(path):
    def trip(estimator, **options):
        zslearn.save(estimator, path, overwrite=True)
        return zslearn.load(path, **options)

    return trip


def fitted(data, **options):
    options = {"max_epochs": 2, "random_state": 0, "device": "cpu"} | options
    return CVsCClassifier(**options).fit(*data)


def same(one, other, X):
    return np.array_equal(one.decision_function(X), other.decision_function(X))


@pytest.mark.parametrize(
    "estimator",
    [
        CVsCClassifier(lambda_sci=0.25, objective="printed"),
        CVsCClassifier(objective=CVsCObjective(alpha=2.0), optimizer=torch.optim.SGD),
        TunedCalibrationClassifierCV(CVsCClassifier(random_state=3), n_jobs=2),
        make_pipeline(PatchDictionaryExtractor(n_components=0.5), CVsCClassifier()),
        TimmRegionExtractor("test_vit", pretrained=False, data_config={"crop_pct": 1.0}),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_not_fitted(trip, estimator):
    loaded = trip(estimator)
    assert repr(loaded) == repr(estimator)
    assert not hasattr(loaded, "classes_")


def test_trained_nets(data, trip):
    X, _, table = data
    clf = fitted(data, early_stopping=True)
    loaded = trip(clf)
    assert list(loaded.net_.history) == list(clf.net_.history)
    assert list(loaded.validation_history_) == list(clf.validation_history_)
    assert type(loaded.validation_history_) is type(clf.validation_history_)
    assert loaded.validation_scores_ == clf.validation_scores_
    assert loaded.best_epoch_ == clf.best_epoch_
    assert loaded.class_attributes_ == clf.class_attributes_
    for name, value in clf.net_.module_.state_dict().items():
        assert torch.equal(loaded.net_.module_.state_dict()[name], value)
    assert vars(loaded).keys() == vars(clf).keys()
    new = table.subset(["beach", "sky"])
    expected = clf.decision_function(X, class_attributes=new)
    assert np.array_equal(loaded.decision_function(X, class_attributes=new), expected)
    found = loaded.set_params(delta=0.5).predict(X)
    assert np.array_equal(found, clf.set_params(delta=0.5).predict(X))


def test_training_goes_on(data, trip):
    """The state of the optimiser is not in the file; plain gradient descent has none."""
    X, y, _ = data
    clf = fitted(data, optimizer="sgd", learning_rate=0.01)
    loaded = trip(clf)
    for estimator in (clf, loaded):
        estimator.partial_fit(X, y)
    assert len(loaded.net_.history) == 3
    assert same(loaded, clf, X)


def test_saving_leaves_the_estimator_as_it_is(data, path):
    X, y, _ = data
    clf, other = fitted(data), fitted(data)
    before = torch.random.get_rng_state()
    zslearn.save(clf, path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert clf.net_.module_.state_dict().keys() == other.net_.module_.state_dict().keys()
    assert same(clf.partial_fit(X, y), other.partial_fit(X, y), X)


def test_parameters_changed_after_fit(data, path, trip):
    clf = fitted(data)
    clf.set_params(max_epochs=7, delta=0.0, lambda_cc=0.0)  # the scores do not depend on these
    assert same(trip(clf), clf, data[0])
    clf.set_params(objective__scale=2.0)
    before = path.read_bytes()
    message = "Parameters of CVsCClassifier were changed after fit, .* Fit it again, or set them ba"
    with pytest.raises(ValueError, match=message):
        zslearn.save(clf, path, overwrite=True)
    assert path.read_bytes() == before
    clf.fit(*data)
    assert same(trip(clf), clf, data[0])
    bare = data[2].with_word_vectors(None)
    clf = fitted((*data[:2], bare)).set_params(objective__attribute_dim=3)
    with pytest.raises(ValueError, match=message):
        zslearn.save(clf, path, overwrite=True)


def test_callbacks_are_left_out(data, path):
    clf = fitted(data, callbacks=[("stop", EarlyStopping(monitor="train_loss"))])
    with pytest.warns(
        UserWarning, match="CVsCClassifier.callbacks is code and not saved"
    ) as caught:
        zslearn.save(clf, path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    loaded = zslearn.load(path)
    assert loaded.callbacks is None
    assert len(clf.callbacks) == 1
    assert same(loaded, clf, data[0])


def test_memory_of_pipelines_is_left_out(path, tmp_path):
    pipe = make_pipeline(PatchDictionaryExtractor(), CVsCClassifier(), memory=str(tmp_path))
    with pytest.warns(UserWarning, match="Pipeline.memory is a folder of pickles on this machine"):
        zslearn.save(pipe, path)
    assert zslearn.load(path).memory is None


def test_what_is_inside_twice_is_one_thing(data, trip):
    X, y, _ = data
    prefit = TunedCalibrationClassifierCV(fitted(data), cv="prefit", refit=False)
    prefit.fit(np.concatenate([X, X[:30]]), np.concatenate([y, ["beach"] * 30]))
    assert prefit.estimator_ is prefit.estimator
    loaded = trip(prefit)
    assert loaded.estimator_ is loaded.estimator
    assert np.array_equal(loaded.predict(X), prefit.predict(X))


def test_code_in_parameters_is_refused_by_name(path):
    def mean(accuracies):
        return accuracies

    clf = TunedCalibrationClassifierCV(CVsCClassifier(), scoring=mean)
    with pytest.raises(TypeError, match="TunedCalibrationClassifierCV.scoring is of type .*Code"):
        zslearn.save(clf, path)
    clf = CVsCClassifier(optimizer=lambda parameters, **options: None)
    with pytest.raises(TypeError, match="CVsCClassifier.optimizer is of type .*Code is not saved"):
        zslearn.save(clf, path)


# -- devices -----------------------------------------------------------------------------------


def test_a_device_that_is_not_here(data, path, monkeypatch):
    clf = fitted(data)
    clf.device = "cuda:7"
    zslearn.save(FixedCalibrationClassifier(clf, delta=clf.delta), path)
    with pytest.warns(UserWarning, match="saved with device='cuda:7', which is not here; it"):
        loaded = zslearn.load(path)
    assert loaded.estimator.device == "cpu"
    assert same(loaded, clf, data[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = zslearn.load(path, device=torch.device("cpu"))
    assert loaded.estimator.device == torch.device("cpu")
    loaded.fit(*data)


def test_a_device_that_is_chosen(data, trip):
    assert trip(fitted(data, device="auto")).device == "auto"
    pipe = make_pipeline(TimmRegionExtractor("test_vit", pretrained=False), CVsCClassifier())
    loaded = trip(pipe, device="cpu")
    assert [step.device for step in loaded] == ["cpu", "cpu"]
    with pytest.raises(ValueError, match="device must be 'auto', 'cpu'.* found 'moon'"):
        trip(pipe, device="moon")


@pytest.mark.parametrize("saved", ["moon", 0.5])
def test_no_device_at_all(data, path, saved):
    clf = fitted(data)
    clf.device = saved
    zslearn.save(clf, path)
    with pytest.raises(ModelFileError, match="estimator cannot be made: device"):
        zslearn.load(path, device=None)


def test_what_is_called_device_elsewhere(toy, trip):
    assert trip(toy.LinearZeroShot(device="front door")).device == "front door"
    assert trip(toy.LinearZeroShot(device=[1])).device == [1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_saved_on_cuda(data, path, monkeypatch):
    clf = fitted(data, device="cuda", precision="float32")
    zslearn.save(clf, path)
    assert same(zslearn.load(path), clf, data[0])
    scores = zslearn.load(path, device="cpu").decision_function(data[0])
    np.testing.assert_allclose(scores, clf.decision_function(data[0]), rtol=1e-4, atol=1e-4)


# -- a state that is not whole -----------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda w: w[:, :-1], lambda w: w.astype(np.float64)])
def test_weights_of_another_form(data, path, change):
    zslearn.save(fitted(data, head="own"), path)
    body, tensors = _model_file.read_model(path)
    name = max(tensors, key=lambda name: tensors[name].size)
    tensors[name] = np.ascontiguousarray(change(tensors[name]))
    if tensors[name].dtype == np.float64:
        found = f'"tensor":"{name}","dtype":"float32"'
        assert found in body
        body = body.replace(found, found.replace("float32", "float64"))
    path.unlink()
    _model_file.write_model(path, body, tensors, False)
    with pytest.raises(ModelFileError, match="cannot be made: the weights do not fit the paramete"):
        zslearn.load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"n_features_in_":6,', "", "the width of features or their kind is not in the state"),
        ('"_fitted_on_vectors":false,', "", "the width of features or their kind is not in the st"),
        ('"n_features_in_":6', '"n_features_in_":7', "the weights do not fit the parameters and t"),
        ('"class_attributes_"', '"table_"', "cannot be made"),
        ('"unseen_classes_"', '"other_classes_"', r"it has no \['unseen_classes_'\]"),
        ('"classes_":{"type":"text_array","dtype":"<U5","shape":[5]', None, "its classes are not"),
        ('["seed",', '["sead",', "a net has the state"),
        (
            '["precision",{"type":"torch_dtype","name":"float32"}]',
            '["precision",1]',
            "has the stat",
        ),
        ('"class":"cvsc"', '"class":"cvsd"', "of the class 'cvsd', which is not known here"),
        ('"callbacks":null', '"callbacks":[]', "callbacks is code, which files do not hold"),
    ],
)
def test_a_state_that_is_not_whole(data, path, old, new, message):
    zslearn.save(fitted(data, head="own"), path)
    body, tensors = _model_file.read_model(path)
    if new is None:
        start = body.index(f",{old}") + 1
        new, old = body[start:].split("]}")[0].replace("sand", "sans"), body[start:].split("]}")[0]
    assert body.count(old) == 1
    path.unlink()
    _model_file.write_model(path, body.replace(old, new), tensors, False)
    with pytest.raises(ModelFileError, match=message):
        zslearn.load(path)


# -- weights by reference ----------------------------------------------------------------------


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def test_timm_weights_are_named_and_checked(trip, path, pictures, tmp_path):
    from zslearn.feature_extraction._timm_models import NetworkRecipe

    recipe = NetworkRecipe("test_vit", False, None, {}, None, 7)
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(recipe.create().state_dict(), weights)
    options = {"device": "cpu", "precision": "float32", "grid_shape": (2, 2)}
    extractor = TimmRegionExtractor("test_vit", checkpoint_path=weights, **options).fit()
    expected = extractor.transform(pictures)
    loaded = trip(extractor)
    assert path.stat().st_size < 10_000 < weights.stat().st_size
    assert loaded.weights_checksum_ == extractor.weights_checksum_
    assert loaded.checkpoint_path == weights
    assert loaded.metadata_ == extractor.metadata_
    assert np.array_equal(loaded.transform(pictures), expected)

    other = NetworkRecipe("test_vit", False, None, {}, None, 8).create()
    safetensors.torch.save_file(other.state_dict(), weights)
    with pytest.raises(RuntimeError, match="weights of 'test_vit' are not those that this extrac"):
        zslearn.load(path).transform(pictures)
    weights.unlink()
    with pytest.raises(FileNotFoundError):
        zslearn.load(path).transform(pictures)


def test_word_vectors(trip, tmp_path):
    from zslearn.feature_extraction import WordVectors

    names = ["has_stripes", "swims_fast"]
    mapping = {"stripes": [1.0, 2.0], "swims": [0.5, 3.0], "fast": [1.0, -1.0]}
    (tmp_path / "words.txt").write_text("stripes 1 2\nswims 0.5 3\nfast 1 -1\n")
    for source in (mapping, tmp_path / "words.txt"):
        vectors = WordVectors(source).fit(names)
        loaded = trip(vectors)
        assert np.array_equal(loaded.transform(names), vectors.transform(names))
        assert loaded.words_ == vectors.words_
        assert np.array_equal(loaded.transform(["fast"]), [[1.0, -1.0]])


def test_linear_models(trip, data):
    from sklearn.linear_model import LogisticRegression, Ridge

    X, y, _ = data
    X = X[:, 0]
    logistic = LogisticRegression().fit(X, y)
    assert np.array_equal(trip(logistic).predict_proba(X), logistic.predict_proba(X))
    ridge = Ridge(alpha=np.ones(6)).fit(X, X)
    assert np.array_equal(trip(ridge).predict(X), ridge.predict(X))


def test_skipped_pictures(trip, tmp_path, pictures):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    options = {"device": "cpu", "precision": "float32", "store_dir": tmp_path / "stores"}
    extractor = TimmRegionExtractor("test_vit", pretrained=False, on_error="skip", **options).fit()
    from PIL import Image

    Image.fromarray(pictures[0]).save(tmp_path / "whole.png")
    with pytest.warns(UserWarning, match="broken.png"):
        extractor.transform([str(tmp_path / "broken.png"), str(tmp_path / "whole.png")])
    loaded = trip(extractor)
    assert loaded.skipped_ == extractor.skipped_
    assert type(loaded.skipped_[0]) is type(extractor.skipped_[0])
