"""The objective by compiled code, against the terms of torch in float64."""

from types import SimpleNamespace

import pytest
import torch

from zslearn.nn import CVsCLoss
from zslearn.nn._native import library, why_not
from zslearn.nn.functional import attention_backend
from zslearn.nn.losses import ConditionalCorrelationLoss, _compiled, _cvsc
from zslearn.nn.losses._cvsc_stack import CVsCLossStack

needs_compiled = pytest.mark.skipif(library() is None, reason=why_not() or "there is compiled code")

TERMS = ["ce", "cal", "cc", "sci", "tci"]

# float32 rounds by 6e-8. Sums of thousands of terms lose 3e-6 of the result, and standardising one
# image with its counterfactual, where two numbers leave little but their sign, 8e-6 of a gradient.
TOLERANCE = 2e-5


def draw(b=16, k=200, c=56, seed=0):
    """Output for b images, their classes and a table; the last quarter of classes is unseen."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (b, k), (b, c), (b, k), (b, c)
    output = [torch.randn(shape, generator=generator) for shape in shapes]
    table = torch.rand(c, k, generator=generator)
    y = torch.randint(c, (b,), generator=generator)
    return SimpleNamespace(output=output, y=y, table=table, unseen=torch.arange(c) >= c - c // 4)


def compute(problem, dtype=torch.float32, **options):
    """Terms, and for each of them and the sum the gradients by the four outputs."""
    output = [x.detach().to(dtype).requires_grad_() for x in problem.output]
    criterion = CVsCLoss(problem.table.to(dtype), problem.unseen, **options)
    terms = criterion(tuple(output), problem.y)
    gradients = {
        name: torch.autograd.grad(
            term, output, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for name, term in terms.items()
    }
    return {name: term.detach() for name, term in terms.items()}, gradients


def compute_exactly(problem, **options):
    with attention_backend("torch"):
        return compute(problem, torch.float64, **options)


def check(problem, rtol=TOLERANCE, **options):
    """Compare, gradients by their length, so that small entries may be off by more of their size.

    The length of the gradient of a term by all outputs is what an error is measured by: some of
    them are zero but for rounding.
    """
    found, expected = compute(problem, **options), compute_exactly(problem, **options)
    assert list(found[0]) == list(expected[0])
    for name, term in expected[0].items():
        torch.testing.assert_close(found[0][name].double(), term, rtol=rtol, atol=1e-6)
        length = torch.cat([x.flatten() for x in expected[1][name]]).norm()
        for ours, theirs in zip(found[1][name], expected[1][name], strict=True):
            assert (ours - theirs).norm() <= rtol * length + 1e-9, name
    return found, expected


@pytest.fixture
def calls(monkeypatch):
    """The batches that the compiled code has computed."""
    found = []

    def compute_terms(output, constants):
        found.append(tuple(output[0].shape))
        return _compiled.compute_terms(output, constants)

    monkeypatch.setattr(_cvsc, "compute_terms", compute_terms)
    return found


@needs_compiled
@pytest.mark.parametrize(
    ("b", "k", "c"),
    [
        (16, 200, 56),  # just worth it
        (50, 312, 200),
        (33, 170, 17),
        (64, 63, 1),
        (3, 1400, 2),
        (1, 4000, 130),  # one image: the target is not standardised
        (5000, 1, 5),
    ],
)
def test_terms_and_gradients(calls, b, k, c):
    check(draw(b, k, c))
    assert calls == [(b, k)]


@needs_compiled
@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"lambda_ce": 0}, ["cal", "cc", "sci", "tci"]),
        ({"lambda_cal": 0}, ["ce", "cc", "sci", "tci"]),
        ({"lambda_tci": 0}, ["ce", "cal", "cc", "sci"]),
        ({"lambda_ce": 0, "lambda_cal": 0, "lambda_tci": 0}, ["cc", "sci"]),
        ({"alpha": 0.0}, TERMS),
        ({"alpha": 1.7, "calibration_bias": -0.8}, TERMS),
        ({"calibration_bias": 2.5, "lambda_cal": 7.0, "lambda_sci": 0.01}, TERMS),
    ],
)
def test_weights_and_settings(calls, options, names):
    found, _ = check(draw(), **options)
    assert list(found[0]) == ["loss", *names]
    assert len(calls) == 1


@needs_compiled
def test_settings_make_a_difference():
    ours = [compute(draw(), **o)[0] for o in ({}, {"alpha": 0.1}, {"calibration_bias": 0.1})]
    assert ours[0]["cc"] != ours[1]["cc"]
    assert ours[0]["cal"] == ours[1]["cal"] != ours[2]["cal"]


@needs_compiled
def test_no_class_is_unseen(calls):
    problem = draw()
    problem.unseen[:] = False
    found, _ = check(problem)
    assert list(found[0]) == ["loss", "ce", "cc", "sci", "tci"]
    problem.unseen[:] = True
    found, _ = check(problem)
    assert found[0]["cal"].abs() < 1e-6  # their probability is one
    assert len(calls) == 2


@needs_compiled
def test_constant_attributes(calls):
    problem = draw()
    for x in (problem.output[0], problem.output[2]):
        x[:, 0] = 7e3
        x[:, 1] = -0.1
    problem.table[:, 0] = 5.0
    problem.table[:, 2] = 0.3
    # The variance of s is that of the 7e3, next to which float32 leaves less of the others.
    found, expected = check(problem, rtol=1e-4)
    assert expected[0]["cc"] > 1e5
    assert len(calls) == 1
    for x in found[1]["sci"]:
        assert x.isfinite().all()


@needs_compiled
def test_large_logits(calls):
    problem = draw()
    for x in problem.output[1::2]:
        x *= 1e3
    # A difference of logits of 1e3 is rounded by 6e-5, and so is what is under the exponential.
    found, _ = check(problem, rtol=1e-3)
    assert found[0]["tci"] > 1e2
    assert len(calls) == 1


@needs_compiled
def test_ties(calls):
    """Where there is no slope, none is taken on either side."""
    problem = draw()
    problem.y[:] = 7
    problem.output[2] = problem.output[0].clone()
    problem.output[1][:] = 3.0
    problem.output[3][:] = 3.0
    found, _ = check(problem)
    n_classes = problem.table.shape[0]
    for name in ("ce", "tci"):
        assert found[0][name].item() == pytest.approx(torch.tensor(n_classes).log().item())
    assert found[0]["sci"] == 0
    assert all((x == 0).all() for x in found[1]["sci"])
    assert len(calls) == 1


@needs_compiled
def test_what_does_not_lie_in_one_piece(calls):
    problem = draw()
    expected = compute(problem)
    wide = problem.output[0].repeat_interleave(2, dim=1)[:, ::2]
    problem.output = [wide, *(x.T.contiguous().T for x in problem.output[1:])]
    problem.table = problem.table.T.contiguous().T
    problem.unseen = problem.unseen.repeat_interleave(3)[::3]
    problem.y = problem.y.repeat_interleave(2)[::2]
    assert not any(x.is_contiguous() for x in (*problem.output, problem.table, problem.y))
    found = compute(problem)
    assert found[0] == expected[0]
    for name, gradients in expected[1].items():
        assert all(map(torch.equal, found[1][name], gradients)), name
    assert len(calls) == 2


NAN, INF = float("nan"), float("inf")

NOT_FINITE = {
    ("semantics", NAN): ["loss", "cc", "sci"],
    ("semantics", INF): ["loss", "cc", "sci"],
    ("logits", NAN): ["loss", "ce", "cal", "tci"],
    ("logits", INF): ["loss", "ce", "cal", "tci"],
    ("logits", -INF): [],  # of another class, whose probability is 0
    ("other semantics", NAN): ["loss", "cc", "sci"],
    ("other semantics", -INF): ["loss", "cc", "sci"],
    ("other logits", NAN): ["loss", "tci"],
    ("other logits", INF): [],
    ("other logits", -INF): ["loss", "tci"],
    ("table", NAN): ["loss", "cc", "sci"],
    ("table", INF): ["loss", "cc", "sci"],
}


@needs_compiled
@pytest.mark.parametrize(("part", "value"), NOT_FINITE)
def test_what_is_not_finite_shows(calls, part, value):
    problem = draw()
    problem.y[3] = 5
    parts = ["semantics", "logits", "other semantics", "other logits"]
    if part == "table":
        problem.table[5, 9] = value
    else:
        problem.output[parts.index(part)][3, 9] = value
    terms, _ = compute(problem)
    assert [name for name in terms if not terms[name].isfinite()] == NOT_FINITE[part, value]
    assert len(calls) == 1


NOT_SERVED = {
    "standardize": False,
    "correlation_norm": "l2",
    "spread": "std",
    "spread_norm": "squared",
    "spread_over": "image",
    "intervention_norm": "squared",
    "effect_weight": 0.5,
    "lambda_cc": 0.0,
    "lambda_sci": 0.0,
}


@needs_compiled
@pytest.mark.parametrize("name", NOT_SERVED)
def test_other_objectives_are_not_served(calls, name):
    problem = draw()
    options = {name: NOT_SERVED[name]}
    compute(problem, **options)
    assert calls == []
    compute(problem)
    assert len(calls) == 1


class Doubled(ConditionalCorrelationLoss):
    """A term of somebody's own."""

    def forward(self, *arguments):
        return 2 * super().forward(*arguments)


