"""Steps of the authors' code, taken again by a learner on the draws that were recorded."""

from pathlib import Path

import numpy as np
import torch

from zslearn.generative._learner import Draws

CLOSE = {"rtol": 0, "atol": 1e-9}
PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"


class Recorded(Draws):
    """Draws that were recorded, in their order."""

    def __init__(self, draws):
        self._draws = list(draws)

    def normal(self, *shape):
        drawn = self._draws.pop(0)
        assert tuple(drawn.shape) == shape
        return drawn

    uniform = normal

    def integers(self, low, high, *shape):
        return self.normal(*shape)

    def __len__(self):
        return len(self._draws)


def load(name):
    with np.load(PARITY / f"{name}.npz") as file:
        return {
            key: torch.from_numpy(file[key]) if file[key].dtype.kind in "fi" else file[key]
            for key in file
        }


def settings(case):
    """Options by the names of the authors' code."""
    return {k.removeprefix("config/"): v.item() for k, v in case.items() if "config/" in k}


def assert_weights(case, prefix, learner, names):
    for ours, theirs in names.items():
        key = f"{prefix}/{theirs}"
        found = learner.get_parameter(ours).detach()
        torch.testing.assert_close(found, case[key], **CLOSE, msg=lambda m, k=key: f"{k}: {m}")


def set_weights(case, prefix, learner, names):
    """Give a learner weights of the case, whatever their shapes."""
    learner.double()
    for ours, theirs in names.items():
        path, _, last = ours.rpartition(".")
        value = torch.nn.Parameter(case[f"{prefix}/{theirs}"].clone())
        setattr(learner.get_submodule(path), last, value)


def linear_names(ours, theirs):
    """Names of the weights of linear layers, of ours and of theirs."""
    return {
        f"{a}.{part}": f"{b}.{part}"
        for a, b in zip(ours, theirs, strict=True)
        for part in ("weight", "bias")
    }


def assert_gradient(parameter, stored, key):
    found = torch.zeros_like(stored) if parameter.grad is None else parameter.grad
    torch.testing.assert_close(found, stored, **CLOSE, msg=lambda m: f"{key}: {m}")


def replay(case, learner, names, plan, make, check, accumulated=()):
    """Take all steps; `plan` has the phases of a step, and the names of the draws of each.

    Gradients of weights that are `accumulated` are never zeroed, as by a slip of the authors' code.

    Gradients, and weights after each optimiser step, are compared here, losses by `check`.
    """
    order = case["order"].tolist()
    set_weights(case, f"{order[0]}/before", learner, names)
    optimizers = learner.configure_optimizers(make)
    theirs_of = {id(learner.get_parameter(a)): b for a, b in names.items()}
    for step in order:
        assert_weights(case, f"{step}/before", learner, names)
        x, a, y = (case[f"{step}/{name}"] for name in "xay")
        compared = 0
        for phase, draws in plan(step):
            recorded = Recorded(case[f"{step}/draw_{name}"] for name in draws)
            terms = learner.step(phase, x, a, y, recorded)
            assert not len(recorded)
            moving = [optimizers[name] for name in learner.optimizers_of(phase)]
            kept = {name: learner.get_parameter(name).grad for name in accumulated}
            for optimizer in moving:
                optimizer.zero_grad()
            terms["loss"].backward()
            check(step, phase, {name: value.detach() for name, value in terms.items()})
            for optimizer in moving:
                for parameter in (p for g in optimizer.param_groups for p in g["params"]):
                    key = f"{step}/grad/{theirs_of[id(parameter)]}"
                    assert_gradient(parameter, case[key], key)
                    compared += 1
                    for name, before in kept.items():
                        if before is not None and parameter is learner.get_parameter(name):
                            parameter.grad += before
                            assert_gradient(parameter, case[f"{key}_accumulated"], key)
                optimizer.step()
        assert compared
    assert_weights(case, "after", learner, names)


def vaegan_options(known):
    """Options of the learners whose generator decodes too."""
    return {
        "normalize_attributes": False,
        "hidden_dim": 3,
        "noise_dim": None,
        "critic_iter": known["critic_iter"],
        "lambda_gp": 10.0,
        "gamma_adv": float(known["gammaG"]),
        "gamma_critic": float(known["gammaD"]),
        "adaptive_penalty": True,
        "adversarial_noise": "posterior" if known["encoded_noise"] else "prior",
        "encoder_betas": (0.9, 0.999),
    }


def check_vaegan(case, known, learner, step, phase, terms):
    """Compare the terms that these methods share, and the weight of the penalty."""
    found = {}
    if phase.startswith("critic"):
        found["lambda1"] = learner.penalty_weight
        found["loss_critic"] = terms["loss"]
        if f"{step}/wasserstein" in case:
            found["wasserstein"] = known["gammaD"] * terms["wasserstein"]
        found["gradient_penalty_times_gamma_lambda"] = (
            known["gammaD"] * learner.penalty_weight * terms["gradient_penalty"]
        )
    elif phase.startswith("generator"):
        found["lambda1"] = learner.penalty_weight
        found["loss_total"] = terms["loss"]
        found["loss_adversarial"] = terms["adversarial"]
        found["loss_vae"] = terms["reconstruction"] + terms["kl"]
    for name, value in found.items():
        stored = case[f"{step}/{name}"].to(value.dtype)
        torch.testing.assert_close(value, stored, **CLOSE, msg=lambda m, n=name: f"{n}: {m}")


def check_synthesis(case, known, learner, rows):
    """Compare generated features, the rows of the final classifier, and the penalty's weight."""
    after = case["after/lambda1"].to(learner.penalty_weight.dtype)
    torch.testing.assert_close(learner.penalty_weight, after, **CLOSE)
    assert after != 10  # it has been changed
    noise = case["synthesis/noise"].flatten(0, 1)
    if len(noise):
        a = case["synthesis/a"].repeat_interleave(known["syn_num"], dim=0)
        width = case["synthesis/features"].shape[1]
        found = learner.synthesize(a, Recorded([noise]))[:, :width].detach()
        torch.testing.assert_close(found, case["synthesis/features"], **CLOSE)
    torch.testing.assert_close(rows.detach(), case["classifier/features"], **CLOSE)
