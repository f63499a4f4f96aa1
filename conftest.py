"""What pytest leaves alone, and what no test may leave behind, examples in docstrings included."""

import sys
from importlib.util import find_spec

import pytest

# A module that cannot be imported is an error; this one cannot where there is no Triton.
collect_ignore = [] if find_spec("triton") else ["zslearn/nn/_kernels/_triton.py"]


@pytest.fixture(autouse=True)
def _no_figure_stays():
    """Close all figures: matplotlib warns at the 21st, in whichever test opens it."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
