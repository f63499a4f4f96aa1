"""Gradients of a step without autograd: those of the ordinary way, or nothing at all."""

import copy
import pickle
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._training import _net
from zslearn.exceptions import NonFiniteLossError
from zslearn.nn import CVsCLoss, CVsCNetwork
from zslearn.nn._direct_step import take_gradients
from zslearn.nn._native import library, why_not
from zslearn.nn.functional import attention_backend, normalize_rows

needs_compiled = pytest.mark.skipif(library() is None, reason=why_not() or "there is compiled code")

B, R, D, K, C = 16, 16, 512, 130, 130  # 2**13 features of an image, just above 2**12 numbers

# Both ways multiply the same numbers; only float32 sums between them may differ, by 6e-8, which
# makes a few numbers round to the bfloat16 number on the other side, 2**-8 away. Gradients were
# found to differ by up to 1.2e-4 of their length, 4e-4 where torch multiplies and rounds more.
TOLERANCE = 1e-3


@pytest.fixture(params=[True, False], ids=["multiplies", "torch multiplies"])
def multiplies(request, monkeypatch):
    monkeypatch.setattr(library(), "multiplies", request.param)


def make(network=CVsCNetwork, criterion=CVsCLoss, b=B, k=K, **options):
    generator = torch.Generator().manual_seed(0)
    table = torch.rand(C, k, generator=generator)
    regions = normalize_rows(torch.randn(b, R, D, generator=generator)).bfloat16()
    unseen = torch.arange(C) >= 100
    settings = {"attribute_dim": 24, "scale": 1.7, "counterfactual_scale": 0.8}
    names = CVsCNetwork.__init__.__kwdefaults__
    of_network = {name: value for name, value in options.items() if name in names}
    of_criterion = {name: value for name, value in options.items() if name not in names}
    return SimpleNamespace(
        network=network(table, D, **settings | of_network),
        criterion=criterion(table, unseen, **of_criterion),
        regions=regions,
        y=torch.randint(100, (b,), generator=generator),
        noise=torch.Generator().manual_seed(3),
    )


def take(problem):
    return take_gradients(*vars(problem).values())


def step_as_usual(problem):
    output = problem.network(problem.regions, generator=problem.noise)
    terms = problem.criterion(output, problem.y)
    terms["loss"].backward()
    return output, terms


def gradients(problem):
    return {name: p.grad for name, p in problem.network.named_parameters()}


def check_agrees(found, expected):
    assert list(found) == list(expected)
    for name, gradient in expected.items():
        if gradient is None:
            assert found[name] is None, name
        else:
            assert (found[name] - gradient).norm() <= TOLERANCE * gradient.norm(), name


@needs_compiled
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"train_attribute_vectors": False},
        {"lambda_ce": 0.0, "alpha": 0.1, "calibration_bias": 0.5},
        {"lambda_cal": 0.0, "lambda_tci": 0.0, "scale": 20.0},
        {"b": 17, "k": 131, "attribute_dim": 65},
    ],
)
def test_agrees_with_autograd(multiplies, options):
    ours, usual = make(**options), make(**options)
    output, terms = take(ours)
    expected, expected_terms = step_as_usual(usual)
    assert list(terms) == list(expected_terms)
    for name, term in expected_terms.items():
        torch.testing.assert_close(terms[name], term, rtol=1e-6, atol=0)
    for mine, theirs in zip(output, expected, strict=True):
        assert not mine.requires_grad
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    assert torch.equal(ours.noise.get_state(), usual.noise.get_state())
    check_agrees(gradients(ours), gradients(usual))
    is_trained = options.get("train_attribute_vectors", True)
    assert (ours.network.attribute_vectors.grad is not None) == is_trained


@needs_compiled
def test_some_parameters_are_frozen(multiplies):
    for name in ("attribute_vectors", "query_weight", "embedding_weight"):
        ours, usual = make(), make()
        for problem in (ours, usual):
            for parameter in problem.network.parameters():
                parameter.requires_grad_(False)
            problem.network.get_parameter(name).requires_grad_(True)
        take(ours)
        step_as_usual(usual)
        assert [n for n, g in gradients(ours).items() if g is not None] == [name]
        check_agrees(gradients(ours), gradients(usual))


@needs_compiled
def test_gradients_add_up():
    once, twice = make(), make()
    take(once)
    state = twice.noise.get_state()
    for parameter in twice.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    own = [parameter.grad for parameter in twice.network.parameters()]
    take(twice)
    twice.noise.set_state(state)
    take(twice)
    for a, b, same in zip(once.network.parameters(), twice.network.parameters(), own, strict=True):
        torch.testing.assert_close(b.grad, 1 + 2 * a.grad, rtol=1e-5, atol=1e-6)
        assert b.grad is same


