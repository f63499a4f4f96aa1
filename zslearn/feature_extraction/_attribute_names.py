"""Attribute names as people write them, cut into words a vocabulary may know."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from zslearn._table_checks import quote_some

Tokenizer = Callable[[str], Iterable[str]]
Corrections = Mapping[str, "str | Sequence[str]"]

# Letters and digits; hyphens and apostrophes inside a word stay, and so does a decimal point.
_WORD = re.compile(r"\d+\.\d+|[^\W_]+(?:[-'’][^\W_]+)*")
# They join or part letters inside of words of Persian, Hindi and others.
_JOINERS = "\u200c\u200d"


def split_attribute_name(name: str) -> list[str]:
    """Cut an attribute name into words; a leading "has" says nothing and is left out."""
    name = composed(name)
    apart = "".join(
        f" {letter}" if letter.isupper() and before.islower() else letter
        for before, letter in zip(f" {name}", name, strict=False)
    )
    # Marks that combine with a letter belong to its word, but are no letters to the pattern.
    letters = "".join("x" if _continues_word(letter) else letter for letter in apart)
    words = [apart[slice(*found.span())].strip(_JOINERS) for found in _WORD.finditer(letters)]
    words = [word for word in words if any(map(str.isalnum, word))]
    if len(words) > 1 and words[0].lower() == "has":
        del words[0]
    return words


def composed(name: str) -> str:
    """Return a name in composed Unicode, without characters that show nothing."""
    return "".join(
        letter
        for letter in unicodedata.normalize("NFC", name)
        if letter in _JOINERS or unicodedata.category(letter) != "Cf"
    )


def _continues_word(letter: str) -> bool:
    return letter in _JOINERS or unicodedata.category(letter)[0] == "M"


def check_names(names: Any, argument: str = "names") -> list[str]:
    """Return the names as a list of str."""
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise TypeError(
            f"{argument} must be a sequence of attribute names, such as "
            f"class_attributes.attribute_names; found {type(names).__name__}."
        )
    listed = list(names)
    wrong = [name for name in listed if not isinstance(name, str)]
    if wrong:
        raise TypeError(f"{argument} must hold strings, found {quote_some(wrong)}.")
    if not listed:
        raise ValueError(f"{argument} is empty: there is no attribute name to look up.")
    return [str(name) for name in listed]


def check_corrections(corrections: Any) -> dict[str, str | Sequence[str]]:
    """Return corrections as a dict from lower-case word or name."""
    if corrections is None:
        return {}
    if not isinstance(corrections, Mapping):
        raise TypeError(
            "corrections must map a name or a word to the words to look up instead, such as "
            f"{{'upperparts': 'upper parts'}}; found {type(corrections).__name__}."
        )
    for key, value in corrections.items():
        words = [value] if isinstance(value, str) else value
        if not isinstance(key, str) or not all(isinstance(word, str) for word in words):
            raise TypeError(f"corrections must hold strings, found {key!r}: {value!r}.")
    return {composed(key).lower(): value for key, value in corrections.items()}


def name_to_words(
    name: str, tokenizer: Tokenizer | None, corrections: Mapping[str, str | Sequence[str]]
) -> list[str]:
    """Words of a name after corrections, which apply once: to the name, its words, and their parts.

    A correction of a hyphenated word as a whole comes before those of its parts.
    """
    whole = composed(name).lower()
    if whole in corrections:
        return _as_words(corrections[whole])
    words = split_attribute_name(name) if tokenizer is None else tokenizer(name)
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise TypeError(
            f"tokenizer must return a list of words, found {words!r} for the name {name!r}."
        )
    corrected: list[str] = []
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"tokenizer must return words, found {word!r} for the name {name!r}.")
        word = unicodedata.normalize("NFC", word)
        parts = word.split("-")
        if word.lower() in corrections:
            corrected += _as_words(corrections[word.lower()])
        elif any(part.lower() in corrections for part in parts):
            for part in parts:
                corrected += _as_words(corrections.get(part.lower(), [part] if part else []))
        else:
            corrected.append(word)
    return [word for word in corrected if word]


def _as_words(words: str | Sequence[str]) -> list[str]:
    return words.split() if isinstance(words, str) else list(words)


def spellings(word: str, lowercase: bool) -> list[str]:
    """How a vocabulary may spell a word, best first.

    As written and in lower case (in the order that `lowercase` says), capitalised, in capitals;
    then the same with underscores for hyphens; then with ``#`` for each digit; all of them in
    composed and last in decomposed Unicode, with and without what joins letters invisibly.
    """
    cases = [word.lower(), word] if lowercase else [word, word.lower()]
    cases += [word.capitalize(), word.upper()]
    if "-" in word:
        cases += [case.replace("-", "_") for case in cases]
    if any(letter.isdigit() for letter in word):
        cases += [re.sub(r"\d", "#", case) for case in cases]
    if any(joiner in word for joiner in _JOINERS):
        cases += [re.sub(f"[{_JOINERS}]", "", case) for case in cases]
    if not word.isascii():
        cases += [unicodedata.normalize(form, case) for form in ("NFC", "NFD") for case in cases]
    return list(dict.fromkeys(cases))
