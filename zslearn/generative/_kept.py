"""Training samples that are kept, for tables that come later and fits that go on."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._data._vectors import mean_vectors
from zslearn._sample_weights import Samples
from zslearn._table_checks import quote_some
from zslearn.attributes import ClassAttributes
from zslearn.exceptions import ClassDescriptionWarning

__all__ = ["described_alike", "in_memory", "tell_of_generated", "together"]


def in_memory(samples: Samples) -> Samples:
    """Return samples with vectors of their own, in float32."""
    vectors = np.empty((len(samples.y), samples.X.shape[-1]), dtype=np.float32)
    for place, means in mean_vectors(samples.X, samples.rows):
        vectors[place] = means
    return Samples(vectors, samples.y, None, samples.weights)


def together(samples: Samples, others: Samples) -> Samples:
    """Return samples in memory, and others behind them."""
    vectors = np.concatenate([samples.X, others.X[others.rows_of(np.arange(len(others.y)))]])
    weights = None
    if samples.weights is not None or others.weights is not None:
        parts = (samples, others)
        weights = np.concatenate(
            [np.ones(len(p.y)) if p.weights is None else p.weights for p in parts]
        )
    return Samples(vectors, np.concatenate([samples.y, others.y]), None, weights)


def described_alike(
    kept: Samples, described: ClassAttributes, table: ClassAttributes
) -> Samples | None:
    """Return the samples of the classes that two tables describe alike, if there are any."""
    alike = [
        label
        for label in np.intersect1d(table.labels, described.labels)
        if np.array_equal(
            table.values[table.index_of([label])], described.values[described.index_of([label])]
        )
    ]
    index = np.flatnonzero(np.isin(kept.y, alike))
    return kept.part(index) if len(index) else None


def tell_of_generated(seen: NDArray[Any], samples: Samples | None, kept: bool) -> None:
    """Warn of seen classes that a table knows from generated rows alone."""
    generated = seen if samples is None else np.setdiff1d(seen, samples.y)
    if not len(generated):
        return
    reason = (
        "they are described otherwise than at fit"
        if kept
        else "their samples were not kept: fit with keep_features=True"
    )
    warnings.warn(
        f"class_attributes is another table than that of fit, and {len(generated)} seen class(es), "
        f"such as {quote_some(generated)}, are known by generated rows in it, as {reason}. They "
        "will be recognised less well, and a delta chosen before no longer fits.",
        ClassDescriptionWarning,
        stacklevel=4,
    )
