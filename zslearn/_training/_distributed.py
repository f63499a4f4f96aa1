"""Training in several processes at once, each on its share of every batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import joblib
import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["Processes", "Share", "processes_of_fit", "trained_together"]

# Seconds in which a process that has ended nothing of its own says so.
_PATIENCE = 3.0
_LONGEST_NOTE = 500

_current: ContextVar[Processes | None] = ContextVar("processes", default=None)


def processes_of_fit() -> Processes | None:
    """Return the processes that train together here, or None if this one trains alone."""
    return _current.get()


@contextmanager
def trained_together(timeout: float | None = None) -> Iterator[None]:
    """Let the fits within train in all processes of torch.distributed together."""
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError(
            "data_parallel() found no process group: start every process with a launcher such as "
            "torchrun or accelerate launch, and call torch.distributed.init_process_group() first."
        )
    if dist.get_world_size() == 1 or processes_of_fit() is not None:
        yield
        return
    limit = None if timeout is None else timedelta(seconds=timeout)
    processes = Processes(dist.new_group(timeout=limit))
    token = _current.set(processes)
    try:
        processes.wait()  # none may leave while another still connects
        yield
        processes.wait()
    except OthersFailedError:
        raise
    except BaseException as error:
        processes.tell(f"{type(error).__name__}: {error}"[:_LONGEST_NOTE])
        raise
    finally:
        _current.reset(token)
        # After an error here, this ends what the others wait for.
        dist.destroy_process_group(processes.group)


class OthersFailedError(RuntimeError):
    """Another process failed or ended."""


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

    def each(self, value: Tensor) -> Tensor:
        """Stack the values of all processes, with gradient."""
        return self.processes.gather(value[None], self.processes.count)


class Processes:
    """Those that train together.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup
    """

    def __init__(self, group: Any) -> None:
        self.group = group
        self.rank, self.count = dist.get_rank(group), dist.get_world_size(group)
        store = dist.distributed_c10d._get_default_store()
        self._notes = dist.PrefixStore(f"zslearn/{group.group_name}", store)

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
        self._exchange(lambda: dist.all_gather(received, sent, group=self.group))
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
        self._exchange(lambda: dist.all_reduce(together, group=self.group))
        together /= self.count
        parts = together.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def agree(self, net: Any, batches: Any) -> None:
        """Refuse what cannot be divided, or is not the same in all processes."""
        learner = net.module_
        if reason := learner.undivided():
            raise ValueError(
                f"{type(learner).__name__} cannot be trained in several processes: {reason}. Train "
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
        self._exchange(lambda: dist.all_gather_object(found, facts, group=self.group))
        differ = [name for name in facts if any(other[name] != found[0][name] for other in found)]
        if differ:
            raise ValueError(
                f"the {self.count} processes that train together disagree in {', '.join(differ)}: "
                "call fit with the same arguments in all of them"
            )

    def wait(self) -> None:
        """Wait until all have come so far."""
        self._exchange(lambda: dist.barrier(group=self.group))

    def tell(self, note: str) -> None:
        """Leave a note for the others on why this process ends; empty if others failed."""
        with suppress(RuntimeError):
            self._notes.set(str(self.rank), note)

    def _exchange(self, how: Callable[[], Any]) -> Any:
        """Communicate; say who failed where that fails."""
        try:
            return how()
        except RuntimeError as error:
            self.tell("")
            raise OthersFailedError(
                f"process {self.rank} of {self.count} (counted from 0) ends its training: "
                f"{self._who_failed()}"
            ) from error

    def _who_failed(self) -> str:
        """Read the notes of the others, which those that were killed or hang leave none of."""
        silent = late = [rank for rank in range(self.count) if rank != self.rank]
        failed: list[str] = []
        start = time.monotonic()
        try:
            while silent and not failed:
                told = [rank for rank in silent if self._notes.check([str(rank)])]
                notes = {rank: self._notes.get(str(rank)).decode() for rank in told}
                failed = [f"process {k} failed with {note}" for k, note in notes.items() if note]
                silent = [rank for rank in silent if rank not in told]
                if time.monotonic() > start + _PATIENCE:
                    break
                late = silent or late
                time.sleep(_PATIENCE / 100)
        except RuntimeError:
            return "another process ended and took along the store of torch.distributed"
        if failed:
            return "; ".join(failed)
        names = " or ".join(map(str, silent or late))
        return f"process {names} was ended or does not answer, and left no word why"
