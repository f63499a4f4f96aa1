"""f-VAEGAN takes the steps of the authors' code."""

from functools import partial

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
from zslearn.generative._softmax import SoftmaxClassifier
from zslearn.generative._vaegan import VAEGANLearner

NAMES = linear_names(
    [
        *("encoder.hidden.0", "encoder.hidden.1", "encoder.mean", "encoder.log_variance"),
        *("generator.hidden", "generator.out", "critic.hidden", "critic.out"),
    ],
    ["E.fc1", "E.fc3", "E.linear_means", "E.linear_log_var", "G.fc1", "G.fc3", "D.fc1", "D.fc2"],
)


@pytest.mark.parametrize("number", [1, 2])
def test_steps(number):
    case = load(f"fvaegan_case{number}")
    known = settings(case)
    width = case["loop0_critic0/x"].shape[1]
    learner = VAEGANLearner(width, case["class_attributes"], **vaegan_options(known))

    def plan(step):
        first = ["eps"] if known["encoded_noise"] else ["noise"]
        if step.endswith("generator"):
            yield "generator", ["eps"] if known["encoded_noise"] else ["eps", "noise"]
        else:
            yield "critic", [*first, "alpha"]

    adam = partial(torch.optim.Adam, lr=known["lr"])
    replay(
        case,
        learner,
        NAMES,
        plan,
        lambda parameters, **own: adam(parameters, **{"betas": (known["beta1"], 0.999), **own}),
        partial(check_vaegan, case, known, learner),
    )
    check_synthesis(case, known, learner, learner.represent(case["classifier/x"]))
    softmax = SoftmaxClassifier()
    softmax.coef_, softmax.intercept_ = (
        case[f"classifier/{n}"].numpy() for n in ("weight", "bias")
    )
    scores = torch.from_numpy(softmax.decision_function(case["classifier/features"].numpy()))
    torch.testing.assert_close(scores.log_softmax(1), case["classifier/log_probabilities"], **CLOSE)
