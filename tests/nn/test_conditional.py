"""Networks that are given a class, and what is asked of them."""

import pytest
import torch
from torch import nn

from zslearn.nn import (
    AttributeDecoder,
    CenterMarginLoss,
    ConditionalMLP,
    CriticLoss,
    FeatureRefiner,
    GaussianEncoder,
    GradientPenalty,
    VAELoss,
    WeightedL1Loss,
)
from zslearn.nn._conditional import frozen

CLOSE = {"rtol": 0, "atol": 1e-12}


@pytest.fixture
def problem():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    critic = ConditionalMLP(6, 3, 11, 1).double()
    for parameter in critic.parameters():
        parameter.data = draw(*parameter.shape)
    return critic, draw(5, 6), draw(5, 6), draw(5, 3), draw(5, 1).abs() % 1


def gradients(critic, loss):
    critic.zero_grad()
    loss.backward()
    return [torch.zeros(()) if p.grad is None else p.grad.clone() for p in critic.parameters()]


def test_the_closed_form_is_double_differentiation(problem):
    critic, *given = problem
    closed, twice = GradientPenalty(), GradientPenalty(closed_form=False)
    torch.testing.assert_close(closed(critic, *given), twice(critic, *given), **CLOSE)
    of_closed = gradients(critic, closed(critic, *given))
    of_twice = gradients(critic, twice(critic, *given))
    for ours, theirs in zip(of_closed, of_twice, strict=True):
        torch.testing.assert_close(ours.expand_as(theirs).double(), theirs.double(), **CLOSE)
    assert of_closed[0].abs().max() > 0.01


def test_a_critic_of_several_layers_is_differentiated_for():
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))

        def forward(self, x, a):
            return self.layers(torch.cat([x, a], dim=1))

    torch.manual_seed(0)
    critic, x, a = Deep().double(), torch.rand(1, 3).double(), torch.rand(1, 1).double()
    found = GradientPenalty()(critic, x, x, a, torch.ones(1, 1).double())
    step, units = 1e-6, torch.eye(3).double()
    ends = [(critic(x + step * e, a) - critic(x - step * e, a)).item() for e in units]
    slopes = [end / (2 * step) for end in ends]
    expected = (torch.tensor(slopes).norm().double() - 1) ** 2
    torch.testing.assert_close(found.detach(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("weight", [None, 3.0])
def test_critic_loss_is_the_sum_of_its_terms(problem, weight):
    critic, x, fake, a, alpha = problem
    closed = CriticLoss(2.0, 7.0)(critic, x, fake, a, alpha, weight)
    general = CriticLoss(2.0, 7.0, closed_form=False)(critic, x, fake, a, alpha, weight)
    for name in ("loss", "wasserstein", "gradient_penalty"):
        torch.testing.assert_close(closed[name], general[name], **CLOSE)
    apart = critic(x, a).mean() - critic(fake, a).mean()
    torch.testing.assert_close(closed["wasserstein"], apart, **CLOSE)
    expected = 7 * ((weight or 2.0) * closed["gradient_penalty"] - apart)
    torch.testing.assert_close(closed["loss"], expected, **CLOSE)
    of_closed, of_general = (gradients(critic, terms["loss"]) for terms in (closed, general))
    for ours, theirs in zip(of_closed, of_general, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


def test_critic_loss_under_autocast():
    torch.manual_seed(0)
    critic, a, alpha = ConditionalMLP(16, 4, 32, 1), torch.rand(8, 4), torch.rand(8, 1)
    for parameter in critic.parameters():
        parameter.data = torch.randn(parameter.shape)
    x, fake = torch.rand(2, 8, 16)
    expected = CriticLoss()(critic, x, fake, a, alpha)
    with torch.autocast("cpu", torch.bfloat16):
        found = CriticLoss()(critic, x, fake, a, alpha)
    for name, value in expected.items():
        torch.testing.assert_close(found[name].float(), value, rtol=3e-2, atol=3e-2 * 30)
    of_found, of_expected = (gradients(critic, t["loss"])[0] for t in (found, expected))
    assert (of_found - of_expected).norm() < 0.05 * of_expected.norm()


def test_frozen_weights_get_no_gradient(problem):
    critic, x, _, a, _ = problem
    x = x.requires_grad_()
    with frozen(critic):
        critic(x, a).sum().backward()
    assert all(p.grad is None and p.requires_grad for p in critic.parameters())
    assert x.grad.abs().sum() > 0


def test_initial_weights():
    torch.manual_seed(0)
    encoder = GaussianEncoder(300, 20, [200, 100], 50)
    for layer in (*encoder.hidden, encoder.mean, encoder.log_variance):
        assert abs(layer.weight.std().item() - 0.02) < 1e-3
        assert not layer.bias.any()


def test_vae_loss_by_hand():
    x = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    logits, mean = torch.zeros(2, 2), torch.tensor([[1.0], [0.0]])
    log_variance = torch.tensor([[0.0], [2.0]])
    kl = (0.5 + 0.5 * (torch.e**2 - 3)) / 2
    terms = VAELoss()(logits, x, mean, log_variance)
    torch.testing.assert_close(terms["reconstruction"], torch.tensor(2.0).log() * 2)
    torch.testing.assert_close(terms["kl"], torch.tensor(kl))
    summed = VAELoss("l1", "sum", beta=0.5)(logits, x, mean, log_variance)
    torch.testing.assert_close(summed["loss"], torch.tensor(2.0 + kl))


def test_losses_where_there_is_nothing_to_lose():
    a = torch.rand(3, 4)
    decoded = a.clone().requires_grad_()
    loss = WeightedL1Loss()(decoded, a)
    loss.backward()
    assert loss == 0
    assert not decoded.grad.any()
    torch.testing.assert_close(WeightedL1Loss(weighted=False)(a + 1, a), torch.tensor(4.0))
    centres = torch.tensor([[0.0], [10.0], [4.0]])
    margin = CenterMarginLoss(margin=1.0, own_weight=0.5)
    near = margin(torch.tensor([[0.0]]), torch.tensor([0]), centres)
    assert near == 0  # 1 + 0 - 16 / 2
    offset = torch.tensor([1])
    far = margin(torch.tensor([[9.0]]), torch.tensor([0]), centres, offset)
    assert far == 1 + 81 / 2 - 1 / 2


@pytest.mark.parametrize("output", ["sigmoid", "normalized"])
def test_refined_descriptions(output):
    torch.manual_seed(0)
    refine, x = FeatureRefiner(6, 3, 8, output), torch.rand(4, 6)
    mean, described, _ = refine(x)
    if output == "sigmoid":
        torch.testing.assert_close(described, torch.sigmoid(mean))
    else:
        torch.testing.assert_close(described.norm(dim=1), torch.ones(4))
    assert not torch.equal(refine(x, torch.randn(4, 3))[1], described)
    with pytest.raises(ValueError, match="output must be"):
        FeatureRefiner(6, 3, 8, "plain")
    decoder = AttributeDecoder(6, 3, 8)
    torch.testing.assert_close(decoder(x)[1], decoder.hidden_values(x))
