"""MSDN equals the authors' released code, and is an estimator like the others."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zslearn import ClassAttributes, DAZLEClassifier, MSDNClassifier
from zslearn._training._learner import Batch
from zslearn.attention._msdn import MSDNLearner
from zslearn.nn import MSDNNetwork

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"
NAMES = {
    "V": "attribute_vectors",
    "W_1": "embedding_weight",
    "W_2": "query_weight",
    "W_1_1": "visual_embedding_weight",  # they have it the other way round
    "W_2_1": "visual_query_weight",
}
TIGHT = {"rtol": 1e-9, "atol": 1e-12}


def turned(name, array):
    return array.T if name == "W_1_1" else array


def released(number):
    """The learner with a file's weights, and the file."""
    with np.load(PARITY / f"msdn_case{number}.npz") as file:
        case = dict(file)
    learner = MSDNLearner(
        case["features"].shape[2],
        torch.tensor(case["class_attributes"]),
        torch.from_numpy(np.isin(np.arange(len(case["class_attributes"])), case["unseen_classes"])),
        float(case["config_lambda_cal"]),
        float(case["config_lambda_distill"]),
        "logits",
        "all",
        attribute_vectors=torch.tensor(case["word_vectors"]),
        visual_to_attribute_weight=float(case["config_combination_weights"][1]),
        normalize=bool(case["config_normalize_V"]),
    ).double()
    with torch.no_grad():
        for theirs, ours in NAMES.items():
            weight = torch.tensor(turned(theirs, case[f"param_{theirs}"]))
            getattr(learner.network, ours).copy_(weight)
    X = torch.tensor(case["features"], requires_grad=True)
    return learner, case, X, torch.nn.functional.normalize(X, dim=2)


def step(learner, case, F):
    batch = Batch(F, torch.tensor(case["labels"]), torch.Generator())
    return learner.training_step(batch)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_forward(number):
    learner, case, _, F = released(number)
    network, table = learner.network, torch.tensor(case["class_attributes"])
    with torch.no_grad():
        both = network.sub_nets(F)
        logits = both @ learner.class_embeddings(table).T
        combined = learner.class_scores(F, table)
        maps, visual = network.attention_maps(F), network.attribute_maps(F)
        some = network.attribute_maps(F, torch.tensor([0]))
    np.testing.assert_allclose(both[:, 0], case["attribute_scores_a2v"], **TIGHT)
    np.testing.assert_allclose(both[:, 1], case["attribute_scores_v2a"], **TIGHT)
    np.testing.assert_allclose(maps, case["attention_a2v"], **TIGHT)
    np.testing.assert_allclose(visual, case["attention_v2a"], **TIGHT)
    assert torch.equal(some, visual[:, :1])
    for row, name in enumerate(("a2v", "v2a")):
        margin = logits[:, row].numpy() + case["margin"]
        np.testing.assert_allclose(margin, case[f"logits_with_margin_{name}"], **TIGHT)
    margin = combined.numpy() + case["margin"]
    np.testing.assert_allclose(margin, case["combined_logits_with_margin"], **TIGHT)
    np.testing.assert_array_equal(margin.argmax(1), case["prediction_gzsl"])
    unseen = case["unseen_classes"]
    np.testing.assert_array_equal(unseen[margin[:, unseen].argmax(1)], case["prediction_czsl"])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_losses_and_gradients(number):
    learner, case, X, F = released(number)
    terms = step(learner, case, F)
    expected = {
        "loss": "loss",
        "ce": "loss_ce_a2v",
        "cal": "loss_cal_a2v",
        "visual_ce": "loss_ce_v2a",
        "visual_cal": "loss_cal_v2a",
        "distill": "loss_distill",
    }
    assert set(terms) == set(expected)
    for ours, theirs in expected.items():
        np.testing.assert_allclose(terms[ours].item(), case[theirs], **TIGHT)
    terms["loss"].backward()
    np.testing.assert_allclose(X.grad, case["grad_features"], **TIGHT)
    for theirs, ours in NAMES.items():
        found = getattr(learner.network, ours).grad
        np.testing.assert_allclose(found, turned(theirs, case[f"grad_{theirs}"]), **TIGHT)


