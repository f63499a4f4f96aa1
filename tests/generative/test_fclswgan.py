"""f-CLSWGAN takes the steps of the authors' code."""

from functools import partial

import pytest
import torch

from tests.generative.replay import CLOSE, Recorded, linear_names, load, replay, settings
from zslearn.generative._fclswgan import FCLSWGANLearner

LAYERS = ["generator.hidden", "generator.out", "critic.hidden", "critic.out"]
NAMES = linear_names(LAYERS, ["G.fc1", "G.fc2", "D.fc1", "D.fc2"])


@pytest.fixture(params=[1, 2], ids=["case1", "case2"])
def case(request):
    return load(f"fclswgan_case{request.param}")


@pytest.fixture
def learner(case):
    known, before = settings(case), "critic0/before"
    table = case["class_attributes"]
    number = torch.zeros(len(table), dtype=torch.int64)
    number[: known["n_seen"]] = torch.arange(known["n_seen"])
    return FCLSWGANLearner(
        case["critic0/x"].shape[1],
        table,
        False,
        hidden_dim=3,
        noise_dim=None,
        critic_iter=known["critic_iter"],
        lambda_gp=float(known["lambda1"]),
        lambda_cls=known["cls_weight"],
        seen_weight=case[f"{before}/pretrained.fc.weight"],
        seen_bias=case[f"{before}/pretrained.fc.bias"],
        seen_number=number,
    )


def plan(step):
    yield ("generator", ["noise"]) if step == "generator" else ("critic", ["noise", "alpha"])


def test_steps(case, learner):
    known = settings(case)
    adam = partial(torch.optim.Adam, lr=known["lr"], betas=(known["beta1"], 0.999))

    def check(step, phase, terms):
        if phase == "critic":
            stored = {
                "loss": case[f"{step}/loss_critic"],
                "wasserstein": case[f"{step}/critic_real"] - case[f"{step}/critic_fake"],
                "gradient_penalty": case[f"{step}/gradient_penalty_times_lambda"]
                / known["lambda1"],
            }
        else:
            stored = {
                "loss": case[f"{step}/loss_total"],
                "adversarial": case[f"{step}/loss_adversarial"],
                "ce": case[f"{step}/loss_class"],
            }
        for name, value in stored.items():
            torch.testing.assert_close(terms[name], value, **CLOSE)

    replay(case, learner, NAMES, plan, adam, check)
    noise = case["synthesis/noise"].flatten(0, 1)
    if len(noise):
        a = case["synthesis/a"].repeat_interleave(known["syn_num"], dim=0)
        found = learner.synthesize(a, Recorded([noise]))
        torch.testing.assert_close(found.detach(), case["synthesis/features"], **CLOSE)
