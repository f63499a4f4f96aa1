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
def parity_cases():
    """Inputs and outputs of the authors' released forward and losses, float64."""
    import numpy as np

    folder = Path(__file__).parent / "data" / "parity"
    return [dict(np.load(folder / f"cvsc_released_case{n}.npz")) for n in range(3)]
