"""Training and prediction on a CUDA device agree with the CPU."""

import pickle
import warnings

import numpy as np
import pytest
import torch

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._data._rows import RegionRows
from zslearn._training import _graphs
from zslearn.attention import CVsCObjective
from zslearn.model_selection import HeldOutStopping
from zslearn.nn import functional as zf

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    values = rng.uniform(0.1, 1, size=(12, 20))
    y = rng.integers(0, 9, size=300)
    X = values[y][:, None, :] @ rng.normal(size=(20, 64)) + rng.normal(size=(300, 9, 64)) * 0.3
    return X.astype(np.float32), y, ClassAttributes(values)


def make(**params):
    options = {"max_epochs": 5, "random_state": 0, "device": "cuda"}
    return CVsCClassifier(**options | params)


def test_scores_agree_with_the_cpu(data):
    X, y, table = data
    gpu = make(precision="float32").fit(X, y, class_attributes=table)
    cpu = make(precision="float32", device="cpu").fit(X[:50], y[:50], class_attributes=table)
    cpu.net_.module_.load_state_dict(gpu.net_.module_.cpu().state_dict())
    expected = cpu.decision_function(X)
    gpu.net_.module_.cuda()
    np.testing.assert_allclose(gpu.decision_function(X), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gpu.attention_maps(X), cpu.attention_maps(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("counterfactual", ["normal", "uniform", "permute"])
def test_trains_in_every_precision(data, precision, counterfactual):
    X, y, table = data
    clf = make(precision=precision, objective=CVsCObjective(counterfactual=counterfactual))
    clf.fit(X, y, class_attributes=table)
    losses = clf.net_.history[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert clf.score(X, y, candidates="seen") > 2 / 9


def test_kinds_of_input(data):
    X, y, table = data
    expected = make(precision="float32").fit(X, y, class_attributes=table).predict(X)
    for kind in (torch.from_numpy(X), torch.from_numpy(X).cuda(), X.astype(np.float64)):
        clf = make(precision="float32").fit(kind, y, class_attributes=table)
        assert (clf.predict(kind) == expected).mean() > 0.97


def test_resident_copy_is_on_the_device(data):
    rows = RegionRows(data[0], torch.device("cuda", 0), torch.bfloat16, keep=True)
    assert rows._resident.device == torch.device("cuda", 0)
    streamed = RegionRows(data[0], torch.device("cuda", 0), torch.bfloat16)
    picked = np.array([1, 5, 299])
    assert torch.equal(rows.take(picked), streamed.take(picked))


def test_pickled(data):
    X, y, table = data
    clf = make().fit(X, y, class_attributes=table)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict(X), clf.predict(X))
    again.partial_fit(X, y)


def test_early_stopping_and_warm_start(data):
    X, y, table = data
    clf = make(early_stopping=HeldOutStopping(refit=False)).fit(X, y, class_attributes=table)
    assert clf.predict(X).shape == (300,)
    clf = make(warm_start=True).fit(X, y, class_attributes=table)
    clf.fit(X, y, class_attributes=table)
    assert len(clf.net_.history) == 10


def draw(b, r, d, k, dtype):
    generator = torch.Generator("cuda").manual_seed(0)
    options = {"generator": generator, "device": "cuda"}
    regions = zf.normalize_rows(torch.randn(b, r, d, **options)).to(dtype)
    weights = [torch.randn(k, d, **options).to(dtype).requires_grad_() for _ in range(2)]
    return regions, *weights


@pytest.fixture
def fused():
    """Skip where there is no Triton, or a device it has no kernels for."""
    pytest.importorskip("triton")
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("needs compute capability 8.0")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "shape", [(50, 196, 768, 312), (3, 197, 770, 313), (2, 49, 2048, 85), (7, 17, 5, 1)]
)
def test_fused_kernel_serves_unasked(fused, shape, dtype):
    """test_triton_kernel.py compares it with the equations; this with what it replaces."""
    arguments = draw(*shape, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # that it does not compile, or is wrong
        assert zf.attention_backend_of(*arguments[:2]) == "triton"
    results = []
    for name in ("auto", "torch"):
        with zf.attention_backend(name):
            s = zf.semantic_attention(*arguments)
        results.append([s.detach(), *torch.autograd.grad(s.square().sum(), arguments[1:])])
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).norm() <= 6 * torch.finfo(dtype).eps * theirs.norm()


def test_plain_torch_serves_what_has_no_kernel(fused):
    for shape, dtype in [((2, 20, 16, 4), torch.float32), ((2, 1, 16, 4), torch.bfloat16)]:
        arguments = draw(*shape, dtype)
        assert zf.attention_backend_of(*arguments[:2]) == "torch"
        with zf.attention_backend("triton"):  # asked for, it serves these too
            found = zf.semantic_attention(*arguments)
        torch.testing.assert_close(found, zf.semantic_attention(*arguments), rtol=0, atol=3e-2)


def test_fused_kernel_keeps_nothing_of_the_size_of_the_product(fused):
    b, r, d, k = 256, 196, 64, 512
    product = 2 * b * r * 2 * k
    arguments = draw(b, r, d, k, torch.bfloat16)
    taken = {}
    for name in ("torch", "triton"):
        with zf.attention_backend(name):
            zf.semantic_attention(*arguments).sum().backward()
            torch.cuda.synchronize()
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            zf.semantic_attention(*arguments).sum().backward()
            taken[name] = torch.cuda.max_memory_allocated() - before
    assert taken["torch"] > product
    assert taken["triton"] < product / 6


@pytest.mark.parametrize("counterfactual", ["normal", "uniform", "permute"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_replayed_steps_equal_plain_ones(monkeypatch, data, counterfactual, optimizer, schedule):
    X, y, table = data
    graphs = []
    real = _graphs.capture
    monkeypatch.setattr(_graphs, "capture", lambda *args: graphs.append(real(*args)) or graphs[-1])
    params = {"objective": CVsCObjective(counterfactual=counterfactual), "optimizer": optimizer}
    params |= {"learning_rate_schedule": schedule, "precision": "float32"}
    fits = []
    for switch in ("0", "1"):
        monkeypatch.setenv(_graphs.GRAPH_VARIABLE, switch)
        with warnings.catch_warnings():
            if counterfactual == "normal":  # the default is captured; the others may refuse
                warnings.simplefilter("error", RuntimeWarning)
            fits.append(make(**params).fit(X, y, class_attributes=table))
        assert bool(graphs) is (switch == "1") or counterfactual != "normal"
    for name in ("train_loss", "lr", "ce"):
        plain, replayed = (np.array(clf.net_.history[:, "batches", :, name]) for clf in fits)
        np.testing.assert_allclose(replayed, plain, rtol=1e-3, err_msg=name)
    for plain, replayed in zip(*(clf.net_.module_.parameters() for clf in fits), strict=True):
        assert (replayed - plain).norm() <= 1e-3 * plain.norm()


def test_an_epoch_waits_for_the_device_once(data):
    """Besides the steps that warm up; torch raises where something waits unasked."""
    X, y, table = data
    waits = []

    class Strict(_graphs.GraphEngine):
        def _take_step(self, rate, key):
            before = torch.cuda.get_sync_debug_mode()
            if key in self._graphs:
                torch.cuda.set_sync_debug_mode("error")
                waits.append(key)
            try:
                super()._take_step(rate, key)
            finally:
                torch.cuda.set_sync_debug_mode(before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zslearn._training._net.GraphEngine", Strict)
        make().fit(X, y, class_attributes=table)
    assert waits


@pytest.mark.parametrize("learner", ["TransformerLearner", "GANLearner", "TwoHeadedLearner"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_learners_with_dropout_and_phases_are_replayed(monkeypatch, data, learner, precision):
    """Dropout draws from the global generator, a GAN takes other steps in turn."""
    from tests.training import learners

    X, y, table = data
    make_one = learners.estimator_of(getattr(learners, learner))
    options = {"max_epochs": 12, "batch_size": 30, "random_state": 0, "device": "cuda"}
    captured = []
    real = _graphs.capture
    monkeypatch.setattr(_graphs, "capture", lambda *a: captured.append(1) or real(*a))
    fits = []
    for switch in ("0", "1"):
        monkeypatch.setenv(_graphs.GRAPH_VARIABLE, switch)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            clf = make_one(precision=precision, **options)
            fits.append(clf.fit(X, y, class_attributes=table))
    assert captured
    again = make_one(precision=precision, **options).fit(X, y, class_attributes=table)
    for plain, replayed, same in zip(
        *(one.net_.module_.parameters() for one in (*fits, again)), strict=True
    ):
        # Adam turns the rounding of a gradient near zero into a whole step.
        assert (replayed - plain).norm() <= 0.05 * plain.norm()
        assert (replayed - same).norm() <= 0.05 * plain.norm()


def test_a_model_of_a_card_loads_on_a_cpu(data, tmp_path, monkeypatch):
    import zslearn

    X, y, table = data
    clf = make(precision="float32").fit(X, y, class_attributes=table)
    zslearn.save(clf, tmp_path / "model")
    again = zslearn.load(tmp_path / "model")
    np.testing.assert_array_equal(again.decision_function(X), clf.decision_function(X))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    on_cpu = zslearn.load(tmp_path / "model")
    scores = on_cpu.decision_function(X)
    np.testing.assert_allclose(scores, clf.decision_function(X), rtol=1e-4, atol=1e-4)


def test_dazle_trains_on_a_card_in_bfloat16(data):
    from zslearn import DAZLEClassifier

    X, y, table = data
    fits = [
        DAZLEClassifier(
            device=device, precision=precision, random_state=0, max_epochs=8, learning_rate=1e-2
        ).fit(X, y, class_attributes=table)
        for device, precision in [("cuda", "bfloat16"), ("cuda", "float32"), ("cpu", "float32")]
    ]
    low, full, cpu = (clf.decision_function(X) for clf in fits)
    assert np.corrcoef(full.ravel(), cpu.ravel())[0, 1] > 0.99
    assert np.corrcoef(low.ravel(), cpu.ravel())[0, 1] > 0.97
