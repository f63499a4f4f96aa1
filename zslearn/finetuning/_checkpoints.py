"""A training on disk, from which it goes on after it was killed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from zslearn._training._callbacks import TrainingCallback
from zslearn._training._distributed import processes_of_fit
from zslearn._training._early_stopping import HeldOutMonitor
from zslearn._training._learner import learned_state

if TYPE_CHECKING:
    from zslearn._training._net import LearnerNet
    from zslearn.finetuning._weight_average import WeightAverage

__all__ = ["Checkpoint", "mark_of", "mark_of_params", "remove_checkpoints"]

# Parameters that change how long a training takes, or what is told of it, not what comes of it.
_WITHOUT_EFFECT = ("checkpoint", "checkpoint_interval", "cache_dir", "n_jobs", "verbose")


def mark_of(*parts: Any) -> str:
    """Hash of values that JSON holds, of text and of arrays."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype.str}{part.shape}".encode())
            plain = part.astype(str) if part.dtype == object else part
            part = np.ascontiguousarray(plain).tobytes()
        total.update(part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode())
        total.update(b"\0")
    return total.hexdigest()[:24]


def mark_of_params(estimator: Any) -> dict[str, str]:
    """Parameters that a training depends on, as text that is the same in another process."""
    said = {}
    for name, value in estimator.get_params().items():
        last = name.rpartition("__")[2]
        if last in _WITHOUT_EFFECT or hasattr(value, "get_params") or last == "callbacks":
            continue
        said[name] = getattr(value, "__qualname__", None) or repr(value)
    return said


def remove_checkpoints(folder: Path, mark: str) -> None:
    """Remove what a fit has saved, and its folder if nothing else is in it."""
    if (processes := processes_of_fit()) is not None and processes.rank:
        return
    for path in folder.glob(f"{mark}-*.safetensors"):
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


class Checkpoint(TrainingCallback):
    """Save a training between its epochs.

    Weights, averages and the state of the optimisers are written as a safetensors file, the rest
    as JSON in its header, under another name until it is whole.

    Parameters
    ----------
    path : Path
        The file.
    interval : int
        Epochs from one save to the next.
    average : WeightAverage or None
        The averages of this training.
    """

    def __init__(self, path: Path, interval: int, average: WeightAverage | None) -> None:
        self.path, self.interval, self.average = path, interval, average
        self._saved_at = 0

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Save what the epochs before have come to: their lines in the history are complete."""
        made = len(net.history) - 1
        if made > self._saved_at and made % self.interval == 0:
            self.save(net, made)

    def save(self, net: LearnerNet, n_epochs: int, *, finished: bool = False) -> None:
        """Write the state after some epochs."""
        self._saved_at = n_epochs
        if (processes := processes_of_fit()) is not None and processes.rank:
            return  # the first one saves what is the same in all
        from safetensors.torch import save_file

        tensors = {f"weights/{k}": v for k, v in learned_state(net.module_).items()}
        numbers: dict[str, Any] = {}
        for phase, optimizer in net.optimizers_.items():
            for number, state in optimizer.state_dict()["state"].items():
                for name, value in state.items():
                    there = tensors if torch.is_tensor(value) else numbers
                    there[f"optimizer/{phase}/{number}/{name}"] = value
        said: dict[str, Any] = {
            "numbers": numbers,
            "history": list(net.history)[:n_epochs],
            "steps": net.steps_,
            "term_names": net.term_names_,
            "finished": finished,
        }
        if self.average is not None:
            tensors |= {f"average/{k}": v for k, v in enumerate(self.average.values)}
            said["average_steps"] = self.average.n_steps
        monitor = _monitor_of(net)
        if monitor is not None:
            said["scores"], said["best_epoch"] = monitor.scores, monitor.best_epoch
            tensors |= {f"best/{k}": v for k, v in (monitor.best_weights or {}).items()}
        copies = {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in tensors.items()
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            save_file(copies, part, {"training": json.dumps(said, default=float)})
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)

    def restore(self, net: LearnerNet) -> bool:
        """Take a training to where it was saved, if it was; whether it had come to its end."""
        finished = self.path.exists() and self._read(net)
        if (processes := processes_of_fit()) is not None:
            processes.wait()  # none may change or remove it before all have read it
        return finished

    def _read(self, net: LearnerNet) -> bool:
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as file:
            said = json.loads(file.metadata()["training"])
            found: dict[str, dict[str, Any]] = {
                kind: {} for kind in ("weights", "optimizer", "average", "best")
            }
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                kind, _, rest = name.partition("/")
                found[kind][rest] = file.get_tensor(name)
        for name, number in said["numbers"].items():
            found["optimizer"][name.partition("/")[2]] = number
        with torch.no_grad():
            net.module_.load_state_dict(found["weights"], strict=False)
        for phase, optimizer in net.optimizers_.items():
            _restore_optimizer(optimizer, phase, found["optimizer"])
        net.history.extend(said["history"][len(net.history) :])  # with warm_start it has begun
        self._saved_at = len(net.history)
        net.steps_, net.term_names_ = said["steps"], said["term_names"]
        if self.average is not None:
            weights = self.average.weights_of(net)
            self.average.values = [
                _like(weight, found["average"][str(n)]) for n, weight in enumerate(weights)
            ]
            self.average.n_steps = said["average_steps"]
        monitor = _monitor_of(net)
        if monitor is not None:
            monitor.scores, monitor.best_epoch = said["scores"], said["best_epoch"]
            monitor.best_weights = found["best"] or None
        return bool(said["finished"])


def _monitor_of(net: LearnerNet) -> HeldOutMonitor | None:
    return next((one for _, one in net.callbacks_ if isinstance(one, HeldOutMonitor)), None)


def _restore_optimizer(optimizer: torch.optim.Optimizer, phase: str, found: dict[str, Any]) -> None:
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, value in found.items():
        of, number, entry = name.split("/")
        if of == phase:
            kept = _like(weights[int(number)], value) if torch.is_tensor(value) else value
            state.setdefault(int(number), {})[entry] = kept
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _like(weight: Tensor, value: Tensor) -> Tensor:
    """Return a value where a weight is, and laid out in memory as that is."""
    if value.shape != weight.shape:
        return value
    return torch.empty_like(weight, dtype=value.dtype).detach().copy_(value)
