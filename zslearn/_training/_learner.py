"""What a method is to training: steps, optimisers, and the scores of classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from zslearn._training._distributed import Share

__all__ = ["Batch", "Learner", "OptimizerFactory"]

OptimizerFactory = Callable[..., torch.optim.Optimizer]


class Batch(NamedTuple):
    """What a step is taken on.

    Attributes
    ----------
    X : Tensor of shape (B, R, D)
        Features in the precision of the products.
    y : Tensor of shape (B,), int64
        Rows of the class table.
    generator : torch.Generator
        Source of noise of the epoch, on the device of X.
    step : int
        Batches since training began.
    phase : str
        What is about to happen, of the phases of the step: which loss is wanted.
    padding : Tensor of shape (B, R), bool, or None
        Marks regions of zeros, which have no part in what is learned; None where there is none.
    weights : Tensor of shape (B,), float32, or None
        How much each sample counts, above 0: for learners with ``weighs_samples``.
    share : Share or None
        Where several processes train together, X and `padding` are of a share of the batch, `y` and
        `weights` of all of it, and this turns rows of the share into rows of all: for learners with
        ``divides_batches``.
    """

    X: Tensor
    y: Tensor
    generator: torch.Generator
    step: int = 0
    phase: str = "main"
    padding: Tensor | None = None
    weights: Tensor | None = None
    share: Share | None = None

    def whole(self, rows: Tensor) -> Tensor:
        """Rows of the batch from those of the share, with gradient."""
        return rows if self.share is None else self.share.gather(rows)

    @property
    def y_of_share(self) -> Tensor:
        """Classes of the samples that `X` has."""
        return self.y if self.share is None else self.y[self.share.rows]


class Learner(nn.Module, ABC):
    """A network, or several, with what it minimises: the part of an estimator that is its method.

    The constructor takes ``n_features`` and what the estimator's ``_learner_params`` returns, and
    draws its initial weights from torch's global generator, which is seeded by then. How steps are
    run (devices, precision, learning rates, batches, checks, history) is no concern of a learner.

    A learner may have further methods, which the estimator's public ones then stand for:
    ``attribute_scores(X)`` of shape (B, K) for ``predict_attributes``, with
    ``attribute_scorer(dtype)`` where many batches can be scored at less cost; with it
    ``class_embeddings(table)`` of shape (C, K), if class scores are
    ``attribute_scores(X) @ class_embeddings(table).T``; ``attention_maps(X, attributes)`` of shape
    (B, k, R). All are called in evaluation mode, without gradients. What attends to regions leaves
    out those of zeros, which ``zslearn.nn.functional.find_padding(X)`` marks.
    """

    # Whether X is multiplied under autocast; False for networks that heed the dtype of X.
    autocast: ClassVar[bool] = True
    # Whether steps draw from torch's global generator, as dropout does, besides the batch's.
    global_randomness: ClassVar[bool] = True
    # Whether steps may be captured as CUDA graphs.
    graphs: ClassVar[bool] = True
    # Whether steps heed the batch's weights; samples are drawn as often as they weigh otherwise.
    weighs_samples: ClassVar[bool] = False
    # Whether steps heed the batch's ``share``, and are the same in any number of processes.
    divides_batches: ClassVar[bool] = False
    # Said where they do not.
    undivided_because: ClassVar[str] = (
        "its loss or its noise is not known to be the same when each computes a share of the batch"
    )
    # Names of buffers that describe the classes of training rather than hold what was learned.
    table_buffers: ClassVar[tuple[str, ...]] = ("class_attributes", "unseen")

    @abstractmethod
    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the terms of the loss: "loss", to be minimised, and others to be recorded."""

    @abstractmethod
    def class_scores(self, X: Tensor, table: Tensor) -> Tensor:
        """Scores (B, C) of the classes of a table (C, K) for features X (B, R, D)."""

    def begin_epoch(self, epoch: int) -> None:
        """Heed the number of an epoch, counted from 0, before its first step.

        What depends on it is best kept in a buffer, where steps that are replayed on a card find
        the current value.
        """

    def undivided(self) -> str:
        """Why steps are not the same in any number of processes; empty where they are."""
        return "" if self.divides_batches else self.undivided_because

    def phases(self, step: int) -> Sequence[str]:
        """Names of the losses that are minimised on a step, in their order."""
        return ("main",)

    def optimizers_of(self, phase: str) -> Sequence[str]:
        """Names of the optimisers that move in a phase: that of its own name by default."""
        return (phase,)

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """Optimisers by name.

        ``make(parameters, **options)`` makes the one the estimator's parameters ask for, of
        parameters or of groups of them; a group with an ``lr`` of its own keeps the ratio to the
        others under every schedule.
        """
        return {"main": make(p for p in self.parameters() if p.requires_grad)}

    def scorer(self, table: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Class scores for many batches of some dtype: what does not depend on X is done once."""
        return lambda X: self.class_scores(X, table)


def learned_state(learner: nn.Module) -> dict[str, Tensor]:
    """Weights and learned buffers by name, without what describes the classes of training."""
    described = getattr(learner, "table_buffers", ())
    return {
        name: value
        for name, value in learner.state_dict().items()
        if name.rpartition(".")[2] not in described
    }


def take_over(new: Learner, old: Learner) -> Learner:
    """Give a learner for other classes or weights of the loss what another one has learned.

    Parameters are the same objects afterwards, so that optimisers go on.
    """
    learned = dict(old.named_parameters())
    for name, parameter in list(new.named_parameters()):
        path, _, last = name.rpartition(".")
        known = learned.get(name)
        if known is None or known.shape != parameter.shape:
            found = "is missing" if known is None else f"has the shape {tuple(known.shape)}"
            raise ValueError(
                f"a training goes on with the network that it began with, whose {name} {found}, "
                f"and by the parameters set since it would be {tuple(parameter.shape)}: set the "
                "parameters back that make the network, or start anew with warm_start=False."
            )
        new.get_submodule(path)._parameters[last] = known
    kept = {n: v for n, v in learned_state(old).items() if n not in learned}
    new.load_state_dict(kept, strict=False)
    return new.train(old.training)


def parameters_of(groups: Iterable[Any]) -> list[Tensor]:
    """Parameters of optimisers' groups."""
    return [p for group in groups for p in group["params"]]
