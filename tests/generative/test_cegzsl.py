"""CE-GZSL takes the steps of the authors' code."""

import numpy as np
import pytest
import torch

from tests.generative.replay import CLOSE, Recorded, linear_names, load, replay, settings
from zslearn import CEGZSLClassifier, ClassAttributes
from zslearn._described_classes import DescribedClasses
from zslearn.generative._cegzsl import CEGZSLLearner

NAMES = linear_names(
    [
        *("generator.hidden", "generator.out", "critic.hidden", "critic.out"),
        *("embedding.embedding", "embedding.projection", "comparator.joint", "comparator.output"),
    ],
    [f"{net}.fc{n}" for net in ("G", "D", "embedding", "comparator") for n in (1, 2)],
)


@pytest.fixture(params=[1, 2], ids=["case1", "case2"])
def case(request):
    return load(f"cegzsl_case{request.param}")


@pytest.fixture
def learner(case):
    known = settings(case)
    clf = CEGZSLClassifier(
        tau_instance=known["ins_temp"],
        tau_class=known["cls_temp"],
        lambda_instance=known["ins_weight"],
        lambda_class=known["cls_weight"],
        lambda_gp=known["lambda1"],
        critic_iter=known["critic_iter"],
        normalize_attributes=False,
        **{"hidden_dim": 2, "embedding_dim": 2, "projection_dim": 2, "comparator_dim": 2},
    )
    table = ClassAttributes(case["class_attributes"].numpy())
    classes = DescribedClasses(table, np.arange(table.n_classes) < known["n_seen"])
    learner = CEGZSLLearner(case["critic0/x"].shape[1], **clf._learner_params(classes)).double()
    learner.class_attributes = case["class_attributes"]  # not by way of float32
    return learner


def plan(step):
    yield ("generator", ["noise"]) if step == "generator" else ("critic", ["noise", "alpha"])


def test_steps(case, learner):
    known, checked = settings(case), []

    def released_adam(parameters):
        """Adam that sees the comparator's gradients summed up, as the released code has it."""
        adam = torch.optim.Adam(parameters, lr=known["lr"], betas=(known["beta1"], 0.999))
        summed = {}

        def add_up(*_):
            for name, parameter in learner.comparator.named_parameters():
                if parameter.grad is not None:
                    summed[name] = summed.get(name, 0) + parameter.grad
                    parameter.grad = summed[name].clone()
                    theirs = NAMES[f"comparator.{name}"]
                    stored = case[f"{checked[-1]}/grad/{theirs}_accumulated"]
                    torch.testing.assert_close(summed[name], stored, **CLOSE)

        if any(p is learner.comparator.joint.weight for p in adam.param_groups[0]["params"]):
            adam.register_step_pre_hook(add_up)
        return adam

    def check(step, phase, terms):
        def stored(name):
            return case[f"{step}/{name}"]

        if phase == "critic":
            expected = {
                "loss": stored("loss_critic"),
                "wasserstein": stored("critic_real") - stored("critic_fake"),
                "gradient_penalty": stored("gradient_penalty_times_lambda") / known["lambda1"],
                "instance": stored("loss_instance"),
                "class": stored("loss_class"),
            }
            h, z = learner.embedding(case[f"{step}/x"])
            torch.testing.assert_close(h.detach(), stored("embedding"), **CLOSE)
            torch.testing.assert_close(z.detach(), stored("projection"), **CLOSE)
        else:
            expected = {
                "loss": stored("loss_total"),
                "adversarial": stored("loss_adversarial"),
                "fake_instance": stored("loss_instance"),
                "fake_class": stored("loss_class"),
            }
        assert terms.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(terms[name], value, **CLOSE)
        checked.append(step)

    replay(case, learner, NAMES, plan, released_adam, check)
    assert checked == case["order"].tolist()
    phases = [phase for step in range(known["critic_iter"]) for phase in learner.phases(step)]
    assert phases == [name.rstrip("0123456789") for name in checked]
    noise = case["synthesis/noise"].flatten(0, 1)
    with torch.no_grad():
        if len(noise):
            a = case["synthesis/a"].repeat_interleave(known["syn_num"], dim=0)
            found = learner.generate(a, Recorded([noise]))
            torch.testing.assert_close(found, case["synthesis/features"], **CLOSE)
        rows = learner.represent(case["classifier/x"])
        torch.testing.assert_close(rows, case["classifier/features"], **CLOSE)


def test_generated_rows_are_embedded(case, learner):
    a, noise = case["critic0/a"], case["critic0/draw_noise"]
    found = learner.synthesize(a, Recorded([noise]))
    features = learner.generate(a, Recorded([noise]))
    torch.testing.assert_close(found, learner.embedding.embed(features), **CLOSE)


def test_the_estimator_works_in_the_embedding():
    rng = np.random.default_rng(0)
    table, y = ClassAttributes(rng.uniform(0.1, 1, (5, 4))), np.arange(40) % 3
    X = rng.normal(size=(40, 8))
    clf = CEGZSLClassifier(
        hidden_dim=8, embedding_dim=7, projection_dim=6, comparator_dim=5, random_state=0
    )
    clf.set_params(max_epochs=6, batch_size=20).fit(X, y, class_attributes=table)
    assert clf.transform(X).shape == (40, 7)
    assert clf.synthesize(n=2)[0].shape == (4, 7)
    terms = ["wasserstein", "gradient_penalty", "instance", "class"]
    assert clf.net_.term_names_[1:5] == terms or set(terms) <= set(clf.net_.term_names_)
