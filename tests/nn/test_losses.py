"""Losses by hand, their gradients by finite differences, and their behaviour at extremes."""

import itertools
import math

import pytest
import torch
from torch.nn.functional import cross_entropy, softmax

from zslearn.nn import (
    CalibrationLoss,
    ConditionalCorrelationLoss,
    CVsCLoss,
    CVsCNetwork,
    SemanticInterventionLoss,
    TargetInterventionLoss,
)
from zslearn.nn.functional import normalize_rows
from zslearn.nn.losses._standardize import standardize

F64 = torch.float64
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


# -- by hand -----------------------------------------------------------------------------------


def test_calibration_is_the_log_of_the_mean_unseen_probability():
    z, unseen = draw(3, 4), torch.tensor([False, True, False, True])
    p = softmax(z + 2.0 * unseen, dim=1)[:, unseen].sum(1).mean()
    torch.testing.assert_close(CalibrationLoss(bias=2.0)(z, unseen), -p.log(), **EXACT)


def test_calibration_of_confident_models_is_finite():
    z = torch.tensor([[1e4, 0.0]], dtype=F64, requires_grad=True)
    loss = CalibrationLoss()(z, torch.tensor([False, True]))
    loss.backward()
    assert loss.item() == 1e4
    torch.testing.assert_close(z.grad, torch.tensor([[1.0, -1.0]], dtype=F64))


def test_calibration_without_unseen_classes_is_infinite():
    assert CalibrationLoss()(draw(2, 3), torch.zeros(3, dtype=torch.bool)).item() == math.inf


S = torch.tensor([[3.0, 0.0], [1.0, 1.0]], dtype=F64)
T = torch.tensor([[1.0, 1.0], [1.0, 4.0]], dtype=F64)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("squared", (4 + 0) / 2 + 0.5 * (1 + 9) / 2),
        ("l2", (2 + 0) / 2 + 0.5 * (1 + 3) / 2),
        ("mean_squared", 4 / (1 + 1) + 0.5 * (1 + 9) / (2 + 1)),
    ],
)
def test_correlation_norms_by_hand(norm, expected):
    loss = ConditionalCorrelationLoss(standardize=False, norm=norm, spread=None)
    assert loss(S, T).item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("spread", "spread_norm", "spread_over", "expected"),
    [
        # unbiased variance of (3, 0, 1, 1) is 19/12, of (1, 1, 1, 4) is 9/4; images: 4.5, 0; 0, 4.5
        ("variance", "absolute", "batch", 9 / 4 - 19 / 12),
        ("variance", "squared", "batch", (9 / 4 - 19 / 12) ** 2),
        ("std", "absolute", "batch", 1.5 - math.sqrt(19 / 12)),
        ("variance", "absolute", "image", 4.5),
        ("std", "squared", "image", 4.5),
    ],
)
def test_spread_by_hand(spread, spread_norm, spread_over, expected):
    options = {"spread": spread, "spread_norm": spread_norm, "spread_over": spread_over}
    with_spread = ConditionalCorrelationLoss(standardize=False, **options)(S, T)
    without = ConditionalCorrelationLoss(standardize=False, spread=None)(S, T)
    assert (with_spread - without).item() == pytest.approx(expected, rel=1e-12)


def test_alpha_weighs_missed_attributes_only():
    def loss(alpha, s):
        return ConditionalCorrelationLoss(alpha, standardize=False, spread=None)(s, T).item()

    missed, invented = T - 1, T + 1
    assert loss(0.25, missed) == pytest.approx(loss(1.0, missed) / 4)
    assert loss(0.25, invented) == loss(1.0, invented)


def test_standardize():
    x = draw(6, 3) * 5 + 2
    y = standardize(x)
    expected = (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + 1e-5)
    torch.testing.assert_close(y, expected, **EXACT)
    assert not standardize(torch.full((4, 2), 7.0)).any()


def test_standardised_losses_ignore_scale_and_offset_of_the_table():
    s, other, t = draw(8, 4), draw(8, 4, seed=1), draw(8, 4, seed=2)
    correlation = ConditionalCorrelationLoss(spread=None)
    intervention = SemanticInterventionLoss()
    for scale in (10.0, 1000.0):
        torch.testing.assert_close(
            correlation(s, scale * t + 3, other), correlation(s, t, other), rtol=1e-4, atol=0
        )
        torch.testing.assert_close(
            intervention(s, other, scale * t - 1), intervention(s, other, t), rtol=1e-4, atol=0
        )


@pytest.mark.parametrize(
    ("norm", "expected"),
    [("mean_absolute", 8 / 4), ("squared", (13 + 9) / 2), ("l2", (math.sqrt(13) + 3) / 2)],
)
def test_intervention_norms_by_hand(norm, expected):
    other = torch.tensor([[0.0, 2.0], [0.0, 0.0]], dtype=F64)
    assert (T - (S - other)).tolist() == [[-2, 3], [0, 3]]
    loss = SemanticInterventionLoss(standardize=False, norm=norm)(S, other, T)
    assert loss.item() == pytest.approx(expected, rel=1e-14)


