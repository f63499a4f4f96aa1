"""What a learner promises, tried on a few samples before the first epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zslearn._data._rows import TrainingBatches
from zslearn._training._learner import Learner, parameters_of
from zslearn._training._net import LearnerNet
from zslearn._training._randomness import seeded

__all__ = ["check_learner", "check_on_few"]

# Steps whose phases are tried.
_FIRST = 2**13


def check_on_few(net: LearnerNet, batches: TrainingBatches, table: Tensor) -> None:
    """Refuse a learner that does not keep its word, before the first epoch."""
    few = np.arange(min(len(batches.targets), batches.batch_size, 8))
    X = batches.regions.take(few)
    y = torch.from_numpy(batches.targets[few]).to(X.device)
    weights = None
    if batches.weights is not None:
        weights = torch.from_numpy(batches.weights[few]).to(X.device)
    with seeded(0, X.device):
        check_learner(net, X, y, table, weights)


def check_learner(
    net: LearnerNet, X: Tensor, y: Tensor, table: Tensor, weights: Tensor | None = None
) -> None:
    """Try a learner's steps, scores and capabilities on a few samples; it is as before then.

    Raises
    ------
    TypeError
        If a step or a score is not what a learner has to return.
    ValueError
        If its numbers disagree with each other.
    """
    learner = net.module_
    name = type(learner).__name__
    _check_optimizers(net, name)
    with _unchanged_buffers(learner):
        net._noise = torch.Generator(X.device).manual_seed(0)
        try:
            for phase in _phases(learner):
                learner.train()
                terms = net.compute_terms(X, y, phase, weights, padding=net.find_padding(X))
                _check_terms(terms, f"{name}.training_step", phase)
                # Taken, for a graph that is kept would tie gradients to the stream it was made on.
                terms.pop("loss").backward()
                del terms
        finally:
            net._noise = None
            for parameter in learner.parameters():
                parameter.grad = None
        learner.eval()
        with torch.inference_mode(), net.autocast(X.dtype):
            _check_scores(learner, name, X, table)


def _check_optimizers(net: LearnerNet, name: str) -> None:
    if not net.phases_:
        raise TypeError(f"{name}.configure_optimizers must return at least one optimiser by name")
    for step in range(2):
        if not net.module_.phases(step):
            raise TypeError(f"{name}.phases({step}) must name at least one phase, found none")
    for phase in _phases(net.module_):
        moving = list(net.module_.optimizers_of(phase))
        if not moving or set(moving) - set(net.phases_):
            raise TypeError(
                f"{name}.phases and {name}.optimizers_of must name some of the optimisers "
                f"{net.phases_}; in phase {phase!r} found {moving}"
            )
    moved = {id(p) for one in net.optimizers_.values() for p in parameters_of(one.param_groups)}
    left = [n for n, p in net.module_.named_parameters() if p.requires_grad and id(p) not in moved]
    if left:
        raise TypeError(
            f"{name}.configure_optimizers leaves out parameters that require a gradient, such as "
            f"{left[:3]}: give them to an optimiser or set requires_grad to False"
        )


def _phases(learner: Learner) -> list[str]:
    """Names of the phases of the first steps, as they come."""
    return list(dict.fromkeys(p for step in range(_FIRST) for p in learner.phases(step)))


def _check_terms(terms: Any, where: str, phase: str) -> None:
    loss = terms.get("loss") if isinstance(terms, dict) else None
    if not isinstance(loss, Tensor) or loss.ndim or not loss.requires_grad:
        found = _describe(terms if loss is None else loss)
        raise TypeError(
            f"{where} must return a dict of tensors with an entry 'loss' that is a scalar with a "
            f"gradient; in phase {phase!r} it returned {found}"
        )
    for term, value in terms.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise TypeError(f"{where}: term {term!r} must be a scalar, found {_describe(value)}")


def _check_scores(learner: Learner, name: str, X: Tensor, table: Tensor) -> None:
    scores = learner.class_scores(X, table)
    wanted = (len(X), len(table))
    if not isinstance(scores, Tensor) or tuple(scores.shape) != wanted:
        raise TypeError(
            f"{name}.class_scores must return a tensor of shape {wanted} for {len(X)} samples and "
            f"a table of {len(table)} classes, found {_describe(scores)}"
        )
    rough = X.dtype != torch.float32 or table.dtype == torch.float16
    tolerance = 5e-2 if rough else 1e-3
    alone = learner.class_scores(X[:1], table)
    _check_equal(
        alone[0], scores[0], tolerance, f"{name}.class_scores of a sample depends on its company"
    )
    _check_equal(
        learner.scorer(table, X.dtype)(X),
        scores,
        tolerance,
        f"{name}.scorer and {name}.class_scores disagree",
    )
    one: Any = learner
    if hasattr(one, "attribute_scores") and hasattr(one, "class_embeddings"):
        _check_equal(
            one.attribute_scores(X).float() @ one.class_embeddings(table).float().T,
            scores,
            tolerance,
            f"{name}.class_scores is not attribute_scores(X) @ class_embeddings(table).T, so "
            "class_embeddings would mislead: leave it out",
        )
    if hasattr(one, "attention_maps"):
        chosen = torch.arange(table.shape[1], device=X.device)
        total = one.attention_maps(X, chosen).float().sum(dim=2)
        _check_equal(
            total, torch.ones_like(total), tolerance, f"{name}.attention_maps do not sum to one"
        )


def _check_equal(found: Tensor, expected: Tensor, tolerance: float, complaint: str) -> None:
    found, expected = found.double().cpu(), expected.double().cpu()
    if found.shape != expected.shape:
        raise ValueError(f"{complaint}: shape {tuple(found.shape)}, not {tuple(expected.shape)}")
    if not bool(torch.isfinite(expected).all()):
        return  # the loss will tell
    error, scale = (found - expected).norm(), expected.norm()
    if not bool(error <= tolerance * scale + 1e-6):
        raise ValueError(f"{complaint} (they differ by {float(error):.3g} of {float(scale):.3g})")


@contextmanager
def _unchanged_buffers(learner: Learner) -> Iterator[None]:
    """Keep running statistics, and the mode, as they were."""
    mode = learner.training
    before = [(buffer, buffer.clone()) for buffer in learner.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)
        learner.train(mode)


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        gradient = "with" if value.requires_grad else "without"
        return f"a tensor of shape {tuple(value.shape)} {gradient} a gradient"
    return f"{type(value).__name__} {value!r:.80}"
