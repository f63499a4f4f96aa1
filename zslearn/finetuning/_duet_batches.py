"""Batches with further pictures: another one of each class, or those that masked words ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zslearn.finetuning._attribute_words import AttributeWords, MaskedWord
from zslearn.finetuning._pixel_rows import PixelBatches

__all__ = ["DUETBatches", "Text", "WordDraws"]


class Text(NamedTuple):
    """A description of a picture.

    Attributes
    ----------
    words : list of str
        Words and signs.
    place : int or None
        Which one is meant.
    """

    words: list[str]
    place: int | None


class WordDraws(NamedTuple):
    """What was drawn for a batch whose texts are masked.

    Attributes
    ----------
    rows : list of int
        Pictures of the batch that have an attribute to mask.
    words : list of MaskedWord
        What is masked, for each of these.
    texts : list of Text
        Their descriptions.
    others : list of Text
        For those with something to compare: texts of the positive picture and four negative ones,
        whose pictures follow those of the batch in this order.
    """

    rows: list[int]
    words: list[MaskedWord]
    texts: list[Text]
    others: list[Text]


class DUETBatches(PixelBatches):
    """Batches of pictures, with further ones behind those that have targets.

    Draws come from the seed, the epoch and the number of the batch alone. The learner is told of
    them before it is given the pictures.

    Parameters
    ----------
    *args, **options
        Of PixelBatches.
    learner : object
        Its attribute ``drawn`` is set.
    pairs : bool
        Whether another picture of each one's class follows.
    words : AttributeWords or None
        Tables to mask words by.
    mask_probability, attribute_drop : float
        How often the words of a batch are masked; how often an attribute is left out of a text.
    """

    def __init__(
        self,
        *args: Any,
        learner: Any,
        pairs: bool,
        words: AttributeWords | None,
        mask_probability: float,
        attribute_drop: float,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.learner, self.pairs, self.words = learner, pairs, words
        self.mask_probability, self.attribute_drop = mask_probability, attribute_drop
        self._plans: list[WordDraws | None] = []
        # Rows of targets are those of the table; of the words, places among the seen.
        self.seen, places = np.unique(self.targets, return_inverse=True)
        self.order = np.argsort(places, kind="stable")
        self.counts = np.bincount(places)
        self.starts = np.cumsum(self.counts) - self.counts
        self.places = places

    def rows_of_epoch(self) -> list[NDArray[np.intp]]:
        """Row numbers of each batch, and of the pictures behind it."""
        batches, self._plans = super().rows_of_epoch(), []
        self._sizes = [len(rows) for rows in batches]
        result = []
        for number, rows in enumerate(batches):
            rng = np.random.default_rng([self.seed, self.epoch, number])
            masked = self.words is not None and rng.random() < self.mask_probability
            draws, further = None, np.empty(0, dtype=np.intp)
            if masked:
                draws, classes = self._draw_words(rows, rng)
                further = self._some_of(classes, rng)
            elif self.pairs and len(rows) > 1:
                further = self._some_of(self.places[rows], rng, other_than=rows)
            self._plans.append(draws)
            result.append(np.concatenate([rows, further]))
        return result

    def batches(self, space: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Iterate over the epoch; targets are those of the batch alone."""
        for number, (X, y, *rest) in enumerate(super().batches(space)):
            self.learner.drawn = self._plans[number]
            yield X, y[: self._sizes[number]], *rest

    def _some_of(
        self,
        classes: NDArray[np.intp],
        rng: np.random.Generator,
        other_than: NDArray[np.intp] | None = None,
    ) -> NDArray[np.intp]:
        """Draw a row of each of some classes, another one where there is."""
        picked = rng.integers(0, self.counts[classes])
        rows: NDArray[np.intp] = self.order[self.starts[classes] + picked]
        if other_than is not None:
            next_one = self.order[self.starts[classes] + (picked + 1) % self.counts[classes]]
            rows = np.where(rows == other_than, next_one, rows)
        return rows

    def _draw_words(
        self, rows: NDArray[np.intp], rng: np.random.Generator
    ) -> tuple[WordDraws, NDArray[np.intp]]:
        assert self.words is not None
        drawn = WordDraws([], [], [], [])
        classes: list[int] = []
        for row, c in enumerate(self.places[rows].tolist()):
            word = self.words.draw(c, rng)
            if word is None:
                continue
            drawn.rows.append(row)
            drawn.words.append(word)
            drawn.texts.append(self._text(c, word.attribute, rng))
            if len(word.negatives):
                against = zip(word.negatives, word.negative_attributes, strict=True)
                pairs = [(word.positive, word.attribute), *against]
                drawn.others.extend(self._text(int(o), int(k), rng) for o, k in pairs)
                classes.extend(int(other) for other, _ in pairs)
        return drawn, np.array(classes, dtype=np.intp)

    def _text(self, c: int, k: int, rng: np.random.Generator) -> Text:
        assert self.words is not None
        return Text(*self.words.text(self.words.kept(c, self.attribute_drop, rng, keep=k), k))
