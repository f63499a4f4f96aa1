"""Estimators fitted side by side are what they are alone: weights, optimiser, history."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._training import _side_by_side, _stacked
from zslearn._training._net import ZeroShotNet
from zslearn._training._stacked import fit_side_by_side
from zslearn.exceptions import NonFiniteLossError, TrainingInterruptedWarning
from zslearn.nn import CVsCLoss, CVsCNetwork
from zslearn.nn._network_stack import CVsCNetworkStack
from zslearn.nn.losses._cvsc_stack import CVsCLossStack


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)))
    y = rng.integers(0, 4, size=60)
    X = table.values[y][:, None, :] @ rng.normal(size=(5, 8)) + rng.normal(size=(60, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


def new(**params):
    options = {"max_epochs": 3, "batch_size": 16, "random_state": 0, "attribute_dim": 10}
    options |= {"learning_rate": 1e-3, "precision": "float32", "device": "cpu"}
    return CVsCClassifier(**options | params)


def both_ways(data, settings, **shared):
    """Estimators fitted side by side, and the same fitted alone."""
    X, y, table = data
    stacked, alone = ([new(**shared | s) for s in settings] for _ in range(2))
    assert fit_side_by_side(stacked, X, y, table) == [None] * len(settings)
    for estimator in alone:
        estimator.fit(X, y, class_attributes=table)
    return stacked, alone


def assert_same(a, b, rtol=1e-5, atol=1e-6):
    """Compare all that a fit leaves behind.

    Not to the bit: a product may add up in another order than its half does.
    """
    for left, right in zip(a.net_.module_.parameters(), b.net_.module_.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=rtol, atol=atol)
    states = [one.net_.optimizer_.state_dict()["state"] for one in (a, b)]
    assert states[0].keys() == states[1].keys()
    for number, left in states[0].items():
        for name, value in left.items():
            torch.testing.assert_close(value, states[1][number][name], rtol=rtol, atol=atol)
    rows = [one.net_.history for one in (a, b)]
    assert [list(r) for r in rows[0]] == [list(r) for r in rows[1]]
    for left, right in zip(*rows, strict=True):
        for one, other in zip(left["batches"], right["batches"], strict=True):
            assert list(one) == list(other)
            assert one == pytest.approx(other, rel=1e-5, abs=1e-6)
        for name in left.keys() - {"batches", "dur"}:
            assert left[name] == pytest.approx(right[name], rel=1e-5, abs=1e-6)
    for name in ("classes_", "seen_classes_", "unseen_classes_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.n_features_in_, a.class_attributes_) == (b.n_features_in_, b.class_attributes_)
    assert vars(a).keys() == vars(b).keys()


@pytest.fixture
def passes(monkeypatch):
    """How many networks each pass over a batch of regions served."""
    served = []
    call = CVsCNetworkStack.__call__

    def counting(stack, *args):
        served.append(len(stack.networks))
        return call(stack, *args)

    monkeypatch.setattr(CVsCNetworkStack, "__call__", counting)
    return served


OBJECTIVES = [
    {},
    {"lambda_cc": 0.1, "lambda_ce": 1.0},
    {"lambda_sci": 0.0, "lambda_tci": 0.0},
    {"lambda_sci": 0.0},
    {"lambda_cal": 0.0, "lambda_cc": 0.0},
    {"alpha": 1.0, "effect_weight": 0.5},
    {"calibration_bias": 2.0, "standardize": False},
    {"correlation_norm": "l2", "spread_norm": "squared", "spread_over": "image"},
    {"spread": None, "intervention_norm": "squared"},
    {"spread": "std", "correlation_norm": "squared", "intervention_norm": "l2"},
    {"scale": 3.0, "delta": 0.5, "delta_scale": "probability"},
    {"counterfactual": "uniform"},
    {"counterfactual": "permute"},
    {"counterfactual_scale": 2.0},
    {"train_attribute_vectors": False},
]


def test_objectives(data, passes):
    for one, other in zip(*both_ways(data, OBJECTIVES), strict=True):
        assert_same(one, other)
    assert passes == [len(OBJECTIVES)] * 12


TRAININGS = [
    {},
    {"learning_rate": 0.01, "learning_rate_schedule": "cosine"},
    {"learning_rate_schedule": "linear", "betas": (0.9, 0.99)},
    {"weight_decay": 0.1},
    {"gradient_clip": 0.05},
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"optimizer": "sgd", "learning_rate": 0.1},
    {"optimizer": torch.optim.Adam},
]


def test_optimizers_and_schedules(data, passes):
    for one, other in zip(*both_ways(data, TRAININGS), strict=True):
        assert_same(one, other)
    assert passes == [len(TRAININGS)] * 12


def test_seeds_with_the_batches_of_one(data, passes):
    settings = [{"random_state": seed} for seed in (3, 4, 5)]
    stacked, alone = both_ways(data, settings, batch_random_state=3)
    for one, other in zip(stacked, alone, strict=True):
        assert_same(one, other)
    assert passes == [3] * 12
    # Equal batches, other weights and noise.
    assert_same(alone[0], new(random_state=3).fit(data[0], data[1], class_attributes=data[2]))
    first, second = (one.net_.module_.query_weight for one in stacked[:2])
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([{"max_epochs": 1}, {"max_epochs": 2}, {"max_epochs": 1}], [2] * 4 + [1] * 8),
        ([{"batch_size": 30}, {"batch_size": 60}, {}], [1] * 6 + [1] * 3 + [1] * 12),
        ([{"attribute_dim": 4}, {"attribute_dim": 6}], [1] * 24),
        ([{"random_state": 0}, {"random_state": 1}], [1] * 24),
        ([{"precision": "bfloat16"}, {}, {"precision": "bfloat16"}], [2] * 12 + [1] * 12),
        ([{"precision": "float16"}] * 2, []),
        ([{"early_stopping": True}, {}, {}], [2] * 12),
        ([{"early_stopping": True, "refit": False}, {}, {}], [2] * 12),
        ([{"optimizer": torch.optim.NAdam}, {}, {}], [2] * 12),
        ([{"callbacks": [Callback()]}, {}, {}], [2] * 12),
    ],
)
def test_settings_that_cannot_share_a_pass(data, passes, settings, expected):
    for one, other in zip(*both_ways(data, settings), strict=True):
        tolerance = 2e-2 if one.precision == "bfloat16" else 1e-5
        assert_same(one, other, rtol=tolerance, atol=tolerance / 10)
    assert passes == expected


def test_half_precision(data):
    settings = [{}, {"lambda_cc": 0.0}, {"alpha": 1.0}]
    stacked, alone = both_ways(data, settings, precision="bfloat16")
    for one, other in zip(stacked, alone, strict=True):
        a, b = (e.decision_function(data[0]) for e in (one, other))
        np.testing.assert_allclose(a, b, rtol=0.02, atol=0.02)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_an_accelerator(data):
    for one, other in zip(*both_ways(data, [{}, {"alpha": 1.0}], device="cuda"), strict=True):
        assert one.net_.module_.query_weight.is_cuda
        assert_same(one, other, rtol=1e-3, atol=1e-4)


def test_memory_divides_a_stack(data, passes, monkeypatch):
    # 15 images x 3 regions x 2 x 5 attributes x 4 bytes a network
    monkeypatch.setattr(_stacked, "_PRODUCT_BYTES", 2 * 1800)
    for one, other in zip(*both_ways(data, [{"alpha": a} for a in (0, 1, 2, 3, 4)]), strict=True):
        assert_same(one, other)
    assert passes == [2] * 24 + [1] * 12


def test_vectors_as_one_region_and_a_memmap(data, tmp_path):
    X, y, table = data
    np.save(tmp_path / "X.npy", X[:, 0].astype(np.float16))
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    for one, other in zip(*both_ways((on_disk, y, table), [{}, {"alpha": 1.0}]), strict=True):
        assert_same(one, other)


def test_column_names_are_kept(data):
    pandas = pytest.importorskip("pandas")
    X, y, table = data
    frame = pandas.DataFrame(X[:, 0], columns=list("abcdefgh"))
    for one, other in zip(*both_ways((frame, y, table), [{}, {"alpha": 1.0}]), strict=True):
        assert_same(one, other)
        assert one.feature_names_in_.tolist() == list("abcdefgh")


# -- after the fit -----------------------------------------------------------------------------


def test_training_goes_on_alike(data):
    X, y, table = data
    stacked, alone = both_ways(data, [{}, {"lambda_cc": 0.1}], warm_start=True)
    for one, other in zip(stacked, alone, strict=True):
        one = pickle.loads(pickle.dumps(one))
        for estimator in (one, other):
            estimator.fit(X, y, class_attributes=table).partial_fit(X, y)
        assert len(one.net_.history) == 7
        assert_same(one, other)


def test_nothing_is_shared_afterwards(data):
    stacked, alone = both_ways(data, [{}] * 8)
    sizes = [len(pickle.dumps(one[0])) for one in (stacked, alone)]
    assert abs(sizes[0] - sizes[1]) < 0.1 * sizes[1]
    own = [p.untyped_storage().data_ptr() for one in stacked for p in one.net_.module_.parameters()]
    assert len(set(own)) == len(own)
    before = stacked[1].decision_function(data[0])
    stacked[0].partial_fit(data[0], data[1])
    np.testing.assert_array_equal(stacked[1].decision_function(data[0]), before)


def test_fitted_estimators_begin_anew(data):
    X, y, table = data
    estimator = new(early_stopping=True).fit(X, y, class_attributes=table)
    estimator.set_params(early_stopping=False)
    assert fit_side_by_side([estimator, new()], X, y, table) == [None, None]
    assert_same(estimator, new().fit(X, y, class_attributes=table))


# -- what goes wrong ---------------------------------------------------------------------------


def test_one_that_diverges_leaves_the_others_alone(data):
    X, y, table = data
    wild = {"optimizer": "sgd", "learning_rate": 1e30}
    estimators = [new(), new(**wild), new(lambda_cc=0.1), new(**wild, alpha=1.0)]
    errors = fit_side_by_side(estimators, X, y, table)
    assert errors[0] is errors[2] is None
    assert_same(estimators[0], new().fit(X, y, class_attributes=table))
    assert_same(estimators[2], new(lambda_cc=0.1).fit(X, y, class_attributes=table))
    for k in (1, 3):
        assert not hasattr(estimators[k], "net_")
        with pytest.raises(NonFiniteLossError) as caught:
            estimators[k].fit(X, y, class_attributes=table)
        assert str(errors[k]) == str(caught.value)


def test_all_diverge(data):
    X, y, table = data
    wild = [new(optimizer="sgd", learning_rate=1e30, alpha=alpha) for alpha in (0.0, 1.0)]
    errors = fit_side_by_side(wild, X, y, table)
    assert all(isinstance(error, NonFiniteLossError) for error in errors)


def test_an_overflow_in_the_last_step(data):
    X, y, table = data
    wild = {"optimizer": "sgd", "learning_rate": 1e38, "max_epochs": 1, "batch_size": 60}
    wild["lambda_ce"] = 1e3
    estimators = [new(**wild), new(**wild | {"learning_rate": 0.1})]
    errors = fit_side_by_side(estimators, X, y, table)
    with pytest.raises(NonFiniteLossError, match="not finite after epoch 1") as caught:
        new(**wild).fit(X, y, class_attributes=table)
    assert (str(errors[0]), errors[1]) == (str(caught.value), None)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"lambda_sci": -1.0}, "'lambda_sci' parameter"),
        ({"betas": (0.5,)}, "betas must be two numbers"),
        ({"optimizer": "adagrad"}, "'optimizer' parameter"),
        (dict.fromkeys(["lambda_ce", "lambda_cc", "lambda_sci", "lambda_tci"], 0), None),
    ],
)
def test_a_refused_setting_is_the_only_one(data, bad, message):
    X, y, table = data
    if message is None:
        bad, message = bad | {"lambda_cal": 0}, "no loss term is left"
    errors = fit_side_by_side([new(**bad), new()], X, y, table)
    with pytest.raises(ValueError, match=message):
        raise errors[0]
    assert errors[1] is None


def test_bad_data_are_told_to_all(data):
    X, y, table = data
    spoilt = X.copy()
    spoilt[7, 0, 0] = np.nan
    for features, labels, message in [(spoilt, y, "NaN"), (X, y + 6, "not described")]:
        errors = fit_side_by_side([new(), new(alpha=1.0)], features, labels, table)
        assert [message in str(error) for error in errors] == [True, True]


def interrupt(monkeypatch, after):
    """Ctrl-C in a given batch, before the weights change."""
    left = [after]
    step = _side_by_side.SideBySide._step

    def interrupted(training, *args):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        step(training, *args)

    monkeypatch.setattr(_side_by_side.SideBySide, "_step", interrupted)


def test_interrupt_leaves_usable_estimators(data, monkeypatch):
    X, y, table = data
    estimators = [new(), new(alpha=1.0)]
    interrupt(monkeypatch, after=5)
    with pytest.warns(TrainingInterruptedWarning, match="after 1 of 3 epochs; the 2 estimators"):
        assert fit_side_by_side(estimators, X, y, table) == [None, None]
    for estimator in estimators:
        one_epoch = new(alpha=estimator.alpha, max_epochs=1).fit(X, y, class_attributes=table)
        assert_same(estimator, one_epoch)


@pytest.mark.parametrize("last", [{"max_epochs": 1}, {"early_stopping": True}])
def test_interrupt_before_the_last_group(data, monkeypatch, last):
    X, y, table = data
    interrupt(monkeypatch, after=5)
    with pytest.raises(KeyboardInterrupt), pytest.warns(TrainingInterruptedWarning):
        fit_side_by_side([new(), new(**last)], X, y, table)


def test_verbose(data, capsys):
    X, y, table = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_side_by_side([new(verbose=2), new(alpha=1.0)], X, y, table)
    captured = capsys.readouterr()
    assert "2 x CVsCClassifier" in captured.err
    assert captured.out == ""


# -- the stacks themselves ---------------------------------------------------------------------


def test_network_stack_in_float64():
    """With many random shapes in float64, one pass is all passes."""
    rng = torch.Generator().manual_seed(0)
    for B, R, D, K, C, m in [(1, 1, 3, 2, 4, 1), (3, 2, 5, 4, 3, 2), (7, 5, 8, 6, 9, 4)]:
        table = torch.rand(C, K, generator=rng, dtype=torch.float64)
        kinds = ["normal", None, "uniform", "permute"][:m]
        networks = [
            CVsCNetwork(table, D, attribute_dim=7, scale=1.0 + i, counterfactual=kind, seed=i)
            for i, kind in enumerate(kinds)
        ]
        regions = torch.randn(B, R, D, generator=rng, dtype=torch.float64)
        sources = [[torch.Generator().manual_seed(i) for i in range(m)] for _ in range(2)]
        found = CVsCNetworkStack(networks)(regions, sources[0])
        place = 0
        for i, network in enumerate(networks):
            expected = network(regions, generator=sources[1][i])
            torch.testing.assert_close(found.semantics[i], expected.semantics)
            torch.testing.assert_close(found.logits[i], expected.logits)
            if network.counterfactual is not None:
                other = found.counterfactual_semantics[place], found.counterfactual_logits[place]
                torch.testing.assert_close(other, expected[2:])
                place += 1


def test_loss_stack_weighs_by_hand():
    unseen = torch.tensor([False, True])
    weights = [(1.0, 0.5), (2.0, 0.25)]
    criteria = [
        CVsCLoss(torch.eye(2), unseen, lambda_ce=a, lambda_cal=b, lambda_cc=0, lambda_sci=0,
                 lambda_tci=0)
        for a, b in weights
    ]  # fmt: skip
    logits = torch.zeros(2, 1, 2)
    losses, terms = CVsCLossStack(criteria, [])((logits, logits, None, None), torch.tensor([0]))
    # Both terms are log 2.
    torch.testing.assert_close(losses, torch.tensor([1.5, 2.25]) * np.log(2.0), check_dtype=False)
    assert [list(t) for t in terms] == [["ce", "cal"]] * 2


def test_subclasses_are_not_stacked():
    class Network(CVsCNetwork):
        pass

    assert _side_by_side.can_be_stacked(CVsCNetwork, CVsCLoss)
    assert not _side_by_side.can_be_stacked(Network, CVsCLoss)


def test_seed_of_the_batches_alone():
    assert ZeroShotNet(torch.nn.Identity, torch.nn.Identity, seed=3).batch_seed == 3
    assert ZeroShotNet(torch.nn.Identity, torch.nn.Identity, seed=3, batch_seed=4).batch_seed == 4
