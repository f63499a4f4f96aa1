"""A net that goes on: with what it learned, for other classes, and as parameters now say."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from zslearn._training._callbacks import check_callbacks
from zslearn._training._device import resolve_device
from zslearn._training._learner import Learner, take_over
from zslearn._training._net import LearnerNet
from zslearn._training._optimizers import optimizer_options
from zslearn._training._prediction import device_of
from zslearn._training._randomness import seeded

__all__ = ["MadeWith", "go_on", "unchanged_if_refused"]

# What a run may change of a net besides its learner, its optimisers and its history.
_OPTIONS = (
    *("device", "verbose", "gradient_clip", "max_epochs", "precision", "term_names_", "steps_"),
    *("optimizer", "optimizer_params", "lr", "phases_", "callbacks", "callbacks_", "made_with_"),
)


class MadeWith(NamedTuple):
    """Parameters that a net was made with, and that are heeded again only if they change."""

    device: Any
    optimizer: Any
    optimizer_params: dict[str, Any]
    callbacks: list[Any]
    # What a subclass says of the rates of parts of its learner.
    groups: Any = None

    @classmethod
    def of(cls, estimator: Any) -> MadeWith:
        """Take note of an estimator's parameters."""
        return cls(
            estimator.device,
            estimator.optimizer,
            dict(estimator.optimizer_params or {}),
            list(estimator.callbacks or []),
            getattr(estimator, "_group_settings", None),
        )

    def has_callbacks(self, callbacks: list[Any]) -> bool:
        """Whether these are the same objects, of the same names."""
        return [_identity(one) for one in callbacks] == [_identity(one) for one in self.callbacks]


def go_on(estimator: Any, params: dict[str, Any]) -> LearnerNet:
    """Give the net a learner of other parameters with what it learned, and heed changed ones."""
    net: LearnerNet = estimator.net_
    before, now = net.made_with_, MadeWith.of(estimator)
    device = device_of(net)
    if now.device != before.device:
        device = resolve_device(now.device)
    with seeded(net.seed, device):
        new: Learner = estimator._learner_type(n_features=estimator._width, **params)
    moved = device != device_of(net)
    net.module_ = take_over(new.to(device), net.module_.to(device))
    net.device, net.verbose = str(device), int(estimator.verbose == 1)
    net.gradient_clip = estimator.gradient_clip
    if (*now[1:3], now.groups) != (*before[1:3], before.groups):
        net.optimizer = now.optimizer
        net.optimizer_params = optimizer_options(
            now.optimizer, estimator._optimizer_options, now.optimizer_params
        )
        net.lr = estimator.learning_rate
        net.initialize_optimizer()
    elif moved:
        for one in net.optimizers_.values():
            one.load_state_dict(one.state_dict())  # which takes it to where the weights are
    if not before.has_callbacks(now.callbacks):
        _replace_callbacks(net, now.callbacks)
    net.made_with_ = now
    return net


def _replace_callbacks(net: LearnerNet, callbacks: list[Any]) -> None:
    """Attach other callbacks in the place of those given before."""
    usual = {name for name, _ in net._default_callbacks}
    kept = {name: one for name, one in net.callbacks_ if name in usual}
    net.callbacks = check_callbacks(callbacks)
    net.initialize_callbacks()
    net.callbacks_ = [(name, kept.get(name, one)) for name, one in net.callbacks_]


def _identity(entry: Any) -> Any:
    named = isinstance(entry, tuple) and len(entry) == 2
    return (entry[0], id(entry[1])) if named else id(entry)


@contextmanager
def unchanged_if_refused(estimator: Any) -> Iterator[None]:
    """Put an estimator back where it was if what is done to it fails."""
    kept = dict(vars(estimator))
    back = _way_back(estimator.net_) if hasattr(estimator, "net_") else None
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(kept)
        if back is not None:
            back()
        raise


def _way_back(net: LearnerNet) -> Any:
    """Return a function that makes a net again what it is now."""
    learner, length, device = net.module_, len(net.history), device_of(net)
    weights = {name: value.clone() for name, value in learner.state_dict().items()}
    optimizers = net.optimizers_
    moments = {phase: copy.deepcopy(one.state_dict()) for phase, one in optimizers.items()}
    options = {name: copy.copy(getattr(net, name)) for name in _OPTIONS}

    def back() -> None:
        learner.to(device)
        with torch.no_grad():
            learner.load_state_dict(weights)
        del net.history[length:]
        for name, value in options.items():
            setattr(net, name, value)
        net.module_ = learner
        net.set_optimizers(optimizers)
        for phase, one in optimizers.items():
            one.load_state_dict(moments[phase])

    return back
