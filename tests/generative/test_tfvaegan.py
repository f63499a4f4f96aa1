"""TF-VAEGAN takes the steps of the authors' code."""

import pytest
import torch

from tests.generative.replay import (
    CLOSE,
    check_synthesis,
    check_vaegan,
    linear_names,
    load,
    replay,
    settings,
    vaegan_options,
)
from tests.generative.test_fvaegan import NAMES
from zslearn.generative._tfvaegan import TFVAEGANLearner

BESIDE = linear_names(
    ["decoder.mlp.hidden", "decoder.mlp.out", "feedback.mlp.hidden", "feedback.mlp.out"],
    ["Dec.fc1", "Dec.fc3", "F.fc1", "F.fc2"],
)


def learner_of(case, known, released):
    return TFVAEGANLearner(
        case["loop0_critic0/x"].shape[1],
        case["class_attributes"],
        lambda_rec=known["recons_weight"],
        feedback_weight=known["a1"],
        synthesis_feedback_weight=known["a2"],
        feedback_learning_rate=known["feed_lr"],
        decoder_learning_rate=known["dec_lr"],
        freeze_decoder=known["freeze_dec"],
        concatenate_attributes=True,
        pass_length=known["critic_iter"],
        released=released,
        **vaegan_options(known),
    )


def run(number, released=True):
    case = load(f"tfvaegan_case{number}")
    known = settings(case)
    learner = learner_of(case, known, released)
    encoded = known["encoded_noise"]

    def plan(step):
        tail = "_feedback" if step.startswith("loop1") else ""
        if step.endswith("generator"):
            yield f"generator{tail}", ["eps"] if encoded else ["eps", "noise"]
        else:
            yield "decoder", []
            yield f"critic{tail}", ["eps" if encoded else "noise", "alpha"]

    def check(step, phase, terms):
        if phase == "decoder":
            torch.testing.assert_close(terms["loss"], case[f"{step}/loss_recons"], **CLOSE)
            return
        check_vaegan(case, known, learner, step, phase, terms)
        if phase.startswith("generator"):
            stored = case[f"{step}/loss_recons_unweighted"]
            torch.testing.assert_close(terms["decoding_generated"], stored, **CLOSE)

    def make(parameters, **own):
        return torch.optim.Adam(
            parameters, **{"lr": known["lr"], "betas": (known["beta1"], 0.999), **own}
        )

    replay(case, learner, NAMES | BESIDE, plan, make, check)
    check_synthesis(case, known, learner, learner.represent(case["classifier/x"]))


@pytest.mark.parametrize("number", [1, 2])
def test_steps(number):
    run(number)


def test_without_the_slip_steps_are_others():
    with pytest.raises(AssertionError, match="loss_total|loss_adversarial"):
        run(2, released=False)


def test_passes_take_turns():
    case = load("tfvaegan_case1")
    learner = learner_of(case, settings(case), False)  # two steps of the critic for one
    first, second = ["decoder", "critic"], ["decoder", "critic", "generator"]
    fed_back = [
        ["decoder", "critic_feedback"],
        ["decoder", "critic_feedback", "generator_feedback"],
    ]
    assert [learner.phases(step) for step in range(5)] == [first, second, *fed_back, first]
