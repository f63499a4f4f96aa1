"""DUET in training's terms: pictures, words, and what both are compared by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from zslearn._training._learner import Batch
from zslearn.finetuning._attribute_pictures import AttributePictureLearner, vector_width
from zslearn.finetuning._attribute_words import AttributeWords
from zslearn.finetuning._duet_batches import Text, WordDraws
from zslearn.nn import CalibrationLoss, DUETHead
from zslearn.nn.functional import normalize_rows
from zslearn.nn.losses import (
    AttributeRegressionLoss,
    ClassContrastLoss,
    MaskedWordLoss,
    SeenCrossEntropyLoss,
    WordContrastLoss,
)

__all__ = ["DUETLearner"]

# How much a masked word counts to the share of it that the class has.
_OF_SHARE = 3.0


class DUETLearner(AttributePictureLearner):
    """Backbone, head, words and the losses.

    Parameters
    ----------
    n_features : int
    prompt : Tensor of shape (L, T) or None
        Hidden states that pictures attend to; None with a text encoder or without layers.
    text_encoder : Module or None
        Makes hidden states of words.
    words : AttributeWords or None
        With a text encoder.
    weights : dict of str to float
        Of the losses.
    loss_on : str
    temperature : float
    head : dict
        Options of DUETHead.
    **options
        Of AttributePictureLearner.
    """

    weighs_samples = False
    undivided_because = "its batches bring pictures and words that are drawn to compare with others"
    drawn: WordDraws | None = None
    head: DUETHead
    prompt: Tensor | None
    share: Tensor
    place: Tensor

    def __init__(
        self,
        n_features: int,
        prompt: Tensor | None,
        text_encoder: Any,
        words: AttributeWords | None,
        weights: dict[str, float],
        loss_on: Any,
        temperature: float,
        head: dict[str, Any],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        n_words = text_dim = None
        self.text_encoder: nn.Module | None = text_encoder
        if text_encoder is not None:
            n_words, text_dim = text_encoder.vocab_size, text_encoder.width
        elif prompt is not None:
            text_dim = prompt.shape[1]
        self.register_buffer("prompt", prompt)
        self.head = DUETHead(
            self.class_attributes.shape[1],
            vector_width(self.backbone),
            text_dim=text_dim,
            n_words=n_words,
            **head,
        )
        self.words, self.weights = words, weights
        self.stores = text_encoder is None and not weights["class_contrast"]
        seen = self.class_attributes[~self.unseen]
        self.register_buffer("share", (seen - seen.min()) / (seen.max() - seen.min() or 1.0), False)
        self.register_buffer("place", (~self.unseen).cumsum(0) - 1, False)
        self.loss, self.calibration = SeenCrossEntropyLoss(loss_on), CalibrationLoss(2.0)
        self.regression = AttributeRegressionLoss()
        self.word_loss, self.word_contrast = MaskedWordLoss(), WordContrastLoss()
        self.class_contrast = ClassContrastLoss(temperature)

    # -- scores --------------------------------------------------------------------------------

    def states_of_prompt(self) -> Tensor | None:
        """Hidden states (1, L, T) of the text that goes with every picture."""
        if self.text_encoder is not None and len(self.head.layers):
            assert self.words is not None
            return self._encode([self._ids(Text(self.words.prompt(), None))[0]])[0]
        return None if self.prompt is None else self.prompt[None]

    def attribute_scores(self, X: Tensor) -> Tensor:
        """Semantic vectors (B, K)."""
        return self.attribute_scorer(X.dtype)(X)

    def attribute_scorer(self, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Semantic vectors of many batches: the prompt is read once."""
        states = self.states_of_prompt()
        return lambda X: self.head.attribute_head(self.head.look(self.vectors(X), states))

    # -- a step --------------------------------------------------------------------------------

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the losses of a batch, masked or not."""
        vectors, n, drawn = self.vectors(batch.X), len(batch.y), self.drawn
        self.drawn = None
        more: dict[str, Tensor] = {}
        if drawn is not None and drawn.rows:
            images, more = self._masked(vectors, batch.y, drawn)
        else:
            images = self.head.look(vectors, self.states_of_prompt())
            if len(images) == 2 * n:
                more["class_contrast"] = self.class_contrast(images[:n], images[n:], batch.y)
        terms = self._class_terms(self.head.attribute_head(images[:n]), batch.y) | more
        parts = [self.weights[name] * term for name, term in terms.items()]
        return {"loss": torch.stack(parts).sum(), **terms}

    def _class_terms(self, semantics: Tensor, y: Tensor) -> dict[str, Tensor]:
        table = normalize_rows(self.class_attributes)
        scores = self.head.class_scores(semantics, table)
        terms = {"ce": self.loss(scores, y, self.unseen)}
        if self.weights["attribute"]:
            terms["attribute"] = self.regression(semantics, table[y])
        if self.weights["cal"] and bool(self.unseen.any()):
            terms["cal"] = self.calibration(scores, self.unseen)
        return terms

    def _masked(
        self, vectors: Tensor, y: Tensor, drawn: WordDraws
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Tokens of the pictures of a masked batch, and the losses of its words."""
        n, device = len(y), y.device
        rows = torch.tensor(drawn.rows, device=device)
        read = [self._ids(text) for text in drawn.texts]
        targets, _ = self._pad([ids for ids, _ in read])
        marked, _ = self._pad([mark for _, mark in read])
        ids = targets.masked_fill(marked.bool(), self._encoder().mask_id)
        padding = torch.arange(ids.shape[1], device=device) >= torch.tensor(
            [[len(ids)] for ids, _ in read], device=device
        )
        states = self._encoder()(ids, padding)
        words, images = self.head(vectors[rows], states, padding)
        # Pictures whose class has nothing to mask see the prompt, as in prediction.
        rest = self.head.look(vectors[:n], self.states_of_prompt())
        images = rest.index_copy(0, rows, images.to(rest.dtype))
        attributes = torch.tensor([word.attribute for word in drawn.words], device=device)
        share = self.share[self.place[y[rows]], attributes]
        assert self.head.words is not None
        terms = {
            "words": self.word_loss(
                self.head.words(words), targets, _OF_SHARE * share, tokens=~padding
            )
        }
        compared = [i for i, word in enumerate(drawn.words) if len(word.negatives)]
        if compared and self.weights["contrast"]:
            one = torch.tensor(compared, device=device)
            anchors = self.head.contrast_of(words[one], marked[one].bool())
            others = self._compared(vectors[n:], drawn.others).unflatten(0, (len(compared), -1))
            positives = torch.tensor([drawn.words[i].positive for i in compared], device=device)
            both = share[one].minimum(self.share[positives, attributes[one]])
            terms["contrast"] = self.word_contrast(anchors, others[:, 0], others[:, 1:], both)
        return images, terms

    def _compared(self, vectors: Tensor, texts: Sequence[Text]) -> Tensor:
        """Compute what the words of other pictures are compared by."""
        read = [self._ids(text) for text in texts]
        states, padding = self._encode([ids for ids, _ in read])
        words, _ = self.head(vectors, states, padding)
        return self.head.contrast_of(words, self._pad([mark for _, mark in read])[0].bool())

    # -- words ---------------------------------------------------------------------------------

    def _encoder(self) -> Any:
        return self.text_encoder

    def _ids(self, text: Text) -> tuple[list[int], list[int]]:
        """Pieces of the words of a text, and which are those of the word that is meant."""
        ids: list[int] = []
        marks: list[int] = []
        for place, word in enumerate(text.words):
            pieces = list(self._encoder().pieces(word))
            ids += pieces
            marks += [int(place == text.place)] * len(pieces)
        return ids, marks

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Rows of numbers filled up with zeros, and what is filled up."""
        device = self.unseen.device
        lengths = torch.tensor([[len(row)] for row in rows], device=device)
        filled = pad_sequence([torch.tensor(row, device=device) for row in rows], batch_first=True)
        return filled, torch.arange(filled.shape[1], device=device) >= lengths

    def _encode(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        ids, padding = self._pad(rows)
        return self._encoder()(ids, padding), padding
