"""DAZLE equals the authors' released code, and is an estimator like the others."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zslearn import ClassAttributes, DAZLEClassifier
from zslearn._training._learner import Batch
from zslearn.attention._dazle import DAZLELearner

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"
NAMES = {
    "V": "attribute_vectors",
    "W_1": "embedding_weight",
    "W_2": "query_weight",
    "W_3": "gate_weight",
}
TIGHT = {"rtol": 1e-9, "atol": 1e-12}


def released(number):
    """The learner with a file's weights, and the file."""
    with np.load(PARITY / f"dazle_case{number}.npz") as file:
        case = dict(file)
    gate = "grad_W_3" in case
    learner = DAZLELearner(
        case["features"].shape[2],
        torch.tensor(case["class_attributes"]),
        torch.from_numpy(np.isin(np.arange(len(case["class_attributes"])), case["unseen_classes"])),
        float(case["config_lambda"]),
        "all" if case["config_is_conservative"] else "seen",
        attribute_vectors=torch.tensor(case["word_vectors"]),
        gate=gate,
        normalize=bool(case["config_normalize_V"]),
    ).double()
    start = learner.network.attribute_vectors.detach().numpy()
    np.testing.assert_allclose(start, case["V_initial"], rtol=1e-6)
    with torch.no_grad():
        for theirs, ours in NAMES.items():
            if theirs != "W_3" or gate:
                getattr(learner.network, ours).copy_(torch.tensor(case[f"param_{theirs}"]))
    X = torch.tensor(case["features"], requires_grad=True)
    return learner, case, X, torch.nn.functional.normalize(X, dim=2)


def step(learner, case, F):
    batch = Batch(F, torch.tensor(case["labels"]), torch.Generator())
    return learner.training_step(batch)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_forward_losses_and_gradients(number):
    learner, case, X, F = released(number)
    terms = step(learner, case, F)
    table = torch.tensor(case["class_attributes"])
    with torch.no_grad():
        logits = learner.class_scores(F, table).numpy()
        maps = learner.attention_maps(F, torch.arange(table.shape[1])).numpy()
    np.testing.assert_allclose(logits, case["logits"], **TIGHT)
    np.testing.assert_allclose(maps, case["attention"], **TIGHT)
    scores = case["attribute_scores"]
    if learner.network.gate_weight is not None:
        scores = scores * case["attribute_gate"]
        gates = learner.attribute_gates(F).detach()
        np.testing.assert_allclose(gates, case["attribute_gate"], **TIGHT)
    else:
        with pytest.raises(ValueError, match="made with gate=False"):
            learner.attribute_gates(F)
    np.testing.assert_allclose(learner.attribute_scores(F).detach(), scores, **TIGHT)
    for ours, theirs in {"loss": "loss", "ce": "loss_ce", "cal": "loss_cal"}.items():
        np.testing.assert_allclose(terms[ours].item(), case[theirs], **TIGHT)
    terms["loss"].backward()
    np.testing.assert_allclose(X.grad, case["grad_features"], **TIGHT)
    for theirs, ours in NAMES.items():
        if f"grad_{theirs}" in case:
            found = getattr(learner.network, ours).grad
            np.testing.assert_allclose(found, case[f"grad_{theirs}"], **TIGHT)
    unseen = case["unseen_classes"]
    np.testing.assert_array_equal(unseen[logits[:, unseen].argmax(1)], case["prediction_czsl"])
    logits[:, unseen] += 2.0
    np.testing.assert_array_equal(logits.argmax(1), case["prediction_gzsl"])


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
        np.testing.assert_allclose(found, case[f"after_3_steps_{theirs}"], **TIGHT)


def test_the_estimator_takes_the_steps_of_its_learner():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, (5, 4)), word_vectors=rng.normal(size=(4, 6)))
    y = np.arange(24) % 3
    X = rng.normal(size=(24, 3, 8)).astype(np.float32)
    clf = DAZLEClassifier(max_epochs=1, batch_size=24, random_state=0, precision="float32")
    clf.fit(X, y, class_attributes=table)
    group = clf.net_.optimizer_.param_groups[0]
    assert type(clf.net_.optimizer_) is torch.optim.RMSprop
    assert (group["momentum"], group["weight_decay"], group["lr"]) == (0.9, 1e-4, 1e-4)
    assert clf.net_.term_names_ == ["ce", "cal"]
    # Queries and gates start from zero, and have moved by one step.
    for weight in (clf.net_.module_.network.query_weight, clf.net_.module_.network.gate_weight):
        assert 0 < weight.abs().max() <= 1e-4 / np.sqrt(0.01) * 1.01


def test_without_unseen_classes_nothing_is_calibrated():
    X, y = np.random.default_rng(0).normal(size=(30, 2, 5)), np.arange(30) % 3
    clf = DAZLEClassifier(max_epochs=1, gate=False).fit(X, y)
    assert clf.net_.term_names_ == ["ce"]
    assert clf.net_.module_.network.gate_weight is None


def test_gates_are_there_where_attributes_have_some():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2, 5)).astype(np.float32), np.arange(30) % 3
    X[::2, 1] = 0  # padding
    table = ClassAttributes(rng.uniform(0.1, 1, (4, 6)))
    clf = DAZLEClassifier(max_epochs=3, learning_rate=0.1, precision="float32", random_state=0)
    assert hasattr(clf, "attribute_gates")
    assert not hasattr(DAZLEClassifier(gate=False), "attribute_gates")
    gates = clf.fit(X, y, class_attributes=table).attribute_gates(X)
    assert (gates.shape, gates.dtype) == ((30, 6), np.float32)
    assert 0 <= gates.min() < 0.4 < 0.6 < gates.max() <= 1
    clf.set_params(gate=False)
    assert hasattr(clf, "attribute_gates")  # what was fitted has them
    clf.fit(X, y, class_attributes=table)
    assert not hasattr(clf, "attribute_gates")
