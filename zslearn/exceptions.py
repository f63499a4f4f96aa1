"""Errors and warnings of zslearn that callers may want to catch by type."""

__all__ = ["NonFiniteLossError", "TrainingInterruptedWarning"]


class NonFiniteLossError(FloatingPointError):
    """Training met a loss or a weight that is NaN or infinite, and was stopped.

    The message names the term of the loss, the epoch and the batch.
    """


class TrainingInterruptedWarning(UserWarning):
    """Training was interrupted from the keyboard; the estimator has the weights reached so far."""
