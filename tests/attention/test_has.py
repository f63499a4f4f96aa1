"""HAS as an estimator: adversarial regions, and the steps taken on them."""

import numpy as np
import pytest
import torch

from zslearn import ClassAttributes, HASClassifier
from zslearn._training._learner import Batch
from zslearn.attention._has_learner import HASLearner


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, (5, 4)))
    y = np.arange(40) % 4
    X = (table.values[y] @ rng.normal(size=(4, 8)))[:, None] + 0.3 * rng.normal(size=(40, 4, 8))
    X[::5, 3] = 0  # padding
    return X.astype(np.float32), y, table


def small(**params):
    options = {"max_epochs": 1, "batch_size": 10, "precision": "float32", "device": "cpu"}
    return HASClassifier(**options | {"random_state": 0} | params)


def learner_of(clf):
    with torch.random.fork_rng():
        torch.manual_seed(clf.net_.seed)
        return HASLearner(8, **clf._learner_params(clf._fitted_classes()))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_the_share_of_adversarial_steps(problem, share):
    clf = small(adversarial_share=share).fit(*problem[:2], class_attributes=problem[2])
    taken = [len(clf.net_.module_.phases(step)) - 1 for step in range(100)]
    assert sum(taken) == round(100 * share)
    assert max(sum(taken[i : i + 10]) for i in range(91)) <= 10 * share + 1
    optimizers = {id(one) for one in clf.net_.optimizers_.values()}
    assert len(optimizers) == 1
    counts = {int(state["step"]) for state in clf.net_.optimizer_.state.values()}
    assert counts == {4 + sum(taken[:4])}
    names = {"ce", "attribute", "local_ce", "local_attribute"}
    if share:
        names |= {"main_loss", "adversarial_loss"}
    assert set(clf.net_.term_names_) == names


@pytest.mark.parametrize("n_steps", [1, 3])
def test_adversarial_regions(problem, n_steps):
    X, y, table = problem
    clf = small(n_adversarial_steps=n_steps, lambda_latent=0).fit(X, y, class_attributes=table)
    learner = clf.net_.module_
    regions, padding = torch.from_numpy(X), torch.from_numpy(~X.any(axis=2))
    batch = Batch(regions, torch.from_numpy(y), torch.Generator(), padding=padding)
    unit = learner.class_embeddings(learner.class_attributes)
    found = learner.perturbed(batch, unit)
    assert not found[padding].any()
    step = (X.max() - X.min()) * 5 / 255 / (4 if n_steps > 1 else 1)
    moved = (found - regions)[~padding].abs() / step
    # Steps forth and back sum to whole numbers of them.
    torch.testing.assert_close(moved, moved.round(), rtol=0, atol=1e-3)
    assert moved.max().round() == n_steps
    assert all(p.grad is None for p in learner.parameters())

    def objective(x):
        output, pooled = learner.network.heads(x, padding), learner.network.pooled(x, padding)
        before = learner.network.pooled(regions, padding)
        args = (pooled, before, unit, batch.y, learner.unseen)
        return learner.perturbation(output, *args)["loss"].item()

    assert objective(found) < objective(regions)


def test_the_estimator_takes_the_steps_of_its_learner(problem):
    X, y, table = problem
    params = {"adversarial_share": 1.0, "batch_size": 40, "loss_on": "probability"}
    clf = small(**params).fit(X, y, class_attributes=table)
    learner = learner_of(clf)
    optimizer = torch.optim.Adam(learner.parameters(), 1e-3, betas=(0.5, 0.999))
    padding = torch.from_numpy(~X.any(axis=2))
    for phase in learner.phases(0):
        batch = Batch(
            torch.from_numpy(X), torch.from_numpy(y), torch.Generator(), 0, phase, padding
        )
        loss = learner.training_step(batch)["loss"]
        np.testing.assert_allclose(clf.net_.history[0, f"{phase}_loss"], loss.item(), rtol=1e-5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for found, expected in zip(clf.net_.module_.parameters(), learner.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_a_continued_training_is_an_uninterrupted_one(problem):
    X, y, table = problem
    whole = small(max_epochs=2).fit(X, y, class_attributes=table)
    parts = small(warm_start=True).fit(X, y, class_attributes=table)
    parts.fit(X, y, class_attributes=table)
    for found, expected in zip(
        parts.net_.module_.parameters(), whole.net_.module_.parameters(), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("preset", ["cub", "sun", "awa2"])
def test_presets(problem, preset):
    X, y, table = problem
    clf = HASClassifier.from_preset(preset, max_epochs=1).fit(X, y, class_attributes=table)
    assert (clf.pooling, clf.lambda_map_entropy, clf.epsilon * 255) == {
        "cub": ("max", -1, 5),
        "sun": ("mean", 0.1, 2),
        "awa2": ("mean", -0.1, 4),
    }[preset]
