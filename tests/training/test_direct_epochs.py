"""Epochs by prepared steps leave behind what ordinary ones do, or are left to them."""

import gc
import pickle
import warnings
import weakref

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, Freezer, GradientNormClipping

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._training import _net
from zslearn._training._direct_epochs import DirectEpochs
from zslearn.exceptions import NonFiniteLossError, TrainingInterruptedWarning
from zslearn.nn._direct_step import DirectStep
from zslearn.nn._native import library, why_not

pytestmark = pytest.mark.skipif(library() is None, reason=why_not() or "there is compiled code")

K, C = 130, 130

# Regions of an image and their features: tiles of several images, which have to lie side by side,
# and of one, which are read where they are.
SHAPES = {"gathered": (16, 512), "in place": (30, 288)}


def make(n_regions, n_features):
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(C, K)))
    y = np.tile(np.arange(10), 5)
    by_attributes = table.values[y] @ rng.normal(size=(K, n_features))
    noise = rng.normal(size=(len(y), n_regions, n_features))
    return (by_attributes[:, None, :] * 0.1 + noise).astype(np.float32), y, table


@pytest.fixture(scope="module", params=SHAPES)
def data(request):
    return make(*SHAPES[request.param])


@pytest.fixture(scope="module")
def gathered():
    return make(*SHAPES["gathered"])


@pytest.fixture
def runs(monkeypatch):
    """Whether each epoch that was tried was run."""
    found = []
    run = DirectEpochs.run

    def spy(epochs, noise):
        found.append(run(epochs, noise))
        return found[-1]

    monkeypatch.setattr(DirectEpochs, "run", spy)
    return found


def new(**options):
    settings = {"max_epochs": 2, "batch_size": 20, "random_state": 0, "attribute_dim": 32}
    settings |= {"learning_rate": 1e-3, "precision": "bfloat16", "device": "cpu"}
    return CVsCClassifier(**settings | options)


def fit(data, **options):
    X, y, table = data
    return new(**options).fit(X, y, class_attributes=table)


def fit_ordinarily(data, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_net, "direct_epochs", lambda net, batches: None)
        return fit(data, **options)


def weights(clf):
    return dict(clf.net_.module_.named_parameters())


def start(data):
    """Fit without moving."""
    return fit(data, max_epochs=1, optimizer="sgd", learning_rate=1e-30)


def are_equal(a, b):
    pairs = zip(weights(a).values(), weights(b).values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def check_alike(ours, theirs, rtol=1e-3):
    """Compare all that a fit leaves behind.

    Sums in another order round to other bfloat16 numbers here and there, and of gradients that are
    almost zero Adam makes whole steps.
    """
    for name, weight in weights(theirs).items():
        assert (weights(ours)[name] - weight).norm() <= 0.1 * rtol * weight.norm(), name
    for one, other in zip(ours.net_.history, theirs.net_.history, strict=True):
        assert list(one) == list(other)
        for name in one.keys() - {"batches", "dur"}:
            assert one[name] == pytest.approx(other[name], rel=rtol), name
        for left, right in zip(one["batches"], other["batches"], strict=True):
            assert left == pytest.approx(right, rel=rtol)


TRAININGS = [
    {},
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"optimizer": "sgd", "learning_rate": 0.05},
    {"gradient_clip": 0.05},
    {"learning_rate_schedule": "cosine"},
    {"train_attribute_vectors": False},
    {"counterfactual_scale": 2.0, "scale": 3.0, "lambda_cal": 0.0, "alpha": 0.1},
    {"batch_size": 64},  # one batch
]


@pytest.mark.parametrize("options", TRAININGS, ids=str)
def test_equal_to_ordinary_training(data, runs, options):
    direct = fit(data, **options)
    assert runs == [True] * 2
    ordinary = fit_ordinarily(data, **options)
    assert len(runs) == 2
    check_alike(direct, ordinary)
    for name, before in weights(start(data)).items():
        is_trained = name != "attribute_vectors" or "train_attribute_vectors" not in options
        assert torch.equal(weights(direct)[name], before) is not is_trained


def test_sizes_of_batches(data, runs):
    batches = fit(data).net_.history[-1, "batches", :, "train_batch_size"]
    assert batches == [17, 17, 16]
    assert runs == [True] * 2


def test_the_clip_is_kept_to(data, runs):
    plain, clipped = fit(data, optimizer="sgd"), fit(data, optimizer="sgd", gradient_clip=1e-3)
    assert runs == [True] * 4
    gradients = [p.grad for p in weights(clipped).values()]
    length = torch.linalg.vector_norm(torch.cat([g.ravel() for g in gradients]))
    assert length.item() == pytest.approx(1e-3, rel=1e-3)
    assert not are_equal(plain, clipped)


