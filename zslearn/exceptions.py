"""Errors and warnings of zslearn that callers may want to catch by type."""

from typing import Any

__all__ = ["NonFiniteLossError", "TrainingInterruptedWarning", "UnreadableImagesError"]


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