def test_positive_effect_weight_maximises_the_effect():
    other = torch.zeros_like(S)
    plain = SemanticInterventionLoss(standardize=False)(S, other, T)
    for weight in (2.0, -1.0):
        loss = SemanticInterventionLoss(standardize=False, effect_weight=weight)(S, other, T)
        assert (loss - plain).item() == pytest.approx(-weight * (3 + 2) / 2, rel=1e-14)


def test_target_intervention_is_the_cross_entropy_of_the_effect():
    z, other, y = draw(3, 4), draw(3, 4, seed=1), torch.tensor([0, 3, 1])
    torch.testing.assert_close(
        TargetInterventionLoss()(z, other, y), cross_entropy(z - other, y), **EXACT
    )


# -- gradients ---------------------------------------------------------------------------------


def test_gradcheck_calibration():
    unseen = torch.tensor([True, False, True, False])
    assert torch.autograd.gradcheck(
        lambda z: CalibrationLoss(1.5)(z, unseen), [draw(3, 4).requires_grad_()]
    )


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize(
    ("standardized", "norm", "spread", "spread_norm", "spread_over"),
    [
        (*first, *rest)
        for first in itertools.product([True, False], ["mean_squared", "squared", "l2"])
        for rest in [
            ("variance", "absolute", "batch"),
            ("std", "squared", "image"),
            ("std", "absolute", "batch"),
            (None, "absolute", "batch"),
        ]
    ],
)
def test_gradcheck_correlation(batch, standardized, norm, spread, spread_norm, spread_over):
    loss = ConditionalCorrelationLoss(
        standardize=standardized,
        norm=norm,
        spread=spread,
        spread_norm=spread_norm,
        spread_over=spread_over,
    )
    target = draw(batch, 4, seed=1)
    inputs = [draw(batch, 4).requires_grad_(), draw(batch, 4, seed=2).requires_grad_()]
    assert torch.autograd.gradcheck(lambda s, other: loss(s, target, other), inputs)


@pytest.mark.parametrize("standardized", [True, False])
@pytest.mark.parametrize("norm", ["mean_absolute", "squared", "l2"])
@pytest.mark.parametrize("batch", [1, 5])
def test_gradcheck_semantic_intervention(standardized, norm, batch):
    loss = SemanticInterventionLoss(standardize=standardized, norm=norm, effect_weight=0.3)
    target = draw(batch, 4, seed=1)
    inputs = [draw(batch, 4).requires_grad_(), draw(batch, 4, seed=2).requires_grad_()]
    assert torch.autograd.gradcheck(lambda s, other: loss(s, other, target), inputs)


def test_gradcheck_target_intervention():
    y = torch.tensor([0, 3, 1])
    inputs = [draw(3, 4).requires_grad_(), draw(3, 4, seed=1).requires_grad_()]
    assert torch.autograd.gradcheck(lambda z, other: TargetInterventionLoss()(z, other, y), inputs)


def test_gradcheck_whole_objective():
    """From the weights of the network to the sum of the terms."""
    table, unseen = draw(4, 3).abs(), torch.tensor([False, False, False, True])
    network = CVsCNetwork(table, n_features=5, attribute_vectors=draw(3, 2, seed=1))
    criterion = CVsCLoss(table, unseen)
    regions, y = normalize_rows(draw(4, 6, 5, seed=2)), torch.tensor([0, 1, 2, 1])
    names = [name for name, _ in network.named_parameters()]

    def objective(*weights):
        state = dict(zip(names, weights, strict=True))
        options = {"generator": torch.Generator().manual_seed(3)}
        output = torch.func.functional_call(network, state, (regions,), options)
        return criterion(output, y)["loss"]

    weights = [p.detach().clone().requires_grad_() for p in network.parameters()]
    assert torch.autograd.gradcheck(objective, weights)


# -- the sum -----------------------------------------------------------------------------------


def test_sum_of_named_terms():
    table, unseen = torch.eye(4, dtype=F64), torch.tensor([False, False, True, True])
    network = CVsCNetwork(table, n_features=5)
    output = network(normalize_rows(draw(4, 6, 5)), generator=torch.Generator().manual_seed(0))
    weights = {"ce": 3.0, "cal": 0.4, "cc": 0.5, "sci": 2.0, "tci": 0.7}
    criterion = CVsCLoss(table, unseen, **{f"lambda_{name}": w for name, w in weights.items()})
    terms = criterion(output, torch.tensor([0, 1, 1, 0]))
    assert list(terms) == ["loss", *weights]
    total = sum(weights[name] * terms[name] for name in weights)
    torch.testing.assert_close(terms["loss"], total, **EXACT)


