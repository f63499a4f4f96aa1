"""Gradients of steps without autograd: those of the ordinary way, or nothing at all."""

from types import SimpleNamespace

import pytest
import torch

from zslearn.nn import CVsCLoss, CVsCNetwork
from zslearn.nn._direct_step import DirectStep, serves_steps
from zslearn.nn._kernels._compiled_attention import reads_in_place
from zslearn.nn._native import library, why_not
from zslearn.nn.functional import attention_backend, normalize_rows

needs_compiled = pytest.mark.skipif(library() is None, reason=why_not() or "there is compiled code")

B, R, D, K, C = 16, 16, 512, 130, 130  # 2**13 features of an image, just above 2**12 numbers

NAMES = ["attribute_vectors", "query_weight", "embedding_weight"]

# Both ways multiply the same numbers; only float32 sums between them may differ, by 6e-8, which
# makes a few numbers round to the bfloat16 number on the other side, 2**-8 away. Gradients were
# found to differ by up to 1.2e-4 of their length, 4e-4 where torch multiplies and rounds more.
TOLERANCE = 1e-3


@pytest.fixture(params=[True, False], ids=["multiplies", "torch multiplies"])
def multiplies(request, monkeypatch):
    monkeypatch.setattr(library(), "multiplies", request.param)


@pytest.fixture
def multiplying(monkeypatch):
    monkeypatch.setattr(library(), "multiplies", True)


def make(network=CVsCNetwork, criterion=CVsCLoss, b=B, r=R, k=K, **options):
    generator = torch.Generator().manual_seed(0)
    table = torch.rand(C, k, generator=generator)
    regions = normalize_rows(torch.randn(b, r, D, generator=generator)).bfloat16()
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


def is_served(problem):
    network, criterion, regions = problem.network, problem.criterion, problem.regions
    return serves_steps(network, criterion, regions, len(regions))


def prepare(problem):
    assert is_served(problem)
    return DirectStep(problem.network, problem.criterion, problem.regions)


def take(problem):
    return prepare(problem)(problem.y, problem.noise)


def step_as_usual(problem, n=None):
    """Gradients of the first n images."""
    problem.network.zero_grad()
    output = problem.network(problem.regions[:n], generator=problem.noise)
    terms = problem.criterion(output, problem.y[:n])
    terms["loss"].backward()
    return terms


def gradients(problem):
    return {name: p.grad for name, p in problem.network.named_parameters()}


def check_agrees(found, expected):
    assert list(found) == list(expected) == NAMES
    for name, gradient in expected.items():
        if gradient is None:
            assert found[name] is None, name
        else:
            assert (found[name] - gradient).norm() <= TOLERANCE * gradient.norm(), name


def check_terms(found, expected, rtol=2e-6):
    assert list(found) == list(expected)
    for name, term in expected.items():
        assert found[name] == pytest.approx(term.item(), rel=rtol), name


@needs_compiled
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"train_attribute_vectors": False},
        {"lambda_ce": 0.0, "alpha": 0.1, "calibration_bias": 0.5},
        {"lambda_cal": 0.0, "lambda_tci": 0.0, "scale": 20.0},
        {"b": 17, "k": 131, "attribute_dim": 65},
        {"attribute_dim": 2},  # too little to project
    ],
)
def test_agrees_with_autograd(multiplies, options):
    ours, usual = make(**options), make(**options)
    terms, expected = take(ours), step_as_usual(usual)
    check_terms(terms, expected)
    assert all(type(term) is float for term in terms.values())
    assert torch.equal(ours.noise.get_state(), usual.noise.get_state())
    check_agrees(gradients(ours), gradients(usual))
    is_trained = options.get("train_attribute_vectors", True)
    assert (ours.network.attribute_vectors.grad is not None) == is_trained


@needs_compiled
@pytest.mark.parametrize("name", NAMES)
def test_some_parameters_are_frozen(multiplies, name):
    ours, usual = make(), make()
    for problem in (ours, usual):
        for parameter in problem.network.parameters():
            parameter.requires_grad_(False)
        problem.network.get_parameter(name).requires_grad_(True)
    for parameter in ours.network.parameters():
        parameter.grad = torch.ones_like(parameter)  # of a step before it was frozen
    take(ours)
    step_as_usual(usual)
    assert [n for n, g in gradients(ours).items() if g is not None] == [name]
    check_agrees(gradients(ours), gradients(usual))


