"""Fits that several processes train together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["data_parallel"]


@contextmanager
def data_parallel(timeout: float | None = None) -> Iterator[None]:
    r"""Train in all processes of ``torch.distributed`` together, as one process would.

    Every process calls ``fit`` with the same arguments within this context. Each reads and computes
    its share of every batch of `batch_size` samples; what the loss compares across samples is
    gathered, so that all compute the same loss,

    .. math::

        L = L(s_1, \dots, s_B), \qquad
        \nabla L = \sum_p \sum_{i \in \mathrm{share}(p)} \frac{\partial L}{\partial s_i}
        \frac{\partial s_i}{\partial \theta},

    and the sum over the processes p is exchanged before each step. The weights are those of one
    process but for the order of additions, and all processes end with the same fitted estimator.

    Only the first process prints. In a single process nothing changes. Fits that joblib runs
    in parallel within the context (``n_jobs``) are not divided.

    Parameters
    ----------
    timeout : float, default=None
        Seconds that a process waits for the others, above 0: one that hangs for longer ends all.
        ``None`` is that of torch, half an hour with gloo. One that fails or is killed is not
        waited for.

    Yields
    ------
    None

    Raises
    ------
    RuntimeError
        If ``torch.distributed`` is not initialised, or, in all other processes, if one fails, is
        killed or does not answer; the message names it, and its error.
    ValueError
        If `timeout` is not above 0. From ``fit``: if the method cannot be divided, the processes
        were given different samples, tables or settings (``random_state`` must be an int), or a
        batch has fewer samples than there are processes.

    See Also
    --------
    fit_many : Many fits on one set of regions.

    Examples
    --------
    >>> import tempfile
    >>> import torch.distributed as dist
    >>> from zslearn import CVsCClassifier
    >>> from zslearn.model_selection import data_parallel
    >>> clf = CVsCClassifier(random_state=0, max_epochs=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     address = f"file://{folder}/address"  # a launcher such as torchrun sets one
    ...     dist.init_process_group("gloo", init_method=address, rank=0, world_size=1)
    ...     with data_parallel():
    ...         clf = clf.fit([[0.0, 1.0], [1.0, 0.0]] * 4, [0, 1] * 4, [[1, 0], [0, 1]])
    ...     dist.destroy_process_group()
    >>> clf.n_iter_
    2
    """
    from zslearn._training._distributed import trained_together  # torch, only where it is needed

    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout must be seconds above 0, or None; found {timeout!r}")
    with trained_together(timeout):
        yield