def test_terms_without_weight_are_left_out():
    table, unseen = torch.eye(3), torch.tensor([False, False, True])
    zero = {"lambda_cal": 0, "lambda_cc": 0, "lambda_sci": 0, "lambda_tci": 0}
    criterion = CVsCLoss(table, unseen, **zero)
    assert not criterion.needs_counterfactual
    output = CVsCNetwork(table, n_features=2, counterfactual=None)(torch.ones(2, 1, 2))
    assert list(criterion(output, torch.tensor([0, 1]))) == ["loss", "ce"]
    with pytest.raises(ValueError, match="no counterfactual"):
        CVsCLoss(table, unseen)(output, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="no loss term is left"):
        CVsCLoss(table, unseen, lambda_ce=0, **zero)(output, torch.tensor([0, 1]))


def test_no_unseen_class_no_calibration_loss():
    table = torch.eye(3)
    output = CVsCNetwork(table, n_features=2)(torch.ones(2, 1, 2))
    criterion = CVsCLoss(table, torch.zeros(3, dtype=torch.bool))
    assert "cal" not in criterion(output, torch.tensor([0, 1]))
    criterion.set_unseen(torch.tensor([False, False, True]))
    assert "cal" in criterion(output, torch.tensor([0, 1]))


@pytest.mark.parametrize(
    "options", [{"norm": "l1"}, {"spread": "range"}, {"spread_norm": "l1"}, {"spread_over": "all"}]
)
def test_unknown_choices_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be one of"):
        ConditionalCorrelationLoss(**options)


def test_unknown_intervention_norm_is_refused():
    with pytest.raises(ValueError, match="norm must be one of"):
        SemanticInterventionLoss(norm="l1")


# -- extremes ----------------------------------------------------------------------------------

