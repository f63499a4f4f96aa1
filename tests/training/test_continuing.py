"""Training that goes on heeds parameters changed in between; a refused call changes nothing."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._training import _continuing
from zslearn.exceptions import NonFiniteLossError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)))
    y = rng.integers(0, 4, size=60)
    X = table.values[y][:, None, :] @ rng.normal(size=(5, 8)) + rng.normal(size=(60, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


def fit(data, **params):
    X, y, table = data
    options = {"max_epochs": 2, "batch_size": 16, "random_state": 0, "warm_start": True}
    options |= {"learning_rate": 1e-3, "learning_rate_schedule": "constant", "device": "cpu"}
    return CVsCClassifier(**options | params).fit(X, y, class_attributes=table)


def go_on(clf, data):
    X, y, table = data
    return clf.fit(X, y, class_attributes=table)


def weights(clf):
    return [p.detach().clone() for p in clf.net_.module_.parameters()]


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def state(clf):
    """All that a fit or a prediction depends on."""
    net = clf.net_
    moments = [one.state_dict() for one in net.optimizers_.values()]
    return pickle.dumps(
        {
            "weights": [w.numpy() for w in weights(clf)],
            "optimizers": [type(one) for one in net.optimizers_.values()],
            "moments": repr(moments),
            "history": [{k: v for k, v in row.items() if k != "dur"} for row in net.history],
            "callbacks": [(name, id(one)) for name, one in net.callbacks_],
            "names": sorted(vars(clf)),
            "options": (net.device, net.lr, str(net.optimizer), net.gradient_clip, net.steps_),
        }
    )


class Watch(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1


class Fail(Callback):
    def __repr__(self):
        return "Fail()"  # the same in all processes that share the tests

    def on_epoch_end(self, net, **kwargs):
        with torch.no_grad():
            next(net.module_.parameters())[0, 0] = torch.nan


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_new_callbacks_are_attached(data, method):
    first, second = Watch(), Watch()
    clf = fit(data, callbacks=[first])
    getattr(clf.set_params(callbacks=[("second", second)]), method)(
        *data[:2], class_attributes=data[2]
    )
    assert first.epochs == 2
    assert second.epochs == (2 if method == "fit" else 1)
    assert dict(clf.net_.callbacks_)["second"] is second
    assert "Watch" not in dict(clf.net_.callbacks_)


def test_a_callback_put_into_the_list_is_attached(data):
    watch = Watch()
    clf = fit(data, callbacks=[])
    clf.callbacks.append(watch)
    go_on(clf, data)
    assert watch.epochs == 2
    go_on(clf.set_params(callbacks=None), data)
    assert watch.epochs == 2


def test_other_callbacks_change_no_weight_and_no_history(data):
    clf = go_on(fit(data).set_params(callbacks=[Watch()]), data)
    whole = fit(data, max_epochs=4)
    assert equal(weights(clf), weights(whole))
    assert [row["train_loss_best"] for row in clf.net_.history] == [
        row["train_loss_best"] for row in whole.net_.history
    ]


@pytest.mark.parametrize(
    ("params", "kind", "group"),
    [
        ({"optimizer": "sgd"}, torch.optim.SGD, {"lr": 1e-3}),
        ({"optimizer": torch.optim.RMSprop}, torch.optim.RMSprop, {"lr": 1e-3}),
        ({"optimizer_params": {"weight_decay": 0.3}}, torch.optim.Adam, {"weight_decay": 0.3}),
        ({"optimizer": "adamw", "learning_rate": 0.1}, torch.optim.AdamW, {"lr": 0.1}),
    ],
)
def test_another_optimiser_begins_with_what_was_learned(data, params, kind, group):
    clf = fit(data)
    learned, old = weights(clf), clf.net_.optimizer_
    starts = []

    class Start(Callback):
        def on_train_begin(self, net, **kwargs):
            starts.append([p.detach().clone() for p in net.module_.parameters()])
            starts.append(dict(net.optimizer_.state))

    go_on(clf.set_params(callbacks=[Start()], **params), data)
    assert equal(starts[0], learned)
    assert starts[1] == {}  # no moments of the one before
    assert type(clf.net_.optimizer_) is kind
    assert clf.net_.optimizer_ is not old
    found = clf.net_.optimizer_.param_groups[0]
    assert {name: found[name] for name in group} == pytest.approx(group)
    assert not equal(weights(clf), learned)
    moved = {id(p) for g in clf.net_.optimizer_.param_groups for p in g["params"]}
    assert moved == {id(p) for p in clf.net_.module_.parameters()}


def test_sgd_after_adam_takes_the_steps_of_sgd(data):
    """One step of plain SGD from the weights reached: the gradient times the rate."""
    clf = fit(data, batch_size=60, precision="float32")
    clf.set_params(optimizer="sgd", learning_rate=0.5, max_epochs=1)
    start, gradients = weights(clf), []

    class Gradients(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            gradients.extend(p.grad.detach().clone() for _, p in named_parameters)

    go_on(clf.set_params(callbacks=[Gradients()]), data)
    for before, gradient, after in zip(start, gradients, weights(clf), strict=True):
        torch.testing.assert_close(after, before - 0.5 * gradient, rtol=1e-6, atol=1e-7)


def test_the_optimiser_stays_while_its_parameters_do(data):
    clf = fit(data)
    old = clf.net_.optimizer_
    clf = pickle.loads(pickle.dumps(clf))
    go_on(clf.set_params(optimizer_params={}, learning_rate=0.01), data)
    assert type(clf.net_.optimizer_) is type(old)
    steps = {int(one["step"]) for one in clf.net_.optimizer_.state.values()}
    assert steps == {16}  # counted on


def test_another_device_is_moved_to(data, monkeypatch):
    asked = []
    real = _continuing.resolve_device
    monkeypatch.setattr(
        _continuing, "resolve_device", lambda name: asked.append(name) or real(name)
    )
    clf = go_on(fit(data), data)
    assert asked == []  # weights stay where they are, were it on a machine without that device
    go_on(clf.set_params(device=torch.device("cpu", 0)), data)
    assert asked == [torch.device("cpu", 0)]
    assert clf.net_.device == "cpu"


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"device": "cuda:99"}, ValueError),
        ({"device": "tpu"}, ValueError),
        ({"optimizer": "adamz"}, ValueError),
        ({"optimizer": "sgd", "optimizer_params": {"beta": 1}}, ValueError),
        ({"optimizer_params": {"lr": 1}}, ValueError),
        ({"callbacks": ["early"]}, TypeError),
        ({"optimizer": "sgd", "callbacks": [Fail()], "gradient_clip": 0.1}, NonFiniteLossError),
        ({"optimizer_params": {"eps": 0.1}, "callbacks": [Fail()]}, NonFiniteLossError),
    ],
    ids=str,
)
def test_a_refused_change_leaves_all_as_it_was(data, params, error, method):
    clf = fit(data, optimizer="adamw", callbacks=[Watch()])
    before = {name: getattr(clf, name) for name in params}
    kept = state(clf)
    with pytest.raises(error):
        getattr(clf.set_params(**params), method)(*data[:2], class_attributes=data[2])
    assert state(clf) == kept
    go_on(clf.set_params(**before), data)
    assert equal(weights(clf), weights(fit(data, optimizer="adamw", max_epochs=4)))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"class_attributes": np.ones((2, 3))}, ValueError),
        ({"classes": [0, 77]}, ValueError),
        ({"y": np.full(60, 9)}, ValueError),
        ({"y": None}, ValueError),
        ({"sample_weight": -np.ones(60)}, ValueError),
        ({"optimizer": "adamz"}, ValueError),
        ({"callbacks": [Fail()]}, NonFiniteLossError),
        ({"class_weight": "balanced"}, ValueError),
        ({"max_epochs": 0}, ValueError),
    ],
    ids=str,
)
def test_a_refused_first_call_leaves_nothing(data, changes, error):
    X, y, table = data
    clf = CVsCClassifier(random_state=0, learning_rate=1e-3)
    given = {"y": y, "class_attributes": table}
    given |= {k: v for k, v in changes.items() if k not in clf.get_params()}
    usual = clf.get_params()
    clf.set_params(**{k: v for k, v in changes.items() if k in usual})
    before = dict(vars(clf))
    with pytest.raises(error):
        clf.partial_fit(X, **given)
    assert vars(clf) == before
    clf.set_params(**{k: v for k, v in usual.items() if k in changes})
    clf.partial_fit(X[:, 0, :5], y, class_attributes=table)  # another width, and vectors
    assert clf.n_features_in_ == 5
    again = CVsCClassifier(random_state=0, learning_rate=1e-3)
    assert equal(weights(clf), weights(again.partial_fit(X[:, 0, :5], y, class_attributes=table)))


def test_a_refused_later_call_does_not_change_width_or_names(data):
    pd = pytest.importorskip("pandas")
    X, y, table = data
    frame = pd.DataFrame(X[:, 0], columns=list("abcdefgh"))
    clf = CVsCClassifier(random_state=0).partial_fit(frame, y, class_attributes=table)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.partial_fit(frame.rename(columns={"a": "z"}), y)
    assert clf.feature_names_in_.tolist() == list("abcdefgh")
    clf.partial_fit(frame, y)


def test_epochs_trained_are_counted(data):
    assert not hasattr(CVsCClassifier(), "n_iter_")
    clf = fit(data)
    assert clf.n_iter_ == 2
    assert go_on(clf, data).n_iter_ == 4
    X, y, table = data
    assert clf.partial_fit(X, y, class_attributes=table).n_iter_ == 5