@needs_compiled
def test_changed_criteria_are_not_served(calls):
    problem = draw()
    output = tuple(problem.output)
    criterion = CVsCLoss(problem.table, problem.unseen)
    terms = criterion(output, problem.y)
    assert len(calls) == 1
    criterion.semantic_intervention.norm = "squared"
    changed = criterion(output, problem.y)
    assert changed["sci"] != pytest.approx(terms["sci"].item(), rel=1e-2)
    criterion.semantic_intervention.norm = "mean_absolute"
    criterion.correlation = Doubled()
    doubled = criterion(output, problem.y)
    assert doubled["cc"] == pytest.approx(2 * terms["cc"].item(), rel=1e-5)
    assert len(calls) == 1


@needs_compiled
def test_what_is_not_served(calls, monkeypatch):
    problem = draw()
    compute(draw(c=55))  # 16 * 255 numbers, not 2**12
    compute(problem, torch.float64)
    with attention_backend("torch"):
        compute(problem)
    criterion = CVsCLoss(problem.table, problem.unseen, lambda_sci=0, lambda_tci=0)
    criterion((*problem.output[:2], None, None), problem.y)
    monkeypatch.setenv("ZSLEARN_NATIVE", "0")
    compute(problem)
    monkeypatch.delenv("ZSLEARN_NATIVE")
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    compute(problem)
    assert calls == []


