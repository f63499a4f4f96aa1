"""The released form of the objective by compiled code: five terms and their gradients at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._kernels import is_allowed
from zslearn.nn._native import Argument, library
from zslearn.nn._workspace import scratch

if TYPE_CHECKING:
    from zslearn.nn.losses._cvsc import CVsCLoss

__all__ = [
    "TERMS",
    "Constants",
    "Evaluation",
    "compute_terms",
    "constants_of",
    "evaluate",
    "name_terms",
    "prepare_evaluation",
    "serves_objective",
    "serves_terms",
    "weights_of",
]

TERMS = ("ce", "cal", "cc", "sci", "tci")

# Numbers of a batch below which a build and a call are not worth it.
_WORTH_NUMBERS = 2**12

_CPU = torch.device("cpu")


def serves_objective(n_images: int, n_attributes: int, n_classes: int) -> bool:
    """Whether there is compiled code for a batch of this size, and worth calling."""
    if n_images * (n_attributes + n_classes) < _WORTH_NUMBERS:
        return False
    return is_allowed("native") and library() is not None


def serves_terms(*matrices: Tensor) -> bool:
    """Whether :func:`compute_terms` takes these matrices, of a row for each image."""
    if torch.compiler.is_compiling():
        return False
    if any(x.dtype != torch.float32 or x.device.type != "cpu" or x.ndim != 2 for x in matrices):
        return False
    # The values of torch.func's transforms have no memory to point at.
    if any(torch._C._functorch.is_functorch_wrapped_tensor(x) for x in matrices):
        return False
    (n_images, n_attributes), n_classes = matrices[0].shape, matrices[1].shape[1]
    return serves_objective(n_images, n_attributes, n_classes)


class Constants(NamedTuple):
    """What an objective compares with, and what it asks for.

    Attributes
    ----------
    y : Tensor of shape (B,), int64
    table : Tensor of shape (C, K)
    unseen : Tensor of shape (C,), bool
    settings : tuple of two floats
        alpha and the calibration bias.
    wanted : tuple of str
        Names of terms.
    """

    y: Tensor
    table: Tensor
    unseen: Tensor
    settings: tuple[float, float]
    wanted: tuple[str, ...]


def constants_of(criterion: CVsCLoss, y: Tensor) -> Constants:
    """Gather what the objective of a batch of classes y compares with."""
    settings = float(criterion.correlation.alpha), float(criterion.calibration.bias)
    table, unseen = criterion.class_attributes, criterion.unseen
    return Constants(y, table, unseen, settings, criterion.term_names)


def weights_of(criterion: CVsCLoss) -> tuple[float, ...]:
    """Weights in the order of ``TERMS``, those of terms that are left out included."""
    return tuple(float(criterion.weights[name]) for name in TERMS)


def name_terms(together: Tensor, wanted: tuple[str, ...]) -> dict[str, Tensor]:
    """Terms that are wanted, out of all in the order of ``TERMS``."""
    terms = dict(zip(TERMS, together.unbind(), strict=True))
    return {name: terms[name] for name in wanted}


def compute_terms(output: Sequence[Tensor], constants: Constants) -> Tensor:
    """Terms of the objective in the order of ``TERMS``; zero what is not wanted.

    Parameters
    ----------
    output : sequence of four Tensors
        Semantic vectors (B, K) and logits (B, C), and both under the intervention.
    constants : Constants

    Raises
    ------
    IndexError
        If an entry of `y` is no class.
    ValueError, TypeError
        If shapes do not fit together, or `y` holds no int64.
    """
    terms: Tensor = _Objective.apply(*output, constants)
    return terms


class _Objective(torch.autograd.Function):
    """All terms forward; backward the gradient of their sum, weighted by what comes in."""

    @staticmethod
    def forward(
        ctx: Any, s: Tensor, z: Tensor, s_other: Tensor, z_other: Tensor, constants: Constants
    ) -> Tensor:
        output = tuple(x.contiguous() for x in (s, z, s_other, z_other))
        terms = torch.empty(len(TERMS))
        evaluate(output, constants, terms=terms)
        ctx.save_for_backward(*output, *constants[:3])
        ctx.others = constants[3:]
        return terms

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        results = tuple(torch.empty_like(x) for x in saved[:4])
        constants = Constants(*saved[4:], *ctx.others)
        evaluate(saved[:4], constants, weights=gradients[0].contiguous(), results=results)
        return *results, None


def evaluate(
    output: Sequence[Tensor],
    constants: Constants,
    *,
    terms: Tensor | None = None,
    weights: Tensor | None = None,
    results: Sequence[Tensor | None] = (None, None, None, None),
) -> None:
    """Write the terms, or the gradients of their weighted sum, or both.

    Parameters
    ----------
    output : sequence of four Tensors
        As for :func:`compute_terms`, contiguous.
    constants : Constants
    terms : Tensor of shape (5,), default=None
        Gets the terms.
    weights : Tensor of shape (5,), default=None
        Of the sum whose gradients are wanted.
    results : sequence of four Tensors
        Get the gradients by the output, if there are weights.
    """
    _prepare("objective", output, constants, output, (), (terms, weights, *results))()


class Evaluation(NamedTuple):
    """The objective of semantic vectors, and what is computed on the way.

    Attributes
    ----------
    terms : Tensor of shape (5,)
        In the order of ``TERMS``; zero what is not wanted.
    logits, counterfactual_logits : Tensor of shape (B, C)
    counterfactual_semantics : Tensor of shape (B, K)
    by_semantics : Tensor of shape (B, K)
        Gradient of the weighted sum of the terms by the semantic vectors.
    """

    terms: Tensor
    logits: Tensor
    counterfactual_logits: Tensor
    counterfactual_semantics: Tensor
    by_semantics: Tensor


def prepare_evaluation(
    semantics: Tensor,
    noise: Tensor,
    lengths: Tensor,
    classes: Tensor,
    constants: Constants,
    *,
    scale: float,
    deviation: float,
    weights: tuple[float, ...],
    by_lengths: Tensor,
) -> tuple[Evaluation, Callable[[], None]]:
    """Prepare a call from semantic vectors to the gradients by them.

    It computes counterfactuals and class scores, the terms of the objective, and the gradients of
    their weighted sum.

    Parameters
    ----------
    semantics : Tensor of shape (B, K), float32, contiguous
    noise : Tensor of shape (B, K), float32, contiguous
        Standard normal: the counterfactual is the product of noise, lengths and deviation.
    lengths : Tensor of shape (K,), float32, contiguous
        Of the embeddings.
    classes : Tensor of shape (C, K), float32
        Class attributes of unit length.
    constants : Constants
        Of these, a call reads y anew.
    scale : float
        Of the class scores.
    deviation : float
        Standard deviation of the counterfactual features.
    weights : tuple of five floats
        Of the terms.
    by_lengths : Tensor of shape (K,), float32, contiguous
        Gets the gradient by the lengths.

    Returns
    -------
    Evaluation
        What each call writes anew.
    callable
        Raises as :func:`compute_terms` does.
    """
    scores = len(semantics), len(classes)
    found = Evaluation(
        terms=torch.empty(len(TERMS)),
        logits=torch.empty(scores),
        counterfactual_logits=torch.empty(scores),
        counterfactual_semantics=torch.empty_like(semantics),
        by_semantics=torch.empty_like(semantics),
    )
    z, z_other, s_other = found[1:4]
    call = _prepare(
        "objective_of_semantics",
        (semantics, z, s_other, z_other),
        constants,
        (semantics, noise, lengths, classes.contiguous()),
        (scale, deviation),
        (z, s_other, z_other, found.terms, weights, found.by_semantics, by_lengths),
    )
    return found, call


def _prepare(
    name: str,
    output: Sequence[Tensor],
    constants: Constants,
    inputs: Sequence[Tensor],
    settings: tuple[float, ...],
    results: Sequence[Argument],
) -> Callable[[], None]:
    compiled = library()
    assert compiled is not None
    _check(output, constants)
    dtypes = torch.int64, torch.float32, torch.bool
    tensors = [x.to(d).contiguous() for x, d in zip(constants[:3], dtypes, strict=True)]
    wanted = sum(1 << i for i, name in enumerate(TERMS) if name in constants.wanted)
    sizes = *output[0].shape, output[1].shape[1]
    n_bytes = compiled.size("objective_bytes", *sizes, torch.get_num_threads())
    space = scratch("objective", (n_bytes,), torch.uint8, _CPU)
    settings = *constants.settings, *settings
    call = compiled.prepare(name, *inputs, *tensors, settings, *sizes, wanted, space, *results)

    def call_and_check() -> None:
        if call():
            y = constants.y
            raise IndexError(
                f"y holds class indices from {int(y.min())} to {int(y.max())}, there are "
                f"{sizes[2]} classes"
            )

    return call_and_check


def _check(output: Sequence[Tensor], constants: Constants) -> None:
    """Refuse what does not fit together: memory that belongs to others would be read."""
    y, table, unseen = constants[:3]
    (n_images, n_attributes), n_classes = output[0].shape, output[1].shape[1]
    of_output = ((n_images, n_attributes), (n_images, n_classes)) * 2
    expected = *of_output, (n_images,), (n_classes, n_attributes), (n_classes,)
    found = tuple(tuple(x.shape) for x in (*output, y, table, unseen))
    if found != expected:
        raise ValueError(
            "semantic vectors, logits, both under the intervention, y, class_attributes and unseen "
            f"have shapes {found}, which must be {expected} to go with the first two"
        )
    if y.dtype != torch.int64:
        raise TypeError(f"y must hold class indices of dtype torch.int64, found {y.dtype}")
    if places := {x.device.type for x in (y, table, unseen)} - {"cpu"}:
        raise ValueError(f"y, class_attributes or unseen is on {places.pop()}, the output on cpu")
