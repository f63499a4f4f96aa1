"""FREE takes the steps of the authors' code."""

import pytest
import torch

from tests.generative.replay import (
    CLOSE,
    Recorded,
    check_synthesis,
    check_vaegan,
    linear_names,
    load,
    replay,
    settings,
    vaegan_options,
)
from tests.generative.test_fvaegan import NAMES
from zslearn.generative._free import FREELearner

BESIDE = linear_names(["refiner.mlp.hidden", "refiner.mlp.out"], ["FR.fc1", "FR.fc3"])


@pytest.mark.parametrize("number", [1, 2])
def test_steps(number):
    case = load(f"free_case{number}")
    known = settings(case)
    n_seen = known["n_seen"]
    learner = FREELearner(
        case["loop0_critic0/x"].shape[1],
        case["class_attributes"],
        seen_number=torch.arange(n_seen),
        n_seen=n_seen,
        lambda_center=known["center_weight"],
        lambda_rec=known["recons_weight"],
        center_margin=known["center_margin"],
        own_center_weight=known["incenter_weight"],
        other_center=case["config/other_center"].item(),
        refiner_output="sigmoid",
        refiner_learning_rate=known["dec_lr"],
        freeze_refiner=known["freeze_dec"],
        released=True,
        **vaegan_options(known),
    )
    encoded = known["encoded_noise"]

    def plan(step):
        if step.endswith("generator"):
            yield "generator", [*(["eps"] if encoded else ["eps", "noise"]), "refine"]
        else:
            offset = f"{step}/draw_other_offset" in case
            yield "refiner", ["refine", *["other_offset"] * offset]
            yield "critic", ["eps" if encoded else "noise", "alpha"]

    def check(step, phase, terms):
        if phase == "refiner":
            found = {
                "loss_refine": terms["loss"],
                "loss_center_unweighted": terms["center_margin"],
                "loss_recons": known["recons_weight"] * terms["cycle"],
            }
            for name, value in found.items():
                torch.testing.assert_close(value, case[f"{step}/{name}"], **CLOSE)
            return
        check_vaegan(case, known, learner, step, phase, terms)
        if phase == "generator":
            stored = case[f"{step}/loss_recons_unweighted"]
            torch.testing.assert_close(terms["cycle_generated"], stored, **CLOSE)

    def make(parameters, **own):
        return torch.optim.Adam(
            parameters, **{"lr": known["lr"], "betas": (known["beta1"], 0.999), **own}
        )

    names = NAMES | BESIDE | {"centers": "centers"}
    replay(case, learner, names, plan, make, check, accumulated=["centers"])
    noise = Recorded([case["classifier/draw_refine"]])
    x = case["classifier/x"]
    check_synthesis(case, known, learner, learner.represent(x, noise))
    learner.released = False
    torch.testing.assert_close(learner.represent(x, noise), learner.represent(x), **CLOSE)
