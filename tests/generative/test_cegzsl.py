"""CE-GZSL equals the authors' released code, step by step."""

import numpy as np
import pytest
from tests.generative.recorded import (
    Recorded,
    close,
    gradients,
    load,
    optimizers,
    ours,
    put,
    same_weights,
    weights,
)

from zslearn import CEGZSLClassifier
from zslearn.attributes import ClassAttributes
from zslearn._described_classes import DescribedClasses
from zslearn.generative._cegzsl import CEGZSLLearner

NAMES = [
    ("G.fc1", "generator.hidden"),
    ("G.fc2", "generator.out"),
    ("D.fc1", "critic.hidden"),
    ("D.fc2", "critic.out"),
    ("embedding.fc1", "embedding.embedding"),
    ("embedding.fc2", "embedding.projection"),
    ("comparator.fc1", "comparator.joint"),
    ("comparator.fc2", "comparator.output"),
]


def released(number):
    """The learner with a file's weights, and the file."""
    case = load(f"cegzsl_case{number}")

    def width(layer):
        return len(case[f"critic0/before/{layer}.bias"])

    clf = CEGZSLClassifier(
        tau_instance=float(case["config/ins_temp"]),
        tau_class=float(case["config/cls_temp"]),
        lambda_instance=float(case["config/ins_weight"]),
        lambda_class=float(case["config/cls_weight"]),
        lambda_gp=float(case["config/lambda1"]),
        critic_iter=int(case["config/critic_iter"]),
        embedding_dim=width("embedding.fc1"),
        projection_dim=width("embedding.fc2"),
        comparator_dim=width("comparator.fc1"),
        normalize_attributes=False,
    )
    table = case["class_attributes"]
    seen = np.arange(len(table)) < int(case["config/n_seen"])
    classes = DescribedClasses(ClassAttributes(table.numpy()), seen)
    learner = CEGZSLLearner(case["critic0/x"].shape[1], **clf._learner_params(classes))
    import torch

    for name, theirs in (("generator", "G"), ("critic", "D")):  # each of a width of its own
        network, n = getattr(learner, name), width(f"{theirs}.fc1")
        network.hidden = torch.nn.Linear(network.hidden.in_features, n)
        network.out = torch.nn.Linear(n, network.out.out_features)
    put(learner, weights(case, "critic0/before/", NAMES))
    return learner, case


@pytest.mark.parametrize("number", [1, 2])
def test_all_steps_of_an_iteration(number):
    learner, case = released(number)
    made = optimizers(learner, case["config/lr"], betas=(float(case["config/beta1"]), 0.999))
    order = case["order"].tolist()
    phases = [p for step in range(learner.critic_iter) for p in learner.phases(step)]
    assert phases == [name.rstrip("0123456789") for name in order]
    summed = {}
    for phase, step in zip(phases, order, strict=True):
        same_weights(learner, weights(case, f"{step}/before/", NAMES))
        x, a, y = (case[f"{step}/{key}"] for key in "xay")
        drawn = [case[key] for of in ("noise", "alpha") if (key := f"{step}/draw_{of}") in case]
        terms = learner.step(phase, x, a, y, Recorded(*drawn))
        if phase == "critic":
            close(terms["loss"], case[f"{step}/loss_critic"])
            apart = case[f"{step}/critic_real"] - case[f"{step}/critic_fake"]
            close(terms["wasserstein"], apart)
            penalty = 10 * terms["gradient_penalty"]
            close(penalty, case[f"{step}/gradient_penalty_times_lambda"])
            close(terms["instance"], case[f"{step}/loss_instance"])
            close(terms["class"], case[f"{step}/loss_class"])
            close(learner.embedding(x)[1], case[f"{step}/projection"])
            close(learner.embedding(x)[0], case[f"{step}/embedding"])
        else:
            close(terms["loss"], case[f"{step}/loss_total"])
            close(terms["adversarial"], case[f"{step}/loss_adversarial"])
            close(terms["fake_instance"], case[f"{step}/loss_instance"])
            close(terms["fake_class"], case[f"{step}/loss_class"])
        moving, found = gradients(learner, made, phase, terms["loss"])
        expected = weights(case, f"{step}/grad/", NAMES)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            close(found[name], value, f"{step} {name}")
        # The released code adds up the comparator's gradients over an epoch: so do we, here only.
        for name, gradient in found.items():
            if name.startswith("comparator"):
                summed[name] = summed.get(name, 0) + gradient.clone()
                gradient.copy_(summed[name])
        for key, value in case.items():
            if key.startswith(f"{step}/grad/") and key.endswith("_accumulated"):
                theirs = key.removeprefix(f"{step}/grad/").removesuffix("_accumulated")
                close(summed[ours(theirs, NAMES)], value, key)
        for one in moving:
            one.step()
    same_weights(learner, weights(case, "after/", NAMES))
    if "synthesis/noise" in case and len(case["synthesis/noise"]):
        noise, a = case["synthesis/noise"], case["synthesis/a"]
        n = noise.shape[1]
        rows = Recorded(noise.reshape(-1, noise.shape[2]))
        close(learner.generate(a.repeat_interleave(n, dim=0), rows), case["synthesis/features"])
    close(learner.represent(case["classifier/x"]), case["classifier/features"])