@needs_compiled
def test_gradients_are_written_anew(multiplying):
    problem = make()
    problem.network.query_weight.grad = torch.ones_like(problem.network.query_weight)
    step, state = prepare(problem), problem.noise.get_state()
    first = step(problem.y, problem.noise)
    own = gradients(problem)
    before = {name: gradient.clone() for name, gradient in own.items()}
    for gradient in own.values():
        gradient.mul_(0.1)  # as a clip would
    problem.noise.set_state(state)
    assert step(problem.y, problem.noise) == first
    for name, gradient in gradients(problem).items():
        assert gradient is own[name]
        assert torch.equal(gradient, before[name])
    step(problem.y.flip(0), problem.noise)
    assert gradients(problem)["query_weight"] is own["query_weight"]
    assert not torch.equal(own["query_weight"], before["query_weight"])


@needs_compiled
def test_gradients_where_torch_projects(monkeypatch):
    monkeypatch.setattr(library(), "multiplies", False)
    problem = make()
    step, state = prepare(problem), problem.noise.get_state()
    step(problem.y, problem.noise)
    before = {name: gradient.clone() for name, gradient in gradients(problem).items()}
    problem.noise.set_state(state)
    step(problem.y, problem.noise)
    for name, gradient in gradients(problem).items():
        assert torch.equal(gradient, before[name]), name


@needs_compiled
def test_batches_of_several_sizes(multiplies):
    ours, usual = make(b=20), make(b=20)
    step, regions = prepare(ours), usual.regions.clone()
    for n, first in [(20, 0), (19, 1), (3, 5), (20, 0), (1, 19), (19, 0)]:
        ours.regions[:n] = regions[first : first + n]
        usual.regions[:n] = ours.regions[:n]
        check_terms(step(ours.y[:n], ours.noise), step_as_usual(usual, n), rtol=1e-5)
        check_agrees(gradients(ours), gradients(usual))


IMAGES = [[*range(16)], [39, 0, 17, 17, *range(20, 31), 3], [5, 4, 38], [*range(24, 40)]]


@needs_compiled
def test_images_read_in_place(multiplying):
    gathered, in_place = make(b=40, r=29), make(b=40, r=29)
    resident = in_place.regions
    assert reads_in_place(resident)
    assert serves_steps(in_place.network, in_place.criterion, resident, B)
    images = torch.empty(B, dtype=torch.int64)
    step = DirectStep(in_place.network, in_place.criterion, resident, images)
    space = torch.empty_like(resident[:B])
    plain = DirectStep(gathered.network, gathered.criterion, space)
    for numbers in map(torch.tensor, IMAGES):
        n = len(numbers)
        images[:n], images[n:] = numbers, 2**40  # which nobody has
        torch.index_select(resident, 0, numbers, out=space[:n])
        space[n:] = torch.nan
        y = gathered.y[numbers]
        assert step(y, in_place.noise) == plain(y, gathered.noise)
        for name, gradient in gradients(gathered).items():
            assert torch.equal(gradients(in_place)[name], gradient), name
            assert gradient.isfinite().all()


@needs_compiled
def test_follows_the_parameters(multiplies):
    """A step is that of autograd at the parameters that the steps before led to."""
    ours, usual = make(), make()
    step = prepare(ours)
    optimizer = torch.optim.Adam(ours.network.parameters(), lr=0.05, fused=True)
    losses = []
    for _ in range(4):
        usual.network.load_state_dict(ours.network.state_dict())
        usual.noise.set_state(ours.noise.get_state())
        terms = step(ours.y, ours.noise)
        check_terms(terms, step_as_usual(usual), rtol=1e-5)
        check_agrees(gradients(ours), gradients(usual))
        optimizer.step()
        losses.append(terms["loss"])
    assert losses[-1] < 0.9 * losses[0]