def test_where_regions_are_changes_nothing(data, runs, tmp_path):
    X, y, table = data
    half = X.astype(np.float16)
    path = tmp_path / "X.npy"
    np.save(path, half)
    kept = fit((half, y, table), keep_regions=True)
    for regions, keep in [(half, False), (np.load(path, mmap_mode="r"), "auto")]:
        assert are_equal(kept, fit((regions, y, table), keep_regions=keep))
    assert runs == [True] * 6


def test_seeds(gathered, runs):
    first = fit(gathered)
    torch.manual_seed(99)
    assert are_equal(first, fit(gathered))
    assert not are_equal(first, fit(gathered, random_state=1))
    assert runs == [True] * 6


def test_progress(gathered, runs, capsys):
    fit(gathered, verbose=1)
    lines = capsys.readouterr().out.strip().splitlines()
    assert set(lines[0].split()) == {"epoch", "ce", "cal", "cc", "sci", "tci", "train_loss", "dur"}
    assert len(lines) == 4
    last = fit(gathered, verbose=2).net_.history[-1]["batches"][-1]
    bar = capsys.readouterr().err
    assert "2/2" in bar
    assert all(f"{name}={last[name]:.3g}" in bar for name in ("ce", "cal", "cc", "sci", "tci"))
    assert runs == [True] * 4


class Watch(Callback):
    """Remember what only ordinary steps have."""

    def on_batch_end(self, net, batch=None, **kwargs):
        self.n_regions = batch[0].shape[1]


class Gradients(Callback):
    """Keep gradients, which a step writes anew."""

    def initialize(self):
        self.kept = []
        return self

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.kept.extend(parameter.grad for _, parameter in named_parameters)


class OwnClipping(GradientNormClipping):
    """Computes the same."""


class OwnAdam(torch.optim.Adam):
    """Computes the same."""


ORDINARY = {
    "float32": {"precision": "float32"},
    "another optimiser": {"optimizer": OwnAdam},
    "another counterfactual": {"counterfactual": "permute"},
    "no interventions": {"lambda_sci": 0.0, "lambda_tci": 0.0},
    "another norm": {"correlation_norm": "l2"},
    "a small batch": {"batch_size": 10},
}


@pytest.mark.parametrize("name", ORDINARY)
def test_what_takes_ordinary_steps(gathered, runs, name):
    ours, theirs = (take(gathered, **ORDINARY[name]) for take in (fit, fit_ordinarily))
    assert True not in runs
    assert are_equal(ours, theirs)


@pytest.mark.parametrize("callback", [Watch(), Gradients(), OwnClipping(1.0)])
def test_callbacks_that_watch_batches_take_ordinary_steps(gathered, runs, callback):
    ours, theirs = (take(gathered, callbacks=[callback]) for take in (fit, fit_ordinarily))
    assert runs == []
    assert are_equal(ours, theirs)
    own = dict(ours.net_.callbacks_)[type(callback).__name__]
    if isinstance(own, Watch):
        assert own.n_regions == 16
    elif isinstance(own, Gradients):
        assert len({gradient.data_ptr() for gradient in own.kept}) == 3 * 6


def test_no_compiled_code(gathered, runs, monkeypatch):
    monkeypatch.setenv("ZSLEARN_NATIVE", "0")
    fit(gathered)
    assert runs == [False] * 2


class AtEpoch(Callback):
    """Do something to the net before an epoch, counted from one, begins."""

    def __init__(self, epoch, change):
        self.epoch = epoch
        self.change = change

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            self.change(net)


def set_scale(net):
    net.module_.scale = 4.0


def set_weights(net):
    net.criterion_.weights["sci"] = 9.0


def set_table(net):
    net.module_.class_attributes[:, 0] *= 3.0
    net.criterion_.class_attributes[:, 0] *= 3.0


def set_threads(net):
    torch.set_num_threads(3)


@pytest.mark.parametrize("change", [set_scale, set_weights, set_table, set_threads])
def test_follows_what_callbacks_change(data, runs, change):
    n_threads = torch.get_num_threads()
    try:
        changed = fit(data, callbacks=[AtEpoch(2, change)])
        ordinary = fit_ordinarily(data, callbacks=[AtEpoch(2, change)])
    finally:
        torch.set_num_threads(n_threads)
    assert runs == [True] * 2
    check_alike(changed, ordinary)
    assert are_equal(changed, fit(data)) is (change is set_threads)


