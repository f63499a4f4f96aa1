"""Data sets for zero-shot learning that need no download."""

from zslearn.datasets._digit_segments import load_digit_segments
from zslearn.datasets._field_guide import make_field_guide

__all__ = ["load_digit_segments", "make_field_guide"]
