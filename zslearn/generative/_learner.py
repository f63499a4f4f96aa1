"""What a method that generates features is to training."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._training._distributed import Share
from zslearn._training._learner import Batch, Learner
from zslearn.nn.functional import normalize_rows

__all__ = ["Draws", "FeatureGeneratingLearner", "NoDraws", "numbers_among"]


class Draws:
    """Random numbers from one generator, on its device.

    Parameters
    ----------
    generator : torch.Generator
    dtype : torch.dtype
        Of the numbers.
    """

    def __init__(self, generator: torch.Generator, dtype: torch.dtype) -> None:
        self._how: dict[str, Any] = {"generator": generator, "device": generator.device}
        self.dtype = dtype

    def gather(self, rows: Tensor) -> Tensor:
        """Rows of all samples of the batch."""
        return rows

    def mean(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Average, over the batch, terms that are means over the samples drawn for."""
        return terms

    def normal(self, *shape: int) -> Tensor:
        """Draw from a standard normal distribution."""
        return torch.randn(shape, dtype=self.dtype, **self._how)

    def uniform(self, *shape: int) -> Tensor:
        """Draw between 0 and 1."""
        return torch.rand(shape, dtype=self.dtype, **self._how)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Draw whole numbers from `low` on, below `high`."""
        return torch.randint(low, high, shape, **self._how)


class DrawsOfShare(Draws):
    """Rows of a share of a batch, of what is drawn for all of it."""

    def __init__(self, generator: torch.Generator, dtype: torch.dtype, share: Share) -> None:
        super().__init__(generator, dtype)
        self._share = share

    def gather(self, rows: Tensor) -> Tensor:
        """Rows of all samples of the batch."""
        return self._share.gather(rows)

    def mean(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Average, over the batch, terms that are means over the samples drawn for."""
        rows = self._share.rows
        weight = (rows.stop - rows.start) / self._share.n
        return self.sum({name: weight * term for name, term in terms.items()})

    def sum(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add up terms that are sums over the samples drawn for."""
        totals = self._share.each(torch.stack(list(terms.values()))).sum(dim=0)
        return dict(zip(terms, totals, strict=True))

    def normal(self, *shape: int) -> Tensor:
        """Draw from a standard normal distribution."""
        return super().normal(self._share.n, *shape[1:])[self._share.rows]

    def uniform(self, *shape: int) -> Tensor:
        """Draw between 0 and 1."""
        return super().uniform(self._share.n, *shape[1:])[self._share.rows]

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Draw whole numbers from `low` on, below `high`."""
        return super().integers(low, high, self._share.n, *shape[1:])[self._share.rows]


class NoDraws(Draws):
    """Zeros in the place of normal draws: what there is on average."""

    def __init__(self, like: Tensor) -> None:
        self._like = like

    def normal(self, *shape: int) -> Tensor:
        """Return zeros."""
        return self._like.new_zeros(shape)


class FeatureGeneratingLearner(Learner):
    """Networks that make rows of classes from their descriptions, for another classifier.

    A subclass implements ``step``, the loss of a phase, and ``synthesize``; ``represent`` where
    the classifier gets something else than the samples themselves. With ``divides_batches``, it
    draws nothing but rows for samples, and `terms_are` says how its terms are those of a batch.

    Parameters
    ----------
    class_attributes : Tensor of shape (n_classes, n_attributes)
        Descriptions of the classes, as the table has them.
    normalize_attributes : bool
        Whether descriptions are scaled to unit length.
    """

    global_randomness = False
    # Whether losses need samples between 0 and 1.
    bounded: ClassVar[bool] = False
    # Of samples: sums, means, or what `step` has made of the whole batch by its draws.
    terms_are: ClassVar[Literal["sums", "means", "of_batch"]] = "means"
    class_attributes: Tensor

    def __init__(self, class_attributes: Tensor, normalize_attributes: bool) -> None:
        super().__init__()
        self.normalize_attributes = normalize_attributes
        self.register_buffer("class_attributes", class_attributes)

    def describe(self, table: Tensor) -> Tensor:
        """Descriptions of classes as the networks take them."""
        values = table.to(next(self.parameters()))
        return normalize_rows(values) if self.normalize_attributes else values

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the terms of the loss of the batch's phase."""
        a, y = self.describe(self.class_attributes)[batch.y_of_share], batch.y_of_share
        x = batch.X[:, 0].to(a.dtype)
        if batch.share is None:
            return self.step(batch.phase, x, a, y, Draws(batch.generator, a.dtype))
        draws = DrawsOfShare(batch.generator, a.dtype, batch.share)
        terms = self.step(batch.phase, x, a, y, draws)
        if self.terms_are == "of_batch":
            return terms
        return draws.sum(terms) if self.terms_are == "sums" else draws.mean(terms)

    @abstractmethod
    def step(self, phase: str, x: Tensor, a: Tensor, y: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Loss of a phase: of samples (B, D), descriptions (B, K) and numbers of their classes."""

    @abstractmethod
    def synthesize(self, a: Tensor, draws: Draws) -> Tensor:
        """Rows (B, M) for the classifier, one for each description (B, K)."""

    def represent(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Rows (B, M) for the classifier from samples (B, D); without draws, their mean."""
        return x

    def class_scores(self, X: Tensor, table: Tensor) -> Tensor:
        """How near samples are to what is synthesised without noise: minus squared distances."""
        a = self.describe(table)
        rows = self.represent(X[:, 0].to(a.dtype)).float()
        return -torch.cdist(rows, self.synthesize(a, NoDraws(a)).float()).square()


def numbers_among(labels: NDArray[Any], classes: DescribedClasses) -> Tensor:
    """Give the place among some sorted labels of each class of a table, 0 of others."""
    number = np.zeros(len(classes.labels), dtype=np.int64)
    there = np.isin(labels, classes.labels)
    number[classes.targets(labels[there])] = np.flatnonzero(there)
    return torch.from_numpy(number)
