"""Fixtures shared by the tests."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data for development, beside the project; tests skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data beside the project (../shared/data)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def parity_cases(shared_data):
    """Inputs and outputs of the authors' released forward and losses, float64."""
    import numpy as np

    paths = sorted((shared_data / "parity").glob("cvsc_released_case*.npz"))
    if len(paths) != 3:
        pytest.skip("no parity data in ../shared/data/parity")
    return [dict(np.load(path)) for path in paths]
