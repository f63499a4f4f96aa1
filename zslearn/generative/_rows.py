"""Rows for the classifier at the end, of samples and of classes, of which any can be made again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zslearn._data._scaled_vectors import ScaledVectors
from zslearn._data._scaling import Scaling
from zslearn._data._vectors import mean_vectors
from zslearn._sample_weights import Samples
from zslearn._training._device import outside_autocast
from zslearn._training._net import LearnerNet
from zslearn._training._prediction import device_of
from zslearn.exceptions import NonFiniteLossError
from zslearn.generative._learner import Draws, FeatureGeneratingLearner

__all__ = ["GeneratedRows", "ScaledRows", "are_few", "check_finite", "represented"]

# Of rows made at a time, and of those that stand in memory whole rather than being made again.
_BLOCK_BYTES = 2**24
_WHOLE_BYTES = 2**27


class _KeptDraws:
    """Normal numbers for n rows, which a row gets again whenever it is made.

    They are drawn once, some rows after the others, and are narrow beside what is made of them.
    """

    def __init__(self, seed: int, device: torch.device, n: int, at_once: int) -> None:
        self.generator = torch.Generator(device).manual_seed(seed)
        self.n, self.at_once = n, at_once
        self.numbers: list[Tensor] = []

    def of(self, index: Tensor, dtype: torch.dtype) -> Draws:
        """Return the draws of some rows."""
        return _DrawsOfRows(self, index, dtype)


class _DrawsOfRows(Draws):
    """Those of some rows: what is drawn first, what second, and so on."""

    def __init__(self, kept: _KeptDraws, index: Tensor, dtype: torch.dtype) -> None:
        super().__init__(kept.generator, dtype)
        self._kept, self._index, self._calls = kept, index, 0

    def normal(self, *shape: int) -> Tensor:
        """Return the numbers of the rows."""
        kept = self._kept
        if self._calls == len(kept.numbers):
            starts = range(0, kept.n, kept.at_once)
            lengths = [min(kept.at_once, kept.n - start) for start in starts]
            draw = super().normal
            kept.numbers.append(torch.cat([draw(length, *shape[1:]) for length in lengths]))
        self._calls += 1
        return kept.numbers[self._calls - 1][self._index]


class GeneratedRows:
    """Rows of samples, and after them n of each class that is described.

    Parameters
    ----------
    net : LearnerNet
    scaling : Scaling
    samples : Samples or None
        Read from their X whenever a row is made.
    values : ndarray of shape (n_classes, n_attributes)
        Descriptions of classes, whose rows follow one class after the other.
    n : int
        Rows of each.
    seed : int or None
        Of the noise of generated rows; ``None`` takes that of the fit.
    """

    def __init__(
        self,
        net: LearnerNet,
        scaling: Scaling,
        samples: Samples | None,
        values: NDArray[np.float64],
        n: int,
        seed: int | None = None,
    ) -> None:
        self.net, self.scaling, self.samples, self.n = net, scaling, samples, n
        self.learner = cast(FeatureGeneratingLearner, net.module_)
        self.device = device = device_of(net)
        self.n_real = 0 if samples is None else len(samples.y)
        n_made = len(values) * n
        seed = net.noise_seed(-1) if seed is None else seed
        self._of_made = _KeptDraws(seed, device, n_made, n)
        self._of_real = _KeptDraws(net.noise_seed(-2), device, self.n_real, max(1, self.n_real))
        dtype = torch.float32 if device.type == "mps" else torch.float64
        with torch.no_grad():
            self.described = self.learner.describe(torch.tensor(values).to(device, dtype))
        self.shape = (self.n_real + n_made, self._width() if self.n_real + n_made else 0)

    @property
    def nbytes(self) -> int:
        """Bytes of all of them, in float32."""
        return 4 * self.shape[0] * self.shape[1]

    def make(self, index: Any) -> Tensor:
        """Make some rows (len(index), width), in any order, on the net's device."""
        index = np.asarray(index)
        order = np.argsort(index, kind="stable")
        ascending = index[order]
        n_real = int(np.searchsorted(ascending, self.n_real))
        self.learner.eval()
        with outside_autocast(), torch.no_grad():
            parts = list(self._represented(ascending[:n_real]))
            if n_real < len(index):
                made = torch.from_numpy(ascending[n_real:] - self.n_real).to(self.device)
                a = self.described[made // self.n]
                parts.append(self.learner.synthesize(a, self._of_made.of(made, a.dtype)))
            rows = torch.cat(parts)
            return rows[torch.from_numpy(np.argsort(order)).to(rows.device)]

    def whole(self) -> NDArray[np.float32]:
        """Make all rows, a block at a time."""
        rows = np.empty(self.shape, dtype=np.float32)
        for part in self._blocks():
            rows[part] = check_finite(self.make(part).float().cpu().numpy())
        return rows

    def for_batches(self) -> Any:
        """Return all rows where they are few, or what makes those of a batch."""
        return self.whole() if are_few(self) else self

    def _blocks(self) -> Iterator[NDArray[np.intp]]:
        """Numbers of rows, those of samples apart from generated ones."""
        size = max(1, _BLOCK_BYTES // (4 * max(1, self.shape[1])))
        for first, last in ((0, self.n_real), (self.n_real, self.shape[0])):
            for start in range(first, last, size):
                yield np.arange(start, min(start + size, last))

    def _represented(self, index: NDArray[np.intp]) -> Iterator[Tensor]:
        if self.samples is None or not len(index):
            return
        for place, vectors in mean_vectors(self.samples.X, self.samples.rows_of(index)):
            draws = self._of_real.of(torch.from_numpy(index[place]).to(self.device), torch.float32)
            yield represented(self.net, self.scaling(vectors), draws)

    def _width(self) -> int:
        return int(self.make([0]).shape[1])


class ScaledRows:
    """Scaled vectors of samples, read from their X whenever they are needed."""

    def __init__(self, samples: Samples, scaling: Scaling) -> None:
        self.samples = samples
        self.vectors = ScaledVectors(samples.X, scaling)
        self.shape = (len(samples.y), self.vectors.shape[1])
        self.nbytes = 4 * self.shape[0] * self.shape[1]

    def make(self, index: Any) -> Tensor:
        """Read some rows (len(index), D), in any order."""
        index = np.asarray(index)
        order = np.argsort(index, kind="stable")
        rows = self.vectors[self.samples.rows_of(index[order])]
        return torch.from_numpy(rows[np.argsort(order)])

    def whole(self) -> NDArray[np.float32]:
        """Read all rows."""
        return self.vectors[self.samples.rows_of(np.arange(self.shape[0]))]


def check_finite(values: NDArray[Any]) -> NDArray[Any]:
    """Return rows, or what was learned from them, if the training has not diverged."""
    if not np.isfinite(values).all():
        raise NonFiniteLossError(
            "the networks make rows for the classifier that are NaN or too large for float32: the "
            "training has diverged. Lower learning_rate, or set gradient_clip."
        )
    return values


def are_few(rows: GeneratedRows | ScaledRows) -> bool:
    """Whether rows may stand in memory where they could be made by the batch."""
    return rows.nbytes <= _WHOLE_BYTES


def represented(net: LearnerNet, vectors: NDArray[Any], draws: Draws | None = None) -> Tensor:
    """Rows of scaled vectors (B, D) as the classifier takes them: drawn, or their means."""
    device = device_of(net)
    learner: Any = net.module_.eval()
    wide = torch.float32 if device.type == "mps" else torch.float64
    with outside_autocast(), torch.no_grad():
        rows: Tensor = learner.represent(torch.from_numpy(vectors).to(device, wide), draws)
        return rows
