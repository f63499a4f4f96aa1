"""Errors and warnings of zslearn that callers may want to catch by type."""

from typing import Any

__all__ = [
    "ClassDescriptionWarning",
    "ModelFileError",
    "NonFiniteLossError",
    "TrainingInterruptedWarning",
    "UnreadableImagesError",
]


class ClassDescriptionWarning(UserWarning):
    """A table of classes can be used, but describes them so that little can be learned from it.

    Classes cannot be told apart, one attribute outweighs all others, there is a single attribute or
    no table at all, or the labels look as if they were numbered otherwise than the rows.
    """


class ModelFileError(ValueError):
    """A file is no model that `zslearn.save` has written, or no longer is.

    The message names the file, what was found, and what to do.

    Attributes
    ----------
    path : str
        The file.
    found, remedy : str
        What was found in it, and what to do.
    """

    path: str
    found: str
    remedy: str

    def __init__(self, path: Any, found: str, remedy: str) -> None:
        super().__init__(f"{str(path)!r} {found}. {remedy}")
        self.path, self.found, self.remedy = str(path), found, remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.found, self.remedy)


class NonFiniteLossError(FloatingPointError):
    """Training met a loss or a weight that is NaN or infinite, and was stopped.

    The message names the term of the loss, the epoch and the batch.
    """


class TrainingInterruptedWarning(UserWarning):
    """Training was interrupted from the keyboard; the estimator has the weights reached so far."""


class UnreadableImagesError(ValueError, OSError):
    """Pictures are missing or cannot be decoded.

    The message lists the first hundred.

    Attributes
    ----------
    images : list of (row, image, reason)
        All of them: the row of each in what was to be read, its name where it has one, and why it
        cannot be read.
    """

    images: list[tuple[int, str | None, str]]

    def __init__(self, message: str, images: Any = ()) -> None:
        super().__init__(message)
        self.images = list(images)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.images)