@needs_compiled
@pytest.mark.parametrize(
    ("part", "name"),
    [
        *(("network", name) for name in [*NAMES, "class_attributes"]),
        *(("criterion", name) for name in ["class_attributes", "unseen"]),
    ],
)
def test_what_does_not_lie_in_one_piece(multiplies, part, name):
    ours, usual = make(), make()
    tensor = getattr(getattr(ours, part), name)
    tensor.data = tensor.data.repeat_interleave(2, dim=-1)[..., ::2]
    assert not tensor.is_contiguous()
    check_terms(take(ours), step_as_usual(usual))
    check_agrees(gradients(ours), gradients(usual))


@needs_compiled
@pytest.mark.parametrize("in_place", [False, True])
def test_threads_change_nothing(multiplies, threads, in_place):
    results = []
    for n in (1, 2, 5):
        threads(n)
        problem = make(r=60, k=150)
        images = torch.arange(B) if in_place and reads_in_place(problem.regions) else None
        step = DirectStep(problem.network, problem.criterion, problem.regions, images)
        results.append((step(problem.y, problem.noise), *gradients(problem).values()))
    for values, *found in results[1:]:
        assert values == results[0][0]
        assert all(map(torch.equal, found, results[0][1:]))


@needs_compiled
def test_two_steps_by_turns(multiplies):
    """What they use in passing may be the same memory."""
    small, large = [make(), make(b=20, r=40, k=140)], [make(), make(b=20, r=40, k=140)]
    alone = [[step(p.y, p.noise) for _ in range(3)] for p in small for step in [prepare(p)]]
    steps = [prepare(problem) for problem in large]
    for i in range(3):
        for step, problem, expected in zip(steps, large, alone, strict=True):
            assert step(problem.y, problem.noise) == expected[i]
    for problem, expected in zip(large, small, strict=True):
        for name, gradient in gradients(expected).items():
            assert torch.equal(gradients(problem)[name], gradient), name


@needs_compiled
def test_noise_is_that_of_the_generator(multiplying):
    first, same, other = make(), make(), make()
    other.noise.manual_seed(4)
    found = [take(problem) for problem in (first, same, other)]
    assert found[0] == found[1]
    assert found[0]["ce"] == found[2]["ce"]  # which compares with no counterfactual
    assert found[0]["tci"] != found[2]["tci"]
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
def test_no_such_class(multiplies):
    problem = make()
    step, y = prepare(problem), problem.y.clone()
    problem.y[2] = C
    with pytest.raises(IndexError, match=f"to {C}, there are {C} classes"):
        step(problem.y, problem.noise)
    usual = make()
    problem.noise.manual_seed(3)
    check_terms(step(y, problem.noise), step_as_usual(usual))
    check_agrees(gradients(problem), gradients(usual))


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


def parameter_hooked(problem):
    problem.network.query_weight.register_hook(ignore)


def hooked_afterwards(problem):
    problem.network.embedding_weight.register_post_accumulate_grad_hook(ignore)


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
    "few features": ({"r": 15}, None),
    "evaluation": ({}, lambda problem: problem.network.eval()),
    "float32 regions": ({}, widened),
    "regions in pieces": ({}, in_pieces),
    "a network in float64": ({}, lambda problem: problem.network.double()),
    "a forward of its own": ({}, with_own_forward),
    "a hook of a parameter": ({}, parameter_hooked),
    "a later hook of a parameter": ({}, hooked_afterwards),
    "a hook of a term": ({}, lambda p: p.criterion.calibration.register_forward_hook(ignore)),
} | {f"{p}: {k}": ({}, hooked(p, k)) for p in ("network", "criterion") for k in KINDS}


@pytest.mark.parametrize("name", DECLINED)
def test_declines(name):
    options, change = DECLINED[name]
    problem = make(**options)
    if change is not None:
        change(problem)
    assert not is_served(problem)
    assert set(gradients(problem).values()) == {None}


def test_what_is_served():
    assert is_served(make()) is (library() is not None)


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
        assert not is_served(problem)
    assert is_served(problem) is (library() is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_declines_with_hooks_of_all_modules(kind):
    register = getattr(torch.nn.modules.module, f"register_module_{kind}")
    handle = register(ignore)
    try:
        assert not is_served(make())
    finally:
        handle.remove()
