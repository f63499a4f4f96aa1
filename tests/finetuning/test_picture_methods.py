"""What every method that learns from pictures fulfils besides the battery of checks."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.utils import estimator_checks as of_sklearn

from tests.finetuning.problems import TABLE, extractor, pictures
from tests.finetuning.test_checkpoints import Watch
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.exceptions import NonFiniteLossError
from zslearn.finetuning import FineTuning, IEAMClassifier, PSVMAClassifier, ViTZSLClassifier
from zslearn.registry import list_methods, make, method_info

METHODS = list_methods(input="pictures")
NARROW = {"width": 16, "n_heads": 2, "inner_dim": 32, "mix_dim": 8, "attribute_dim": 6}
SETTINGS = {"augmentation": "none", "backbone_learning_rate": 1e-3}


def small(name, finetuning=None, **params):
    """A method with a small network, which trains in a fraction of a second."""
    known = method_info(name).estimator().get_params()
    given = {"max_epochs": 2, "batch_size": 6, "random_state": 0, "learning_rate": 1e-3}
    given |= {key: value for key, value in NARROW.items() if key in known}
    settings = FineTuning(**(SETTINGS | (finetuning or {})))
    return make(name, **({"extractor": extractor(), "finetuning": settings} | given | params))


@pytest.fixture(scope="module", params=METHODS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(name):
    return small(name, max_epochs=12).fit(*pictures(), class_attributes=TABLE)


@pytest.mark.parametrize(
    "check",
    [
        "check_parameters_default_constructible",
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_mixin_order",
        "check_valid_tag_types",
    ],
)
def test_scikit_learn(name, check):
    estimator = make(name)
    getattr(of_sklearn, check)(type(estimator).__name__, estimator)


def test_the_authors_networks_are_there(name):
    cls = method_info(name).estimator
    for preset in ["", *cls._presets]:
        model = (cls.from_preset(preset) if preset else cls()).extractor
        assert timm.models.get_pretrained_cfg(model).has_weights, model


def test_training_tells_classes_apart(fitted):
    X, y = pictures(30, seed=1)
    assert fitted.score(X, y, candidates="seen") > 0.9
    assert fitted.seen_classes_.tolist() == ["blue", "green", "red"]
    assert fitted.unseen_classes_.tolist() == ["yellow"]


def test_its_calibration_can_be_tuned(name):
    X, y = pictures(36)
    estimator = small(name, max_epochs=1)
    tuned = TunedCalibrationClassifierCV(estimator, cv=2, random_state=0)
    tuned.fit(list(map(Image.fromarray, X)), y, class_attributes=TABLE)
    assert np.isfinite(tuned.best_delta_)
    assert tuned.predict(X[:3]).shape == (3,)


def test_training_goes_on_where_it_was_killed(name, tmp_path):
    X, y = pictures()

    expected = small(name, max_epochs=3).fit(X, y, class_attributes=TABLE)
    settings = {"checkpoint": str(tmp_path / "kept")}
    watch = Watch(3)
    killed = small(name, settings, max_epochs=3, callbacks=[watch])
    with pytest.raises(RuntimeError):
        killed.fit(X, y, class_attributes=TABLE)
    assert watch.epochs == [1, 2, 3]
    watch = Watch()
    resumed = small(name, settings, max_epochs=3, callbacks=[watch])
    resumed.fit(X, y, class_attributes=TABLE)
    assert watch.epochs == [3]
    np.testing.assert_array_equal(resumed.uncalibrated_scores(X), expected.uncalibrated_scores(X))


def test_frozen_epochs_leave_the_backbone(name):
    clf = small(name, {"freeze_epochs": 2}).fit(*pictures(), class_attributes=TABLE)
    before = clf.extractor_._fitted.recipe.create().state_dict()
    after = clf.net_.module_.backbone.network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_further_training(name):
    X, y = pictures()
    clf = small(name, warm_start=True).fit(X, y, class_attributes=TABLE)
    clf.fit(X, y, class_attributes=TABLE)
    assert len(clf.net_.history) == 4
    parts = small(name)
    for _ in range(2):
        parts.partial_fit(X, y, class_attributes=TABLE)
    assert len(parts.net_.history) == 2


def test_early_stopping(name):
    clf = small(name, early_stopping=True).fit(*pictures(48), class_attributes=TABLE)
    assert 1 <= clf.best_epoch_ <= 2


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"delta": "much"}, ValueError, "delta"),
        ({"extractor": 3}, ValueError, "extractor"),
        ({"extractor": "no_such_network"}, ValueError, "no_such_network"),
        ({"learning_rate": 1e30}, NonFiniteLossError, "Lower learning_rate"),
    ],
)
def test_refused(name, params, error, message):
    clf = small(name, **({"max_epochs": 6} | params))
    with pytest.raises(error, match=message), np.errstate(all="ignore"):
        clf.fit(*pictures(), class_attributes=TABLE)
    assert not hasattr(clf, "net_")


def test_without_rotations_ieam_is_vitzsl():
    X, y = pictures()
    scores = [
        small(method, batch_sampling="shuffled", **more)
        .fit(X, y, class_attributes=TABLE)
        .uncalibrated_scores(X)
        for method, more in (("vitzsl", {}), ("ieam", {"lambda_rotation": 0.0}))
    ]
    np.testing.assert_array_equal(*scores)


def test_psvma_wants_a_vision_transformer():
    with pytest.raises(ValueError, match="plain vision transformer.*found ResNet"):
        PSVMAClassifier(extractor("test_resnet"), max_epochs=1).fit(
            *pictures(), class_attributes=TABLE
        )


def test_psvma_shows_where_attributes_look():
    X, y = pictures()
    clf = small("psvma").fit(X, y, class_attributes=TABLE)
    maps = clf.attention_maps(X[:5], attributes=[2, 0])
    assert maps.shape == (5, 2, 4)
    np.testing.assert_allclose(maps.sum(axis=2), 1, rtol=1e-5)
    np.testing.assert_allclose(clf.attention_maps(X[:5])[:, [2, 0]], maps, rtol=1e-5)


@pytest.mark.parametrize("model", ["test_resnet", "test_efficientnet"])
def test_vitzsl_takes_the_pooled_map_of_other_networks(model):
    clf = ViTZSLClassifier(extractor(model), max_epochs=1, batch_size=6, random_state=0)
    X, y = pictures()
    assert clf.fit(X, y, class_attributes=TABLE).predict_attributes(X).shape == (24, 3)


@pytest.mark.parametrize(
    ("method", "epochs", "expected"),
    [
        ("vitzsl", 80, {9: 1.0, 10: 0.5, 39: 0.125, 40: 0.0625, 79: 0.0625}),
        ("ieam", 50, {9: 1.0, 10: 0.1, 49: 0.1}),
        ("psvma", 25, {3: 1.0, 4: 0.1, 8: 0.1, 9: 0.01, 24: 1e-5}),
        ("duet", 30, {9: 1.0, 10: 0.8, 19: 0.8, 20: 0.64}),
    ],
)
def test_schedules_of_the_authors(method, epochs, expected):
    clf = method_info(method).estimator.from_preset("cub")
    assert clf.max_epochs == epochs
    for schedule in (clf.learning_rate_schedule, clf._settings.backbone_schedule):
        found = {epoch: schedule(epoch / epochs) for epoch in expected}
        assert found == pytest.approx(expected)


def test_presets_are_not_shared():
    ViTZSLClassifier.from_preset("cub").set_params(finetuning__backbone_learning_rate=1.0)
    assert ViTZSLClassifier.from_preset("cub")._settings.backbone_learning_rate == 1e-5


def test_rates_and_decay_are_the_authors():
    clf = IEAMClassifier(extractor(), max_epochs=1, learning_rate_schedule="constant")
    clf.fit(*pictures(), class_attributes=TABLE)
    head, *rest = clf.net_.optimizer_.param_groups
    assert type(clf.net_.optimizer_) is torch.optim.Adam
    assert (head["initial_lr"], head["weight_decay"], len(head["params"])) == (1e-3, 1e-5, 2)
    assert {(group["initial_lr"], group["weight_decay"]) for group in rest} == {(1e-5, 1e-4)}
