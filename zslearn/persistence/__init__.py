"""Fitted estimators in files of numbers and text: nothing in them is run when they are read."""

from zslearn.persistence._save_load import load, save
from zslearn.persistence._saved_types import register_saved_type

__all__ = ["load", "register_saved_type", "save"]
