"""Files of recorded iterations: their weights, their draws, and the steps they took."""

from pathlib import Path

import numpy as np
import torch

from zslearn._training._optimizers import optimizer_factory
from zslearn.generative._learner import Draws

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"


def load(name):
    with np.load(PARITY / f"{name}.npz") as file:
        return {
            key: value if value.dtype.kind == "U" else torch.tensor(value)
            for key, value in file.items()
        }


class Recorded(Draws):
    """Gives what was drawn, in its order."""

    def __init__(self, *values):
        self.values = list(values)

    def _next(self, *shape):
        value = self.values.pop(0)
        assert tuple(value.shape) == shape
        return value

    normal = uniform = _next

    def integers(self, low, high, *shape):
        value = self._next(*shape)
        assert low <= value.min()
        assert value.max() < high
        return value


def close(found, expected, name=""):
    """To 1e-9 of the largest entry, or of 1."""
    found, expected = torch.as_tensor(found).detach(), torch.as_tensor(expected)
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(
        found.reshape(expected.shape), expected, rtol=0, atol=1e-9 * scale, msg=lambda m: f"{name}: {m}"
    )


def ours(key, names):
    """Name of a weight here, from (theirs, ours) pairs of beginnings."""
    for theirs, here in names:
        if key.startswith(theirs):
            return here + key.removeprefix(theirs)
    raise KeyError(key)


def weights(case, prefix, names):
    return {
        ours(key.removeprefix(prefix), names): value
        for key, value in case.items()
        if key.startswith(prefix) and not key.endswith("_accumulated")
    }


def put(learner, values):
    learner.double().load_state_dict(values, strict=False)
    missing = {name for name, _ in learner.named_parameters()} - values.keys()
    assert not missing


def same_weights(learner, values):
    named = dict(learner.named_parameters())
    for name, value in values.items():
        close(named[name], value, name)


def optimizers(learner, lr, **options):
    return learner.configure_optimizers(
        optimizer_factory("adam", float(lr), options, torch.device("cpu"))
    )


def gradients(learner, made, phase, loss):
    """Gradients of the networks that move, of which no other has any."""
    moving = [made[name] for name in learner.optimizers_of(phase)]
    learner.zero_grad()
    loss.backward()
    moved = {id(p) for one in moving for group in one.param_groups for p in group["params"]}
    found = {}
    for name, parameter in learner.named_parameters():
        if id(parameter) in moved:
            found[name] = parameter.grad
        else:
            assert parameter.grad is None, name
    return moving, found
