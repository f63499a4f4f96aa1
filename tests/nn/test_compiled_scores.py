"""From semantic vectors to gradients in one compiled call, against torch in float64."""

from types import SimpleNamespace

import pytest
import torch

from zslearn.nn import CVsCLoss
from zslearn.nn._native import library, why_not
from zslearn.nn.functional import attention_backend, normalize_rows
from zslearn.nn.losses._compiled import TERMS, constants_of, prepare_evaluation, weights_of

pytestmark = pytest.mark.skipif(library() is None, reason=why_not() or "there is compiled code")

SCALE, DEVIATION = 1.7, 0.3

# float32 rounds by 6e-8, which grows with sums of thousands of terms; and by 1e-5 of a gradient
# where one image is compared with its counterfactual. A bound for those of a usual batch.
TOLERANCE = 5e-6


def draw(b, k, c, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    table = torch.rand(c, k, generator=generator)
    semantics, noise = torch.randn(2, b, k, generator=generator)
    return SimpleNamespace(
        semantics=semantics,
        noise=noise,
        lengths=torch.rand(k, generator=generator) + 0.5,
        classes=normalize_rows(table),
        y=torch.randint(c, (b,), generator=generator),
        criterion=CVsCLoss(table, torch.arange(c) >= c - c // 4, **options),
    )


def prepare(problem, weights=None):
    by_lengths = torch.full_like(problem.lengths, torch.nan)
    found, call = prepare_evaluation(
        problem.semantics,
        problem.noise,
        problem.lengths,
        problem.classes,
        constants_of(problem.criterion, problem.y),
        scale=SCALE,
        deviation=DEVIATION,
        weights=weights_of(problem.criterion) if weights is None else weights,
        by_lengths=by_lengths,
    )
    return SimpleNamespace(**found._asdict(), by_lengths=by_lengths, call=call)


def compute(problem, weights=None):
    found = prepare(problem, weights)
    found.call()
    return found


def compute_exactly(problem, weights=None):
    semantics = problem.semantics.double().requires_grad_()
    lengths = problem.lengths.double().requires_grad_()
    classes = problem.classes.double()
    other = DEVIATION * problem.noise.double() * lengths
    logits, other_logits = (SCALE * x @ classes.T for x in (semantics, other))
    criterion = problem.criterion
    exact = CVsCLoss(
        criterion.class_attributes.double(),
        criterion.unseen,
        **{f"lambda_{name}": weight for name, weight in criterion.weights.items()},
        alpha=criterion.correlation.alpha,
        calibration_bias=criterion.calibration.bias,
    )
    with attention_backend("torch"):
        terms = exact((semantics, logits, other, other_logits), problem.y)
    if weights is None:
        loss = terms["loss"]
    else:
        loss = sum(w * terms[name] for name, w in zip(TERMS, weights, strict=True))
    by_semantics, by_lengths = torch.autograd.grad(loss, (semantics, lengths))
    return SimpleNamespace(
        terms=torch.tensor([terms[n].item() if n in terms else 0.0 for n in TERMS]).double(),
        wanted=torch.tensor([name in terms for name in TERMS]),
        logits=logits,
        counterfactual_logits=other_logits,
        counterfactual_semantics=other,
        by_semantics=by_semantics,
        by_lengths=by_lengths,
    )


PARTS = [
    "logits",
    "counterfactual_logits",
    "counterfactual_semantics",
    "by_semantics",
    "by_lengths",
]


def check(found, exact, rtol=TOLERANCE):
    terms = found.terms.double()
    torch.testing.assert_close(terms[exact.wanted], exact.terms[exact.wanted], rtol=rtol, atol=1e-6)
    for name in PARTS:
        ours, theirs = getattr(found, name).double(), getattr(exact, name).detach()
        assert (ours - theirs).norm() <= rtol * theirs.norm(), name


@pytest.mark.parametrize("c", [1, 3, 5, 64, 200])
@pytest.mark.parametrize("k", [15, 17, 63, 65, 312])
@pytest.mark.parametrize("b", [3, 4, 50])
def test_any_size(b, k, c):
    problem = draw(b, k, c)
    check(compute(problem), compute_exactly(problem))


@pytest.mark.parametrize(("b", "k", "c"), [(1, 1, 1), (1, 312, 7), (50, 1, 3), (2, 2, 200)])
def test_the_smallest(b, k, c):
    """Two numbers, standardised, are 1 and -1: their gradients are differences of what is equal."""
    problem = draw(b, k, c)
    found, exact = compute(problem), compute_exactly(problem)
    length = max(exact.by_semantics.norm(), exact.by_lengths.norm(), torch.tensor(1.0))
    torch.testing.assert_close(found.terms.double(), exact.terms, rtol=2e-5, atol=1e-5)
    for name in PARTS[:3]:
        assert (getattr(found, name) - getattr(exact, name)).norm() <= 1e-5
    for name in PARTS[3:]:
        assert (getattr(found, name) - getattr(exact, name)).norm() <= 1e-4 * length


WANTED = [
    {},
    {"lambda_ce": 0.0},
    {"lambda_cal": 0.0},
    {"lambda_tci": 0.0},
    {"lambda_ce": 0.0, "lambda_cal": 0.0, "lambda_tci": 0.0},
    {"lambda_sci": 7.0, "lambda_cc": 0.01},
    {"alpha": 0.0},
    {"alpha": 1.7, "calibration_bias": -0.8},
]


@pytest.mark.parametrize("options", WANTED, ids=str)
def test_terms_and_settings(options):
    problem = draw(17, 66, 35, **options)
    found = compute(problem)
    check(found, compute_exactly(problem))
    plain = compute(draw(17, 66, 35))
    assert torch.equal(found.by_semantics, plain.by_semantics) is (not options)


@pytest.mark.parametrize("term", range(len(TERMS)))
def test_gradient_of_each_term(term):
    problem = draw(17, 66, 35)
    weights = tuple(2.0 * (i == term) for i in range(len(TERMS)))
    check(compute(problem, weights), compute_exactly(problem, weights))


def test_no_class_is_unseen():
    problem = draw(17, 66, 35)
    problem.criterion.set_unseen(torch.zeros(35, dtype=torch.bool))
    found, exact = compute(problem), compute_exactly(problem)
    check(found, exact)
    assert exact.wanted.tolist() == [True, False, True, True, True]


@pytest.mark.parametrize(("b", "k", "c"), [(50, 312, 200), (17, 66, 35), (3, 17, 5)])
def test_threads_change_nothing(threads, b, k, c):
    problem = draw(b, k, c)
    results = []
    for n in (1, 2, 3, 5, 8):
        threads(n)
        found = compute(problem)
        results.append([found.terms, *(getattr(found, name) for name in PARTS)])
    for found in results[1:]:
        assert all(map(torch.equal, found, results[0]))


def test_each_call_is_of_what_tensors_hold_by_then(threads):
    problem, other = draw(17, 66, 35), draw(17, 66, 35, seed=1)
    threads(3)
    prepared = prepare(problem)
    threads(1)
    prepared.call()
    first = compute(problem)
    for name in ("terms", *PARTS):
        assert torch.equal(getattr(prepared, name), getattr(first, name)), name
    for name in ("semantics", "noise", "lengths", "y"):
        getattr(problem, name).copy_(getattr(other, name))
    prepared.call()
    check(prepared, compute_exactly(problem))
    assert not torch.equal(prepared.terms, first.terms)


def test_rows_of_classes_in_pieces():
    problem = draw(17, 66, 35)
    expected = compute(problem)
    problem.classes = problem.classes.T.contiguous().T
    assert not problem.classes.is_contiguous()
    found = compute(problem)
    for name in ("terms", *PARTS):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


def test_what_is_not_finite_shows():
    problem = draw(17, 66, 35)
    problem.semantics[3, 5] = torch.nan
    assert compute(problem).terms.isnan().all()
    problem = draw(17, 66, 35)
    problem.noise[16, 65] = torch.inf
    terms = dict(zip(TERMS, compute(problem).terms.tolist(), strict=True))
    finite = [name for name, value in terms.items() if torch.tensor(value).isfinite()]
    assert finite == ["ce", "cal"]  # correlation standardises images with their counterfactuals


@pytest.mark.parametrize("value", [-1, 35])
def test_no_such_class(value):
    problem = draw(17, 66, 35)
    prepared = prepare(problem)
    problem.y[16] = value
    with pytest.raises(IndexError, match="there are 35 classes"):
        prepared.call()


def test_shapes_that_do_not_fit():
    problem = draw(17, 66, 35)
    problem.y = problem.y[:16]
    with pytest.raises(ValueError, match=r"have shapes \(\(17, 66\)"):
        prepare(problem)