@pytest.mark.parametrize("number", [1, 2])
def test_three_steps_of_the_optimiser(number):
    learner, case, _, F = released(number)
    optimizer = torch.optim.RMSprop(
        learner.parameters(),
        lr=float(case["optimizer_lr"]),
        weight_decay=float(case["optimizer_weight_decay"]),
        momentum=float(case["optimizer_momentum"]),
    )
    for expected in case["optimizer_losses"]:
        optimizer.zero_grad()
        loss = step(learner, case, F.detach())["loss"]
        np.testing.assert_allclose(loss.item(), expected, **TIGHT)
        loss.backward()
        optimizer.step()
    for theirs, ours in NAMES.items():
        found = getattr(learner.network, ours).detach()
        np.testing.assert_allclose(found, turned(theirs, case[f"after_3_steps_{theirs}"]), **TIGHT)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, (5, 4)), word_vectors=rng.normal(size=(4, 6)))
    y = np.arange(24) % 3
    return rng.normal(size=(24, 3, 8)).astype(np.float32), y, table


def fit(data, cls=MSDNClassifier, **params):
    X, y, table = data
    options = {"max_epochs": 2, "batch_size": 12, "random_state": 0, "precision": "float32"}
    return cls(**options | params).fit(X, y, class_attributes=table)


def test_the_estimator_takes_the_steps_of_its_learner(data):
    clf = fit(data)
    group = clf.net_.optimizer_.param_groups[0]
    assert type(clf.net_.optimizer_) is torch.optim.RMSprop
    assert (group["momentum"], group["weight_decay"], group["lr"]) == (0.9, 1e-4, 1e-4)
    assert clf.net_.term_names_ == ["ce", "cal", "visual_ce", "visual_cal", "distill"]
    for weight in clf.net_.module_.network.parameters():
        assert weight.abs().max() > 0  # the last one moves from the second step on


def test_weights_of_the_second_sub_net(data):
    X = data[0]
    shares = {share: fit(data, visual_to_attribute_weight=share) for share in (0.0, 0.4, 1.0)}
    scores = {share: clf.predict_attributes(X) for share, clf in shares.items()}
    mixed = 0.6 * scores[0.0] + 0.4 * scores[1.0]
    np.testing.assert_allclose(scores[0.4], mixed, rtol=1e-5, atol=1e-6)
    assert np.abs(scores[0.0] - scores[1.0]).max() > 0.1


def test_apart_the_first_sub_net_is_dazle_without_a_gate(data):
    options = {"optimizer": "sgd", "optimizer_params": {"momentum": 0.0, "weight_decay": 0.0}}
    options |= {"learning_rate": 0.1, "max_epochs": 1, "batch_size": 24}
    alone = fit(data, DAZLEClassifier, gate=False, **options)
    apart = fit(data, lambda_distill=0.0, visual_to_attribute_weight=0.0, **options)
    found, expected = (clf.predict_attributes(data[0]) for clf in (apart, alone))
    # They share the attribute vectors, on which the second has no gradient in its first step.
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_projections_are_made_in_bfloat16_where_regions_are():
    network = MSDNNetwork(6, 32, attribute_dim=16, visual_to_attribute_weight=0.5)
    generator = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=generator)
    F = torch.nn.functional.normalize(torch.randn(5, 9, 32, generator=generator), dim=2)
    results = []
    for regions in (F.bfloat16(), F.bfloat16().float()):
        scores = network(regions)
        assert scores.dtype == torch.float32
        results.append([scores, *torch.autograd.grad(scores.sum(), list(network.parameters()))])
    for low, full in zip(*results, strict=True):
        assert low.dtype == torch.float32
        assert 0 < (low - full).norm() <= 4 * torch.finfo(torch.bfloat16).eps * full.norm()


def test_settings_of_the_authors():
    settings = {name: MSDNClassifier.from_preset(name) for name in ("cub", "sun", "awa2")}
    assert [one.visual_to_attribute_weight for one in settings.values()] == [0.1, 0.3, 0.0]
    assert [one.max_epochs for one in settings.values()] == [30, 70, 50]
    assert settings["awa2"].optimizer_params["momentum"] == 0.0
    settings["sun"].optimizer_params["momentum"] = 0.5
    assert MSDNClassifier.from_preset("sun").optimizer_params["momentum"] == 0.9
    for cls in (MSDNClassifier, DAZLEClassifier):
        for name in ("cub", "sun", "awa2"):
            cls.from_preset(name)._validate_params()
        # The defaults are those for CUB.
        different = {
            name: value
            for name, value in cls.from_preset("cub").get_params().items()
            if value != cls().get_params()[name]
        }
        options = cls._optimizer_options
        assert different == {"optimizer_params": options}


def test_without_unseen_classes_nothing_is_calibrated(data):
    X, y, _ = data
    clf = MSDNClassifier(max_epochs=1).fit(X, y)
    assert clf.net_.term_names_ == ["ce", "visual_ce", "distill"]