def test_follows_what_is_frozen(data, runs):
    def freeze(net):
        net.module_.query_weight.requires_grad_(False)

    options = {"callbacks": [AtEpoch(2, freeze)]}
    half_frozen = fit(data, **options)
    check_alike(half_frozen, fit_ordinarily(data, **options))
    one_epoch = weights(fit(data, max_epochs=1))
    for name, weight in weights(half_frozen).items():
        assert torch.equal(weight, one_epoch[name]) is (name == "query_weight")
    frozen = fit(data, callbacks=[Freezer("embedding_*")])
    check_alike(frozen, fit_ordinarily(data, callbacks=[Freezer("embedding_*")]))
    before = weights(start(data))["embedding_weight"]
    assert torch.equal(weights(frozen)["embedding_weight"], before)
    assert set(runs) == {True}


def test_a_hook_turns_to_ordinary_steps(gathered, runs):
    called = []

    def hook(net):
        net.module_.register_forward_hook(lambda *arguments: called.append(1))

    hooked = fit(gathered, max_epochs=3, callbacks=[AtEpoch(2, hook)])
    assert runs == [True, False, False]
    assert len(called) == 6
    check_alike(hooked, fit_ordinarily(gathered, max_epochs=3))


def test_loss_that_is_not_finite(data, monkeypatch):
    nets = []

    def spoil(net):
        nets.append(net)
        with torch.no_grad():
            net.module_.embedding_weight[0, 0] = float("nan")

    with pytest.raises(NonFiniteLossError, match=r"epoch 2, batch 1: term ce, cal, cc, sci, tci"):
        fit(data, callbacks=[AtEpoch(2, spoil)])
    (net,) = nets
    assert len(net.history) == 1
    # No step was made of it.
    assert {int(state["step"]) for state in net.optimizer_.state.values()} == {3}
    assert torch.isfinite(net.module_.query_weight).all()


def test_loss_that_explodes(data):
    with pytest.raises(NonFiniteLossError, match=r"epoch 1, batch 2: term .*sci.* \(loss="):
        fit(data, learning_rate=1e30, optimizer="sgd")


def interrupt(monkeypatch, step):
    """Ctrl-C in a given step."""
    take, taken = DirectStep.__call__, []

    def interrupted(direct, y, generator):
        taken.append(1)
        if len(taken) == step:
            raise KeyboardInterrupt
        return take(direct, y, generator)

    monkeypatch.setattr(DirectStep, "__call__", interrupted)


def test_interrupt_leaves_a_usable_estimator(data, monkeypatch):
    X, y, _ = data
    interrupt(monkeypatch, step=5)
    with pytest.warns(TrainingInterruptedWarning, match="after 1 of 2 epochs"):
        clf = fit(data)
    assert len(clf.net_.history) == 1
    assert np.isfinite(clf.decision_function(X)).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.partial_fit(X, y)
    assert len(clf.net_.history) == 2


def test_training_that_goes_on(data, runs):
    X, y, table = data
    whole, by_parts = fit(data, max_epochs=4), new()
    clf = fit(data, warm_start=True)
    other = pickle.loads(pickle.dumps(clf))
    for _ in range(4):
        by_parts.partial_fit(X, y, class_attributes=table)
    for one in (*(c.fit(X, y, class_attributes=table) for c in (clf, other)), by_parts):
        assert are_equal(whole, one)
        assert len(one.net_.history) == 4
    assert set(runs) == {True}


def test_early_stopping(data, runs):
    stop = EarlyStopping(monitor="train_loss", patience=1, threshold=1e6, threshold_mode="abs")
    assert len(fit(data, max_epochs=9, callbacks=[stop]).net_.history) == 2
    fit(data, max_epochs=3, early_stopping=True, batch_size=64)
    assert len(runs) > 2 + 3
    assert set(runs) == {True}


looks = []


class Look(Callback):
    """See what a net holds in training."""

    def on_epoch_end(self, net, **kwargs):
        copy = pickle.loads(pickle.dumps(net))
        looks.append((weakref.ref(net._direct.batches), len(pickle.dumps(net)), copy))


def test_training_holds_no_data_afterwards(data):
    looks.clear()
    clf = fit(data, callbacks=[Look()])
    gc.collect()
    assert len(looks) == 2
    for batches, n_bytes, copy in looks:
        assert batches() is None
        assert n_bytes < data[0].nbytes / 2  # of bfloat16
        assert copy._direct is copy._noise is None
    assert clf.net_._direct is None
