"""Products, softmax and normalising in C, built where a compiler is and loaded where it helps."""

from zslearn.nn._native._library import Argument, Library, Prepared, is_allowed, library, why_not

__all__ = ["Argument", "Library", "Prepared", "is_allowed", "library", "why_not"]