@needs_compiled
def test_noise_is_that_of_the_generator():
    first, same, other = make(), make(), make()
    other.noise.manual_seed(4)
    found = [take(problem)[0] for problem in (first, same, other)]
    assert torch.equal(found[0].counterfactual_semantics, found[1].counterfactual_semantics)
    assert not torch.equal(found[0].counterfactual_semantics, found[2].counterfactual_semantics)
    assert torch.equal(found[0].semantics, found[2].semantics)
    for problem in (ours := make(), usual := make()):
        problem.noise = None
    torch.manual_seed(5)
    take(ours)
    after = torch.get_rng_state()
    torch.manual_seed(5)
    step_as_usual(usual)
    assert torch.equal(after, torch.get_rng_state())
    check_agrees(gradients(ours), gradients(usual))


@needs_compiled
def test_hooks_of_parameters_are_called():
    problem, seen = make(), []
    problem.network.query_weight.register_hook(
        lambda gradient: seen.append(gradient) or 0 * gradient
    )
    take(problem)
    assert len(seen) == 1
    assert not problem.network.query_weight.grad.any()
    assert problem.network.embedding_weight.grad.any()


class Subclass(CVsCNetwork):
    """Computes the same."""


class OtherLoss(CVsCLoss):
    """Computes the same."""


def ignore(*arguments):
    """Serve as a hook."""


def hooked(part, kind):
    def hook(problem):
        getattr(getattr(problem, part), f"register_{kind}")(ignore)

    return hook


def with_own_forward(problem):
    problem.network.forward = problem.network.forward


def in_pieces(problem):
    problem.regions = problem.regions.transpose(0, 1).contiguous().transpose(0, 1)


def widened(problem):
    problem.regions = problem.regions.float()


KINDS = ["forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"]

DECLINED = {
    "a subclass of the network": ({"network": Subclass}, None),
    "a subclass of the criterion": ({"criterion": OtherLoss}, None),
    "a uniform counterfactual": ({"counterfactual": "uniform"}, None),
    "a permuted counterfactual": ({"counterfactual": "permute"}, None),
    "no interventions": ({"lambda_sci": 0.0, "lambda_tci": 0.0}, None),
    "another norm": ({"correlation_norm": "l2"}, None),
    "an effect": ({"effect_weight": 0.1}, None),
    "few numbers": ({"b": 15}, None),
    "evaluation": ({}, lambda problem: problem.network.eval()),
    "float32 regions": ({}, widened),
    "regions in pieces": ({}, in_pieces),
    "a network in float64": ({}, lambda problem: problem.network.double()),
    "a forward of its own": ({}, with_own_forward),
    "a hook of a term": ({}, lambda p: p.criterion.calibration.register_forward_hook(ignore)),
} | {f"{p}: {k}": ({}, hooked(p, k)) for p in ("network", "criterion") for k in KINDS}


def check_declined(problem):
    state, overall = problem.noise.get_state(), torch.get_rng_state()
    assert take(problem) is None
    assert set(gradients(problem).values()) == {None}
    assert torch.equal(problem.noise.get_state(), state)
    assert torch.equal(torch.get_rng_state(), overall)


@pytest.mark.parametrize("name", DECLINED)
def test_declines(name):
    options, change = DECLINED[name]
    problem = make(**options)
    if change is not None:
        change(problem)
    check_declined(problem)


@pytest.mark.parametrize(
    "around",
    [
        torch.no_grad,
        torch.inference_mode,
        lambda: attention_backend("torch"),
        lambda: torch.autocast("cpu"),
    ],
)
def test_declines_inside(around):
    problem = make()
    with around():
        check_declined(problem)
    with nullcontext() if library() is None else pytest.raises(AssertionError):
        check_declined(problem)


@pytest.mark.parametrize("kind", KINDS)
def test_declines_with_hooks_of_all_modules(kind):
    register = getattr(torch.nn.modules.module, f"register_module_{kind}")
    handle = register(ignore)
    try:
        check_declined(make())
    finally:
        handle.remove()


@needs_compiled
def test_no_such_class():
    problem = make()
    problem.y[2] = C
    with pytest.raises(IndexError, match=f"to {C}, there are {C} classes"):
        take(problem)
    assert set(gradients(problem).values()) == {None}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(C, K)))
    y = np.tile(np.arange(10), 4)
    return rng.normal(size=(40, R, D)).astype(np.float32), y, table


@pytest.fixture
def taken(monkeypatch):
    """What came of every attempt to do without autograd."""
    found = []

    def spy(*arguments):
        step = take_gradients(*arguments)
        found.append(step is not None)
        return step

    monkeypatch.setattr(_net, "take_gradients", spy)
    return found


