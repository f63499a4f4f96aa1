"""A fitted estimator stays as it was when what is done to it is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["unchanged_if_refused"]


@contextmanager
def unchanged_if_refused(estimator: Any) -> Iterator[None]:
    """Put a fitted estimator back where it was if what is done to it fails."""
    net = estimator.net_
    kept = {name: value for name, value in vars(estimator).items() if name != "net_"}
    learner, length, steps = net.module_, len(net.history), net.steps_
    weights = {name: value.clone() for name, value in learner.state_dict().items()}
    moments = {phase: copy.deepcopy(one.state_dict()) for phase, one in net.optimizers_.items()}
    options = net.device, net.verbose, net.gradient_clip, net.max_epochs, net.term_names_
    try:
        yield
    except BaseException:
        for name in vars(estimator).keys() - kept.keys() - {"net_"}:
            delattr(estimator, name)
        estimator.__dict__.update(kept)
        learner.load_state_dict(weights)
        for phase, one in net.optimizers_.items():
            one.load_state_dict(moments[phase])
        del net.history[length:]
        net.device, net.verbose, net.gradient_clip, net.max_epochs, net.term_names_ = options
        net.module_, net.steps_, estimator.net_ = learner, steps, net
        raise
