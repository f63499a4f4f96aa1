"""Attribute names as word vectors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from zslearn._table_checks import quote_some
from zslearn.feature_extraction._attribute_names import (
    check_corrections,
    check_names,
    name_to_words,
    spellings,
)
from zslearn.feature_extraction._word_vector_files import first_words, read_word_vectors
from zslearn.feature_extraction._word_vector_sources import (
    encode_phrases,
    kind_of_source,
    look_up,
)

__all__ = ["WordVectors"]


class WordVectors(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    r"""Turn attribute names into vectors, with a file of word vectors or a sentence encoder.

    Attention over attributes asks a picture for each attribute by a vector of its name:
    ``"has_bill_shape::hooked_seabird"`` becomes the mean of the vectors of bill, shape, hooked and
    seabird. Of a file of gigabytes only the words that the names need are kept in memory.

    Parameters
    ----------
    source : path-like, mapping, callable or object with ``encode``
        Where the vectors come from:

        - a file of GloVe text, word2vec text (fastText's ``.vec`` too) or word2vec binary vectors,
          plain or compressed by gzip;
        - a mapping from word to vector: a dict, or gensim's KeyedVectors;
        - a sentence encoder: a callable from a list of K phrases to an array of shape (K, V), or an
          object whose ``encode`` is one, such as a SentenceTransformer. It gets the words of each
          name joined by spaces (``"bill shape hooked seabird"``); with ``tokenizer=lambda name:
          [name]`` it gets the names as they are.
    file_format : {"auto", "glove", "word2vec", "word2vec-binary"}, default="auto"
        Format of the file; ``"auto"`` finds it out from the contents. Used with files only.
    aggregate : {"mean", "sum"}, default="mean"
        How the vectors of a name's words become one. Published CUB, SUN and AWA2 attribute vectors
        are sums; the mean keeps long names from having long vectors. Words that are not found are
        left out. Not used with a sentence encoder.
    tokenizer : callable, default=None
        Returns the words of a name. ``None`` cuts at everything but letters, digits and inner
        hyphens and apostrophes, and where a small letter meets a capital; a leading "has" is left
        out.
    lowercase : bool, default=True
        Whether a word is looked up in lower case first and as written second, or the other way
        round. A sentence encoder gets its phrases in lower case.
    corrections : mapping of str to str or sequence of str, default=None
        Words to look up instead of a name or of one of its words, whatever their case, such as
        ``{"upperparts": "upper parts", "longneck": "long neck"}``. A correction to ``""`` leaves
        the word out.
    out_of_vocabulary : {"warn", "raise", "ignore"}, default="warn"
        What happens when words have no vector or names get a vector of zeros.
    dtype : {"float32", "float64"}, default="float32"
        Type of the result.

    Attributes
    ----------
    words_ : dict of str to tuple of str
        For each name, the words whose vectors were aggregated, as the source spells them; for a
        sentence encoder the words of its phrase.
    missing_words_ : dict of str to list of str
        Each word that was not found, with the names that hold it. Empty for a sentence encoder.
    zero_names_ : list of str
        Names with a vector of zeros, because no word of theirs was found.
    vectors_ : dict of str to ndarray of shape (`n_features_out_`,)
        Vectors read, by word as the source spells it; for a sentence encoder by phrase.
    n_features_out_ : int
        Number of dimensions V.

    See Also
    --------
    zslearn.ClassAttributes.with_word_vectors : Adds the vectors to a table of classes.

    Notes
    -----
    **Spelling.** A word is looked up in lower case, as written, capitalised and in capitals, in
    this order (with ``lowercase=False`` as written comes first); a word with hyphens next in the
    same way with underscores, and if none of these is found, in its parts. A word with digits is
    last looked up with ``#`` for each digit, as the Google News vectors write numbers. When a file
    holds a word twice, its first entry counts.

    **Zeros.** A name without a known word gets a vector of zeros. That has no direction, so there
    is nothing for an attention to ask a picture with (row 88 of the published vectors of SUN is
    such a one). Give a spelling that the vectors know in `corrections`.

    **Reading.** Files are read once, front to back, and no further than the last word that is
    looked for, unless a word is not found in its first spelling. Names that it was not fitted on
    make :meth:`transform` read again; what was read is kept. Numbers of other words are skipped
    unseen: damage among them goes unnoticed, a file that is cut off does not.

    **Cost.** Reading is bound by the disk or by decompression: words that are not needed are
    skipped without parsing their numbers.

    References
    ----------
    .. [1] J. Pennington, R. Socher, C. Manning, "GloVe: Global Vectors for Word Representation",
       EMNLP 2014.
    .. [2] T. Mikolov, I. Sutskever, K. Chen, G. Corrado, J. Dean, "Distributed Representations of
       Words and Phrases and their Compositionality", NeurIPS 2013.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from zslearn.feature_extraction import WordVectors
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "glove.txt"
    >>> _ = path.write_text("the 0 0\nbill 1 0\nhooked 0 1\nred 1 1\n")
    >>> vectors = WordVectors(path, out_of_vocabulary="ignore")
    >>> vectors.fit_transform(["has_bill_shape::hooked", "has_bill_color::red"])
    array([[0.5, 0.5],
           [1. , 0.5]], dtype=float32)
    >>> vectors.missing_words_
    {'shape': ['has_bill_shape::hooked'], 'color': ['has_bill_color::red']}
    >>> vectors.words_["has_bill_color::red"]
    ('bill', 'red')
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "source": "no_validation",  # type: ignore[dict-item]
        "file_format": [StrOptions({"auto", "glove", "word2vec", "word2vec-binary"})],
        "aggregate": [StrOptions({"mean", "sum"})],
        "tokenizer": [callable, None],
        "lowercase": ["boolean"],
        "corrections": [Mapping, None],
        "out_of_vocabulary": [StrOptions({"warn", "raise", "ignore"})],
        "dtype": [StrOptions({"float32", "float64"})],
    }

    def __init__(
        self,
        source: Any,
        *,
        file_format: str = "auto",
        aggregate: str = "mean",
        tokenizer: Callable[[str], Iterable[str]] | None = None,
        lowercase: bool = True,
        corrections: Mapping[str, str | Sequence[str]] | None = None,
        out_of_vocabulary: str = "warn",
        dtype: str = "float32",
    ):
        self.source = source
        self.file_format = file_format
        self.aggregate = aggregate
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.corrections = corrections
        self.out_of_vocabulary = out_of_vocabulary
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Iterable[str], y: Any = None) -> Self:
        """Read the vectors that the words of names need.

        Parameters
        ----------
        X : sequence of str
            Attribute names, such as ``class_attributes.attribute_names``.
        y : None
            Ignored.

        Returns
        -------
        self : WordVectors
            The fitted transformer.

        Raises
        ------
        FileNotFoundError
            If `source` is a path at which there is no file.
        TypeError
            If `source` is none of the kinds described, or a name is not a string.
        ValueError
            If the file is malformed, an encoder returns another shape than (K, V) or numbers that
            are not finite, or with ``out_of_vocabulary="raise"`` a word has no vector.
        """
        names = check_names(X, "X")
        self._looked_up: dict[str, str | None] = {}
        self.vectors_: dict[str, NDArray[Any]] = {}
        self._tokens: dict[str, list[str]] = {}
        self.n_features_out_ = 0
        self._learn(names)
        self.words_, self.missing_words_, self.zero_names_ = self._report(names)
        self._complain(self.missing_words_, self.zero_names_)
        return self

    def transform(self, X: Iterable[str]) -> NDArray[Any]:
        """Turn names into vectors.

        Parameters
        ----------
        X : sequence of str
            Attribute names; new ones are read from the source.

        Returns
        -------
        ndarray of shape (n_names, `n_features_out_`), float32 or float64
            A row for each name; zeros where no word of it is known.
        """
        check_is_fitted(self, "words_")
        names = check_names(X, "X")
        self._learn(names)
        words, missing, zero = self._report(names)
        is_new = {name for name in names if name not in self.words_}
        self._complain(
            {word: users for word, users in missing.items() if is_new.intersection(users)},
            [name for name in zero if name in is_new],
        )
        out = np.zeros((len(names), self.n_features_out_), dtype=self.dtype)
        encoded = kind_of_source(self.source) == "encoder"
        for row, name in zip(out, names, strict=True):
            keys: Sequence[str] = [self._phrase(name)] if encoded else words[name]
            if keys:
                stack = np.stack([self.vectors_[key] for key in keys])
                how = np.mean if self.aggregate == "mean" else np.sum
                with np.errstate(over="ignore"):  # an overflow becomes inf, refused here
                    row[:] = how(stack, axis=0, dtype=np.float64)
                if not np.isfinite(row).all():
                    raise ValueError(
                        f"the vector of {name!r} is too large for {self.dtype}: scale the vectors "
                        "of source, or use dtype='float64'."
                    )
        return out

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the dimensions.

        Parameters
        ----------
        input_features : None
            Ignored; attribute names have no features.

        Returns
        -------
        ndarray of shape (`n_features_out_`,), object
            ``"wordvectors0"`` and so on.
        """
        check_is_fitted(self, "words_")
        return np.array([f"wordvectors{k}" for k in range(self.n_features_out_)], dtype=object)

    def _learn(self, names: list[str]) -> None:
        """Read what these names need and is not known yet."""
        corrections = check_corrections(self.corrections)
        for name in names:
            if name not in self._tokens:
                self._tokens[name] = name_to_words(name, self.tokenizer, corrections)
        kind = kind_of_source(self.source)
        if kind == "encoder":
            phrases = dict.fromkeys(map(self._phrase, names))
            new = [phrase for phrase in phrases if phrase not in self.vectors_]
            if new:
                array = encode_phrases(self.source, new)
                self._check_dims(array.shape[1])
                self.vectors_.update(zip(new, array, strict=True))
            return
        words: dict[str, None] = {}
        for name in names:
            for word in self._tokens[name]:
                parts = [part for part in word.split("-") if part]
                words.update(dict.fromkeys([word, *parts]))
        choices = {
            word: spellings(word, self.lowercase) for word in words if word not in self._looked_up
        }
        if not choices and self.n_features_out_:
            return
        found = self._read(kind, choices)
        self.vectors_.update(found)
        for word, candidates in choices.items():
            self._looked_up[word] = next((c for c in candidates if c in self.vectors_), None)

    def _read(self, kind: str, choices: dict[str, list[str]]) -> dict[str, NDArray[Any]]:
        wanted = {spelling for candidates in choices.values() for spelling in candidates}
        if kind == "mapping":
            found, n_dims = look_up(self.source, sorted(wanted))
        else:
            first = {candidates[0] for candidates in choices.values()}
            found, n_dims = read_word_vectors(
                self.source, wanted, enough=first, file_format=self.file_format
            )
        if not (found or self.vectors_) and kind == "file":
            raise ValueError(
                f"{self.source} has no vector for any word of the names, such as "
                f"{quote_some(list(choices))}. Its first words are "
                f"{quote_some(first_words(self.source, self.file_format))}: is it in another "
                "language or spelling, or does it put something before each word?"
            )
        if not (n_dims or self.n_features_out_):
            raise ValueError(
                "source has no vector for any word of the names, such as "
                f"{quote_some(list(choices))}. Are its keys in another language or spelling?"
            )
        self._check_dims(n_dims or self.n_features_out_)
        return found

    def _check_dims(self, n_dims: int) -> None:
        if self.n_features_out_ not in (0, n_dims):
            raise ValueError(
                f"source now gives {n_dims} dimensions, it gave {self.n_features_out_} in fit."
            )
        self.n_features_out_ = n_dims

    def _phrase(self, name: str) -> str:
        phrase = " ".join(self._tokens[name]) or name
        return phrase.lower() if self.lowercase else phrase

    def _report(
        self, names: list[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, list[str]], list[str]]:
        """Words used and words missing of each name, and the names left with zeros."""
        used: dict[str, tuple[str, ...]] = {}
        missing: dict[str, list[str]] = {}
        zero = []
        encoded = kind_of_source(self.source) == "encoder"
        for name in dict.fromkeys(names):
            if encoded:
                used[name] = tuple(self._tokens[name])
                if not self.vectors_[self._phrase(name)].any():
                    zero.append(name)
                continue
            found = []
            for word in self._tokens[name]:
                whole = self._looked_up[word]
                parts = [word] if whole else [part for part in word.split("-") if part]
                for part in parts:
                    spelled = self._looked_up[part]
                    if spelled is not None:
                        found.append(spelled)
                    elif name not in missing.setdefault(part, []):
                        missing[part].append(name)
            used[name] = tuple(found)
            if not any(self.vectors_[word].any() for word in found):
                zero.append(name)
        return used, missing, zero

    def _complain(self, missing: dict[str, list[str]], zero: list[str]) -> None:
        if self.out_of_vocabulary == "ignore" or not (missing or zero):
            return
        lines = []
        if missing:
            n_names = len({name for users in missing.values() for name in users})
            lines.append(
                f"{len(missing)} word(s) of {n_names} name(s) have no vector in source and are "
                f"left out: {quote_some(list(missing), 10)}."
            )
        if zero:
            lines.append(
                f"{len(zero)} name(s) get a vector of zeros, which gives an attention no direction "
                f"to ask with, for want of known words: {quote_some(zero, 10)}."
            )
        lines.append("Name other words for them in corrections={...}.")
        if self.out_of_vocabulary == "raise":
            raise ValueError(" ".join(lines))
        warnings.warn(" ".join(lines), UserWarning, stacklevel=3)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