FORMS = {
    "standardised": {},
    "released": {"alpha": 1.0, "calibration_bias": 2.0},
    "printed": {
        "standardize": False,
        "correlation_norm": "l2",
        "spread_norm": "squared",
        "spread_over": "image",
        "intervention_norm": "l2",
        "effect_weight": -1.0,
    },
    "std": {"spread": "std", "spread_over": "image"},
}
EXTREMES = {
    "one region": {"regions": 1},
    "one attribute": {"attributes": 1},
    "one seen class": {"seen": 1},
    "no unseen class": {"unseen": 0},
    "one image": {"images": 1},
    "one of everything": {"regions": 1, "attributes": 1, "seen": 1, "unseen": 0, "images": 1},
    "constant attributes": {"constant": True},
    "float16": {"dtype": torch.float16},
    "bfloat16": {"dtype": torch.bfloat16},
    "identical images": {"identical": True},
    "regions of zeros": {"zeros": True},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("counterfactual", ["normal", "uniform", "permute"])
@pytest.mark.parametrize("extreme", EXTREMES)
def test_finite_at_extremes(form, counterfactual, extreme):
    sizes = {"regions": 4, "attributes": 3, "seen": 2, "unseen": 2, "images": 5} | EXTREMES[extreme]
    n_classes = sizes["seen"] + sizes["unseen"]
    generator = torch.Generator().manual_seed(0)
    table = torch.rand(n_classes, sizes["attributes"], generator=generator) + 0.1
    if sizes.get("constant"):
        table = torch.ones_like(table)
    network = CVsCNetwork(table, n_features=6, counterfactual=counterfactual)
    criterion = CVsCLoss(table, torch.arange(n_classes) >= sizes["seen"], **FORMS[form])
    regions = torch.randn(sizes["images"], sizes["regions"], 6, generator=generator)
    if sizes.get("identical"):
        regions = regions[:1].expand_as(regions)
    if sizes.get("zeros"):
        regions = torch.zeros_like(regions)
    regions = normalize_rows(regions).to(sizes.get("dtype", torch.float32))
    y = torch.arange(sizes["images"]) % sizes["seen"]
    terms = criterion(network(regions, generator=generator), y)
    terms["loss"].backward()
    assert all(torch.isfinite(term) for term in terms.values()), terms
    for parameter in network.parameters():
        assert torch.isfinite(parameter.grad).all()


PARTS = {
    "cal": "calibration",
    "cc": "correlation",
    "sci": "semantic_intervention",
    "tci": "target_intervention",
}


@pytest.mark.parametrize("term", PARTS)
def test_hooks_of_terms_are_called(term):
    n_attributes = 5
    table = torch.rand(56, n_attributes)
    criterion = CVsCLoss(table, torch.arange(56) >= 40)
    output = [torch.randn(16, n) for n in (n_attributes, 56, n_attributes, 56)]
    y = torch.randint(40, (16,))
    expected, seen = criterion(tuple(output), y), []
    part = getattr(criterion, PARTS[term])
    handle = part.register_forward_hook(lambda module, inputs, output: seen.append(output))
    terms = criterion(tuple(output), y)
    assert [found.item() for found in seen] == [terms[term].item()]
    torch.testing.assert_close(terms[term], expected[term], rtol=1e-5, atol=1e-6)
    handle.remove()
    criterion(tuple(output), y)
    assert len(seen) == 1


# -- weights of images -------------------------------------------------------------------------

ODD = [
    {},
    {"standardize": False, "correlation_norm": "l2", "intervention_norm": "l2", "spread": "std"},
    {"standardize": False, "correlation_norm": "squared", "intervention_norm": "squared"},
    {"spread_over": "image", "spread_norm": "squared", "effect_weight": 0.5},
    {"correlation_norm": "l2", "spread": None, "effect_weight": -1.0, "calibration_bias": 2.0},
]


def terms_of(options, rows, weights=None):
    table, unseen = draw(5, 6, seed=9), torch.tensor([False, False, True, False, True])
    output = tuple(draw(4, n, seed=seed)[rows] for seed, n in enumerate((6, 5, 6, 5)))
    y = torch.tensor([0, 1, 3, 1])[rows]
    return CVsCLoss(table, unseen, **options)(output, y, weights)


@pytest.mark.parametrize("options", ODD, ids=str)
def test_equal_weights_are_as_none(options):
    rows = torch.arange(4)
    plain = terms_of(options, rows)
    for size in (1.0, 0.2):
        weighted = terms_of(options, rows, torch.full((4,), size, dtype=F64))
        for name, value in plain.items():
            torch.testing.assert_close(weighted[name], value, **EXACT)
    one = terms_of(options, rows[:1], torch.tensor([3.0], dtype=F64))
    for name, value in terms_of(options, rows[:1]).items():
        torch.testing.assert_close(one[name], value, **EXACT)


@pytest.mark.parametrize("options", ODD, ids=str)
def test_weights_are_repetitions_and_only_ratios_matter(options):
    times = torch.tensor([1, 3, 2, 1])
    repeated = terms_of(options, torch.arange(4).repeat_interleave(times))
    weighted = terms_of(options, torch.arange(4), times.to(F64))
    halved = terms_of(options, torch.arange(4), times.to(F64) / 2)
    for name, value in weighted.items():
        torch.testing.assert_close(halved[name], value, **EXACT)
        if name not in ("cc", "loss"):  # these count entries, of which there are fewer
            torch.testing.assert_close(value, repeated[name], **EXACT)


def test_correlation_counts_entries_by_weight():
    s, t = torch.tensor([[2.0, 0.0], [0.0, 5.0]], dtype=F64), torch.zeros(2, 2, dtype=F64)
    loss = ConditionalCorrelationLoss(standardize=False, spread=None)
    weights = torch.tensor([3.0, 1.0], dtype=F64)  # with a mean of one 1.5, 0.5
    expected = torch.tensor((1.5 * 4 + 0.5 * 25) / (1.5 + 0.5 + 1), dtype=F64)
    torch.testing.assert_close(loss(s, t, sample_weight=weights), expected, **EXACT)


@pytest.mark.parametrize("spread", ["variance", "std"])
def test_spread_weighs_images(spread):
    """Over the batch: about the weighted mean, with the correction for its number of entries."""
    s, t = draw(3, 2), torch.zeros(3, 2, dtype=F64)
    weights = torch.tensor([1.0, 2.0, 5.0], dtype=F64)
    loss = ConditionalCorrelationLoss(0.0, standardize=False, norm="l2", spread=spread)
    without = ConditionalCorrelationLoss(0.0, standardize=False, norm="l2", spread=None)
    shares = (weights / 8 / 2)[:, None].expand(3, 2)
    mean = (shares * s).sum()
    expected = (shares * (s - mean) ** 2).sum() * 6 / 5
    expected = expected.sqrt() if spread == "std" else expected
    found = loss(s, t, sample_weight=weights) - without(s, t, sample_weight=weights)
    torch.testing.assert_close(found, expected, **EXACT)


@pytest.mark.parametrize("options", ODD[:4], ids=str)
def test_gradients_of_weighted_losses(options):
    weights = torch.tensor([1.0, 4.0, 0.5], dtype=F64)
    table, unseen = draw(4, 5, seed=9), torch.tensor([False, False, True, False])
    loss = CVsCLoss(table, unseen, **options)
    inputs = [draw(3, n, seed=seed).requires_grad_() for seed, n in enumerate((5, 4, 5, 4))]
    y = torch.tensor([0, 1, 3])
    assert torch.autograd.gradcheck(lambda *o: loss(o, y, weights)["loss"], inputs)