@needs_compiled
@pytest.mark.parametrize(("place", "value"), [(0, -1), (15, 56), (3, 2**40)])
def test_no_such_class(place, value):
    problem = draw()
    problem.y[:] = 11
    problem.y[place] = value
    low, high = min(value, 11), max(value, 11)
    with pytest.raises(IndexError, match=f"from {low} to {high}, there are 56 classes"):
        compute(problem)


@needs_compiled
@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("y", lambda y: y[:8]),
        ("y", lambda y: y.unsqueeze(1)),
        ("table", lambda table: table[:, :150]),
        ("table", lambda table: table[:30]),
        ("unseen", lambda unseen: unseen[:30]),
        ("output", lambda output: [*output[:2], *(x[:8] for x in output[2:])]),
        ("output", lambda output: [*output[:3], output[3][:, :8]]),
    ],
)
def test_shapes_that_do_not_fit(name, mend):
    problem = draw()
    setattr(problem, name, mend(getattr(problem, name)))
    with pytest.raises(ValueError, match=r"have shapes \(\(16, 200\)"):
        compute(problem)


@needs_compiled
def test_other_dtypes(calls):
    problem = draw()
    expected, _ = compute(problem)
    table, problem.table = problem.table, problem.table.double()
    criterion = CVsCLoss(problem.table, problem.unseen)
    assert criterion(tuple(problem.output), problem.y) == expected
    assert len(calls) == 2
    with pytest.raises(TypeError, match="dtype torch.int64, found torch.int32"):
        CVsCLoss(table, problem.unseen)(tuple(problem.output), problem.y.int())


@needs_compiled
def test_backward_of_a_part_and_twice():
    problem = draw()
    output = [x.clone().requires_grad_() for x in problem.output]
    terms = CVsCLoss(problem.table, problem.unseen)(tuple(output), problem.y)
    first = torch.autograd.grad(terms["tci"], output, retain_graph=True)
    assert torch.equal(first[0], torch.zeros_like(first[0]))
    again = torch.autograd.grad(2 * terms["tci"], output, retain_graph=True)
    assert all(torch.equal(2 * a, b) for a, b in zip(first, again, strict=True))


@needs_compiled
def test_follows_what_the_criterion_holds():
    problem = draw()
    criterion = CVsCLoss(problem.table.clone(), problem.unseen.clone())
    before = criterion(tuple(problem.output), problem.y)
    unseen = problem.unseen.clone()
    unseen[0] = True
    criterion.set_unseen(unseen)
    criterion.class_attributes *= 2
    after = criterion(tuple(problem.output), problem.y)
    assert before["cal"] > after["cal"]
    assert before["cc"] != after["cc"]
    problem.table, problem.unseen = 2 * problem.table, unseen
    assert after["loss"] == compute(problem)[0]["loss"]


def test_stacked_criteria(calls):
    """Each is computed as it would be alone, those that share their terms included."""
    problems = [draw(seed=seed) for seed in range(3)]
    table, unseen, y = problems[0].table, problems[0].unseen, problems[0].y
    options = [{"lambda_cc": 0.7}, {"lambda_cc": 2.0, "lambda_ce": 1.0}, {"alpha": 0.1}]
    criteria = [CVsCLoss(table, unseen, **chosen) for chosen in options]
    stacked = [
        torch.stack([problem.output[i] for problem in problems]).requires_grad_() for i in range(4)
    ]
    losses, terms = CVsCLossStack(criteria, [0, 1, 2])(tuple(stacked), y)
    n_served = 0 if library() is None else 3
    assert len(calls) == n_served
    gradients = torch.autograd.grad(losses.sum(), stacked)
    for i, criterion in enumerate(criteria):
        output = [x.clone().requires_grad_() for x in problems[i].output]
        expected = criterion(tuple(output), y)
        assert list(terms[i]) == TERMS
        for name in TERMS:
            torch.testing.assert_close(terms[i][name], expected[name], rtol=1e-5, atol=0)
        torch.testing.assert_close(losses[i], expected["loss"], rtol=1e-5, atol=0)
        for ours, theirs in zip(
            gradients, torch.autograd.grad(expected["loss"], output), strict=True
        ):
            assert (ours[i] - theirs).norm() <= TOLERANCE * theirs.norm()
    assert len(calls) == 2 * n_served
