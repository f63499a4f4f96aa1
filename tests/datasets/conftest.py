"""Fixtures shared by the tests of data sets."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def layouts():
    """The writers of official distributions in miniature."""
    path = Path(__file__).with_name("official_layouts.py")
    spec = importlib.util.spec_from_file_location("official_layouts", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
