"""What tests of feature stores share."""

import joblib
import pytest


@pytest.fixture(scope="package")
def two_processes():
    """Workers with all imported from the start; joblib replaces those that grow later."""
    joblib.Parallel(2)(joblib.delayed(exec)("import zslearn.attention") for _ in range(2))
    return 2
