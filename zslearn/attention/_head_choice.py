"""Which head suits the data: judged on held-out classes, by a network that was not given them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._data._score_scale import fit_score_scale
from zslearn.attention._prototype_head import FittedHead, PrototypeHead
from zslearn.metrics import ausuc_score

__all__ = ["HEADS", "HeadChoice", "Judgement"]

HEADS: dict[str, PrototypeHead | None] = {
    "prototypes": PrototypeHead(),
    "attributes": PrototypeHead(feature_weight=0.0),
    "features": PrototypeHead(attribute_weight=0.0),
    "own": None,
}
# By how much another head has to be better than the first, which needs no luck to be good.
_MARGIN = 0.02


@dataclass(frozen=True, eq=False)
class HeadChoice:
    """The head that was found best.

    Attributes
    ----------
    name : {"prototypes", "attributes", "features", "own"}
    areas : dict of str to float
        Area under the seen-unseen curve of the held-out samples, by head.
    sharpness : float
        How far scores of training samples spread over seen classes where they are log
        probabilities of samples the network was not given.
    """

    name: str
    areas: dict[str, float]
    sharpness: float

    @property
    def area(self) -> float:
        """Area by the head that was found best."""
        return self.areas[self.name]


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a network predicts of samples, scored by every head.

    Attributes
    ----------
    head : FittedHead
        With the factors of the default.
    values, embeddings : ndarray of shape (n_classes, n_attributes)
        Descriptions of the classes, and these as the network's own products take them.
    seen : ndarray of shape (n_classes,), bool
    """

    head: FittedHead
    values: NDArray[np.float64]
    embeddings: NDArray[np.floating]
    seen: NDArray[np.bool_]

    def scores(
        self, attributes: NDArray[np.floating], features: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        """Scores (n, C) by head."""
        by_attributes, by_features = (
            vectors.astype(np.float64) @ one.weights.T + one.offsets
            for vectors, one in zip(
                (attributes, features), self.head.weights(self.values), strict=True
            )
        )
        return {
            "prototypes": by_attributes + by_features,
            "attributes": by_attributes,
            "features": by_features,
            "own": attributes.astype(np.float64) @ self.embeddings.T.astype(np.float64),
        }

    def choose(
        self,
        labels: NDArray[Any],
        held_out: tuple[NDArray[np.floating], NDArray[np.floating]],
        y: NDArray[Any],
        trained: tuple[NDArray[np.floating], NDArray[np.floating]],
    ) -> HeadChoice:
        """Judge by samples held out and their labels; `trained` are some that were not."""
        scores = self.scores(*held_out)
        known = {"classes": labels, "seen_classes": labels[self.seen]}
        areas = {name: float(ausuc_score(y, own, **known)) for name, own in scores.items()}
        name = max(areas, key=lambda one: areas[one] + _MARGIN * (one == "prototypes"))
        rows = np.isin(y, labels[self.seen])
        targets = np.searchsorted(labels[self.seen], y[rows])
        scale = fit_score_scale(
            scores[name][rows][:, self.seen], targets, doubt=1 / (len(targets) + 2)
        )
        return HeadChoice(name, areas, scale * spread(self.scores(*trained)[name][:, self.seen]))


def spread(scores: NDArray[np.float64]) -> float:
    """How far scores of a sample deviate from their mean, over samples."""
    return float(np.sqrt(scores.var(axis=1).mean()))