def fit(data, **options):
    X, y, table = data
    settings = {"max_epochs": 2, "batch_size": 20, "random_state": 0, "attribute_dim": 24}
    settings |= {"learning_rate": 1e-3, "precision": "bfloat16"}
    return CVsCClassifier(**settings | options).fit(X, y, class_attributes=table)


@needs_compiled
@pytest.mark.parametrize("clip", [None, 0.05])
def test_fit_is_that_of_the_ordinary_way(data, taken, monkeypatch, clip):
    direct = fit(data, gradient_clip=clip)
    assert taken == [True] * 4
    monkeypatch.setattr(_net, "take_gradients", lambda *arguments: None)
    usual = fit(data, gradient_clip=clip)
    for ours, theirs in zip(direct.net_.history, usual.net_.history, strict=True):
        for name in ("train_loss", "ce", "cal", "cc", "sci", "tci"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4), name
        assert len(ours["batches"]) == len(theirs["batches"]) == 2
    trained = [net.net_.module_.state_dict() for net in (direct, usual)]
    start = CVsCNetwork(trained[0]["class_attributes"], D, attribute_dim=24).state_dict()
    for name, weight in trained[1].items():
        # Adam makes the same step of a gradient of any size: rounding of tiny ones shows.
        assert (trained[0][name] - weight).norm() <= 1e-4 * weight.norm(), name
        assert name == "class_attributes" or not torch.equal(weight, start[name])


class Watch(Callback):
    """Remember the lengths of gradients, and the steps that were taken."""

    def __init__(self):
        self.lengths = []
        self.n_batches = 0

    def on_grad_computed(self, net, named_parameters, **kwargs):
        named = dict(named_parameters)
        self.lengths.append([float(parameter.grad.norm()) for parameter in named.values()])

    def on_batch_end(self, net, **kwargs):
        self.n_batches += 1


@needs_compiled
def test_callbacks_see_gradients(data, taken):
    watch = dict(fit(data, callbacks=[("watch", Watch())]).net_.callbacks_)["watch"]
    assert taken == [True] * 4
    assert watch.n_batches == 4
    assert len(watch.lengths) == 4
    assert all(length > 0 for step in watch.lengths for length in step)


@needs_compiled
def test_loss_that_is_not_finite(data, taken):
    net = fit(data).net_
    before = [parameter.detach().clone() for parameter in net.module_.parameters()]
    del taken[:]
    net.module_.scale = float("nan")
    regions, y = next(iter(net.get_iterator(make_batches(net, data), training=True)))
    net.history.new_epoch()
    net.history.new_batch()
    with pytest.raises(NonFiniteLossError, match="term ce, cal, tci"):
        net.train_step((regions, y))
    assert taken == [True]
    for parameter, value in zip(net.module_.parameters(), before, strict=True):
        assert torch.equal(parameter, value)


def make_batches(net, data):
    X, y, _ = data
    regions = normalize_rows(torch.from_numpy(X[:20])).bfloat16()
    return [(regions, torch.from_numpy(y[:20]))]


def unit(table):
    return torch.nn.functional.normalize(table, dim=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.class_attributes.mul_(torch.arange(1.0, K + 1)),
        lambda network: network.class_attributes[3].fill_(2.0),
        lambda network: setattr(network, "class_attributes", torch.rand(7, K)),
        lambda network: network.load_state_dict(
            network.state_dict() | {"class_attributes": torch.rand(C, K)}
        ),
        lambda network: network.double(),
        lambda network: network.bfloat16().float(),
    ],
    ids=["times", "a row", "assigned", "loaded", "double", "rounded"],
)
def test_unit_attributes_follow(change):
    network = make().network
    before = network.unit_attributes()
    torch.testing.assert_close(before, unit(network.class_attributes))
    assert network.unit_attributes() is before
    change(network)
    after = network.unit_attributes()
    assert after is not before
    assert after.dtype == network.class_attributes.dtype
    torch.testing.assert_close(after, unit(network.class_attributes))
    scores = network.class_scores(torch.ones(1, K, dtype=after.dtype))
    torch.testing.assert_close(scores[0], 1.7 * unit(network.class_attributes).sum(1))


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_unit_attributes_of_copies(make_copy):
    network = make().network
    network.unit_attributes()
    other = make_copy(network)
    other.class_attributes.mul_(torch.arange(1.0, K + 1))
    torch.testing.assert_close(other.unit_attributes(), unit(other.class_attributes))
    torch.testing.assert_close(network.unit_attributes(), unit(network.class_attributes))
    assert not torch.allclose(network.unit_attributes(), other.unit_attributes())
