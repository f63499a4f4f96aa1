import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def toy():
    """The module of small estimators, which registers them."""
    if "toy" not in sys.modules:
        spec = importlib.util.spec_from_file_location("toy", FOLDER / "toy.py")
        sys.modules["toy"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.register()
    return sys.modules["toy"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"
