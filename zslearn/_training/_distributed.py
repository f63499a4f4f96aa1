"""Training in several processes at once, each on its share of every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import joblib
import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["Processes", "Share", "processes_of_fit", "trained_together"]

_current: ContextVar[Processes | None] = ContextVar("processes", default=None)


def processes_of_fit() -> Processes | None:
    """Return the processes that train together here, or None if this one trains alone."""
    return _current.get()


@contextmanager
def trained_together() -> Iterator[None]:
    """Let the fits within train in all processes of torch.distributed together."""
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError(
            "data_parallel() found no process group: start every process with a launcher such as "
            "torchrun and call torch.distributed.init_process_group() first."
        )
    if dist.get_world_size() == 1 or processes_of_fit() is not None:
        yield
        return
    group = _exchange(dist.new_group)
    processes = Processes(group)
    token = _current.set(processes)
    try:
        processes.wait()  # none may leave while another still connects
        yield
        processes.wait()
    finally:
        _current.reset(token)
        # After an error here, this ends what the others wait for.
        dist.destroy_process_group(group)


class Share:
    """Part of a batch that a process computes, and the way to the whole.

    Parameters
    ----------
    processes : Processes
    n : int
        Samples of the batch.
    """

    def __init__(self, processes: Processes, n: int) -> None:
        self.processes, self.n = processes, n
        self.rows = processes.share(n)

    def gather(self, rows: Tensor) -> Tensor:
        """Turn rows of the share into rows of the batch, with gradient."""
        return self.processes.gather(rows, self.n)

    def total(self, value: Tensor) -> Tensor:
        """Add up the values of all processes, with gradient."""
        return self.processes.gather(value[None], self.processes.count).sum(dim=0)


class Processes:
    """Those that train together.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup
    """

    def __init__(self, group: Any) -> None:
        self.group = group
        self.rank, self.count = dist.get_rank(group), dist.get_world_size(group)

    def share(self, n: int) -> slice:
        """Which of the n samples of a batch are those of this process."""
        if n < self.count:
            raise ValueError(
                f"a batch has {n} samples, too few to divide among {self.count} processes: raise "
                "batch_size, or start fewer processes"
            )
        return self._share_of(self.rank, n)

    def _share_of(self, rank: int, n: int) -> slice:
        return slice(rank * n // self.count, (rank + 1) * n // self.count)

    def gather(self, rows: Tensor, n: int) -> Tensor:
        """Turn a row for each sample of the share into one for each of n samples.

        All processes compute the same of what is gathered, so the gradient need not come back:
        each keeps that of its rows, times the number of processes, and `average` adds them up.
        What has a gradient without being gathered is then counted once as well.
        """
        shares = [self._share_of(rank, n) for rank in range(self.count)]
        sizes = [share.stop - share.start for share in shares]
        # All must be of one size on the way.
        sent = rows.new_zeros((max(sizes), *rows.shape[1:]))
        sent[: len(rows)] = rows.detach()
        received = [torch.empty_like(sent) for _ in sizes]
        _exchange(lambda: dist.all_gather(received, sent, group=self.group))
        parts = [part[:size] for part, size in zip(received, sizes, strict=True)]
        parts[self.rank] = rows
        gathered = torch.cat(parts)
        if gathered.requires_grad:
            gathered.register_hook(lambda gradient: gradient * self.count)
        return gathered

    def average(self, parameters: Iterable[Tensor]) -> None:
        """Replace gradients by their mean over the processes."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return
        together = torch.cat([gradient.flatten() for gradient in gradients])
        _exchange(lambda: dist.all_reduce(together, group=self.group))
        together /= self.count
        parts = together.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def agree(self, net: Any, batches: Any) -> None:
        """Refuse what cannot be divided, or is not the same in all processes."""
        learner = net.module_
        if not learner.divides_batches:
            raise ValueError(
                f"{type(learner).__name__} cannot be trained in several processes: its loss or its "
                "noise is not known to be the same when each computes a share of the batch. Train "
                "it in one process, outside of data_parallel()."
            )
        facts = {
            "the random seed (give random_state an int)": net.seed,
            "the labels": joblib.hash(batches.targets),
            "the sample weights": joblib.hash(batches.weights),
            "the shape of X": tuple(batches.regions.shape),
            "the precision": str(batches.regions.dtype),
            "the number of batches": len(batches),
            "the number of epochs": (len(net.history), net.max_epochs),
            "the optimiser": (str(net.optimizer), repr(net.optimizer_params), net.lr),
            "the limit of the gradient": net.gradient_clip,
            "the class table or the weights": joblib.hash(
                {name: value.cpu().numpy() for name, value in learner.state_dict().items()}
            ),
        }
        found: list[Any] = [None] * self.count
        _exchange(lambda: dist.all_gather_object(found, facts, group=self.group))
        differ = [name for name in facts if any(other[name] != found[0][name] for other in found)]
        if differ:
            raise ValueError(
                f"the {self.count} processes that train together disagree in {', '.join(differ)}: "
                "call fit with the same arguments in all of them"
            )

    def wait(self) -> None:
        """Wait until all have come so far."""
        _exchange(lambda: dist.barrier(group=self.group))


def _exchange(how: Callable[[], Any]) -> Any:
    """Communicate; say what it means where that fails."""
    try:
        return how()
    except RuntimeError as error:
        raise RuntimeError(
            f"process {dist.get_rank()} of {dist.get_world_size()} (counted from 0) ends its "
            "training: another process failed or ended, and its own error says why"
        ) from error
